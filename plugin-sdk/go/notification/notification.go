// Package notification makes a plugin that tells people.
package notification

import (
	"github.com/stanch/stanch/plugin-sdk/go/internal/bridge"
	"github.com/stanch/stanch/plugin-sdk/go/internal/wit/export_runbook_plugin_notification"
	_ "github.com/stanch/stanch/plugin-sdk/go/internal/wit/exports/notification"
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	wit "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_notification"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

// Register makes the program a plugin, once, in init. notify delivers one message; it may send only what the plugin's `notify`
// grant names.
func Register[Params any](
	about stanch.About, notify func(ctx *stanch.Context, params Params, message *stanch.Message) error,
) {
	bridge.Describe[Params, struct{}](about, false, false)
	export_runbook_plugin_notification.Notify = func(
		ctx common.Context, given string, message wit.Message,
	) witTypes.Result[witTypes.Unit, common.Failure] {
		return bridge.Guard(func() (witTypes.Unit, error) {
			params, err := bridge.Params[Params](given)
			if err != nil {
				return witTypes.Unit{}, err
			}
			told := &stanch.Message{
				Kind: message.Kind, Severity: message.Severity, Title: message.Title, Text: message.Text,
				Link: message.Link.SomeOr(""), Report: bridge.Value(message.Report), Thread: message.Thread,
			}
			return witTypes.Unit{}, notify(bridge.Context(ctx), params, told)
		})
	}
}
