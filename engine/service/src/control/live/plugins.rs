//! Installed plugins: what each is, may do, asks for, and who uses it.

use serde_json::{Map, Value};

use crate::control::types::PluginView;
use crate::snapshot::{Installed, Snapshot};

/// The installed plugins, by key.
pub(super) fn plugins(snapshot: &Snapshot) -> Vec<PluginView> {
    snapshot
        .plugins
        .values()
        .map(|installed| view(snapshot, installed))
        .collect()
}

fn view(snapshot: &Snapshot, installed: &Installed) -> PluginView {
    let plugin = installed.installation.plugin();
    let granted = object(serde_json::to_value(installed.installation.grant().spec()).unwrap_or_default());
    let asked = object(plugin.manifest().asks.clone());
    let source = snapshot
        .settings
        .plugins
        .get(&installed.key)
        .map(|settings| settings.written.clone());
    PluginView {
        key: installed.key.clone(),
        kind: plugin.kind(),
        source: source.unwrap_or_default(),
        digest: installed.digest,
        bytes: plugin.bytes(),
        manifest: plugin.manifest().clone(),
        grants: granted
            .iter()
            .flat_map(|(capability, entries)| lines(capability, entries))
            .collect(),
        missing: asked
            .iter()
            .filter(|(capability, _)| !granted.contains_key(*capability))
            .flat_map(|(capability, entries)| lines(capability, entries))
            .collect(),
        limits: serde_json::to_value(installed.installation.limits()).unwrap_or_default(),
        used_by: snapshot
            .runbooks
            .values()
            .filter(|loaded| loaded.runbook.uses().contains(&installed.key))
            .map(|loaded| loaded.runbook.name.clone())
            .collect(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// `http: {"url":…}`, a line for each entry.
fn lines(capability: &str, entries: &Value) -> Vec<String> {
    match entries {
        Value::Array(entries) => entries
            .iter()
            .map(|entry| format!("{capability}: {entry}"))
            .collect(),
        other => vec![format!("{capability}: {other}")],
    }
}
