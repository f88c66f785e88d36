//! Real guests at the real gate: what a plugin may not do, tried by a plugin, with a server that counts.
//!
//! The gate's own cases are in `gate`; these see that nothing is lost between a guest's words and the gate's.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, as tests do; the shared ones are more than what is used here"
)]

mod common;
#[path = "gate/world.rs"]
mod world;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use common::{context, sandbox};
use serde_json::{Value, json};
use stanch_contract::{ActionState, AttemptMade, CheckedPlan, FailureCode};
use stanch_sandbox::gate::{Apply, Decision, FilesGrantSpec, GrantSpec, HttpGrantSpec, Layer, check_plan};
use stanch_sandbox::{CallFault, Installation, InstallationParts, Limits, Sandbox};
use stanch_test_support::guest;
use world::{Server, TOKEN, World, http, only_http};

/// The scripted plugin of this kind, under the world's grant.
async fn plugin(sandbox: &Sandbox, kind: &str, world: &World) -> Installation {
    let parts = InstallationParts {
        key: "waf".into(),
        plugin: sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap(),
        grant: world.grant.clone(),
        limits: Limits::default(),
        settings: Value::Null,
        facilities: world.facilities.clone(),
    };
    Installation::new(sandbox, parts)
}

/// Plans by `script`, checks the plan, applies by `script`.
async fn plan(plugin: &Installation, world: &World, script: &Value) -> CheckedPlan {
    let offered = plugin.plan(&context(), script).await.result.unwrap();
    check_plan(offered, &world.grant, &world.facilities, false)
        .await
        .unwrap()
}

fn apply(world: &World, plan: CheckedPlan) -> Apply {
    Apply {
        plan,
        earlier: BTreeMap::new(),
        log: world.log.clone(),
    }
}

fn post(url: &str, body: &str) -> Value {
    json!({ "http": { "method": "POST", "url": url, "headers": { "content-type": "application/json" }, "body": body } })
}

fn planned(url: &str, body: &Value) -> Value {
    let content = json!({ "contentType": "application/json", "body": body }).to_string();
    json!({ "verb": "POST", "target": url, "content": content })
}

#[tokio::test]
async fn a_plan_that_changes_something_changes_nothing() {
    let (sandbox, server) = (sandbox(), Server::ok().await);
    let world = World::new(only_http(http(&server.url("/**"))));
    let plugin = plugin(&sandbox, "remediation", &world).await;
    let script = json!({ "plan": { "strict": true, "do": [post(&server.url("/block"), "{}")] } });
    let report = plugin.plan(&context(), &script).await;
    assert!(
        matches!(&report.result, Err(CallFault::Refused(failure)) if failure.code == FailureCode::Denied),
        "{:?}",
        report.result
    );
    assert!(
        matches!(&report.ledger.calls[0].decision, Decision::Refused(refusal) if refusal.layer == Layer::Phase)
    );
    let reading = json!({ "plan": { "strict": true, "do": [{ "http": { "url": server.url("/list") } }] } });
    plugin.plan(&context(), &reading).await.result.unwrap();
    assert_eq!(server.count(), 1, "only the read went out");
}

