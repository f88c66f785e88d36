use super::*;
use stanch_plugin::testing::{Host, Planned};

fn workload(kind: &str, replicas: u32, ready: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "namespace": "inference", "name": "web", "generation": 3, "uid": "u1" },
        "spec": { "replicas": replicas },
        "status": { "observedGeneration": 3, "replicas": replicas, "readyReplicas": ready },
    })
}

fn host(replicas: u32) -> Host {
    let host = Host::new();
    host.grant(&DeploymentScale::asks());
    host.object(workload("Deployment", replicas, replicas));
    host
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "namespace": "inference", "name": "web", "floor": 2, "ceiling": 10 });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn plan(host: &Host, extra: Value) -> Result<Planned, Failure> {
    host.plan::<DeploymentScale>(params(extra))
}

#[test]
fn the_plan_is_one_number_on_the_very_workload_that_was_read() {
    let host = host(3);
    let plan = plan(&host, json!({ "to": 5 })).unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (action.verb.as_str(), action.target.as_str()),
        ("scale", "kubernetes:inference/apps/deployments/web")
    );
    assert_eq!(
        (action.content.as_deref(), action.expect.as_deref()),
        (Some(r#"{"replicas":5}"#), Some("uid:u1,replicas:3"))
    );
    assert_eq!(
        plan.summary,
        "Scale Deployment `inference/web` from 3 to 5 replicas, within 2 and 10"
    );
    assert_eq!(action.reason, "It has 3 replicas, and 3 of them are Ready");
    assert_eq!((&plan.data["from"], &plan.data["to"]), (&json!(3), &json!(5)));
}

#[test]
fn a_plan_does_not_change_with_the_status() {
    let host = host(3);
    let first = plan(&host, json!({ "by": 2 })).unwrap();
    host.object(workload("Deployment", 3, 1));
    let second = plan(&host, json!({ "by": 2 })).unwrap();
    let essence = |plan: &Planned| (plan.actions[0].expect.clone(), plan.actions[0].content.clone());
    assert_eq!(essence(&first), essence(&second));
}

#[test]
fn floor_and_ceiling_hold_and_nothing_goes_the_wrong_way() {
    // How many there are, what is asked; how many are set.
    let table = [
        (3, json!({ "by": 2 }), Some(5)),
        (9, json!({ "by": 4 }), Some(10)),
        (10, json!({ "by": 4 }), None),
        (12, json!({ "by": 4 }), None),
        (5, json!({ "by": -1 }), Some(4)),
        (3, json!({ "by": -5 }), Some(2)),
        (2, json!({ "by": -5 }), None),
        (1, json!({ "by": -1 }), None),
        (1, json!({ "by": 1 }), Some(2)),
        (5, json!({ "to": 5 }), None),
        (12, json!({ "to": 10 }), Some(10)),
        (0, json!({ "to": 2 }), Some(2)),
        (3, json!({ "by": i64::MAX }), Some(10)),
        (3, json!({ "by": i64::MIN }), Some(2)),
    ];
    for (there, extra, expected) in table {
        let plan = plan(&host(there), extra.clone()).unwrap();
        let set = plan.actions.first().map(|action| action.content.clone().unwrap());
        assert_eq!(
            set,
            expected.map(|replicas: u32| format!("{{\"replicas\":{replicas}}}")),
            "{there} {extra}"
        );
    }
    let cut = plan(&host(9), json!({ "by": 4 })).unwrap();
    assert!(
        cut.summary.ends_with("the runbook asked for more than that"),
        "{}",
        cut.summary
    );
    let full = plan(&host(10), json!({ "by": 4 })).unwrap();
    assert_eq!(
        full.summary,
        "Deployment `inference/web` has 10 replicas, as far as it may be scaled"
    );
}

#[test]
fn what_is_not_within_the_bounds_or_says_nothing_is_the_runbooks_mistake() {
    let table = [
        json!({ "to": 11 }),
        json!({ "to": 1 }),
        json!({}),
        json!({ "to": 3, "by": 1 }),
        json!({ "by": 0 }),
        json!({ "to": 3, "floor": 11 }),
    ];
    for extra in table {
        let failure = plan(&host(3), extra.clone()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams, "{extra}");
    }
    let unbounded = json!({ "namespace": "inference", "name": "web", "to": 5 });
    let failure = host(3).plan::<DeploymentScale>(unbounded).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidParams);
}

