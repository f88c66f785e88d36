//! The shipped plugins in the real sandbox, behind the real gate, with real folders and servers. What each of them decides
//! is tested beside it; here it is that the component, the manifest, the grant and the plan fit together.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::path::Path;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use stanch_contract::{FailureCode, PluginKind, Verdict};
use stanch_sandbox::{CallFault, Message};
use stanch_tests::{Installed, Server, code, http_grant, packed, sandbox};

const SHIPPED: [(&str, PluginKind); 20] = [
    ("disk-usage", PluginKind::Diagnosis),
    ("disk-cleanup", PluginKind::Remediation),
    ("prometheus-query", PluginKind::Diagnosis),
    ("http-probe", PluginKind::Diagnosis),
    ("webhook", PluginKind::Notification),
    ("pod-state", PluginKind::Diagnosis),
    ("pod-logs", PluginKind::Diagnosis),
    ("pod-recycle", PluginKind::Remediation),
    ("deployment-scale", PluginKind::Remediation),
    ("config-switch", PluginKind::Remediation),
    ("kubernetes-job", PluginKind::Remediation),
    ("kubernetes-patch", PluginKind::Remediation),
    ("traffic-reroute", PluginKind::Remediation),
    ("gpu-state", PluginKind::Diagnosis),
    ("capability-flag", PluginKind::Remediation),
    ("status-banner", PluginKind::Remediation),
    ("key-revoke", PluginKind::Remediation),
    ("waf-block", PluginKind::Remediation),
    ("http-call", PluginKind::Remediation),
    ("pagerduty", PluginKind::Notification),
];

fn folder_grant(folder: &Path, access: &str) -> Value {
    json!({ "files": [{ "path": folder, "at": "scratch", "access": access }] })
}

