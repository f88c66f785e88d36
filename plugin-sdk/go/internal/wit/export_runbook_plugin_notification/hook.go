// Package export_runbook_plugin_notification is what the generated export calls: the kit puts the plugin's own function here.
package export_runbook_plugin_notification

import (
	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	notification "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_notification"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Notify delivers a message.
var Notify func(ctx common.Context, params string, message notification.Message) witTypes.Result[witTypes.Unit, common.Failure]
