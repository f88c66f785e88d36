//! `[plugins.KEY]`: which plugins are installed, with which limits, settings and grants.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use stanch_contract::{ByteSize, Digest, PluginKey, Span};
use stanch_sandbox::Limits;
use stanch_sandbox::gate::Grant;

use super::clusters::Known;
use super::grants;
use super::guardrails::MOST_TARGETS;
use super::settings::PluginSettings;
use super::values::{self, Names};
use stanch_runbook::reading::{At, Data, Fields, Got, Problems, is_key, wrong_type};

pub(super) fn plugins(
    top: &mut Fields<'_, '_>,
    base: &Path,
    names: &Names,
    known: &Known,
    problems: &mut Problems<'_>,
) -> BTreeMap<PluginKey, PluginSettings> {
    let mut plugins = BTreeMap::new();
    let Some(node) = top.node("plugins") else {
        return plugins;
    };
    let Data::Table(table) = &node.data else {
        wrong_type::<()>(
            node,
            "`plugins`",
            "a table for each plugin: `[plugins.NAME]`",
            problems,
        );
        return plugins;
    };
    for entry in &table.entries {
        let key = PluginKey(entry.key.clone().into_owned());
        if !is_key(key.as_str(), '-') {
            let help = "write lower-case letters, digits and `-`, a letter first".to_owned();
            problems.add(
                &entry.key_at,
                format!("a plugin cannot be called `{key}`"),
                "not a key",
                help,
            );
        }
        let what = format!("`[plugins.{key}]`");
        let Some(mut fields) = Fields::of(&entry.node, &what, problems) else {
            continue;
        };
        let plugin = plugin(&key, &mut fields, base, names, known, problems);
        fields.finish(problems);
        if let Some(plugin) = plugin {
            plugins.insert(key, plugin);
        }
    }
    plugins
}

fn plugin(
    key: &PluginKey,
    fields: &mut Fields<'_, '_>,
    base: &Path,
    names: &Names,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<PluginSettings> {
    let source = fields.needed_text("source", &format!("source = \"plugins/{key}.wasm\""), problems);
    if let Some(source) = &source
        && source.value.contains("://")
    {
        let help = "fetch the file and write its path".to_owned();
        problems.add(
            &source.at,
            "this version of the engine loads plugins from files only",
            "not yet",
            help,
        );
    }
    let sha256 = fields
        .parsed::<Digest>("sha256", problems)
        .map(|digest| digest.value);
    let limits = limits(fields, problems);
    let settings = match fields.node("settings") {
        None => Value::Object(Map::new()),
        Some(node) => values::plain_object(node, "`settings`", problems),
    };
    let targets = fields
        .count("targets", 0, MOST_TARGETS, problems)
        .map(|count| count.value);
    let grant = match fields.node("grant") {
        None => Grant::nothing(key.clone()),
        Some(node) => {
            let mut fields = Fields::of(node, format!("`plugins.{key}.grant`"), problems)?;
            let grant = grants::grant(key, &mut fields, base, (names, known), problems);
            fields.finish(problems);
            grant?
        }
    };
    let source = source?;
    Some(PluginSettings {
        key: key.clone(),
        path: values::path(base, source.value),
        written: source.value.to_owned(),
        sha256,
        limits,
        settings,
        targets,
        grant: grant.into(),
    })
}

fn limits(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = fields
        .node("limits")
        .and_then(|node| Fields::of(node, "`limits`", problems))
    else {
        return limits;
    };
    let set = |limits: &Limits, at: &At, problems: &mut Problems<'_>| {
        if let Err(error) = limits.check() {
            let error = error.to_string();
            let (message, help) = error.rsplit_once(": ").unwrap_or((&error, ""));
            problems.add(at, message, "out of range", help.to_owned());
        }
    };
    // Each is checked among defaults, so that a mistake is told where it is and once.
    let fresh = Limits::default;
    if let Some(Got { value, at }) = fields.parsed::<ByteSize>("memory", problems) {
        set(
            &Limits {
                memory: value,
                ..fresh()
            },
            &at,
            problems,
        );
        limits.memory = value;
    }
    if let Some(Got { value, at }) = fields.parsed::<Span>("cpu", problems) {
        set(
            &Limits {
                cpu: value,
                ..fresh()
            },
            &at,
            problems,
        );
        limits.cpu = value;
    }
    if let Some(Got { value, at }) = fields.parsed::<Span>("wall", problems) {
        set(
            &Limits {
                wall: value,
                ..fresh()
            },
            &at,
            problems,
        );
        limits.wall = value;
    }
    if let Some(calls) = fields.count("calls", 0, u32::MAX, problems) {
        limits.calls = calls.value;
    }
    if let Some(Got { value, at }) = fields.parsed::<ByteSize>("log", problems) {
        set(
            &Limits {
                log: value,
                ..fresh()
            },
            &at,
            problems,
        );
        limits.log = value;
    }
    if let Some(Got { value, at }) = fields.parsed::<ByteSize>("output", problems) {
        set(
            &Limits {
                output: Some(value),
                ..fresh()
            },
            &at,
            problems,
        );
        limits.output = Some(value);
    }
    fields.finish(problems);
    limits
}