fn autoscaler(host: &Host, kind: &str, name: &str) {
    host.object(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "namespace": "inference", "name": name },
        "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": kind, "name": "web" }, "minReplicas": 2, "maxReplicas": 6 },
    }));
}

#[test]
fn what_an_autoscaler_scales_is_left_to_it() {
    let host = host(3);
    autoscaler(&host, "StatefulSet", "another");
    plan(&host, json!({ "to": 5 })).unwrap();
    autoscaler(&host, "Deployment", "web");
    let failure = plan(&host, json!({ "to": 5 })).unwrap_err();
    assert!(
        failure
            .message
            .contains("is scaled by HorizontalPodAutoscaler `inference/web`, between 2 and 6"),
        "{failure}"
    );
}

#[test]
fn whether_there_is_an_autoscaler_has_to_be_known() {
    let host = Host::new();
    let asks = DeploymentScale::asks();
    host.grant(&json!({ "kubernetes": [asks["kubernetes"][0]] }));
    host.object(workload("Deployment", 3, 3));
    assert_eq!(
        plan(&host, json!({ "to": 5 })).unwrap_err().code,
        FailureCode::Denied
    );
}

#[test]
fn one_that_may_be_read_and_not_scaled_is_not() {
    let host = Host::new();
    let mut asks = DeploymentScale::asks();
    asks["kubernetes"][0]["verbs"] = json!(["get"]);
    host.grant(&asks);
    host.object(workload("Deployment", 3, 3));
    assert_eq!(
        plan(&host, json!({ "to": 5 })).unwrap_err().code,
        FailureCode::Denied
    );
    let elsewhere = json!({ "namespace": "kube-system", "name": "web", "to": 5, "floor": 1, "ceiling": 9 });
    let failure = host.plan::<DeploymentScale>(elsewhere).unwrap_err();
    assert_eq!(failure.code, FailureCode::Denied);
}

/// Scaled to 5 and verified while `status` is there.
fn scaled(extra: Value, kind: &str) -> Host {
    let host = Host::new();
    host.grant(&DeploymentScale::asks());
    host.object(workload(kind, 3, 3));
    let plan = plan(&host, extra.clone()).unwrap();
    let outcome = host.apply::<DeploymentScale>(params(extra), &plan).unwrap();
    assert!(outcome.summary.starts_with("Scaled "), "{}", outcome.summary);
    host
}

