package stanch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plan is what would be changed. Without actions there is nothing to do.
type Plan struct {
	// Summary is one sentence.
	Summary string
	// Actions are what would be done, in order.
	Actions []*Action
	// Data is what Apply, Verify and later steps can read; nil stands for the zero value of the plugin's data. It is not part of
	// what is decided on.
	Data any
	// Population are the things like those acted on, for limits given as a share (PopulationOf). The host counts them.
	Population string
}

// Planf makes a plan that does nothing yet.
func Planf(format string, values ...any) *Plan { return &Plan{Summary: fmt.Sprintf(format, values...)} }

// Do adds actions.
func (p *Plan) Do(actions ...*Action) *Plan {
	p.Actions = append(p.Actions, actions...)
	return p
}

// WithData adds what Apply, Verify and later steps can read.
func (p *Plan) WithData(data any) *Plan {
	p.Data = data
	return p
}

// PopulationOf is how a plan names the things like those acted on: every target of the plan has to be one of them.
func PopulationOf(kind Kind, namespace, labels string) string {
	return kind.collection(namespace) + "?" + labels
}

// Action is one change, in the contract's words. The host compares each changing call with the plan, so an action is made of
// the very request, files or object that CarryOut acts on. What the words cannot hold travels in Extra, which the engine hands
// back untouched.
type Action struct {
	Verb    string
	Target  string
	Expect  string
	Content string
	Items   []string
	Reason  string
	Extra   Extra

	err error
}

// Extra is what the words of an action cannot hold.
type Extra struct {
	Text       *string `json:"text,omitempty"`
	Hex        string  `json:"hex,omitempty"`
	Bytes      []int64 `json:"bytes,omitempty"`
	APIVersion string  `json:"apiVersion,omitempty"`
	Kind       string  `json:"kind,omitempty"`
}

// Err is what is wrong with the action, where it could not be made.
func (a *Action) Err() error { return a.err }

// Send sends this request. Of its headers only the content type is part of the plan.
func Send(r *Request) *Action {
	action := &Action{Verb: r.Method, Target: r.URL, err: r.err}
	if len(r.Body) == 0 {
		if r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
			action.Content = "{}"
		}
		return action
	}
	content := map[string]any{}
	kind := ""
	for _, header := range r.Headers {
		if header.Name == "content-type" {
			kind = header.Value
			content["contentType"] = kind
		}
	}
	if isJSON(kind) && json.Valid(r.Body) {
		content["body"] = json.RawMessage(r.Body)
	} else {
		content["body"] = digest(r.Body)
		action.keep(r.Body)
	}
	action.say(content)
	return action
}

// PutAction is PUT with this value as JSON.
func PutAction[U ~string](url U, body any) *Action { return Send(Put(url).JSON(body)) }

// PostAction is POST with this value as JSON.
func PostAction[U ~string](url U, body any) *Action { return Send(Post(url).JSON(body)) }

// PatchAction is PATCH with this value as JSON.
func PatchAction[U ~string](url U, body any) *Action { return Send(Patch(url).JSON(body)) }

// DeleteAction is DELETE.
func DeleteAction[U ~string](url U) *Action { return Send(Delete(url)) }

// RemoveAction removes these files of a folder (at any depth below it), each only if it is still the one that was seen.
func RemoveAction(folder string, entries []Entry) *Action {
	action := &Action{Verb: "remove", Target: "file:" + strings.TrimRight(folder, "/")}
	for _, entry := range entries {
		action.Items = append(action.Items, entry.item())
		action.Extra.Bytes = append(action.Extra.Bytes, entry.Bytes)
	}
	return action
}

// WriteAction writes a file.
func WriteAction(path string, content []byte) *Action {
	action := &Action{Verb: "write", Target: "file:" + strings.TrimRight(path, "/"), Content: digest(content)}
	action.keep(content)
	return action
}

// EvictAction evicts this pod, and no other of its name, as far as its PodDisruptionBudgets allow.
func EvictAction(pod *Object) *Action { return onObject(pod.Named(), "evict", nil).ExpectUID(pod) }

// DeleteObjectAction deletes this object, and no other of its name.
func DeleteObjectAction(what *Object) *Action {
	return onObject(what.Named(), "delete", nil).ExpectUID(what)
}

// ScaleAction sets the number of replicas of this object.
func ScaleAction(what *Object, replicas uint32) *Action {
	return onObject(what.Named(), "scale", Content{Replicas: &replicas}).ExpectUID(what)
}

