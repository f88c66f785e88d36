//! Installed plugins: what each is, may do, asks for, and who uses it.

use serde_json::{Map, Value};
use stanch_contract::text;
use stanch_sandbox::gate::KubernetesGrantSpec;

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
    let granted = granted(installed);
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
        grants: grants_of(installed),
        missing: asked
            .iter()
            .filter(|(capability, _)| !granted.contains_key(*capability))
            .flat_map(|(capability, entries)| lines(capability, entries))
            .chain(missing_verbs(&asked, &granted))
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

fn granted(installed: &Installed) -> Map<String, Value> {
    object(serde_json::to_value(installed.installation.grant().spec()).unwrap_or_default())
}

/// What an installed plugin may touch, a line for each entry of its grant.
pub(crate) fn grants_of(installed: &Installed) -> Vec<String> {
    let granted = granted(installed);
    granted
        .iter()
        .flat_map(|(capability, entries)| lines(capability, entries))
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// `http: {"url":…}`, a line for each entry; of kubernetes in words.
fn lines(capability: &str, entries: &Value) -> Vec<String> {
    match entries {
        Value::Array(entries) if capability == "kubernetes" => entries
            .iter()
            .map(
                |entry| match serde_json::from_value::<KubernetesGrantSpec>(entry.clone()) {
                    Ok(entry) => format!("kubernetes: {entry}"),
                    Err(_) => format!("kubernetes: {entry}"),
                },
            )
            .collect(),
        Value::Array(entries) => entries
            .iter()
            .map(|entry| format!("{capability}: {entry}"))
            .collect(),
        other => vec![format!("{capability}: {other}")],
    }
}

/// What is asked for of kubernetes where something of it was given: the verbs on resources that no entry has.
fn missing_verbs(asked: &Map<String, Value>, granted: &Map<String, Value>) -> Vec<String> {
    let entries = |of: &Map<String, Value>| -> Vec<KubernetesGrantSpec> {
        let entries = of.get("kubernetes").cloned().unwrap_or_default();
        serde_json::from_value(entries).unwrap_or_default()
    };
    let given = entries(granted);
    if given.is_empty() {
        return Vec::new();
    }
    let covers = |verb: &String, resource: &String| {
        given.iter().any(|entry| {
            let resources = &mut entry.resources.iter();
            entry.verbs.contains(verb) && resources.any(|granted| text::fits(granted, resource))
        })
    };
    let mut missing = Vec::new();
    for entry in entries(asked) {
        for resource in &entry.resources {
            let verbs: Vec<&str> = entry
                .verbs
                .iter()
                .filter(|verb| !covers(verb, resource))
                .map(String::as_str)
                .collect();
            if !verbs.is_empty() {
                missing.push(format!("kubernetes: {} {resource}", verbs.join(", ")));
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_grant_of_objects_is_read_in_words() {
        let entries = json!([
            { "clusters": ["eu-b"], "verbs": ["get", "evict"], "resources": ["pods"], "namespaces": ["inference"],
              "names": ["worker-*"], "selector": "app=worker" },
            { "clusters": ["eu-b", "us-a"], "verbs": ["get"], "resources": ["nodes"] },
        ]);
        assert_eq!(
            lines("kubernetes", &entries),
            [
                "kubernetes: get, evict pods named worker-* where app=worker in inference of eu-b",
                "kubernetes: get nodes of eu-b, us-a",
            ]
        );
    }

    #[test]
    fn what_is_asked_for_and_was_not_given_is_told_verb_by_verb() {
        let entry = |verbs: &[&str], resources: &[&str]| json!({ "kubernetes": [{ "clusters": ["CLUSTER"], "verbs": verbs, "resources": resources }] });
        let asked = object(entry(&["get", "list", "evict"], &["pods", "deployments.apps"]));
        let granted = object(entry(&["get", "evict"], &["pods"]));
        assert_eq!(
            missing_verbs(&asked, &granted),
            [
                "kubernetes: list pods",
                "kubernetes: get, list, evict deployments.apps"
            ]
        );
        assert_eq!(missing_verbs(&asked, &asked), Vec::<String>::new());
        // Where nothing was given, the whole entry is told.
        assert_eq!(missing_verbs(&asked, &Map::new()), Vec::<String>::new());
    }
}
