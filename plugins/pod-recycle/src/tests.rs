use super::*;
use stanch_plugin::kubernetes::{Object, POD};
use stanch_plugin::testing::{Found, Host};
use stanch_plugin::{Alert, AlertStatus};

const MINUTE: i64 = 60_000;

fn at(host: &Host, ago: i64) -> String {
    Timestamp(host.now() - ago).to_string()
}

/// A pod of `owner`, an hour old, that is Ready or not for ten minutes.
fn pod(host: &Host, name: &str, owner: (&str, &str), ready: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "inference", "name": name, "creationTimestamp": at(host, 60 * MINUTE),
            "labels": { "app": "worker", "pod-template-hash": "7d4f" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "uid": owner.1, "controller": true }],
        },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "server" }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": at(host, 10 * MINUTE), "message": "unready: [server]" }],
            "containerStatuses": [{ "name": "server", "restartCount": 0, "state": { "running": { "startedAt": at(host, 60 * MINUTE) } } }],
        },
    })
}

const SET: (&str, &str) = ("ReplicaSet", "worker-7d4f");

fn workload(host: &Host, kind: &str, name: &str, labels: Value) {
    host.object(json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "namespace": "inference", "name": name },
        "spec": { "replicas": 4, "selector": { "matchLabels": labels } },
    }));
}

/// Four pods of a ReplicaSet, of which `hung` hang.
fn four(hung: &[&str]) -> Host {
    let host = Host::new();
    host.grant(&PodRecycle::asks());
    workload(
        &host,
        "ReplicaSet",
        "worker-7d4f",
        json!({ "app": "worker", "pod-template-hash": "7d4f" }),
    );
    for name in ["worker-0", "worker-1", "worker-2", "worker-3"] {
        host.object(pod(&host, name, SET, !hung.contains(&name)));
    }
    host
}

fn by_selector(extra: Value) -> Value {
    with(
        json!({ "namespace": "inference", "selector": "app=worker", "hung_for": "5m" }),
        extra,
    )
}

fn by_name(names: &[&str], extra: Value) -> Value {
    with(json!({ "namespace": "inference", "pods": names }), extra)
}

