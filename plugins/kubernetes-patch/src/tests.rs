use super::*;
use stanch_plugin::kubernetes::DEPLOYMENT;
use stanch_plugin::testing::{Host, Planned};

fn worker(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "namespace": "inference", "name": "worker", "uid": "u1" }, "spec": spec })
}

fn host() -> Host {
    let host = Host::new();
    host.grant(&KubernetesPatch::asks());
    host.object(worker(json!({ "paused": false, "minReadySeconds": 5 })));
    host
}

fn params(extra: Value) -> Value {
    let mut params = json!({
        "namespace": "inference", "api_version": "apps/v1", "kind": "Deployment", "name": "worker",
        "patch": { "spec": { "paused": true, "progressDeadlineSeconds": 60 } },
    });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn plan(host: &Host, extra: Value) -> Result<Planned, Failure> {
    host.plan::<KubernetesPatch>(params(extra))
}

fn spec(host: &Host) -> Value {
    host.stored(&DEPLOYMENT.named("inference", "worker"))
        .unwrap()
        .at("/spec")
        .clone()
}

#[test]
fn the_plan_tells_each_field_before_and_after_for_the_version_that_was_read() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        plan.summary,
        "Change 2 fields of Deployment `inference/worker`: spec.paused: false → true; spec.progressDeadlineSeconds: not there → 60"
    );
    assert_eq!(
        action.content.as_deref(),
        Some(r#"{"body":{"spec":{"paused":true,"progressDeadlineSeconds":60}},"kind":"merge"}"#)
    );
    assert!(
        action.expect.as_deref().unwrap().starts_with("version:"),
        "{action:?}"
    );
}

#[test]
fn it_is_changed_verified_and_put_back_and_nothing_else_is_touched() {
    let host = host();
    let before = spec(&host);
    let plan = plan(&host, json!({})).unwrap();
    assert_eq!(
        host.verify::<KubernetesPatch>(params(json!({}))).unwrap().verdict,
        Verdict::No
    );
    host.apply::<KubernetesPatch>(params(json!({})), &plan).unwrap();
    assert_eq!(
        spec(&host),
        json!({ "paused": true, "minReadySeconds": 5, "progressDeadlineSeconds": 60 })
    );
    assert_eq!(
        host.verify::<KubernetesPatch>(params(json!({}))).unwrap().verdict,
        Verdict::Yes
    );

    let undo = host.plan_undo::<KubernetesPatch>(params(json!({}))).unwrap();
    assert!(
        undo.summary
            .contains("spec.progressDeadlineSeconds: 60 → not there"),
        "{}",
        undo.summary
    );
    host.apply::<KubernetesPatch>(params(json!({})), &undo).unwrap();
    assert_eq!(spec(&host), before);
    assert_eq!(
        host.verify::<KubernetesPatch>(params(json!({}))).unwrap().verdict,
        Verdict::Yes
    );
    assert_eq!(
        host.plan_undo::<KubernetesPatch>(params(json!({})))
            .unwrap()
            .actions,
        []
    );
}

#[test]
fn what_is_so_already_and_what_is_not_as_it_has_to_be_is_left() {
    let host = host();
    let so = json!({ "patch": { "spec": { "paused": false } } });
    assert_eq!(plan(&host, so).unwrap().actions, []);
    let failure = plan(&host, json!({ "only_if": { "spec": { "minReadySeconds": 9 } } })).unwrap_err();
    assert!(
        failure.message.contains("spec.minReadySeconds: 5 → 9"),
        "{failure}"
    );
    assert_eq!(
        plan(&host, json!({ "only_if": { "spec": { "minReadySeconds": 5 } } }))
            .unwrap()
            .actions
            .len(),
        1
    );
}

#[test]
fn what_somebody_wrote_between_plan_and_apply_is_not_lost() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.object(worker(json!({ "paused": false, "minReadySeconds": 7 })));
    let failure = host
        .apply::<KubernetesPatch>(params(json!({})), &plan)
        .unwrap_err();
    assert_eq!(
        (failure.code, host.progress()[0].as_str()),
        (FailureCode::Conflict, "refused")
    );
    assert_eq!(spec(&host)["minReadySeconds"], json!(7));
}

#[test]
fn what_somebody_changed_after_it_is_theirs() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.apply::<KubernetesPatch>(params(json!({})), &plan).unwrap();
    host.object(worker(json!({ "paused": true, "progressDeadlineSeconds": 90 })));
    let failure = host.plan_undo::<KubernetesPatch>(params(json!({}))).unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(
        failure.message.contains("spec.progressDeadlineSeconds: 90 → 60"),
        "{failure}"
    );
    let mut other = worker(json!({ "paused": true, "progressDeadlineSeconds": 60 }));
    other["metadata"]["uid"] = json!("u2");
    host.object(other);
    let failure = host.plan_undo::<KubernetesPatch>(params(json!({}))).unwrap_err();
    assert!(failure.message.contains("another one by now"), "{failure}");
}

#[test]
fn what_is_not_a_runbooks_to_change_says_so() {
    let table = [
        (json!({ "patch": { "status": { "replicas": 1 } } }), "`status`"),
        (
            json!({ "patch": { "metadata": { "ownerReferences": [] } } }),
            "`metadata.ownerReferences`",
        ),
        (
            json!({ "api_version": "v1", "kind": "Secret" }),
            "A Secret is not patched",
        ),
        (
            json!({ "api_version": "example.com/v1", "kind": "Thing" }),
            "say its plural",
        ),
    ];
    for (extra, says) in table {
        let failure = plan(&host(), extra).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams);
        assert!(failure.message.contains(says), "{failure}");
    }
}

#[test]
fn another_object_and_one_that_may_only_be_read_are_left() {
    let host = host();
    assert_eq!(
        plan(&host, json!({ "name": "other" })).unwrap_err().code,
        FailureCode::Denied
    );
    let reader = Host::new();
    let mut asks = KubernetesPatch::asks();
    asks["kubernetes"][0]["verbs"] = json!(["get"]);
    reader.grant(&asks);
    reader.object(worker(json!({ "paused": false })));
    assert_eq!(plan(&reader, json!({})).unwrap_err().code, FailureCode::Denied);
    let empty = Host::new();
    empty.grant(&KubernetesPatch::asks());
    assert_eq!(plan(&empty, json!({})).unwrap_err().code, FailureCode::NotFound);
}
