// Package remediation makes a plugin that plans, then applies, one change.
package remediation

import (
	"fmt"
	"strings"

	"github.com/stanch/stanch/plugin-sdk/go/internal/bridge"
	"github.com/stanch/stanch/plugin-sdk/go/internal/wit/export_runbook_plugin_remediation"
	_ "github.com/stanch/stanch/plugin-sdk/go/internal/wit/exports/remediation"
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	wit "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_remediation"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

// Plugin is a plugin's functions. Params is what a runbook's `with` gives, Data what plan, outcome and verify say for later
// steps and for each other.
type Plugin[Params, Data any] struct {
	// Plan is read-only. It names each action exactly; without actions there is nothing to do.
	Plan func(ctx *stanch.Context, params Params) (*stanch.Plan, error)
	// Apply carries the plan out: the host lets through exactly what it names, each once. Nil: every action in order, the first
	// error ends it. That is all that most plugins need.
	Apply func(ctx *stanch.Context, params Params, plan *stanch.Plan) (*stanch.Outcome, error)
	// Verify is read-only. Yes: the change holds and did what it was for. Asked also after a crash, to find out whether an action
	// without an answer took effect. The manifest says `verifies` where it is there.
	Verify func(ctx *stanch.Context, params Params, made *stanch.Attempt[Data]) (*stanch.Finding, error)
	// PlanUndo is read-only: the plan of the way back from what was really done. The manifest says `reversible` where it is there.
	PlanUndo func(ctx *stanch.Context, params Params, made *stanch.Attempt[Data]) (*stanch.Plan, error)
}

// Register makes the program a plugin, once, in init.
func Register[Params, Data any](about stanch.About, plugin Plugin[Params, Data]) {
	bridge.Describe[Params, Data](about, plugin.PlanUndo != nil, plugin.Verify != nil)

	export_runbook_plugin_remediation.Plan = func(
		ctx common.Context, given string,
	) witTypes.Result[wit.ChangePlan, common.Failure] {
		return bridge.Guard(func() (wit.ChangePlan, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return wit.ChangePlan{}, err
			}
			plan, err := plugin.Plan(bridge.Context(ctx), params)
			if err != nil {
				return wit.ChangePlan{}, err
			}
			return bridge.Plan[Data](plan)
		})
	}

	export_runbook_plugin_remediation.Apply = func(
		ctx common.Context, given string, planned wit.ChangePlan,
	) witTypes.Result[wit.Outcome, common.Failure] {
		return bridge.Guard(func() (wit.Outcome, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return wit.Outcome{}, err
			}
			plan, _ := bridge.PlanIn[Data](planned)
			apply := plugin.Apply
			if apply == nil {
				apply = carryOut
			}
			done, err := apply(bridge.Context(ctx), params, plan)
			if err != nil {
				return wit.Outcome{}, err
			}
			return bridge.Outcome[Data](done)
		})
	}

	export_runbook_plugin_remediation.Verify = func(
		ctx common.Context, given string, made wit.AttemptMade,
	) witTypes.Result[common.Finding, common.Failure] {
		return bridge.Guard(func() (common.Finding, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return common.Finding{}, err
			}
			if plugin.Verify == nil {
				return bridge.Finding[Data](stanch.Found(stanch.Unknown, "This plugin cannot verify what it changed"))
			}
			found, err := plugin.Verify(bridge.Context(ctx), params, bridge.Attempt[Data](made))
			if err != nil {
				return common.Finding{}, err
			}
			return bridge.Finding[Data](found)
		})
	}

	export_runbook_plugin_remediation.PlanUndo = func(
		ctx common.Context, given string, made wit.AttemptMade,
	) witTypes.Result[wit.ChangePlan, common.Failure] {
		return bridge.Guard(func() (wit.ChangePlan, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return wit.ChangePlan{}, err
			}
			if plugin.PlanUndo == nil {
				return wit.ChangePlan{}, stanch.Failuref(stanch.Failed, "This change cannot be undone by the plugin")
			}
			plan, err := plugin.PlanUndo(bridge.Context(ctx), params, bridge.Attempt[Data](made))
			if err != nil {
				return wit.ChangePlan{}, err
			}
			return bridge.Plan[Data](plan)
		})
	}
}

func carryOut[Params any](ctx *stanch.Context, _ Params, plan *stanch.Plan) (*stanch.Outcome, error) {
	answers, err := stanch.CarryOut(ctx, plan)
	if err != nil {
		return nil, err
	}
	said := make([]string, 0, 4)
	for _, answer := range answers[:min(len(answers), 3)] {
		said = append(said, answer.Said)
	}
	if more := len(answers) - len(said); more > 0 {
		said = append(said, fmt.Sprintf("%d more", more))
	}
	if len(said) == 0 {
		return &stanch.Outcome{Summary: "Nothing to do"}, nil
	}
	return &stanch.Outcome{Summary: strings.Join(said, "; ")}, nil
}
