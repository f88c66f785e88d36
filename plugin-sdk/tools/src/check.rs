//! What an author should know of a component before anybody installs it: whether an engine would, and what is worth mending.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use stanch_sandbox::gate::{Grant, GrantSpec};
use stanch_sandbox::{Plugin, Sandbox};

use crate::ToolError;

/// A component of this size or more is told to be large: those of Python have about 18 MB.
const LARGE: u64 = 4 << 20;

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As it should be.
    Good,
    /// Worth mending.
    Mend,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How much it matters.
    pub weight: Weight,
    /// What was looked at: one word.
    pub about: &'static str,
    /// What was seen, and what to do where it is worth mending.
    pub said: String,
}

/// What a check found. An engine would install the component.
#[derive(Debug)]
pub struct Report {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// How long compiling and linking took, without a cache.
    pub compiled: Duration,
    /// What was seen.
    pub notes: Vec<Note>,
}

/// Checks a component as an engine does when it installs it, and then looks closer.
///
/// # Errors
/// Where an engine would not install it.
pub async fn check(sandbox: &Sandbox, file: &Path) -> Result<Report, ToolError> {
    let began = Instant::now();
    let plugin = sandbox.install_file(file).await?;
    let compiled = began.elapsed();
    let notes = vec![
        contract(&plugin),
        params(&plugin),
        asks(&plugin),
        wasi(&plugin),
        size(&plugin),
    ];
    Ok(Report {
        plugin,
        compiled,
        notes: notes.into_iter().flatten().collect(),
    })
}

fn good(about: &'static str, said: impl Into<String>) -> Note {
    Note {
        weight: Weight::Good,
        about,
        said: said.into(),
    }
}

fn mend(about: &'static str, said: impl Into<String>) -> Note {
    Note {
        weight: Weight::Mend,
        about,
        said: said.into(),
    }
}

fn contract(plugin: &Plugin) -> Vec<Note> {
    let mut versions: Vec<&str> = plugin
        .imports()
        .iter()
        .filter_map(|name| name.strip_prefix("runbook:plugin/")?.split_once('@'))
        .map(|(_, version)| version)
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let said = match versions.as_slice() {
        [] => "it calls nothing of the host".to_owned(),
        versions => format!("built for `runbook:plugin@{}`", versions.join("`, `")),
    };
    vec![good("contract", said)]
}

fn params(plugin: &Plugin) -> Vec<Note> {
    let schema = &plugin.manifest().params;
    let Some(members) = schema.get("properties").and_then(Value::as_object) else {
        let said = "the schema of the parameters names none: nobody can see what the plugin takes";
        return vec![if schema
            .get("additionalProperties")
            .is_some_and(|more| more == false)
        {
            good("params", "it takes no parameters")
        } else {
            mend("params", said)
        }];
    };
    let mut notes = Vec::new();
    if schema
        .get("additionalProperties")
        .is_none_or(|more| more != false)
    {
        notes.push(mend(
            "params",
            "it takes parameters that it does not name, so a misspelt one is taken for none: say `additionalProperties: false`",
        ));
    }
    let silent: Vec<&str> = members
        .iter()
        .filter(|(_, schema)| schema.get("description").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !silent.is_empty() {
        notes.push(mend(
            "params",
            format!("`{}` has no description: say what it is", silent.join("`, `")),
        ));
    }
    if notes.is_empty() {
        notes.push(good(
            "params",
            match members.len() {
                1 => "one parameter, described".to_owned(),
                count => format!("{count} parameters, all described"),
            },
        ));
    }
    notes
}

fn asks(plugin: &Plugin) -> Vec<Note> {
    let asks = &plugin.manifest().asks;
    if let Some(members) = asks.as_object() {
        let spec = match serde_json::from_value::<GrantSpec>(asks.clone()) {
            Ok(spec) => spec,
            Err(error) => {
                let said = format!(
                    "`asks` is not in the notation of a grant, so nobody can compare it with one: {error}"
                );
                return vec![mend("asks", said)];
            }
        };
        if let Err(error) = Grant::new(plugin.manifest().name.as_str().into(), spec) {
            let said =
                format!("no operator can grant this as it is: {error}. Ask for the narrowest that works");
            return vec![mend("asks", said)];
        }
        if !members.is_empty() {
            let lines = crate::diff::asked(asks);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            return vec![good("asks", lines.join("; "))];
        }
    }
    vec![good("asks", "it asks for nothing")]
}

fn wasi(plugin: &Plugin) -> Vec<Note> {
    let imported = |package: &str| plugin.imports().iter().any(|name| name.starts_with(package));
    let found: Vec<&str> = ["wasi:filesystem/", "wasi:sockets/"]
        .into_iter()
        .filter(|package| imported(package))
        .map(|package| package.trim_end_matches('/'))
        .collect();
    vec![match found.as_slice() {
        [] if imported("wasi:") => good(
            "wasi",
            "of WASI only what a runtime needs (clocks, streams, random numbers)",
        ),
        [] => good("wasi", "nothing of WASI is imported"),
        found => good(
            "wasi",
            format!(
                "`{}` is imported by the language's runtime; it is there and empty, whatever the plugin calls",
                found.join("`, `")
            ),
        ),
    }]
}

fn size(plugin: &Plugin) -> Vec<Note> {
    let said = stanch_contract::ByteSize(plugin.bytes()).to_string();
    vec![if plugin.bytes() >= LARGE {
        good(
            "size",
            format!("{said}: it is compiled once, when it is installed, which takes seconds"),
        )
    } else {
        good("size", said)
    }]
}
