//! What another version of a plugin asks for, promises and takes that this one did not: what an operator reads before the new
//! one is installed.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use stanch_sandbox::Plugin;

/// What differs between two plugins, from the old one to the new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Difference {
    /// What it asks for now and did not before: the first thing to look at.
    pub asks_more: Vec<String>,
    /// What it asked for before and does not now.
    pub asks_less: Vec<String>,
    /// Interfaces that it imports now and did not before: what it could ask for at all.
    pub imports_more: Vec<String>,
    /// Interfaces that it no longer imports.
    pub imports_less: Vec<String>,
    /// Promises and the kind, where they changed: one sentence each.
    pub promises: Vec<String>,
    /// Parameters: one sentence for each change.
    pub params: Vec<String>,
    /// Data that later steps can read: one sentence for each change.
    pub data: Vec<String>,
}

impl Difference {
    /// Whether nothing that matters to an operator differs.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two plugins.
pub fn diff(old: &Plugin, new: &Plugin) -> Difference {
    let (was, is) = (old.manifest(), new.manifest());
    let (asked, asks) = (asked(&was.asks), asked(&is.asks));
    let imports = |plugin: &Plugin| plugin.imports().iter().cloned().collect::<BTreeSet<_>>();
    let (imported, imports) = (imports(old), imports(new));
    let less = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
    let mut promises = Vec::new();
    if old.kind() != new.kind() {
        promises.push(format!(
            "it was a {} plugin and is a {} plugin",
            old.kind().as_str(),
            new.kind().as_str()
        ));
    }
    if was.name != is.name {
        promises.push(format!(
            "it was called `{}` and is called `{}`",
            was.name, is.name
        ));
    }
    for (word, before, now) in [
        ("idempotent", was.idempotent, is.idempotent),
        ("reversible", was.reversible, is.reversible),
        ("verifies", was.verifies, is.verifies),
        ("verifies-undo", was.verifies_undo, is.verifies_undo),
    ] {
        match (before, now) {
            (false, true) => promises.push(format!("it promises `{word}` now")),
            (true, false) => promises.push(format!("it no longer promises `{word}`")),
            _ => {}
        }
    }
    Difference {
        asks_more: less(&asks, &asked),
        asks_less: less(&asked, &asks),
        imports_more: less(&imports, &imported),
        imports_less: less(&imported, &imports),
        promises,
        params: members(&was.params, &is.params),
        data: members(&was.data, &is.data),
    }
}

/// What is asked for, one line for each smallest thing, so that lists can be compared.
pub(crate) fn asked(asks: &Value) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (capability, entries) in asks.as_object().into_iter().flatten() {
        for entry in entries.as_array().into_iter().flatten() {
            ask(&mut lines, capability, entry);
        }
    }
    lines
}

fn ask(lines: &mut BTreeSet<String>, capability: &str, entry: &Value) {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| -> Vec<String> {
        let items = entry.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| Some(item.as_str()?.to_owned())).collect()
    };
    let any = |items: Vec<String>| {
        if items.is_empty() {
            vec!["*".to_owned()]
        } else {
            items
        }
    };
    match capability {
        "http" => {
            for (word, methods) in [("read", list("read")), ("change", list("change"))] {
                lines.extend(
                    methods
                        .iter()
                        .map(|method| format!("http: {word} with {method} {}", text("url"))),
                );
            }
        }
        "notify" => {
            lines.insert(format!("notify: POST {}", text("url")));
        }
        "files" => {
            lines.insert(format!("files: {} in `{}`", text("access"), text("at")));
        }
        "kubernetes" => {
            for verb in list("verbs") {
                for resource in list("resources") {
                    for namespace in any(list("namespaces")) {
                        lines.insert(format!("kubernetes: {verb} {resource} in namespace {namespace}"));
                    }
                }
            }
        }
        other => {
            lines.insert(format!("{other}: {entry}"));
        }
    }
}

/// How the members of an object's schema changed.
fn members(was: &Value, is: &Value) -> Vec<String> {
    let of = |schema: &Value| {
        schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let required = |schema: &Value, name: &str| {
        let list = schema.get("required").and_then(Value::as_array);
        list.into_iter().flatten().any(|one| one == name)
    };
    let (before, now) = (of(was), of(is));
    let mut said = Vec::new();
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        said.push(format!("`{name}` is gone"));
    }
    for (name, schema) in &now {
        let needed = required(is, name);
        match before.get(name) {
            None if needed => said.push(format!("`{name}` is new and has to be given")),
            None => said.push(format!("`{name}` is new")),
            Some(_) if needed && !required(was, name) => {
                said.push(format!("`{name}` has to be given now"));
            }
            Some(earlier) if shape(earlier) != shape(schema) => {
                said.push(format!("`{name}` is another: {} now", shape(schema)));
            }
            Some(_) => {}
        }
    }
    said
}

/// What of a schema decides which values fit: all but what it is called.
fn shape(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "description" | "title" | "examples"))
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_asked_for_is_taken_apart_so_that_more_of_it_is_seen() {
        let was = asked(&json!({ "http": [{ "url": "https://a/**", "read": ["GET"] }] }));
        let is = asked(&json!({
            "http": [{ "url": "https://a/**", "read": ["GET", "HEAD"], "change": ["DELETE"] }],
            "kubernetes": [{ "verbs": ["get", "evict"], "resources": ["pods"] }],
            "files": [{ "path": "/var/tmp", "at": "scratch", "access": "change" }],
            "notify": [{ "url": "https://hook" }],
        }));
        let more: Vec<_> = is.difference(&was).map(String::as_str).collect();
        assert_eq!(
            more,
            [
                "files: change in `scratch`",
                "http: change with DELETE https://a/**",
                "http: read with HEAD https://a/**",
                "kubernetes: evict pods in namespace *",
                "kubernetes: get pods in namespace *",
                "notify: POST https://hook",
            ]
        );
        assert!(was.is_subset(&is));
        assert!(asked(&Value::Null).is_empty());
    }

    #[test]
    fn parameters_that_break_a_runbook_are_told_from_those_that_do_not() {
        let was = json!({ "properties": { "a": { "type": "string" }, "b": { "type": "string", "description": "x" }, "c": {}, "d": {} } });
        let is = json!({
            "properties": { "a": { "type": "integer" }, "b": { "type": "string", "description": "y" }, "d": {}, "e": {}, "f": {} },
            "required": ["d", "e"],
        });
        assert_eq!(
            members(&was, &is),
            [
                "`c` is gone",
                "`a` is another: {\"type\":\"integer\"} now",
                "`d` has to be given now",
                "`e` is new and has to be given",
                "`f` is new",
            ]
        );
        assert!(members(&is, &is).is_empty());
    }
}
