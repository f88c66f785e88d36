//! The interface as a real component meets it.

use serde_json::{Value, json};
use stanch_contract::PluginKey;
use stanch_sandbox::gate::{Apply, check_plan};
use stanch_sandbox::{CallContext, Installation, InstallationParts, Limits};
use stanch_test_support::guest;

use crate::common::{context, sandbox};
use crate::world::*;

async fn installed(kind: &str, gate: &Gate) -> Installation {
    let sandbox = sandbox();
    let plugin = sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap();
    let parts = InstallationParts {
        key: PluginKey::from("recycle"),
        plugin,
        grant: gate.grant.clone(),
        limits: Limits::default(),
        settings: Value::Null,
        facilities: gate.facilities.clone(),
    };
    Installation::new(&sandbox, parts)
}

fn here() -> CallContext {
    CallContext {
        on: Some("here".to_owned()),
        ..context()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_reads_objects_lists_and_logs_and_changes_nothing() {
    let world = World::new("guest-reads");
    world.space.apply(&pods(&["a", "b"], "x")).unwrap();
    world.space.ready("app=x", 2).unwrap();
    world.space.logs("a", "main", &["hello"], &[]).unwrap();
    let gate = world.gate(&["get", "list", "logs", "evict"], &["pods"]).await;
    let plugin = installed("diagnosis", &gate).await;
    let name = world.space.name();
    let one = |verb: &str, more: Value| {
        let mut step = json!({ "verb": verb, "namespace": name, "name": "a" });
        step.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "kubernetes": step })
    };
    let steps = json!([
        one("get", json!({})),
        one("list", json!({ "labels": "app=x", "limit": 1 })),
        one("logs", json!({ "container": "main" })),
        one("evict", json!({})),
        one("get", json!({ "kind": "Secret" })),
        one("get", json!({ "namespace": "kube-system" })),
    ]);
    let report = plugin
        .diagnose(&here(), &json!({ "do": steps, "verdict": "yes" }))
        .await;
    let calls = report.result.unwrap().data["calls"].as_array().unwrap().clone();
    assert_eq!(calls[0]["ok"]["metadata"]["name"], "a");
    assert_eq!(calls[1]["ok"]["items"].as_array().unwrap().len(), 1);
    assert!(calls[1]["ok"]["next"].is_string());
    assert_eq!(calls[2]["ok"], "hello\n");
    for call in &calls[3..] {
        assert_eq!(call["err"]["code"], "denied", "{call}");
    }
    assert_eq!(report.ledger.calls.len(), 6);
    // Without a cluster nothing is there to be asked.
    let report = plugin
        .diagnose(
            &context(),
            &json!({ "do": [one("get", json!({}))], "verdict": "yes" }),
        )
        .await;
    let call = report.result.unwrap().data["calls"][0].clone();
    assert!(
        call["err"]["message"]
            .as_str()
            .unwrap()
            .contains("bound to no cluster"),
        "{call}"
    );
    assert_eq!(world.changed(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_does_every_verb_as_planned() {
    let world = World::new("guest-apply");
    world.space.apply(&pods(&["a", "b"], "x")).unwrap();
    world.space.apply(&deployment("web", 1)).unwrap();
    world.space.apply(&config_map("mode", "{}", "{a: old}")).unwrap();
    let both = world.space.ready("app=x", 2).unwrap();
    let uid_of = |name: &str| {
        let pod = both.iter().find(|pod| pod["metadata"]["name"] == name).unwrap();
        format!("uid:{}", uid(pod))
    };
    let gate = world
        .gate(
            &["delete", "evict", "patch", "create", "scale"],
            &["pods", "configmaps", "deployments.apps"],
        )
        .await;
    let plugin = installed("remediation", &gate).await;
    let actions = json!([
        { "verb": "delete", "target": world.target("_/pods/a"), "expect": uid_of("a"), "content": "{\"graceSeconds\":0}" },
        { "verb": "evict", "target": world.target("_/pods/b"), "expect": uid_of("b") },
        { "verb": "patch", "target": world.target("_/configmaps/mode"), "content": json!({ "kind": "merge", "body": { "data": { "a": "new" } } }).to_string() },
        { "verb": "create", "target": world.target("_/configmaps/new"), "content": json!({ "body": { "data": {} } }).to_string() },
        { "verb": "scale", "target": world.target("apps/deployments/web"), "content": "{\"replicas\":2}" },
    ]);
    let offered = plugin
        .plan(&here(), &json!({ "plan": { "actions": actions } }))
        .await
        .result
        .unwrap();
    let plan = check_plan(offered, &gate.grant, &gate.facilities, Some("here"), false)
        .await
        .unwrap();
    let name = world.space.name();
    let steps = json!([
        { "kubernetes": { "verb": "delete", "namespace": name, "name": "a", "grace": 0 } },
        { "kubernetes": { "verb": "evict", "namespace": name, "name": "b" } },
        { "kubernetes": { "verb": "patch", "kind": "ConfigMap", "namespace": name, "name": "mode", "body": { "data": { "a": "new" } } } },
        { "kubernetes": { "verb": "create", "kind": "ConfigMap", "namespace": name, "name": "new", "body": { "data": {} } } },
        { "kubernetes": { "verb": "scale", "api_version": "apps/v1", "kind": "Deployment", "namespace": name, "name": "web", "replicas": 2 } },
        { "kubernetes": { "verb": "evict", "namespace": name, "name": "b" } },
    ]);
    let apply = Apply {
        plan,
        earlier: Default::default(),
        log: gate.log.clone(),
    };
    let report = plugin
        .apply(&here(), &json!({ "apply": { "do": steps } }), apply)
        .await;
    let calls = report.result.unwrap().data["calls"].as_array().unwrap().clone();
    assert!(
        calls[..5].iter().all(|call| call.get("ok").is_some()),
        "{calls:?}"
    );
    assert_eq!(calls[2]["ok"]["data"]["a"], "new");
    assert_eq!(calls[5]["err"]["code"], "denied", "each is sent once");
    assert_eq!(world.changed().len(), 5);
    assert_eq!(report.ledger.progress.len(), 5);
}
