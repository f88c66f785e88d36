// `http-probe`: does a URL answer as it should?
//
// A probe is about the way to the server, too: a refused connection, a timeout and a wrong answer are a no. What keeps the
// probe itself from looking (the gate refuses, an answer over the size limit) is unknown.
package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/stanch/stanch/plugin-sdk/go/diagnosis"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

type params struct {
	URL    stanch.URL    `json:"url" doc:"What to ask."`
	Status statuses      `json:"status" default:"2xx" doc:"What the status must be: a number, a class such as \"2xx\", or a list of them."`
	Within *stanch.Span  `json:"within" doc:"The longest that an answer may take."`
	Body   *stanch.Regex `json:"body" doc:"What the body must contain somewhere, as a regular expression."`
	Method string        `json:"method" default:"GET" schema:"{\"enum\":[\"GET\",\"HEAD\"]}" doc:"GET or HEAD."`
	Tries  int           `json:"tries" default:"3" schema:"{\"minimum\":1,\"maximum\":20}" doc:"How often to ask."`
	Passes *int          `json:"passes" schema:"{\"minimum\":1,\"maximum\":20}" doc:"How many of the tries must pass; all, where it is not said."`
	Every  stanch.Span   `json:"every" default:"1s" doc:"How long to wait between tries."`
}

// What the tries came to.
type data struct {
	Tries     int    `json:"tries" doc:"How many tries were made."`
	Passed    int    `json:"passed" doc:"How many passed."`
	Status    *int   `json:"status" doc:"The last status; none where nothing answered."`
	SlowestMs *int64 `json:"slowest_ms" doc:"The slowest answer, in milliseconds."`
}

func init() {
	diagnosis.Register(stanch.About{
		Name:    "http-probe",
		Version: "0.1.0",
		Summary: "Asks a URL several times and judges status, time and body",
		Asks:    stanch.Asks{HTTP: []stanch.AskHTTP{{URL: "https://shop.example/health", Read: []string{"GET", "HEAD"}}}},
	}, data{}, diagnose)
}

func main() {}

func diagnose(_ *stanch.Context, params params) (*stanch.Finding, error) {
	need := params.Tries
	if params.Passes != nil {
		need = *params.Passes
	}
	if need < 1 || need > params.Tries {
		return nil, stanch.Failuref(stanch.InvalidParams,
			"`passes` is %d, and must be from 1 to `tries`, which is %d", need, params.Tries)
	}
	var body *regexp.Regexp
	if params.Body != nil {
		var err error
		if body, err = regexp.Compile(string(*params.Body)); err != nil {
			return nil, stanch.Failuref(stanch.InvalidParams, "`body` is not a regular expression: %v", err)
		}
	}
	var (
		seen     data
		evidence []stanch.Evidence
		times    []stanch.Point
		wrong    string
	)
	for index := range params.Tries {
		// Another try that could not end in time would turn a no into a timeout.
		if index > 0 && (stanch.IsCancelled() || stanch.Remaining() < 2*params.Every.Duration) {
			break
		}
		if index > 0 {
			stanch.Sleep(params.Every.Duration)
		}
		started := stanch.Now()
		seen.Tries++
		label := fmt.Sprintf("Try %d", seen.Tries)
		status, why, err := ask(params, body)
		switch code := stanch.CodeOf(err); {
		case err == nil && why == "":
			seen.Status = &status
			seen.Passed++
			evidence = append(evidence, stanch.Seen(label, status))
		case err == nil:
			seen.Status = &status
			wrong = why
			evidence = append(evidence, stanch.Seen(label, why))
		case code == stanch.Unavailable || code == stanch.Timeout:
			wrong = err.Error()
			evidence = append(evidence, stanch.Seen(label, err))
		default:
			return stanch.Found(stanch.Unknown, "`%s` could not be probed: %v", params.URL, err).WithData(seen), nil
		}
		took := stanch.Now().Sub(started).Milliseconds()
		if seen.SlowestMs == nil || took > *seen.SlowestMs {
			seen.SlowestMs = &took
		}
		times = append(times, stanch.Point{At: started, Value: float64(took)})
		if seen.Passed >= need || seen.Passed+params.Tries-seen.Tries < need {
			break
		}
	}
	evidence = append(evidence, stanch.Curve("Time to answer", "ms", string(params.URL), times))
	return judge(params, seen, need, wrong).With(evidence...).WithData(seen), nil
}

func judge(params params, seen data, need int, wrong string) *stanch.Finding {
	switch {
	case seen.Passed >= need:
		return stanch.Found(stanch.Yes, "`%s` answers as it should (%d of %d tries)", params.URL, seen.Passed, seen.Tries)
	case seen.Passed+params.Tries-seen.Tries < need:
		return stanch.Found(stanch.No, "`%s` passed %d of %d tries: %s", params.URL, seen.Passed, seen.Tries, wrong)
	}
	return stanch.Found(stanch.Unknown, "Time was over after %d of %d tries of `%s`", seen.Tries, params.Tries, params.URL)
}

// ask gives the status that came, and what is wrong with the answer.
func ask(params params, body *regexp.Regexp) (status int, wrong string, err error) {
	request := stanch.NewRequest(params.Method, params.URL)
	if params.Within != nil {
		request.Within(params.Within.Duration)
	}
	started := stanch.Now()
	answer, err := request.Send()
	if err != nil {
		return 0, "", err
	}
	took := stanch.Now().Sub(started)
	switch {
	case !params.Status.match(answer.Status):
		return answer.Status, fmt.Sprintf("answered %d", answer.Status), nil
	case params.Within != nil && took > params.Within.Duration:
		return answer.Status, fmt.Sprintf("took %dms, more than %s", took.Milliseconds(), params.Within), nil
	case body != nil && !body.Match(answer.Body):
		return answer.Status, fmt.Sprintf("the body does not contain `%s`", body), nil
	}
	return answer.Status, "", nil
}

// statuses is a status (204), a class ("2xx"), or a list of them.
type statuses []string

func (statuses) JSONSchema() map[string]any {
	number := map[string]any{"type": "integer", "minimum": 100, "maximum": 599}
	class := map[string]any{"type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2})$"}
	one := map[string]any{"anyOf": []any{number, class}}
	return map[string]any{"anyOf": []any{number, class, map[string]any{"type": "array", "items": one}}}
}

func (s *statuses) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	*s = nil
	for _, one := range list {
		*s = append(*s, fmt.Sprint(one))
	}
	return nil
}

func (s statuses) match(status int) bool {
	for _, one := range s {
		if class, ok := strings.CutSuffix(one, "xx"); ok && class == strconv.Itoa(status/100) || one == strconv.Itoa(status) {
			return true
		}
	}
	return false
}
