// Package diagnosis makes a plugin that answers one question, read-only: the host refuses every change.
package diagnosis

import (
	"github.com/stanch/stanch/plugin-sdk/go/internal/bridge"
	"github.com/stanch/stanch/plugin-sdk/go/internal/wit/export_runbook_plugin_diagnosis"
	_ "github.com/stanch/stanch/plugin-sdk/go/internal/wit/exports/diagnosis"
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

// Register makes the program a plugin, once, in init. Data is what later steps can read; struct{} where there is nothing.
// diagnose looks, and answers yes, no or unknown.
func Register[Params, Data any](
	about stanch.About, _ Data, diagnose func(ctx *stanch.Context, params Params) (*stanch.Finding, error),
) {
	bridge.Describe[Params, Data](about, false, false)
	export_runbook_plugin_diagnosis.Diagnose = func(
		ctx common.Context, given string,
	) witTypes.Result[common.Finding, common.Failure] {
		return bridge.Guard(func() (common.Finding, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return common.Finding{}, err
			}
			found, err := diagnose(bridge.Context(ctx), params)
			if err != nil {
				return common.Finding{}, err
			}
			return bridge.Finding[Data](found)
		})
	}
}
