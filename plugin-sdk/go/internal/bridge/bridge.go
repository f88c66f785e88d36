// Package bridge is between the kit's types and the contract's.
package bridge

import (
	"encoding/json"
	"fmt"
	"path"
	"runtime"

	"github.com/stanch/stanch/plugin-sdk/go/internal/wit/export_runbook_plugin_manifest"
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	remediation "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_remediation"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

// Describe makes the manifest what the component says of itself.
func Describe[Params, Data any](about stanch.About, reversible, verifies bool) {
	export_runbook_plugin_manifest.Describe = func() string {
		return text(map[string]any{
			"name": about.Name, "version": about.Version, "summary": about.Summary,
			"params": stanch.SchemaOf[Params](), "data": stanch.SchemaOf[Data](),
			"idempotent": about.Idempotent, "reversible": reversible, "verifies": verifies,
			"verifies-undo": about.VerifiesUndo,
			"asks": about.Asks,
		})
	}
}

// Guard makes the contract's failure of an error and of a panic. Of where a panic was only file names and lines are said,
// never folders.
func Guard[T any](work func() (T, error)) (result witTypes.Result[T, common.Failure]) {
	defer func() {
		if cause := recover(); cause != nil {
			where := trace()
			stanch.Errorf("panic: %v", cause)
			result = failed[T](stanch.Failuref(stanch.Failed, "panic: %v%s", cause, where))
		}
	}()
	value, err := work()
	if err != nil {
		return failed[T](err)
	}
	return witTypes.Ok[T, common.Failure](value)
}

// trace logs where a panic was, and gives its innermost place outside of Go's own code and the kit's.
func trace() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	where := ""
	for {
		frame, more := frames.Next()
		if frame.File != "" {
			stanch.Warnf("  at %s:%d in %s", path.Base(frame.File), frame.Line, path.Base(frame.Function))
			if where == "" && len(frame.Function) > 5 && frame.Function[:5] == "main." {
				where = fmt.Sprintf(" (%s:%d)", path.Base(frame.File), frame.Line)
			}
		}
		if !more {
			return where
		}
	}
}

func failed[T any](err error) witTypes.Result[T, common.Failure] {
	failure := common.Failure{Code: string(stanch.CodeOf(err)), Message: err.Error(), Extra: "{}"}
	failure.RetryAfterMs = witTypes.None[uint32]()
	var told *stanch.Failure
	if as(err, &told) {
		if told.RetryAfterMs > 0 {
			failure.RetryAfterMs = witTypes.Some(told.RetryAfterMs)
		}
		if told.Extra != nil {
			failure.Extra = text(told.Extra)
		}
	}
	return witTypes.Err[T, common.Failure](failure)
}

func as(err error, target **stanch.Failure) bool {
	failure, ok := err.(*stanch.Failure)
	*target = failure
	return ok
}

// Params reads the parameters.
func Params[T any](given string) (T, error) {
	params, err := stanch.Read[T]([]byte(given))
	if err != nil {
		return params, stanch.Failuref(stanch.InvalidParams, "The parameters do not fit: %v", err)
	}
	return params, nil
}

// Context is what a call is handed.
func Context(ctx common.Context) *stanch.Context {
	out := &stanch.Context{Run: ctx.Run, Step: ctx.Step, Attempt: int(ctx.Attempt), IdempotencyKey: ctx.IdempotencyKey}
	out.Extra = Value(ctx.Extra)
	for _, alert := range ctx.Alerts {
		out.Alerts = append(out.Alerts, stanch.Alert{
			Name: alert.Name, Fingerprint: alert.Fingerprint, Status: alert.Status, StartsAt: alert.StartsAt,
			Labels: labels(alert.Labels), Annotations: labels(alert.Annotations), Payload: Value(alert.Payload),
		})
	}
	return out
}

func labels(labels []common.Label) map[string]string {
	out := make(map[string]string, len(labels))
	for _, label := range labels {
		out[label.Name] = label.Value
	}
	return out
}

