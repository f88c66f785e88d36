package stanch

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	http "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_http"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Header is one header, its name in lower case.
type Header struct{ Name, Value string }

// Request is one request, built and then sent. Redirects are not followed; credentials that the grant names are added by the
// host, out of sight. A method that the grant lists under `read` passes in every phase; one under `change` only in Apply and
// only as planned.
type Request struct {
	Method string
	// URL is the whole URL, with the query.
	URL     string
	Headers []Header
	Body    []byte
	// Limit is how long to wait for the whole answer; the host's own limit holds besides. 0: only that one.
	Limit time.Duration

	err error
}

// NewRequest is a request with any method.
func NewRequest[U ~string](method string, url U) *Request {
	return &Request{Method: strings.ToUpper(method), URL: strings.TrimSpace(string(url))}
}

// Get is GET.
func Get[U ~string](url U) *Request { return NewRequest("GET", url) }

// Head is HEAD.
func Head[U ~string](url U) *Request { return NewRequest("HEAD", url) }

// Post is POST.
func Post[U ~string](url U) *Request { return NewRequest("POST", url) }

// Put is PUT.
func Put[U ~string](url U) *Request { return NewRequest("PUT", url) }

// Patch is PATCH.
func Patch[U ~string](url U) *Request { return NewRequest("PATCH", url) }

// Delete is DELETE.
func Delete[U ~string](url U) *Request { return NewRequest("DELETE", url) }

// Query adds one member of the query, percent-encoded.
func (r *Request) Query(name, value string) *Request {
	url, _, _ := strings.Cut(r.URL, "#")
	joint := "?"
	if strings.Contains(url, "?") {
		joint = "&"
	}
	r.URL = url + joint + Encode(name) + "=" + Encode(value)
	return r
}

// Header adds a header; the one of that name before is replaced. On a changing call the host takes only accept, content-type
// and idempotency-key.
func (r *Request) Header(name, value string) *Request {
	name = strings.ToLower(name)
	kept := r.Headers[:0]
	for _, header := range r.Headers {
		if header.Name != name {
			kept = append(kept, header)
		}
	}
	r.Headers = append(kept, Header{name, value})
	return r
}

// JSON makes this value the body.
func (r *Request) JSON(value any) *Request {
	body, err := json.Marshal(value)
	if err != nil {
		r.err = During(err, "the request's body")
		return r
	}
	return r.Content("application/json", body)
}

// Content makes these bytes the body.
func (r *Request) Content(contentType string, body []byte) *Request {
	r.Body = body
	return r.Header("content-type", contentType)
}

// Within limits the time for the whole answer.
func (r *Request) Within(limit time.Duration) *Request {
	r.Limit = limit
	return r
}

// Send sends it. Every answer is one, whatever its status (Response.OK). Not reaching the server, being refused by the gate and
// too large an answer are failures.
func (r *Request) Send() (*Response, error) {
	if r.err != nil {
		return nil, r.err
	}
	request := http.Request{Method: r.Method, Url: r.URL, Body: r.Body, TimeoutMs: witTypes.None[uint32]()}
	if r.Limit > 0 {
		request.TimeoutMs = witTypes.Some(uint32(min(r.Limit.Milliseconds(), 1<<32-1)))
	}
	for _, header := range r.Headers {
		request.Headers = append(request.Headers, http.Header{Name: header.Name, Value: header.Value})
	}
	said, err := answer(http.Send(request))
	if err != nil {
		return nil, err
	}
	response := &Response{Status: int(said.Status), Body: said.Body}
	for _, header := range said.Headers {
		response.Headers = append(response.Headers, Header{strings.ToLower(header.Name), header.Value})
	}
	return response, nil
}

// Response is one answer.
type Response struct {
	Status  int
	Headers []Header
	Body    []byte
}

// Header is the value of a header; empty where there is none.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// IsSuccess is 2xx.
func (r *Response) IsSuccess() bool { return r.Status >= 200 && r.Status < 300 }

// JSON reads the body.
func (r *Response) JSON(into any) error {
	return During(json.Unmarshal(r.Body, into), "the answer is not the JSON that was expected")
}

// OK is nil where the answer is 2xx, else the failure that its status means: 401 and 403 Denied, 404 and 410 NotFound, 409 and
// 412 Conflict, 408 Timeout, 429, 502, 503 and 504 Unavailable, others Failed. Retry-After in seconds is kept.
func (r *Response) OK() error {
	if r.IsSuccess() {
		return nil
	}
	code := Failed
	switch r.Status {
	case 401, 403:
		code = Denied
	case 404, 410:
		code = NotFound
	case 409, 412:
		code = Conflict
	case 408:
		code = Timeout
	case 429, 502, 503, 504:
		code = Unavailable
	}
	failure := Failuref(code, "The server answered %d", r.Status)
	if said := r.said(); said != "" {
		failure.Message += ": " + said
	}
	if seconds, err := strconv.ParseUint(strings.TrimSpace(r.Header("retry-after")), 10, 32); err == nil {
		failure.RetryAfterMs = uint32(min(seconds*1000, 1<<32-1))
	}
	return failure
}

func (r *Response) said() string {
	said := string(r.Body)
	var object map[string]any
	if json.Unmarshal(r.Body, &object) == nil {
		for _, name := range []string{"message", "error", "detail"} {
			if text, ok := object[name].(string); ok {
				said = text
				break
			}
		}
	}
	short := []rune(strings.TrimSpace(said))
	return string(short[:min(len(short), 200)])
}

// Encode percent-encodes text for a member of a query or a segment of a path (RFC 3986: all but the unreserved).
func Encode(text string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			out.WriteByte(c)
		} else {
			out.WriteByte('%')
			out.WriteByte(digits[c>>4])
			out.WriteByte(digits[c&15])
		}
	}
	return out.String()
}
