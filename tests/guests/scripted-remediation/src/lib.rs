//! A remediation plugin that does what its parameters say: see `guest-script`.

#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod bindings {
    use super::Scripted;

    wit_bindgen::generate!({
        path: "../../../plugin-sdk/wit",
        world: "remediation-plugin",
        with: {
            "runbook:plugin/common@0.1.0": guest_script::imports::runbook::plugin::common,
            "runbook:plugin/host@0.1.0": guest_script::imports::runbook::plugin::host,
            "runbook:plugin/kubernetes@0.1.0": guest_script::imports::runbook::plugin::kubernetes,
            "runbook:plugin/http@0.1.0": guest_script::imports::runbook::plugin::http,
            "runbook:plugin/files@0.1.0": guest_script::imports::runbook::plugin::files,
        },
    });
    export!(Scripted);
}

use bindings::exports::runbook::plugin::manifest;
use bindings::exports::runbook::plugin::remediation::{Action, AttemptMade, ChangePlan, Guest, Outcome};
use guest_script::imports::runbook::plugin::common::{Context, Failure, Finding};
use guest_script::{Done, text};
use serde_json::{Value, json};

struct Scripted;

impl manifest::Guest for Scripted {
    fn describe() -> String {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json")).to_owned()
    }
}

impl Guest for Scripted {
    fn plan(_context: Context, params: String) -> Result<ChangePlan, Failure> {
        guest_script::run(&params, Some("plan")).map(|done| plan(&done))
    }

    fn apply(_context: Context, params: String, plan: ChangePlan) -> Result<Outcome, Failure> {
        let done = guest_script::run(&params, Some("apply"))?;
        let data = match &done.script["data"] {
            Value::Null => json!({ "calls": done.calls, "planned": plan.actions.len() }).to_string(),
            _ => done.data(),
        };
        Ok(Outcome {
            summary: done.summary(),
            evidence: done.evidence(),
            data,
            extra: "{}".to_owned(),
        })
    }

    /// Its data says what the host told of the attempt, under `progress`.
    fn verify(_context: Context, params: String, made: AttemptMade) -> Result<Finding, Failure> {
        let done = guest_script::run(&params, Some("verify"))?;
        let progress: Vec<Value> = made
            .progress
            .iter()
            .map(|one| json!([one.action, one.state, one.detail]))
            .collect();
        let mut finding = done.finding();
        if done.script["data"].is_null() {
            finding.data = json!({ "calls": done.calls, "progress": progress }).to_string();
        }
        Ok(finding)
    }

    fn plan_undo(_context: Context, params: String, _made: AttemptMade) -> Result<ChangePlan, Failure> {
        guest_script::run(&params, Some("undo")).map(|done| plan(&done))
    }
}

fn plan(done: &Done) -> ChangePlan {
    let action = |one: &Value| Action {
        verb: text(&one["verb"]),
        target: text(&one["target"]).replace("{chance}", &guest_script::chance()),
        expect: one["expect"].as_str().map(str::to_owned),
        content: one["content"].as_str().map(str::to_owned),
        items: one["items"].as_array().into_iter().flatten().map(text).collect(),
        reason: text(&one["reason"]),
        extra: "{}".to_owned(),
    };
    ChangePlan {
        summary: done.summary(),
        actions: done.script["actions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(action)
            .collect(),
        population: done.script["population"].as_str().map(str::to_owned),
        data: done.data(),
        extra: "{}".to_owned(),
    }
}
