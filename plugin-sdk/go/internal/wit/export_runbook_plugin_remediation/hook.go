// Package export_runbook_plugin_remediation is what the generated exports call: the kit puts the plugin's own functions here.
package export_runbook_plugin_remediation

import (
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	remediation "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_remediation"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Plan names each action.
var Plan func(ctx common.Context, params string) witTypes.Result[remediation.ChangePlan, common.Failure]

// Apply carries a plan out.
var Apply func(ctx common.Context, params string, plan remediation.ChangePlan) witTypes.Result[remediation.Outcome, common.Failure]

// Verify says whether the change holds.
var Verify func(ctx common.Context, params string, made remediation.AttemptMade) witTypes.Result[common.Finding, common.Failure]

// PlanUndo names each action of the way back.
var PlanUndo func(ctx common.Context, params string, made remediation.AttemptMade) witTypes.Result[remediation.ChangePlan, common.Failure]