/// A file of this size, last changed so many days ago.
fn file(folder: &Path, name: &str, bytes: usize, days: u64) {
    let path = folder.join(name);
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(bytes as u64).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 - days * 86_400))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_plugin_installs_as_what_it_is_and_is_small() {
    let sandbox = sandbox();
    for (name, kind) in SHIPPED {
        let component = packed(&sandbox, name).await;
        let section = stanch_plugin_pack::read_manifest_section(&component)
            .unwrap()
            .unwrap();
        let plugin = sandbox.install(component.clone()).await.unwrap();
        assert_eq!((plugin.kind(), plugin.manifest().name.as_str()), (kind, name));
        assert_eq!(
            serde_json::from_str::<stanch_contract::Manifest>(section).unwrap(),
            *plugin.manifest()
        );
        assert!(
            plugin.check_params(&json!({ "no-such-parameter": 1 })).is_some(),
            "{name} takes anything"
        );
        // It has two readers of regular expressions: one that says how broad one is, and one that tries it on the sample.
        let most = if name == "waf-block" { 700_000 } else { 500_000 };
        assert!(component.len() < most, "{name} has {} bytes", component.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_whose_section_says_something_else_is_refused() {
    let sandbox = sandbox();
    let component = tokio::task::spawn_blocking(|| stanch_test_support::component("webhook"))
        .await
        .unwrap();
    let component = std::fs::read(component).unwrap();
    let manifest = sandbox.describe(component.clone().into()).await.unwrap();
    let other = manifest.replace("Posts a message", "Posts nothing");
    let packed = stanch_plugin_pack::add_manifest_section(&component, &other).unwrap();
    let error = sandbox.install(packed.into()).await.unwrap_err();
    assert!(error.to_string().contains("summary"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_usage_sums_a_real_folder_and_sees_no_other() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "a.tmp", 300_000, 3);
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    file(folder.path(), "deep/b.tmp", 800_000, 2);
    let plugin = Installed::new("disk-usage", folder_grant(folder.path(), "read"), json!({})).await;

    let finding = plugin
        .diagnose(json!({ "folder": "scratch", "larger_than": "1MiB" }))
        .await
        .unwrap();
    assert_eq!(finding.verdict, Verdict::Yes, "{}", finding.summary);
    assert_eq!(finding.data["files_bytes"], 1_100_000);
    assert_eq!(finding.data["largest"][0]["path"], "scratch/deep/b.tmp");
    let finding = plugin
        .diagnose(json!({ "folder": "scratch/deep", "larger_than": "1MiB" }))
        .await
        .unwrap();
    assert_eq!(finding.verdict, Verdict::No, "{}", finding.summary);
    for outside in ["other", "/etc", "scratch/../.."] {
        let fault = plugin
            .diagnose(json!({ "folder": outside, "above": 0.1 }))
            .await
            .unwrap_err();
        assert_eq!(code(&fault), FailureCode::Denied, "{outside}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_cleanup_removes_what_was_planned_and_what_changed_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    for (name, days) in [("a.tmp", 9), ("b.tmp", 8), ("c.tmp", 7), ("keep.db", 9)] {
        file(folder.path(), name, 100_000, days);
    }
    let plugin = Installed::new("disk-cleanup", folder_grant(folder.path(), "change"), json!({})).await;
    let params = json!({ "folder": "scratch", "pattern": "*.tmp", "older_than": "1h" });

    let plan = plugin.plan(&params).await.unwrap();
    let checked = plugin.check(plan).await.unwrap();
    assert_eq!(
        (checked.actions[0].items.len(), checked.actions[0].bytes),
        (3, Some(300_000))
    );
    assert!(checked.actions[0].repeat_safe);
    file(folder.path(), "b.tmp", 50, 1);
    plugin.apply(&params, checked).await.unwrap();

    let left = |name: &str| folder.path().join(name).exists();
    assert_eq!(
        [left("a.tmp"), left("b.tmp"), left("c.tmp"), left("keep.db")],
        [false, true, false, true]
    );
    let finding = plugin.verify(&params).await.unwrap();
    assert_eq!(finding.verdict, Verdict::Yes, "{}", finding.summary);
    assert_eq!(finding.data["files"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_cleanup_with_a_grant_to_read_can_plan_and_not_change() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "a.tmp", 100, 9);
    let plugin = Installed::new("disk-cleanup", folder_grant(folder.path(), "read"), json!({})).await;
    let params = json!({ "folder": "scratch", "pattern": "*.tmp", "older_than": "1h" });
    let plan = plugin.plan(&params).await.unwrap();
    let refusal = plugin.check(plan).await.unwrap_err();
    assert!(
        refusal.to_string().contains("may only read in `scratch`"),
        "{refusal}"
    );
    assert!(folder.path().join("a.tmp").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_query_asks_a_server_and_its_query_arrives_as_it_was() {
    let server = Server::start(|_| {
        let result = json!([{ "metric": { "job": "x" }, "value": [1_790_000_000.5, "0.97"] }]);
        (
            200,
            json!({ "status": "success", "data": { "resultType": "vector", "result": result } }).to_string(),
        )
    })
    .await;
    let settings = json!({ "url": server.url });
    let plugin = Installed::new(
        "prometheus-query",
        http_grant(&server, &["GET"], &[]),
        settings.clone(),
    )
    .await;
    let params = json!({ "query": "max(up{job=\"x\"}) + 1", "above": 0.95 });
    let finding = plugin.diagnose(params.clone()).await.unwrap();
    assert_eq!(
        (finding.verdict, &finding.data["value"]),
        (Verdict::Yes, &json!(0.97))
    );
    let path = &server.received()[0].path;
    assert!(
        path.starts_with("/api/v1/query?query=max%28up%7Bjob%3D%22x%22%7D%29%20%2B%201&time="),
        "{path}"
    );

    let closed = Installed::new("prometheus-query", json!({}), settings).await;
    assert_eq!(
        code(&closed.diagnose(params).await.unwrap_err()),
        FailureCode::Denied
    );
    assert_eq!(server.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_probe_tells_a_server_that_is_gone_from_a_gate_that_refuses() {
    let server = Server::start(|_| (200, "all is well".into())).await;
    let grant = http_grant(&server, &["GET"], &[]);
    let plugin = Installed::new("http-probe", grant, json!({})).await;
    let params = |body: &str| json!({ "url": format!("{}/health", server.url), "tries": 2, "every": "10ms", "body": body });
    let well = plugin.diagnose(params("is w.ll")).await.unwrap();
    assert_eq!(
        (well.verdict, server.received().len()),
        (Verdict::Yes, 2),
        "{}",
        well.summary
    );
    assert_eq!(
        plugin.diagnose(params("is bad")).await.unwrap().verdict,
        Verdict::No
    );

    let elsewhere = plugin
        .diagnose(json!({ "url": "http://127.0.0.1:1/", "tries": 1 }))
        .await
        .unwrap();
    assert_eq!(elsewhere.verdict, Verdict::Unknown, "{}", elsewhere.summary);

    let port = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{port}/");
    let grant =
        json!({ "http": [{ "url": format!("{url}**"), "read": ["GET"], "addresses": ["127.0.0.0/8"] }] });
    let plugin = Installed::new("http-probe", grant, json!({})).await;
    let gone = plugin.diagnose(json!({ "url": url, "tries": 1 })).await.unwrap();
    assert_eq!(gone.verdict, Verdict::No, "{}", gone.summary);
}

fn message() -> Message {
    Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "A disk is almost full".into(),
        text: "Nobody answered.".into(),
        link: None,
        report: json!({ "run": "r" }),
        thread: "run0000000000000".into(),
        extra: Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_delivers_signed_by_the_gate_and_tries_again() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let server = Server::start(
        move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => (503, "not yet".into()),
            _ => (204, String::new()),
        },
    )
    .await;
    let url = format!("{}/hook", server.url);
    let sign = json!({ "header": "x-stanch-signature", "hmac_sha256": "${secret:webhook}" });
    let grant = json!({ "notify": [{ "url": url, "addresses": ["127.0.0.0/8"], "sign": sign }] });
    let plugin = Installed::new("webhook", grant, json!({ "url": url })).await;
    plugin
        .notify(&json!({ "to": "oncall" }), &message())
        .await
        .unwrap();

    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[0].headers["idempotency-key"],
        received[1].headers["idempotency-key"]
    );
    let body: Value = serde_json::from_slice(&received[1].body).unwrap();
    assert_eq!(
        (&body["title"], &body["to"]),
        (&json!("A disk is almost full"), &json!("oncall"))
    );
    let signature = &received[1].headers["x-stanch-signature"];
    let (time, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut expected = Hmac::<sha2::Sha256>::new_from_slice(b"the-webhook-secret").unwrap();
    expected.update(format!("{time}.").as_bytes());
    expected.update(&received[1].body);
    expected.verify_slice(&hex::decode(mac).unwrap()).unwrap();

    let silent = Installed::new("webhook", json!({}), json!({ "url": url })).await;
    assert_eq!(
        code(&silent.notify(&json!({}), &message()).await.unwrap_err()),
        FailureCode::Denied
    );
    assert_eq!(server.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_are_made_as_planned_each_under_its_key_and_taken_back() {
    let server = Server::start(|request| match request.path.as_str() {
        "/e/verify" => (200, "yes".into()),
        _ => (200, "{}".into()),
    })
    .await;
    let grant = http_grant(&server, &["GET"], &["POST", "DELETE"]);
    for (name, safe) in [("effect-once", false), ("effect-safe", true)] {
        let before = server.received().len();
        let plugin = Installed::new(name, grant.clone(), json!({})).await;
        let params = json!({ "url": format!("{}/e", server.url), "actions": 2 });
        let checked = plugin.checked(&params).await;
        assert!(
            checked.actions.iter().all(|action| action.repeat_safe == safe),
            "{name}"
        );
        plugin.apply(&params, checked).await.unwrap();
        assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::Yes);
        let undo = plugin.way_back(&params).await;
        plugin.apply(&params, undo).await.unwrap();

        let seen: Vec<String> = server.received()[before..]
            .iter()
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        assert_eq!(
            seen,
            [
                "POST /e/0",
                "POST /e/1",
                "GET /e/verify",
                "GET /e/0",
                "GET /e/1",
                "DELETE /e/1",
                "DELETE /e/0"
            ]
        );
        let keys: Vec<String> = server.received()[before..before + 2]
            .iter()
            .map(|r| r.headers["idempotency-key"].clone())
            .collect();
        assert_eq!(keys, ["run0000000000000.step.do-0", "run0000000000000.step.do-1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_in_the_middle_leaves_what_was_done_and_what_was_not() {
    let server = Server::start(|_| (200, "{}".into())).await;
    let plugin = Installed::new("effect-once", http_grant(&server, &["GET"], &["POST"]), json!({})).await;
    let params = json!({ "url": format!("{}/e", server.url), "actions": 3, "trap_after": 1 });
    let checked = plugin.checked(&params).await;
    let fault = plugin.apply(&params, checked).await.unwrap_err();
    assert!(
        matches!(&fault, CallFault::Trap { message } if message.contains("trapped after 1 actions")),
        "{fault}"
    );
    assert_eq!(server.received().len(), 1);
    let made = plugin.made();
    let states: Vec<&str> = (0..3)
        .map(|i| made.progress.get(&i).map_or("not-sent", |state| state.as_str()))
        .collect();
    assert_eq!(states, ["done", "not-sent", "not-sent"]);
    let undo = plugin.plan_undo(&params).await.unwrap();
    assert_eq!(undo.actions.len(), 1);
}
