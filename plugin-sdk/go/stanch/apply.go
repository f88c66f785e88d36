package stanch

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Answer is what one action came to.
type Answer struct {
	Action *Action
	// Said is one sentence for people.
	Said string
	// Value is a *Response, a Removed, an *Object, or nil.
	Value any
}

// CarryOut carries each action of the plan out, in order, each request with its idempotency key. The first error ends it; what
// was done until then the host knows.
func CarryOut(ctx *Context, plan *Plan) ([]Answer, error) {
	answers := make([]Answer, 0, len(plan.Actions))
	for index, action := range plan.Actions {
		answer, err := Perform(action, ctx.KeyOf(index, len(plan.Actions)))
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// Perform carries one action out.
func Perform(action *Action, key string) (Answer, error) {
	if path, ok := strings.CutPrefix(action.Target, "file:"); ok {
		return onFiles(action, path)
	}
	if named, ok := action.Object(); ok {
		var content Content
		if action.Content != "" {
			if err := json.Unmarshal([]byte(action.Content), &content); err != nil {
				return Answer{}, During(err, "the plan's content")
			}
		}
		object, err := change(named, action.Verb, content)
		done := map[string]string{
			"delete": "Deleted", "evict": "Evicted", "patch": "Patched", "create": "Created", "scale": "Scaled",
		}
		return Answer{action, fmt.Sprintf("%s %s", done[action.Verb], named), object}, err
	}
	if action.URL() != "" {
		return send(action, key)
	}
	return Answer{}, Failuref(Failed, "The kit does not know how to `%s` `%s`", action.Verb, action.Target)
}

func send(action *Action, key string) (Answer, error) {
	what := action.Verb + " " + action.Target
	body, contentType, err := action.Body()
	if err != nil {
		return Answer{}, During(err, "%s", what)
	}
	request := NewRequest(action.Verb, action.Target)
	request.Body = body
	if contentType != "" {
		request.Header("content-type", contentType)
	}
	response, err := request.Header("idempotency-key", key).Send()
	if err != nil {
		return Answer{}, During(err, "%s", what)
	}
	gone := action.Verb == "DELETE" && (response.Status == 404 || response.Status == 410)
	if !gone {
		if err := response.OK(); err != nil {
			return Answer{}, During(err, "%s", what)
		}
	}
	return Answer{action, fmt.Sprintf("%s answered %d", what, response.Status), response}, nil
}

func onFiles(action *Action, path string) (Answer, error) {
	switch action.Verb {
	case "write":
		body, _, err := action.Body()
		if err == nil {
			err = WriteFile(path, body)
		}
		return Answer{action, fmt.Sprintf("Wrote `%s`", path), nil}, During(err, "writing `%s`", path)
	case "remove":
		entries, err := action.Removes()
		if err != nil {
			return Answer{}, err
		}
		gone, err := RemoveFiles(path, entries)
		if err != nil {
			return Answer{}, During(err, "removing files of `%s`", path)
		}
		if len(gone.Paths) == 0 && len(gone.Refused) > 0 {
			return Answer{}, Failuref(Conflict, "None of the %d files of `%s` is still what was planned", len(entries), path)
		}
		said := fmt.Sprintf("Removed %d files, %d bytes", len(gone.Paths), gone.Bytes)
		if len(gone.Refused) > 0 {
			said += fmt.Sprintf("; left %d that are no longer what was seen", len(gone.Refused))
		}
		return Answer{action, said, gone}, nil
	}
	return Answer{}, Failuref(Failed, "The kit does not know how to `%s` a file", action.Verb)
}
