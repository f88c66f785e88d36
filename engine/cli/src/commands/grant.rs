//! A grant as the lines of stanch.toml that give it.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use stanch_contract::PluginKey;
use stanch_sandbox::gate::Suggestion;

use crate::console::Console;
use crate::error::{CliError, Exit};

/// Shows them, or the grant as JSON.
pub fn show(
    key: &PluginKey,
    found: &Suggestion,
    failed: Option<&str>,
    console: &Console,
) -> Result<Exit, CliError> {
    if console.is_json() {
        console.json(&json!({ "plugin": key, "grant": found.grant, "notes": found.notes }))?;
    } else {
        console.raw(&toml(key.as_str(), found, failed))?;
    }
    Ok(Exit::Done)
}

/// The lines for this plugin, with what a person has to know about them before.
fn toml(key: &str, found: &Suggestion, failed: Option<&str>) -> String {
    let mut text = format!("# The smallest grant for what `{key}` was seen to ask for.\n");
    if let Some(why) = failed {
        _ = writeln!(
            text,
            "# It did not get to its end ({}): with this grant it may ask for more. Grant it, and suggest again.",
            stanch_contract::text::clean_line_to(why, 200)
        );
    }
    for note in &found.notes {
        _ = writeln!(text, "# Look at this: {note}.");
    }
    let grant = serde_json::to_value(&found.grant).unwrap_or_default();
    let grant = without_empty(grant);
    if grant.as_object().is_none_or(Map::is_empty) {
        _ = writeln!(text, "# It asked for nothing that needs one.");
        return text;
    }
    let whole = json!({ "plugins": { key: { "grant": grant } } });
    text.push('\n');
    // What JSON can hold without null, TOML can.
    text.push_str(&toml::to_string(&whole).unwrap_or_default());
    text
}

/// What is not said in a file: none, and empty.
fn without_empty(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, without_empty(value)))
            .filter(|(_, value)| !is_empty(value))
            .collect(),
        other => other,
    }
}
