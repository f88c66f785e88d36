//! What a first plugin does, as `stanch plugin new` begins it: told as JSON, so that one language is held beside another and
//! a component of long ago beside one of today.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stanch_contract::{ChangePlan, CheckedPlan, Finding, PluginKind};
use stanch_sandbox::{CallFault, Message, Sandbox};

use crate::{Installed, Server};

/// What every first plugin of this kind does, whatever it is written in.
pub fn expected(kind: PluginKind) -> Value {
    match kind {
        PluginKind::Diagnosis => json!({
            "well": { "verdict": "yes", "summary": "`SERVER/health` answers 200" },
            "busy": { "verdict": "no", "summary": "`SERVER/busy` answers 503" },
            "elsewhere": { "failed": "denied" },
            "received": ["GET /health", "GET /busy"],
        }),
        PluginKind::Remediation => {
            let action = |method: &str, content: Value| json!({ "verb": method, "target": "SERVER/list/192.0.2.7", "content": content });
            let put = r#"{"body":{"reason":"stanch"},"contentType":"application/json"}"#;
            json!({
                "promises": { "idempotent": true, "reversible": true, "verifies": true },
                "plan": { "summary": "Block `192.0.2.7`", "actions": [action("PUT", json!(put))] },
                "applied": "done",
                "verify": { "verdict": "yes", "summary": "It is on the list" },
                "again": { "summary": "`192.0.2.7` is blocked already", "actions": [] },
                "undo": { "summary": "Unblock", "actions": [action("DELETE", Value::Null)] },
                "undone": "done",
                "after": { "verdict": "no", "summary": "It is not on the list" },
                "elsewhere": { "failed": "denied" },
                "received": [
                    "GET /list/192.0.2.7", "PUT /list/192.0.2.7 {\"reason\":\"stanch\"}", "GET /list/192.0.2.7",
                    "GET /list/192.0.2.7", "DELETE /list/192.0.2.7", "GET /list/192.0.2.7",
                ],
            })
        }
        PluginKind::Notification => json!({
            "told": "done",
            "received": ["POST /hook {\"text\":\"A disk is almost full\\nNobody answered.\"}"],
        }),
    }
}

/// What this one does.
///
/// # Panics
/// Where it does not install, or fails where none of them does.
pub async fn told(sandbox: &Sandbox, component: Arc<[u8]>) -> Value {
    let blocked: Mutex<BTreeSet<String>> = Mutex::default();
    let server = Server::start(move |request| {
        let mut blocked = blocked.lock().unwrap();
        let path = request.path.clone();
        match request.method.as_str() {
            "PUT" => {
                blocked.insert(path);
                (201, "{}".into())
            }
            "DELETE" => (if blocked.remove(&path) { 200 } else { 404 }, "{}".into()),
            "GET" if path == "/busy" => (503, String::new()),
            "GET" if path.starts_with("/list/") && !blocked.contains(&path) => (404, String::new()),
            _ => (200, "{}".into()),
        }
    })
    .await;
    let open = json!(["127.0.0.0/8"]);
    let hook = format!("{}/hook", server.url);
    let kind = sandbox.install(component.clone()).await.unwrap().kind();
    let (grant, settings) = match kind {
        PluginKind::Notification => (
            json!({ "notify": [{ "url": hook, "addresses": open }] }),
            json!({ "url": hook }),
        ),
        _ => (
            json!({ "http": [{
                "url": format!("{}/**", server.url), "read": ["GET"], "change": ["PUT", "DELETE"], "addresses": open,
            }] }),
            json!({}),
        ),
    };
    let plugin = Installed::of(sandbox, component, grant, settings).await;
    let mut said = match kind {
        PluginKind::Diagnosis => diagnosis(&plugin, &server).await,
        PluginKind::Remediation => remediation(&plugin, &server).await,
        PluginKind::Notification => {
            plugin.notify(&json!({}), &message()).await.unwrap();
            json!({ "told": "done" })
        }
    };
    let received = server.received();
    said["received"] = received
        .iter()
        .map(|request| {
            // Languages write the same JSON in more ways than one.
            let body = serde_json::from_slice::<Value>(&request.body).map_or_else(
                |_| String::from_utf8_lossy(&request.body).into_owned(),
                |json| json.to_string(),
            );
            format!("{} {} {body}", request.method, request.path)
                .trim_end()
                .to_owned()
        })
        .collect();
    serde_json::from_str(&said.to_string().replace(&server.url, "SERVER")).unwrap()
}

async fn diagnosis(plugin: &Installed, server: &Server) -> Value {
    let ask = async |url: String| found(plugin.diagnose(json!({ "url": url })).await);
    json!({
        "well": ask(format!("{}/health", server.url)).await,
        "busy": ask(format!("{}/busy", server.url)).await,
        "elsewhere": ask("https://elsewhere.example/".into()).await,
    })
}

async fn remediation(plugin: &Installed, server: &Server) -> Value {
    let params = json!({ "list": format!("{}/list", server.url), "address": "192.0.2.7" });
    let elsewhere = json!({ "list": "https://elsewhere.example/list", "address": "192.0.2.7" });
    let manifest = plugin.plugin().manifest();
    let promises = json!({
        "idempotent": manifest.idempotent, "reversible": manifest.reversible, "verifies": manifest.verifies,
    });
    let plan = checked(plugin, plugin.plan(&params).await).await;
    let shown = planned(&plan);
    plugin.apply(&params, plan).await.unwrap();
    let verify = found(plugin.verify(&params).await);
    let again = planned(&checked(plugin, plugin.plan(&params).await).await);
    let undo = checked(plugin, plugin.plan_undo(&params).await).await;
    let back = planned(&undo);
    plugin.apply(&params, undo).await.unwrap();
    json!({
        "promises": promises, "plan": shown, "applied": "done", "verify": verify, "again": again,
        "undo": back, "undone": "done", "after": found(plugin.verify(&params).await),
        "elsewhere": { "failed": plugin.plan(&elsewhere).await.unwrap_err().into_failure().code },
    })
}

async fn checked(plugin: &Installed, plan: Result<ChangePlan, CallFault>) -> CheckedPlan {
    plugin.check(plan.unwrap()).await.unwrap()
}

fn planned(plan: &CheckedPlan) -> Value {
    let actions = plan
        .actions
        .iter()
        .map(|action| json!({ "verb": action.verb, "target": action.target, "content": action.content }));
    json!({ "summary": plan.summary, "actions": actions.collect::<Vec<_>>() })
}

fn found(result: Result<Finding, CallFault>) -> Value {
    match result {
        Ok(finding) => json!({ "verdict": finding.verdict, "summary": finding.summary }),
        Err(fault) => json!({ "failed": fault.into_failure().code }),
    }
}

fn message() -> Message {
    Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "A disk is almost full".into(),
        text: "Nobody answered.".into(),
        link: None,
        report: json!({}),
        thread: "run0000000000000".into(),
        extra: Value::Null,
    }
}
