// Package nethttp lets the standard library's HTTP client ask: a plugin that imports it can use http.Get, an http.Client, and
// what is built on them.
//
//	import _ "github.com/stanch/stanch/plugin-sdk/go/nethttp"
//
// Every request is one call at the gate, those of redirects too, under the same grant as stanch.Request. It costs the component
// about 6 MB. Errors of the host come out of the client wrapped; returned from the plugin they keep their code.
package nethttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

func init() { http.DefaultTransport = Transport{} }

// Transport sends requests through the host. It is the default one of net/http once this package is imported.
type Transport struct{}

// RoundTrip sends one request.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	asked := stanch.NewRequest(request.Method, request.URL.String())
	if asked.Method == "" {
		asked.Method = http.MethodGet
	}
	for name, values := range request.Header {
		for _, value := range values {
			asked.Headers = append(asked.Headers, stanch.Header{Name: strings.ToLower(name), Value: value})
		}
	}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err = errors.Join(err, request.Body.Close()); err != nil {
			return nil, fmt.Errorf("the request's body: %w", err)
		}
		asked.Body = body
	}
	if end, ok := request.Context().Deadline(); ok {
		asked.Limit = max(time.Until(end), time.Millisecond)
	}
	answer, err := asked.Send()
	if err != nil {
		return nil, err
	}
	response := &http.Response{
		Status:        fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode:    answer.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		Body:          io.NopCloser(bytes.NewReader(answer.Body)),
		ContentLength: int64(len(answer.Body)),
		Request:       request,
	}
	for _, header := range answer.Headers {
		response.Header.Add(header.Name, header.Value)
	}
	return response, nil
}
