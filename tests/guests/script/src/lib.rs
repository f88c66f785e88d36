//! What the scripted test plugins do: host calls and misbehaviour, as their parameters say.
//!
//! A script is a JSON object. `do` lists steps; each is an object with one member, which names the step. Each call of a
//! capability adds its answer to `calls` of the data that comes back: `{"ok": …}` or `{"err": {"code", "message"}}`.
//! With `"strict": true` the first refused call ends the script with that failure. A phase of a remediation has a script
//! of its own under `plan`, `apply`, `verify` or `undo`. The other members: `verdict`, `summary`, `data` (instead of the
//! calls), `evidence`, `actions` of a plan (`{chance}` in a target is a random number),
//! `fail` {code, message}.
//!
//! | step | what it does |
//! |---|---|
//! | `http` | {method, url, headers: {…}, body, timeout_ms} |
//! | `usage`, `scan`, `read`, `write`, `remove` | the functions of `files`: a folder; {folder, recursive, from}; {path, limit}; {path, content}; {folder, files: [{path, kind, bytes, modified_ms}]} |
//! | `kubernetes` | {verb, api_version, kind, namespace, name}; list: labels, fields, limit, from; logs: container, previous, tail; delete, evict: grace; patch: how, body; create: body; scale: replicas |
//! | `log`, `print`, `complain` | a text to `host.log`, standard output, standard error |
//! | `now`, `wall`, `monotonic`, `random` | read a clock, or so many random bytes; the answer is among the calls |
//! | `settings`, `remaining`, `cancelled`, `environment` | what there is; the answer is among the calls |
//! | `remember` | how often it was asked in this instance before |
//! | `sleep_ms`, `spin`, `spin_ms` | wait, or use the processor, for ever or so long |
//! | `grow_mib`, `flood_log`, `flood_print`, `flood_calls`, `huge_call`, `recurse`, `trap`, `exit` | misbehave |
//! | `repeat` | {times, do} |

#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package stanch:script;
            world imports {
                import runbook:plugin/common@0.1.0;
                import runbook:plugin/host@0.1.0;
                import runbook:plugin/kubernetes@0.1.0;
                import runbook:plugin/http@0.1.0;
                import runbook:plugin/files@0.1.0;
            }
        ",
        path: "../../../plugin-sdk/wit",
        world: "stanch:script/imports",
        generate_all,
        generate_unused_types: true,
    });
}

mod steps;

use imports::runbook::plugin::common::{Evidence, Failure, Finding, Point, Verdict};
use serde_json::{Value, json};

/// What a script came to.
pub struct Done {
    /// The script.
    pub script: Value,
    /// The answers of its calls.
    pub calls: Vec<Value>,
}

/// Runs the script in `params`, or the one for `phase` in it.
pub fn run(params: &str, phase: Option<&str>) -> Result<Done, Failure> {
    let params: Value =
        serde_json::from_str(params).map_err(|error| failure("invalid-params", &error.to_string()))?;
    let script = phase
        .map_or(Some(&params), |phase| params.get(phase))
        .cloned()
        .unwrap_or_else(|| json!({}));
    let mut calls = Vec::new();
    steps::run(&script, script["strict"] == true, &mut calls)?;
    match script.get("fail") {
        Some(fail) => Err(failure(&text(&fail["code"]), &text(&fail["message"]))),
        None => Ok(Done { script, calls }),
    }
}

impl Done {
    /// The script's `data`, else the calls.
    pub fn data(&self) -> String {
        match &self.script["data"] {
            Value::Null => json!({ "calls": self.calls }).to_string(),
            Value::String(raw) if self.script["raw_data"] == true => raw.clone(),
            Value::Object(special) if special.contains_key("$deep") => {
                let depth = special["$deep"].as_u64().unwrap_or(0) as usize;
                format!("{}{}", "[".repeat(depth), "]".repeat(depth))
            }
            Value::Object(special) if special.contains_key("$bytes") => {
                format!(
                    "\"{}\"",
                    "x".repeat(special["$bytes"].as_u64().unwrap_or(0) as usize)
                )
            }
            data => data.to_string(),
        }
    }

    /// The script's `summary`.
    pub fn summary(&self) -> String {
        self.script["summary"].as_str().unwrap_or("done").to_owned()
    }

    /// The script's `evidence`: {label, value, link, points: [[at, value]]}; a value that is a text is a number's name.
    pub fn evidence(&self) -> Vec<Evidence> {
        let number = |value: &Value| {
            value
                .as_f64()
                .unwrap_or_else(|| text(value).parse().unwrap_or(f64::NAN))
        };
        let pieces = self.script["evidence"].as_array().cloned().unwrap_or_default();
        pieces
            .iter()
            .map(|piece| Evidence {
                label: text(&piece["label"]),
                value: text(&piece["value"]),
                link: piece["link"].as_str().map(str::to_owned),
                unit: None,
                points: piece["points"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|point| Point {
                        at_ms: number(&point[0]),
                        value: number(&point[1]),
                    })
                    .collect(),
                extra: "{}".to_owned(),
            })
            .collect()
    }

    /// The script as a finding.
    pub fn finding(&self) -> Finding {
        Finding {
            verdict: match self.script["verdict"].as_str() {
                Some("no") => Verdict::No,
                Some("unknown") => Verdict::Unknown,
                _ => Verdict::Yes,
            },
            summary: self.summary(),
            evidence: self.evidence(),
            data: self.data(),
            extra: "{}".to_owned(),
        }
    }
}

/// A failure of the contract.
pub fn failure(code: &str, message: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after_ms: None,
        extra: "{}".to_owned(),
    }
}

/// A random number: the seed of a hash map is the standard library's one use of chance.
pub fn chance() -> String {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0).to_string()
}

/// A text, and nothing where there is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
