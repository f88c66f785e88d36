// Package export_runbook_plugin_manifest is what the generated export calls: the kit puts the plugin's own function here.
package export_runbook_plugin_manifest

// Describe gives the manifest.
var Describe func() string
