//! Lost answers: what is not known is in doubt, and what is sent again has no second effect.

use std::time::Duration;

use serde_json::json;
use stanch_contract::{ActionState, FailureCode};
use stanch_parts::{ControlPlane, User, until};
use tokio::io::AsyncReadExt;

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_dies_between_request_and_answer_leaves_a_doubt() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("killed").unwrap();
    space.allow(User::Engine, ALL).unwrap();
    space.apply(&config_map("mode", "{}", "{a: old}")).unwrap();
    let gate = Gate::of(&plane, vec![granted("killed", &["patch"], &["configmaps"])]).await;
    let body = json!({ "data": { "a": "new" } });
    let planned = with(
        action("patch", "kubernetes:killed/_/configmaps/mode"),
        merge(body.clone()),
    );
    let plan = gate.plan(vec![planned.clone()]).await;
    // The server asks somebody about the change who never answers: it has the request, and is in the middle of it.
    let asked = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "never-answers" },
        "webhooks": [{
            "name": "never.stanch.example", "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 30,
            "clientConfig": { "url": format!("https://{}/", asked.local_addr().unwrap()) },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "killed" } },
        }],
    });
    space.apply(&webhook.to_string()).unwrap();
    let mode = stanch_sandbox::kubernetes::Object {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some("killed".into()),
        name: "mode".into(),
    };
    let session = gate.applying(plan.clone());
    let (object, text) = (mode.clone(), body.to_string());
    let sent = tokio::spawn(async move { session.kubernetes_patch(object, "merge", &text).await });
    let (mut stream, _) = tokio::time::timeout(Duration::from_secs(60), asked.accept())
        .await
        .unwrap()
        .unwrap();
    assert!(
        stream.read(&mut [0; 16]).await.unwrap() > 0,
        "the server is in the middle of the request"
    );
    plane.kill_api_server();
    let failure = sent.await.unwrap().unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable, "{failure}");
    let ActionState::Unknown { detail } = gate.log.state(0) else {
        panic!("{:?}", gate.log.state(0))
    };
    assert!(detail.contains("it was sent"), "{detail}");
    assert_eq!(gate.log.events(), ["started 0", "ended 0 unknown"]);

    // Where nothing was written, nothing is in doubt.
    let failure = gate
        .applying(plan)
        .kubernetes_patch(mode.clone(), "merge", &body.to_string())
        .await
        .unwrap_err();
    assert_eq!(
        (failure.code, gate.log.state(0)),
        (FailureCode::Unavailable, ActionState::NotSent),
        "{failure}"
    );
    plane.restart_api_server().unwrap();
    let path = space.path("configmaps/mode");
    assert_eq!(space.admin().object(&path).unwrap()["data"]["a"], "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_sent_again_after_it_took_effect_is_done_and_not_refused() {
    let world = World::new("again-gone");
    world.space.apply(&pods(&["a", "b"], "x")).unwrap();
    let both = world.space.ready("app=x", 2).unwrap();
    for narrowed in [false, true] {
        let (name, pod) = if narrowed {
            ("b", &both[1])
        } else {
            ("a", &both[0])
        };
        let mut entry = granted(world.space.name(), &["evict"], &["pods"]);
        entry.selector = narrowed.then(|| "app=x".to_owned());
        let gate = Gate::of(world.plane, vec![entry]).await;
        let plan = gate
            .plan(vec![on_uid(
                "evict",
                &world.target(&format!("_/pods/{name}")),
                pod,
            )])
            .await;
        world
            .space
            .admin()
            .delete(&world.space.path(&format!("pods/{name}")))
            .unwrap()
            .good()
            .unwrap();
        until("the pod to be gone", || {
            world.space.pod(name).is_none().then_some(())
        })
        .unwrap();
        let failure = gate
            .applying(plan.clone())
            .kubernetes_evict(world.pod(name), None)
            .await
            .unwrap_err();
        assert_eq!(
            failure.code,
            FailureCode::NotFound,
            "for the first time it is not there: {failure}"
        );
        gate.repeating(plan, in_doubt())
            .kubernetes_evict(world.pod(name), None)
            .await
            .unwrap();
        assert_eq!(
            gate.log.state(0),
            ActionState::Done {
                detail: "it is gone".into()
            }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_one_version_sent_again_is_done_where_its_content_is_there_and_a_conflict_where_it_is_not()
{
    let world = World::new("again-write");
    world.space.apply(&config_map("mode", "{}", "{a: old}")).unwrap();
    let gate = world.gate(&["patch"], &["configmaps"]).await;
    let mode = world.object("v1", "ConfigMap", "mode");
    let body = json!({ "data": { "a": "new" } });
    let planned = async || {
        let live = world.live("configmaps/mode");
        let patch = with(
            action("patch", &world.target("_/configmaps/mode")),
            merge(body.clone()),
        );
        gate.plan(vec![expecting(patch, &format!("version:{}", version(&live)))])
            .await
    };
    let path = world.space.path("configmaps/mode");
    let put = |value: &str| {
        world
            .space
            .admin()
            .merge(&path, &json!({ "data": { "a": value } }))
            .unwrap()
            .good()
            .unwrap()
    };
    let plan = planned().await;
    put("new");
    gate.repeating(plan, in_doubt())
        .kubernetes_patch(mode.clone(), "merge", &body.to_string())
        .await
        .unwrap();
    assert_eq!(
        gate.log.state(0),
        ActionState::Done {
            detail: "it has this content already".into()
        }
    );

    let plan = planned().await;
    put("somebody else's");
    let failure = gate
        .repeating(plan, in_doubt())
        .kubernetes_patch(mode, "merge", &body.to_string())
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
    assert!(matches!(
        gate.log.state(0),
        ActionState::Refused { for_now: false, .. }
    ));
    assert_eq!(world.live("configmaps/mode")["data"]["a"], "somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_repeat_safe_is_not_sent_again() {
    let world = World::new("again-unsafe");
    world.space.apply(&config_map("mode", "{}", "{a: old}")).unwrap();
    let gate = world.gate(&["patch", "create"], &["configmaps"]).await;
    let body = json!({ "data": { "a": "new" } });
    let plan = gate
        .plan(vec![with(
            action("patch", &world.target("_/configmaps/mode")),
            merge(body.clone()),
        )])
        .await;
    assert!(!plan.actions[0].repeat_safe);
    let mode = world.object("v1", "ConfigMap", "mode");
    let failure = gate
        .repeating(plan, in_doubt())
        .kubernetes_patch(mode, "merge", &body.to_string())
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "action", "{failure}");
    assert_eq!(world.live("configmaps/mode")["data"]["a"], "old");
    assert_eq!(world.changed(), Vec::<String>::new());
}