#[tokio::test]
async fn what_was_planned_is_sent_once_and_nothing_beyond_it() {
    let (sandbox, server) = (sandbox(), Server::ok().await);
    let world = World::new(only_http(http(&server.url("/**"))));
    let plugin = plugin(&sandbox, "remediation", &world).await;
    let url = server.url("/block");
    let script = json!({
        "plan": { "actions": [planned(&url, &json!({ "ip": "192.0.2.1" }))] },
        "apply": { "do": [
            post(&url, r#"{"ip":"192.0.2.2"}"#),
            post(&server.url("/other"), r#"{"ip":"192.0.2.1"}"#),
            { "http": { "method": "DELETE", "url": url } },
            post(&url, r#"{ "ip": "192.0.2.1" }"#),
            post(&url, r#"{"ip":"192.0.2.1"}"#),
        ] },
        "verify": {},
    });
    let plan = plan(&plugin, &world, &script).await;
    let report = plugin
        .apply(&context(), &script, apply(&world, plan.clone()))
        .await;
    let outcome = report.result.unwrap();
    let answers: Vec<bool> = outcome.data["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["ok"].is_object())
        .collect();
    // Other content, another target and another verb are refused; the action itself goes out once, in canonical form.
    assert_eq!(answers, [false, false, false, true, false]);
    assert_eq!(server.count(), 1);
    assert_eq!(server.last().body.as_ref(), br#"{"ip":"192.0.2.1"}"#);
    assert_eq!(world.log.events(), ["started 0", "ended 0 done"]);
    assert!(matches!(report.ledger.progress[&0], ActionState::Done { .. }));

    let made = AttemptMade {
        plan,
        progress: report.ledger.progress,
        outcome: Some(outcome),
    };
    let seen = plugin
        .verify(&context(), &script, &made)
        .await
        .result
        .unwrap()
        .data;
    assert_eq!(
        (&seen["progress"][0][0], &seen["progress"][0][1]),
        (&json!(0), &json!("done"))
    );
}

#[tokio::test]
async fn an_apply_that_traps_after_sending_leaves_what_was_done() {
    let (sandbox, server) = (sandbox(), Server::ok().await);
    let world = World::new(only_http(http(&server.url("/**"))));
    let plugin = plugin(&sandbox, "remediation", &world).await;
    let url = server.url("/block");
    let script = json!({
        "plan": { "actions": [planned(&url, &json!({})), planned(&server.url("/more"), &json!({}))] },
        "apply": { "do": [post(&url, "{}"), { "trap": "after the first" }] },
    });
    let plan = plan(&plugin, &world, &script).await;
    let report = plugin.apply(&context(), &script, apply(&world, plan)).await;
    assert!(
        matches!(report.result, Err(CallFault::Trap { .. })),
        "{:?}",
        report.result
    );
    assert!(matches!(report.ledger.progress[&0], ActionState::Done { .. }));
    assert!(!report.ledger.progress.contains_key(&1) || report.ledger.progress[&1] == ActionState::NotSent);
}

#[tokio::test]
async fn a_bound_header_is_not_the_plugins_and_a_secret_that_is_echoed_is_not_seen() {
    let echo = Server::start(|got| {
        let header = got
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("none");
        (StatusCode::OK, format!("you sent {header}")).into_response()
    });
    let (sandbox, server) = (sandbox(), echo.await);
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer ${secret:token}".to_owned())]);
    let world = World::new(only_http(HttpGrantSpec {
        headers,
        ..http(&server.url("/**"))
    }));
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let forged = json!({ "http": { "url": server.url("/"), "headers": { "Authorization": "Bearer mine" } } });
    let plain = json!({ "http": { "url": server.url("/") } });
    let report = plugin
        .diagnose(
            &context(),
            &json!({ "do": [forged, plain, { "log": TOKEN }], "summary": TOKEN }),
        )
        .await;
    let finding = report.result.unwrap();
    assert_eq!(finding.data["calls"][0]["err"]["code"], "denied");
    assert_eq!(finding.data["calls"][1]["ok"]["status"], 200);
    assert_eq!(server.last().headers["authorization"], format!("Bearer {TOKEN}"));
    let everything = format!(
        "{} {finding:?} {:?} {:?}",
        finding.data, report.logs, report.ledger
    );
    assert!(!everything.contains(TOKEN), "{everything}");
}

#[tokio::test]
async fn metadata_addresses_are_not_reached_in_any_spelling() {
    let sandbox = sandbox();
    let names = world::Names::with("metadata.example", &[&["169.254.169.254"], &["127.0.0.1"]]);
    let settings = stanch_sandbox::http::HttpSettings {
        system_roots: false,
        resolver: names,
        ..Default::default()
    };
    let urls = [
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/latest/",
        "http://2852039166/latest/",
        "http://0xa9fea9fe/latest/",
        "http://metadata.example/latest/",
    ];
    let grants = [
        "http://169.254.169.254/**",
        "http://[::ffff:a9fe:a9fe]/**",
        "http://metadata.example/**",
    ];
    let spec = GrantSpec {
        http: grants
            .iter()
            .map(|url| HttpGrantSpec {
                addresses: vec![],
                ..http(url)
            })
            .collect(),
        ..Default::default()
    };
    let world = World::with(spec, settings);
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let steps: Vec<Value> = urls
        .iter()
        .map(|url| json!({ "http": { "url": url, "timeout_ms": 2000 } }))
        .collect();
    let report = plugin.diagnose(&context(), &json!({ "do": steps })).await;
    let finding = report.result.unwrap();
    for (url, call) in urls.iter().zip(finding.data["calls"].as_array().unwrap()) {
        assert_eq!(call["err"]["code"], "denied", "{url}: {call}");
    }
    assert_eq!(report.ledger.calls.len(), urls.len());
}

#[tokio::test]
async fn paths_do_not_lead_out_of_the_granted_folder() {
    let (sandbox, folder) = (sandbox(), tempfile::tempdir().unwrap());
    let granted = folder.path().join("granted");
    std::fs::create_dir(&granted).unwrap();
    std::fs::write(granted.join("inside"), "in").unwrap();
    std::fs::write(folder.path().join("outside"), "out").unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside"), granted.join("link")).unwrap();
    let files = vec![FilesGrantSpec {
        path: granted.to_string_lossy().into_owned(),
        at: "scratch".into(),
        access: stanch_sandbox::gate::Access::Read,
    }];
    let world = World::new(GrantSpec {
        files,
        ..Default::default()
    });
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let read = |path: &str| json!({ "read": { "path": path } });
    let script = json!({ "do": [
        read("scratch/inside"),
        read("scratch/../outside"),
        read("scratch/link"),
        read("/etc/passwd"),
        { "write": { "path": "scratch/new", "content": "x" } },
        { "scan": { "folder": "scratch" } },
    ] });
    let data = plugin.diagnose(&context(), &script).await.result.unwrap().data;
    assert_eq!(data["calls"][0]["ok"], "in");
    for refused in 1..5 {
        assert!(
            data["calls"][refused]["err"].is_object(),
            "{refused}: {}",
            data["calls"][refused]
        );
    }
    assert_eq!(data["calls"][5]["ok"]["items"].as_array().unwrap().len(), 2);
    assert!(!granted.join("new").exists());
}

#[tokio::test]
async fn a_notification_goes_where_its_grant_says_and_nowhere_else() {
    let (sandbox, server) = (sandbox(), Server::ok().await);
    let notify =
        serde_json::from_value(json!([{ "url": server.url("/hook"), "addresses": ["127.0.0.0/8"] }]))
            .unwrap();
    let world = World::new(GrantSpec {
        notify,
        ..Default::default()
    });
    let plugin = plugin(&sandbox, "notification", &world).await;
    let message = stanch_sandbox::Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "t".into(),
        text: "t".into(),
        link: None,
        report: Value::Null,
        thread: "run1".into(),
        extra: Value::Null,
    };
    let script = json!({ "strict": true, "do": [post(&server.url("/hook"), "{}")] });
    plugin.notify(&context(), &script, &message).await.result.unwrap();
    let elsewhere = json!({ "strict": true, "do": [post(&server.url("/elsewhere"), "{}")] });
    assert!(
        plugin
            .notify(&context(), &elsewhere, &message)
            .await
            .result
            .is_err()
    );
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn waiting_for_a_server_is_not_charged_as_processor_time() {
    let slow = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        (StatusCode::OK, "late").into_response()
    });
    let (sandbox, server) = (sandbox(), slow.await);
    let world = World::new(only_http(http(&server.url("/**"))));
    let installed = plugin(&sandbox, "diagnosis", &world).await;
    let script =
        json!({ "do": [{ "repeat": { "times": 5, "do": [{ "http": { "url": server.url("/") } }] } }] });
    let report = installed.diagnose(&context(), &script).await;
    assert_eq!(report.result.unwrap().data["calls"].as_array().unwrap().len(), 5);
    assert!(
        report.took.as_millis() >= 150 && report.cpu.as_millis() < 150,
        "{:?} {:?}",
        report.took,
        report.cpu
    );
}
