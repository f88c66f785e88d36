// Asks with net/http, which knows nothing of stanch: what it sends passes the gate all the same.
package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/stanch/stanch/plugin-sdk/go/diagnosis"
	_ "github.com/stanch/stanch/plugin-sdk/go/nethttp"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

type params struct {
	URLs   []string `json:"urls" doc:"What is asked for."`
	Method string   `json:"method" default:"GET" doc:"How."`
	Body   string   `json:"body" default:"" doc:"With this body."`
}

type data struct {
	Answers []string `json:"answers" doc:"Status and body of each, or the client's error."`
}

func init() {
	diagnosis.Register(stanch.About{
		Name:    "ordinary-client",
		Version: "0.1.0",
		Summary: "Asks with an ordinary HTTP client",
	}, data{}, diagnose)
}

func main() {}

func diagnose(_ *stanch.Context, params params) (*stanch.Finding, error) {
	var answers []string
	for _, url := range params.URLs {
		answers = append(answers, ask(params, url))
	}
	return stanch.Found(stanch.Yes, "asked").WithData(data{answers}), nil
}

func ask(params params, url string) string {
	request, err := http.NewRequest(params.Method, url, strings.NewReader(params.Body))
	if err != nil {
		return "error: " + err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Sprintf("error: %s: %v", stanch.CodeOf(err), err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, body)
}