// PatchObjectAction patches this object, in the state that it was read in: "merge", "strategic", "json" or "apply".
func PatchObjectAction(what *Object, kind string, body any) *Action {
	return onObject(what.Named(), "patch", map[string]any{"kind": kind, "body": body}).ExpectVersion(what)
}

// CreateObjectAction creates an object with this body.
func CreateObjectAction(what Named, body any) *Action {
	return onObject(what, "create", map[string]any{"body": body})
}

// GraceSeconds gives what is deleted or evicted so long to shut down; 0 does not wait for its node.
func (a *Action) GraceSeconds(seconds uint32) *Action {
	a.say(Content{GraceSeconds: &seconds})
	return a
}

func onObject(what Named, verb string, content any) *Action {
	action := &Action{Verb: verb, Target: what.Target()}
	action.Extra = Extra{APIVersion: what.Kind.APIVersion, Kind: what.Kind.Name}
	if content != nil {
		action.say(content)
	}
	return action
}

// ExpectETag: only if the target's entity tag is still this one; the host sends it as If-Match.
func (a *Action) ExpectETag(etag string) *Action { return a.expect("etag:" + etag) }

// ExpectModifiedMs: only if the file was last changed then.
func (a *Action) ExpectModifiedMs(ms int64) *Action {
	return a.expect(fmt.Sprintf("modified-ms:%d", ms))
}

// ExpectUID: only if it is still this object.
func (a *Action) ExpectUID(what *Object) *Action { return a.expect("uid:" + what.UID()) }

// ExpectVersion: only if nothing of the object has changed since.
func (a *Action) ExpectVersion(what *Object) *Action { return a.expect("version:" + what.Version()) }

// Because says why, for the person who decides.
func (a *Action) Because(format string, values ...any) *Action {
	a.Reason = fmt.Sprintf(format, values...)
	return a
}

func (a *Action) expect(what string) *Action {
	a.Expect = what
	return a
}

// URL is the URL, where the action is a request; else empty.
func (a *Action) URL() string {
	if strings.Contains(a.Target, "://") {
		return a.Target
	}
	return ""
}

// Object is the object, where the action is on one.
func (a *Action) Object() (Named, bool) {
	parts := strings.SplitN(strings.TrimPrefix(a.Target, "kubernetes:"), "/", 4)
	if !strings.HasPrefix(a.Target, "kubernetes:") || len(parts) < 4 || a.Extra.Kind == "" {
		return Named{}, false
	}
	namespace := parts[0]
	if namespace == "_" {
		namespace = ""
	}
	return Kind{a.Extra.APIVersion, a.Extra.Kind, parts[2]}.Named(namespace, parts[3]), true
}

// Body is what the action sends or writes, and its content type.
func (a *Action) Body() (body []byte, contentType string, err error) {
	var content struct {
		ContentType string          `json:"contentType"`
		Body        json.RawMessage `json:"body"`
	}
	if a.Verb != "write" && a.Content != "" {
		if err := json.Unmarshal([]byte(a.Content), &content); err != nil {
			return nil, "", During(err, "the plan's content")
		}
	}
	switch {
	case a.Extra.Text != nil:
		return []byte(*a.Extra.Text), content.ContentType, nil
	case a.Extra.Hex != "":
		body, err := hex.DecodeString(a.Extra.Hex)
		return body, content.ContentType, err
	}
	return content.Body, content.ContentType, nil
}

// Removes are the files that would be removed; none where the action is another.
func (a *Action) Removes() ([]Entry, error) {
	var entries []Entry
	for index, item := range a.Items {
		at := strings.LastIndexByte(item, '@')
		modified, err := strconv.ParseInt(item[at+1:], 10, 64)
		if at < 1 || err != nil {
			return nil, Failuref(Failed, "an item of the plan is no `PATH@MODIFIED-MS`: %s", item)
		}
		entry := Entry{Path: item[:at], Kind: "file", ModifiedMs: modified}
		if index < len(a.Extra.Bytes) {
			entry.Bytes = a.Extra.Bytes[index]
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (a *Action) say(content any) {
	text, err := json.Marshal(content)
	if err != nil {
		a.err = During(err, "the content of `%s %s`", a.Verb, a.Target)
	}
	a.Content = string(text)
}

func (a *Action) keep(content []byte) {
	if utf8.Valid(content) {
		text := string(content)
		a.Extra.Text = &text
	} else {
		a.Extra.Hex = hex.EncodeToString(content)
	}
}

func isJSON(contentType string) bool {
	essence, _, _ := strings.Cut(contentType, ";")
	essence = strings.ToLower(strings.TrimSpace(essence))
	return essence == "application/json" || strings.HasSuffix(essence, "+json")
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
