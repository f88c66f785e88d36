// Puts an address on a blocklist, and takes it off again.
package main

import (
	"github.com/stanch/stanch/plugin-sdk/go/remediation"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

type params struct {
	List    stanch.URL `json:"list" doc:"The blocklist's URL."`
	Address string     `json:"address" doc:"What to block."`
}

func (p params) entry() string { return string(p.List) + "/" + stanch.Encode(p.Address) }

func init() {
	remediation.Register(stanch.About{
		Name:       "{{name}}",
		Version:    "0.1.0",
		Summary:    "Puts an address on a blocklist",
		Idempotent: true,
		Asks: stanch.Asks{HTTP: []stanch.AskHTTP{
			{URL: "https://edge.example/blocked/*", Read: []string{"GET"}, Change: []string{"PUT", "DELETE"}},
		}},
	}, remediation.Plugin[params, struct{}]{Plan: plan, Verify: verify, PlanUndo: planUndo})
}

func plan(ctx *stanch.Context, params params) (*stanch.Plan, error) {
	answer, err := stanch.Get(params.entry()).Send()
	if err != nil {
		return nil, err
	}
	if answer.Status == 200 {
		return stanch.Planf("`%s` is blocked already", params.Address), nil
	}
	put := stanch.PutAction(params.entry(), map[string]string{"reason": "stanch"})
	return stanch.Planf("Block `%s`", params.Address).Do(put), nil
}

func verify(ctx *stanch.Context, params params, made *stanch.Attempt[struct{}]) (*stanch.Finding, error) {
	answer, err := stanch.Get(params.entry()).Send()
	if err != nil {
		return nil, err
	}
	switch answer.Status {
	case 200:
		return stanch.Found(stanch.Yes, "It is on the list"), nil
	case 404:
		return stanch.Found(stanch.No, "It is not on the list"), nil
	}
	return stanch.Found(stanch.Unknown, "The list answers %d", answer.Status), nil
}

func planUndo(ctx *stanch.Context, params params, made *stanch.Attempt[struct{}]) (*stanch.Plan, error) {
	undo := stanch.Planf("Unblock")
	for _, action := range made.MaybeDone() {
		undo.Do(stanch.DeleteAction(action.URL()))
	}
	return undo, nil
}

func main() {}