// Finding is a finding in the contract's words.
func Finding[Data any](found *stanch.Finding) (common.Finding, error) {
	if found == nil {
		return common.Finding{}, stanch.Failuref(stanch.Failed, "the plugin answered nothing")
	}
	verdict := common.Verdict_Unknown
	switch found.Verdict {
	case stanch.Yes:
		verdict = common.Verdict_Yes
	case stanch.No:
		verdict = common.Verdict_No
	}
	return common.Finding{
		Verdict: verdict, Summary: found.Summary, Evidence: evidence(found.Evidence), Data: data[Data](found.Data), Extra: "{}",
	}, nil
}

// Outcome is an outcome in the contract's words.
func Outcome[Data any](done *stanch.Outcome) (remediation.Outcome, error) {
	if done == nil {
		return remediation.Outcome{}, stanch.Failuref(stanch.Failed, "the plugin answered nothing")
	}
	return remediation.Outcome{
		Summary: done.Summary, Evidence: evidence(done.Evidence), Data: data[Data](done.Data), Extra: "{}",
	}, nil
}

// Plan is a plan in the contract's words.
func Plan[Data any](plan *stanch.Plan) (remediation.ChangePlan, error) {
	if plan == nil {
		return remediation.ChangePlan{}, stanch.Failuref(stanch.Failed, "the plugin answered nothing")
	}
	out := remediation.ChangePlan{
		Summary: plan.Summary, Population: some(plan.Population), Data: data[Data](plan.Data), Extra: "{}",
	}
	for _, action := range plan.Actions {
		if err := action.Err(); err != nil {
			return out, err
		}
		out.Actions = append(out.Actions, remediation.Action{
			Verb: action.Verb, Target: action.Target, Expect: some(action.Expect), Content: some(action.Content),
			Items: action.Items, Reason: action.Reason, Extra: text(action.Extra),
		})
	}
	return out, nil
}

// PlanIn is a plan that comes back, with the data it was made with.
func PlanIn[Data any](plan remediation.ChangePlan) (*stanch.Plan, *Data) {
	out := &stanch.Plan{Summary: plan.Summary, Population: plan.Population.SomeOr("")}
	for _, action := range plan.Actions {
		planned := &stanch.Action{
			Verb: action.Verb, Target: action.Target, Expect: action.Expect.SomeOr(""), Content: action.Content.SomeOr(""),
			Items: action.Items, Reason: action.Reason,
		}
		_ = json.Unmarshal([]byte(action.Extra), &planned.Extra)
		out.Actions = append(out.Actions, planned)
	}
	kept := new(Data)
	if json.Unmarshal([]byte(plan.Data), kept) != nil {
		return out, nil
	}
	out.Data = *kept
	return out, kept
}

// Attempt is what was tried.
func Attempt[Data any](made remediation.AttemptMade) *stanch.Attempt[Data] {
	plan, kept := PlanIn[Data](made.Plan)
	out := &stanch.Attempt[Data]{Plan: plan, Data: kept, Progress: make([]stanch.Progress, len(plan.Actions))}
	for index := range out.Progress {
		out.Progress[index].State = "not-sent"
	}
	for _, seen := range made.Progress {
		if int(seen.Action) < len(out.Progress) {
			out.Progress[seen.Action] = stanch.Progress{State: seen.State, Detail: seen.Detail}
		}
	}
	if made.Outcome.IsSome() {
		said := made.Outcome.Some()
		out.Outcome = &stanch.Outcome{Summary: said.Summary, Data: Value(said.Data)}
	}
	return out
}

func evidence(of []stanch.Evidence) []common.Evidence {
	out := make([]common.Evidence, 0, len(of))
	for _, one := range of {
		told := common.Evidence{Label: one.Label, Value: one.Value, Link: some(one.Link), Unit: some(one.Unit), Extra: "{}"}
		for _, point := range one.Points {
			told.Points = append(told.Points, common.Point{AtMs: float64(point.At.UnixMilli()), Value: point.Value})
		}
		out = append(out, told)
	}
	return out
}

func data[Data any](said any) string {
	if said == nil {
		return text(*new(Data))
	}
	return text(said)
}

// Value reads JSON; nil where it is none.
func Value(text string) any {
	var value any
	_ = json.Unmarshal([]byte(text), &value)
	return value
}

func text(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("it is no JSON: %v", err))
	}
	return string(out)
}

func some(text string) witTypes.Option[string] {
	if text == "" {
		return witTypes.None[string]()
	}
	return witTypes.Some(text)
}
