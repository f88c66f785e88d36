// Does a health page answer 200?
package main

import (
	"github.com/stanch/stanch/plugin-sdk/go/diagnosis"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

type params struct {
	URL stanch.URL `json:"url" doc:"The health page."`
}

func init() {
	diagnosis.Register(stanch.About{
		Name:    "{{name}}",
		Version: "0.1.0",
		Summary: "Says whether a health page answers 200",
		Asks:    stanch.Asks{HTTP: []stanch.AskHTTP{{URL: "https://api.example/health", Read: []string{"GET"}}}},
	}, struct{}{}, diagnose)
}

func diagnose(ctx *stanch.Context, params params) (*stanch.Finding, error) {
	answer, err := stanch.Get(params.URL).Send()
	if err != nil {
		return nil, err
	}
	return stanch.Judged(answer.Status == 200, "`%s` answers %d", params.URL, answer.Status), nil
}

func main() {}