#[test]
fn it_is_done_when_the_controller_has_seen_it_and_all_are_ready() {
    for (extra, kind) in [
        (json!({ "to": 5 }), "Deployment"),
        (json!({ "to": 5, "kind": "stateful-set" }), "StatefulSet"),
    ] {
        let host = scaled(extra.clone(), kind);
        let verify = |status: Value| {
            let mut now = workload(kind, 5, 0);
            now["metadata"]["generation"] = json!(4);
            now["status"] = status;
            host.object(now);
            host.verify::<DeploymentScale>(params(extra.clone())).unwrap()
        };
        let table = [
            (
                json!({ "observedGeneration": 3, "replicas": 5, "readyReplicas": 5 }),
                Verdict::No,
            ),
            (
                json!({ "observedGeneration": 4, "replicas": 5, "readyReplicas": 4 }),
                Verdict::No,
            ),
            (
                json!({ "observedGeneration": 4, "replicas": 6, "readyReplicas": 5 }),
                Verdict::No,
            ),
            (
                json!({ "observedGeneration": 4, "replicas": 5, "readyReplicas": 5 }),
                Verdict::Yes,
            ),
        ];
        for (status, verdict) in table {
            let found = verify(status.clone());
            assert_eq!(found.verdict, verdict, "{status}: {}", found.summary);
        }
        let quota = json!({ "observedGeneration": 4, "replicas": 3, "conditions": [
            { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus" },
            { "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "fine" },
        ] });
        let found = verify(quota);
        assert_eq!((found.verdict, found.evidence.len()), (Verdict::No, 1));
        assert_eq!(found.evidence[0].value, "exceeded quota: gpus");
    }
}

#[test]
fn another_one_of_the_same_name_is_not_taken_for_scaled() {
    let host = scaled(json!({ "to": 5 }), "Deployment");
    let mut other = workload("Deployment", 5, 5);
    other["metadata"]["uid"] = json!("u2");
    host.object(other);
    assert_eq!(
        host.verify::<DeploymentScale>(params(json!({ "to": 5 })))
            .unwrap()
            .verdict,
        Verdict::No
    );
    let failure = host
        .plan_undo::<DeploymentScale>(params(json!({ "to": 5 })))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
}

#[test]
fn the_way_back_puts_the_number_back_that_was_there() {
    for extra in [json!({ "to": 5 }), json!({ "by": 2 })] {
        let host = scaled(extra.clone(), "Deployment");
        let undo = host.plan_undo::<DeploymentScale>(params(extra.clone())).unwrap();
        assert_eq!(
            undo.summary,
            "Scale Deployment `inference/web` back from 5 to 3 replicas"
        );
        assert_eq!(undo.actions[0].content.as_deref(), Some(r#"{"replicas":3}"#));
        host.apply::<DeploymentScale>(params(extra.clone()), &undo)
            .unwrap();
        let web = DEPLOYMENT.named("inference", "web");
        assert_eq!(host.stored(&web).unwrap().number("/spec/replicas"), Some(3));
        // Once more there is nothing left to put back.
        let again = host.plan_undo::<DeploymentScale>(params(extra)).unwrap();
        assert_eq!(again.actions, []);
    }
}

#[test]
fn what_somebody_else_set_meanwhile_is_theirs() {
    let host = scaled(json!({ "to": 5 }), "Deployment");
    host.object(workload("Deployment", 7, 7));
    let failure = host
        .plan_undo::<DeploymentScale>(params(json!({ "to": 5 })))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    for said in ["has 7 replicas", "the 5 that were set here", "the 3 from before"] {
        assert!(failure.message.contains(said), "{failure}");
    }
    host.object(workload("Deployment", 3, 3));
    let undo = host
        .plan_undo::<DeploymentScale>(params(json!({ "to": 5 })))
        .unwrap();
    assert_eq!(
        (undo.actions.len(), undo.summary.as_str()),
        (0, "Deployment `inference/web` has 3 replicas again already")
    );
}

#[test]
fn what_somebody_set_since_the_plan_is_theirs_too() {
    let host = host(3);
    let plan = plan(&host, json!({ "to": 5 })).unwrap();
    host.object(workload("Deployment", 4, 4));
    let failure = host
        .apply::<DeploymentScale>(params(json!({ "to": 5 })), &plan)
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
}

#[test]
fn what_was_never_sent_is_not_put_back() {
    let host = host(3);
    let plan = plan(&host, json!({ "to": 5 })).unwrap();
    host.fail(
        "scale",
        Failure::denied("the user `stanch` may not patch `deployments/scale`"),
    );
    host.apply::<DeploymentScale>(params(json!({ "to": 5 })), &plan)
        .unwrap_err();
    let undo = host
        .plan_undo::<DeploymentScale>(params(json!({ "to": 5 })))
        .unwrap();
    assert_eq!(
        (undo.actions.len(), undo.summary.as_str()),
        (0, "Nothing was scaled")
    );
}

#[test]
fn one_that_is_gone_or_going_is_not_scaled() {
    let host = host(3);
    let mut going = workload("Deployment", 3, 3);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    host.object(going);
    assert!(
        plan(&host, json!({ "to": 5 }))
            .unwrap_err()
            .message
            .contains("is being deleted")
    );
    host.remove_object(&DEPLOYMENT.named("inference", "web"));
    assert_eq!(
        plan(&host, json!({ "to": 5 })).unwrap_err().code,
        FailureCode::NotFound
    );
}
