// Package export_runbook_plugin_diagnosis is what the generated export calls: the kit puts the plugin's own function here.
package export_runbook_plugin_diagnosis

import (
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Diagnose answers the question.
var Diagnose func(ctx common.Context, params string) witTypes.Result[common.Finding, common.Failure]