fn with(mut params: Value, extra: Value) -> Value {
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

/// `VERB NAME` of each action.
fn planned(host: &Host, params: Value) -> Vec<String> {
    let plan = host.plan::<PodRecycle>(params).unwrap();
    let actions = plan.actions.iter();
    actions
        .map(|action| format!("{} {}", action.verb, action.target.rsplit('/').next().unwrap()))
        .collect()
}

fn stored(host: &Host, name: &str) -> Option<Object> {
    host.stored(&POD.named("inference", name))
}

#[test]
fn pods_that_hang_are_evicted_and_the_others_are_not() {
    let host = four(&["worker-1", "worker-3"]);
    let plan = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
    let [first, second] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    let uid = |name: &str| Some(format!("uid:{}", stored(&host, name).unwrap().uid()));
    assert_eq!(
        (first.verb.as_str(), first.target.as_str()),
        ("evict", "kubernetes:inference/_/pods/worker-1")
    );
    assert_eq!(
        (&first.expect, &second.expect),
        (&uid("worker-1"), &uid("worker-3"))
    );
    assert_eq!(first.content, None);
    assert_eq!(
        plan.population.as_deref(),
        Some("kubernetes:inference/_/pods?app=worker")
    );
    assert_eq!(
        plan.summary,
        "Of 4 pods with `app=worker` in `inference` evict worker-1, worker-3, for good"
    );
    assert_eq!(
        first.reason,
        "It hangs for 10m: it runs and is not Ready: unready: [server]. It is on node-1, 1h old; ReplicaSet/worker-7d4f makes a fresh one"
    );
    assert_eq!(
        planned(&host, by_selector(json!({ "hung_for": "15m" }))),
        Vec::<String>::new()
    );
}

#[test]
fn a_plan_made_a_little_later_is_the_same() {
    let host = four(&["worker-1"]);
    let first = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
    host.set_now(host.now() + 3 * MINUTE);
    let second = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
    let essence = |plan: &stanch_plugin::testing::Planned| {
        let actions = plan.actions.iter();
        actions
            .map(|a| {
                (
                    a.verb.clone(),
                    a.target.clone(),
                    a.expect.clone(),
                    a.content.clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(essence(&first), essence(&second));
}

#[test]
fn named_pods_are_taken_as_they_are_named_and_are_a_share_of_their_workload() {
    let host = four(&[]);
    let plan = host
        .plan::<PodRecycle>(by_name(
            &["worker-2", "worker-2", "gone"],
            json!({ "grace": "90s" }),
        ))
        .unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(action.target, "kubernetes:inference/_/pods/worker-2");
    assert_eq!(action.content.as_deref(), Some(r#"{"graceSeconds":90}"#));
    // Of the whole workload, not of one roll-out.
    assert_eq!(
        plan.population.as_deref(),
        Some("kubernetes:inference/_/pods?app=worker")
    );
    assert_eq!(
        plan.summary,
        "Of 2 named pods in `inference` evict worker-2, for good; 1 left: gone (it is gone)"
    );
    let hung = planned(&host, by_name(&["worker-2"], json!({ "hung_for": "1m" })));
    assert_eq!(hung, Vec::<String>::new());
}

fn alert(pod: &str, status: AlertStatus, starts_at: String) -> Alert {
    let labels = [("pod", pod), ("namespace", "inference")];
    Alert {
        name: "InferenceHangs".into(),
        fingerprint: pod.into(),
        status,
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        annotations: Default::default(),
        starts_at,
        payload: Value::Null,
    }
}

#[test]
fn a_pod_whose_alert_is_resolved_or_that_came_after_it_is_spared() {
    let mut host = four(&[]);
    host.context.alerts = vec![
        alert("worker-0", AlertStatus::Firing, at(&host, 5 * MINUTE)),
        alert("worker-1", AlertStatus::Resolved, at(&host, 5 * MINUTE)),
        alert("worker-2", AlertStatus::Firing, at(&host, 90 * MINUTE)),
    ];
    let all = by_name(&["worker-0", "worker-1", "worker-2"], json!({}));
    let plan = host.plan::<PodRecycle>(all).unwrap();
    assert_eq!(plan.actions.len(), 1);
    assert!(
        plan.actions[0]
            .reason
            .starts_with("The alert InferenceHangs names it."),
        "{}",
        plan.actions[0].reason
    );
    let left: Vec<(&str, &str)> = plan.data["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| (left["name"].as_str().unwrap(), left["why"].as_str().unwrap()))
        .collect();
    assert_eq!(
        left,
        [
            (
                "worker-2",
                "it was created after its alert began: it is another one by now"
            ),
            ("worker-1", "its alert is resolved"),
        ]
    );
}

#[test]
fn what_would_not_come_back_is_left_and_where_nothing_else_is_there_a_person_has_to_look() {
    let host = four(&["worker-1"]);
    let mut bare = pod(&host, "bare", SET, false);
    bare["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("ownerReferences");
    let mut mirror = pod(&host, "mirror", ("Node", "node-1"), false);
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" });
    for object in [bare, mirror, pod(&host, "train", ("Job", "train"), false)] {
        host.object(object);
    }
    let plan = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
    assert_eq!(plan.actions.len(), 1);
    assert!(
        plan.summary.contains("3 left: bare (it has no controller"),
        "{}",
        plan.summary
    );
    for (name, why) in [
        ("bare", "no controller"),
        ("mirror", "its node runs it by itself"),
        ("train", "works for Job/train"),
    ] {
        let failure = host.plan::<PodRecycle>(by_name(&[name], json!({}))).unwrap_err();
        assert!(failure.message.contains(why), "{failure}");
    }
}

fn stuck(host: &Host, name: &str, finalizers: Value) {
    let mut stuck = pod(host, name, SET, false);
    stuck["metadata"]["deletionTimestamp"] = json!(at(host, 20 * MINUTE));
    stuck["metadata"]["finalizers"] = finalizers;
    host.object(stuck);
}

#[test]
fn a_pod_stuck_in_terminating_is_removed_by_force_only_where_the_runbook_says_so() {
    let host = four(&[]);
    stuck(&host, "worker-1", json!([]));
    let failure = host
        .plan::<PodRecycle>(by_name(&["worker-1"], json!({})))
        .unwrap_err();
    assert!(failure.message.contains("`force` is not set"), "{failure}");
    let forced = by_name(&["worker-1"], json!({ "force": true }));
    // Force is a deletion, which the grant has to name besides.
    assert_eq!(
        host.plan::<PodRecycle>(forced.clone()).unwrap_err().code,
        FailureCode::Denied
    );
    host.grant(&json!({ "kubernetes": [{ "clusters": ["eu"], "verbs": ["delete"], "resources": ["pods"], "namespaces": ["inference"] }] }));
    let plan = host.plan::<PodRecycle>(forced.clone()).unwrap();
    assert_eq!(
        (plan.actions[0].verb.as_str(), plan.actions[0].content.as_deref()),
        ("delete", Some(r#"{"graceSeconds":0}"#))
    );
    assert!(
        plan.actions[0]
            .reason
            .contains("where its node still runs the old one"),
        "{}",
        plan.actions[0].reason
    );
    assert!(plan.summary.contains("by force"), "{}", plan.summary);
    // What is well is evicted even then, and never removed by force.
    assert_eq!(
        planned(
            &host,
            by_name(&["worker-0", "worker-1"], json!({ "force": true }))
        ),
        ["evict worker-0", "delete worker-1"]
    );
    host.apply::<PodRecycle>(forced, &plan).unwrap();
    assert_eq!(stored(&host, "worker-1"), None);
}

#[test]
fn force_does_not_help_against_a_finalizer_and_is_not_tried() {
    let host = four(&[]);
    stuck(&host, "worker-1", json!(["example.com/drain"]));
    let forced = by_name(&["worker-1"], json!({ "force": true }));
    let failure = host.plan::<PodRecycle>(forced).unwrap_err();
    assert!(
        failure.message.contains("the finalizer `example.com/drain`"),
        "{failure}"
    );
}

#[test]
fn one_that_is_shutting_down_in_its_time_is_let_be() {
    let host = four(&[]);
    let mut leaving = pod(&host, "worker-1", SET, false);
    leaving["metadata"]["deletionTimestamp"] = json!(at(&host, -20_000));
    host.object(leaving);
    assert_eq!(
        planned(&host, by_name(&["worker-1"], json!({ "force": true }))),
        Vec::<String>::new()
    );
}

#[test]
fn pods_of_several_workloads_are_a_share_of_nothing_unless_the_runbook_says_of_what() {
    let host = four(&[]);
    workload(&host, "StatefulSet", "store", json!({ "app": "store" }));
    let mut store = pod(&host, "store-0", ("StatefulSet", "store"), true);
    store["metadata"]["labels"] = json!({ "app": "store", "team": "inference" });
    host.object(store);
    let failure = host
        .plan::<PodRecycle>(by_name(&["worker-0", "store-0"], json!({})))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidParams);
    assert!(failure.message.contains("several workloads"), "{failure}");
    // An operator's own kind of workload says nothing of its pods that this plugin could read.
    for name in ["ray-0", "ray-1"] {
        host.object(pod(&host, name, ("RayCluster", "ray"), true));
    }
    assert_eq!(planned(&host, by_name(&["ray-0"], json!({}))), ["evict ray-0"]);
    let both = ["ray-0", "ray-1"];
    let failure = host.plan::<PodRecycle>(by_name(&both, json!({}))).unwrap_err();
    assert!(failure.message.contains("give `selector`"), "{failure}");
    let with_selector = by_name(&both, json!({ "selector": { "app": "worker" } }));
    assert_eq!(planned(&host, with_selector), ["evict ray-0", "evict ray-1"]);
}

/// Plans and applies; then `controller` does what controllers do; then it is verified.
fn recycled(host: &Host, params: Value, controller: impl FnOnce(&Host)) -> (Result<String, Failure>, Found) {
    let plan = host.plan::<PodRecycle>(params.clone()).unwrap();
    let outcome = host.apply::<PodRecycle>(params.clone(), &plan);
    controller(host);
    (
        outcome.map(|outcome| outcome.summary),
        host.verify::<PodRecycle>(params).unwrap(),
    )
}

#[test]
fn it_is_done_when_a_fresh_pod_of_the_same_owner_is_ready() {
    let host = four(&["worker-1"]);
    let (outcome, found) = recycled(&host, by_selector(json!({})), |_| ());
    assert_eq!(outcome.unwrap(), "Evicted worker-1");
    assert_eq!(found.verdict, Verdict::No);
    assert!(
        found
            .summary
            .ends_with("worker-1: gone; ReplicaSet/worker-7d4f has made no fresh one yet"),
        "{}",
        found.summary
    );

    host.object(pod(&host, "worker-9", SET, false));
    let verify = || host.verify::<PodRecycle>(by_selector(json!({}))).unwrap();
    let found = verify();
    assert_eq!(found.verdict, Verdict::No);
    assert!(
        found.summary.contains("worker-9 is there and not Ready yet"),
        "{}",
        found.summary
    );

    host.object(pod(&host, "worker-9", SET, true));
    let found = verify();
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    assert_eq!(found.data["pods"][0]["fresh"], "worker-9");
}

#[test]
fn a_pod_that_was_there_before_or_is_anothers_is_not_taken_for_a_fresh_one() {
    let host = four(&["worker-1"]);
    let (_, found) = recycled(&host, by_selector(json!({})), |host| {
        host.object(pod(host, "other-1", ("ReplicaSet", "other"), true));
    });
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
    // Two are gone and one has come.
    let host = four(&["worker-1", "worker-2"]);
    let (_, found) = recycled(&host, by_selector(json!({})), |host| {
        host.object(pod(host, "worker-9", SET, true));
    });
    assert_eq!(found.verdict, Verdict::No);
    assert!(
        found.summary.starts_with("1 of 2 pods are replaced"),
        "{}",
        found.summary
    );
}

#[test]
fn a_stateful_sets_next_pod_has_the_same_name_and_another_uid() {
    let set = ("StatefulSet", "store");
    let host = Host::new();
    host.grant(&PodRecycle::asks());
    workload(&host, "StatefulSet", "store", json!({ "app": "worker" }));
    for name in ["store-0", "store-1"] {
        host.object(pod(&host, name, set, true));
    }
    let params = by_name(&["store-0"], json!({}));
    let (_, found) = recycled(&host, params.clone(), |host| {
        host.object(pod(host, "store-2", set, true));
    });
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
    host.object(pod(&host, "store-0", set, true));
    let found = host.verify::<PodRecycle>(params).unwrap();
    assert_eq!(
        (found.verdict, &found.data["pods"][0]["fresh"]),
        (Verdict::Yes, &json!("store-0"))
    );
}

#[test]
fn a_daemon_sets_next_pod_is_on_the_same_node() {
    let set = ("DaemonSet", "agent");
    let host = Host::new();
    host.grant(&PodRecycle::asks());
    workload(&host, "DaemonSet", "agent", json!({ "app": "worker" }));
    host.object(pod(&host, "agent-a", set, true));
    let params = by_name(&["agent-a"], json!({}));
    let (_, found) = recycled(&host, params.clone(), |host| {
        let mut elsewhere = pod(host, "agent-b", set, true);
        elsewhere["spec"]["nodeName"] = json!("node-2");
        host.object(elsewhere);
    });
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
    host.object(pod(&host, "agent-c", set, true));
    assert_eq!(host.verify::<PodRecycle>(params).unwrap().verdict, Verdict::Yes);
}

#[test]
fn a_budget_that_lets_go_in_time_is_waited_for() {
    let host = four(&["worker-1", "worker-3"]);
    let began = host.now();
    host.budget("inference", "workers", "app=worker", &[began, began + 18_000]);
    let (outcome, _) = recycled(&host, by_selector(json!({})), |_| ());
    assert_eq!(outcome.unwrap(), "Evicted worker-1, worker-3");
    assert_eq!(host.now() - began, 20_000);
    assert_eq!(
        host.progress()
            .iter()
            .map(|state| state.as_str())
            .collect::<Vec<_>>(),
        ["done", "done"]
    );
}

#[test]
fn a_budget_that_does_not_let_go_is_a_failure_that_may_be_tried_again_and_says_how_far_it_came() {
    let table = [
        (60_000, json!({}), "after 55s"),
        (60_000, json!({ "wait": "12s" }), "after 10s"),
        (60_000, json!({ "wait": "0s" }), "after 0s"),
        (9_000, json!({}), "after 5s"),
    ];
    for (remaining, extra, after) in table {
        let host = four(&["worker-1", "worker-3"]);
        host.set_remaining(remaining);
        host.budget("inference", "workers", "app=worker", &[host.now()]);
        let (outcome, found) = recycled(&host, by_selector(extra.clone()), |_| ());
        let failure = outcome.unwrap_err();
        assert_eq!(failure.code, FailureCode::Unavailable);
        for said in ["worker-3", "1 of 2 evicted", "disruption budget: workers", after] {
            assert!(failure.message.contains(said), "{extra}: {failure}");
        }
        assert_eq!(found.verdict, Verdict::No);
        assert!(stored(&host, "worker-3").is_some());
        // What is done is not done twice, and what was held is tried again.
        let plan = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
        assert_eq!(plan.actions.len(), 1);
    }
}

#[test]
fn a_run_that_is_cancelled_does_not_go_on_waiting() {
    let host = four(&["worker-1"]);
    host.budget("inference", "workers", "app=worker", &[]);
    host.cancel();
    let (outcome, _) = recycled(&host, by_selector(json!({})), |_| ());
    assert!(outcome.unwrap_err().message.contains("after 0s"));
    assert_eq!(
        host.cluster_calls()
            .iter()
            .filter(|call| call.starts_with("evict"))
            .count(),
        1
    );
}

#[test]
fn what_no_role_allows_is_not_waited_for() {
    let host = four(&["worker-1", "worker-3"]);
    host.fail(
        "evict",
        Failure::denied("the user `stanch` may not create `pods/eviction`"),
    );
    let began = host.now();
    let (outcome, _) = recycled(&host, by_selector(json!({})), |_| ());
    let failure = outcome.unwrap_err();
    assert_eq!(failure.code, FailureCode::Denied);
    assert!(failure.message.starts_with("0 of 2 evicted"), "{failure}");
    assert_eq!(host.now(), began);
}

#[test]
fn a_pod_that_was_replaced_meanwhile_is_not_touched() {
    let host = four(&["worker-1"]);
    let plan = host.plan::<PodRecycle>(by_selector(json!({}))).unwrap();
    let next = host.object(pod(&host, "worker-1", ("StatefulSet", "worker"), true));
    let failure = host
        .apply::<PodRecycle>(by_selector(json!({})), &plan)
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert_eq!(stored(&host, "worker-1"), Some(next));
}

#[test]
fn a_lost_answer_is_settled_by_what_is_there() {
    for (happened, verdict) in [(true, Verdict::Yes), (false, Verdict::No)] {
        let host = four(&["worker-1"]);
        host.fail("evict", Failure::unavailable("the connection broke"));
        let (outcome, found) = recycled(&host, by_selector(json!({})), |host| {
            if happened {
                host.remove_object(&POD.named("inference", "worker-1"));
                host.object(pod(host, "worker-9", SET, true));
            }
        });
        outcome.unwrap_err();
        assert_eq!(host.progress()[0].as_str(), "unknown");
        assert_eq!(found.verdict, verdict, "{}", found.summary);
    }
}

#[test]
fn each_call_needs_its_line_of_the_grant() {
    let asks = PodRecycle::asks();
    for (table, verb) in [(0, "get"), (0, "list"), (0, "evict"), (1, "get")] {
        let mut less = asks.clone();
        let verbs = less["kubernetes"][table]["verbs"].as_array_mut().unwrap();
        verbs.retain(|granted| granted != verb);
        let host = four(&[]);
        let host = {
            let bare = Host::new();
            bare.grant(&less);
            for name in ["worker-0", "worker-1"] {
                bare.object(stored(&host, name).unwrap().value().clone());
            }
            workload(&bare, "ReplicaSet", "worker-7d4f", json!({ "app": "worker" }));
            bare
        };
        let failure = host
            .plan::<PodRecycle>(by_name(&["worker-0"], json!({})))
            .unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied, "{verb}: {failure}");
    }
}

#[test]
fn it_is_irreversible_and_what_could_mean_everything_is_refused() {
    let host = four(&["worker-1"]);
    recycled(&host, by_selector(json!({})), |_| ()).0.unwrap();
    assert_eq!(
        host.plan_undo::<PodRecycle>(by_selector(json!({})))
            .unwrap_err()
            .code,
        FailureCode::Failed
    );
    let invalid = [
        json!({ "namespace": "inference" }),
        json!({ "namespace": "inference", "pods": [] }),
        json!({ "namespace": "inference", "selector": "", "hung_for": "5m" }),
        json!({ "namespace": "inference", "selector": "app=worker" }),
        json!({ "namespace": "inference", "selector": "app=worker", "what": ["terminating"] }),
    ];
    for params in invalid {
        let failure = host.plan::<PodRecycle>(params.clone()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams, "{params}");
    }
    let nothing = with(by_selector(json!({})), json!({ "selector": "app=wroker" }));
    assert_eq!(
        host.plan::<PodRecycle>(nothing).unwrap_err().code,
        FailureCode::NotFound
    );
}
