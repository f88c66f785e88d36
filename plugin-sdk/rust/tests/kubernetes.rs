//! The kit's way to a cluster and the fake one behind it, which refuses what the engine's gate and an API server would.

#![allow(clippy::unwrap_used, reason = "a test stops there")]

use stanch_plugin::kubernetes::{
    self, CONFIG_MAP, Change, Object, POD, Patch, PodName, Query, Selector, Which, events_of, is_budget,
};
use stanch_plugin::prelude::*;
use stanch_plugin::testing::Host;
use stanch_plugin::{Alert, AlertStatus};

fn grant(verbs: &[&str], resources: &[&str]) -> Value {
    json!({ "kubernetes": [{ "clusters": ["eu"], "verbs": verbs, "resources": resources, "namespaces": ["ns"] }] })
}

fn pod(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "ns", "name": name, "labels": labels },
        "spec": { "nodeName": "node-1" }, "status": { "phase": "Running" },
    })
}

fn worker(name: &str) -> Value {
    pod(name, json!({ "app": "worker" }))
}

fn host() -> Host {
    let host = Host::new();
    host.grant(&grant(
        &["get", "list", "logs", "evict", "delete", "patch", "create"],
        &["pods", "configmaps"],
    ));
    host
}

fn names(query: Query) -> Vec<String> {
    kubernetes::find(query)
        .map(|object| object.unwrap().name().to_owned())
        .collect()
}

#[test]
fn a_list_is_read_page_by_page_and_only_what_fits() {
    let host = host();
    for number in 0..7 {
        host.object(worker(&format!("worker-{number}")));
    }
    host.object(pod("other", json!({ "app": "other" })));
    let worker = Selector::parse("app=worker").unwrap();
    let query = || POD.within("ns").labels(&worker).page(3);
    assert_eq!(names(query()).len(), 7);
    assert_eq!(host.cluster_calls().len(), 3);
    assert_eq!(names(POD.within("ns").fields("metadata.name=other")), ["other"]);
    assert_eq!(names(POD.within("ns")).len(), 8);
}

#[test]
fn what_no_grant_names_is_refused_whatever_is_there() {
    let host = Host::new();
    host.grant(&json!({ "kubernetes": [
        { "clusters": ["eu"], "verbs": ["get", "list"], "resources": ["pods"], "namespaces": ["ns"], "names": ["worker-*"], "selector": "app=worker" },
    ] }));
    host.object(worker("worker-1"));
    host.object(pod("worker-2", json!({ "app": "other" })));
    let denied = |failure: Failure| failure.code == FailureCode::Denied;
    assert!(kubernetes::get(&POD.named("ns", "worker-1")).is_ok());
    assert!(
        kubernetes::get(&POD.named("ns", "worker-2")).is_err_and(denied),
        "its labels do not fit"
    );
    assert!(
        kubernetes::get(&POD.named("ns", "other")).is_err_and(denied),
        "its name does not fit"
    );
    assert!(kubernetes::get(&POD.named("kube-system", "worker-1")).is_err_and(denied));
    assert!(kubernetes::get(&CONFIG_MAP.named("ns", "worker-1")).is_err_and(denied));
    assert!(
        kubernetes::logs(&POD.named("ns", "worker-1"))
            .read()
            .is_err_and(denied)
    );
    assert!(
        kubernetes::find(POD.everywhere())
            .next()
            .unwrap()
            .is_err_and(denied)
    );
    // The selector of a grant is part of every list.
    assert_eq!(names(POD.within("ns")), ["worker-1"]);
}

#[test]
fn what_is_not_there_is_none_and_what_may_not_be_seen_is_a_failure() {
    let host = host();
    assert_eq!(kubernetes::look(&POD.named("ns", "gone")).unwrap(), None);
    assert!(kubernetes::look(&POD.named("elsewhere", "gone")).is_err());
    host.fail("get", Failure::unavailable("the API server does not answer"));
    let failure = kubernetes::look(&POD.named("ns", "gone")).unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(failure.message.contains("reading Pod `ns/gone`"), "{failure}");
}

/// Evicts every pod of `ns`, or does with them what its parameters say.
struct Sweep;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    population: Option<Selector>,
    /// Leaves out the uid.
    #[serde(default)]
    careless: bool,
    /// How often an eviction is tried.
    #[serde(default)]
    tries: u32,
}

impl Remediation for Sweep {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = about!("Sweeps");

    fn plan(_: &Context, params: &Params) -> Result<Plan<Nothing>, Failure> {
        let pods: Vec<Object> = kubernetes::find(POD.within("ns")).collect::<Result<_, _>>()?;
        let nobody = Object::new(POD, json!({}));
        let evict = |pod: &Object| {
            let action = Action::evict(pod);
            if params.careless {
                action.expect_uid(&nobody)
            } else {
                action
            }
        };
        let plan = Plan::new("Evict them").actions(pods.iter().map(evict));
        Ok(match &params.population {
            Some(labels) => plan.population(&POD, "ns", labels),
            None => plan,
        })
    }

    fn apply(ctx: &Context, params: &Params, plan: &Plan<Nothing>) -> Result<Outcome<Nothing>, Failure> {
        for action in &plan.actions {
            let mut tries = 0;
            while let Err(failure) = action.carry_out(&ctx.idempotency_key) {
                tries += 1;
                if tries > params.tries || !is_budget(&failure) {
                    return Err(failure);
                }
                host::sleep(std::time::Duration::from_secs(5));
            }
        }
        Ok(Outcome::new("Done"))
    }
}

fn states(host: &Host) -> Vec<&'static str> {
    host.progress().iter().map(|state| state.as_str()).collect()
}

#[test]
fn an_eviction_is_of_the_very_pod_that_was_planned() {
    let host = host();
    host.object(worker("worker-0"));
    let plan = host.plan::<Sweep>(json!({})).unwrap();
    assert_eq!(plan.actions[0].expect.as_deref(), Some("uid:uid-1"));
    // The StatefulSet's next one has the same name.
    host.object(worker("worker-0"));
    let failure = host.apply::<Sweep>(json!({}), &plan).unwrap_err();
    assert_eq!(
        (failure.code, states(&host)),
        (FailureCode::Conflict, vec!["refused"])
    );
    assert!(host.stored(&POD.named("ns", "worker-0")).is_some());
}

#[test]
fn an_eviction_that_does_not_say_which_pod_is_refused() {
    let host = host();
    host.object(worker("worker-0"));
    let failure = host.plan::<Sweep>(json!({ "careless": true })).unwrap_err();
    assert!(failure.message.contains("uid"), "{failure}");
}

#[test]
fn a_target_outside_of_the_population_is_refused() {
    let host = host();
    host.object(worker("worker-0"));
    assert!(host.plan::<Sweep>(json!({ "population": "app=worker" })).is_ok());
    let failure = host
        .plan::<Sweep>(json!({ "population": "app=other" }))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Denied);
}

#[test]
fn a_budget_refuses_now_and_lets_go_later_and_the_same_action_is_sent_again() {
    let host = host();
    host.object(worker("worker-0"));
    let plan = host.plan::<Sweep>(json!({})).unwrap();
    host.budget("ns", "workers", "app=worker", &[host.now() + 12_000]);
    let failure = host.apply::<Sweep>(json!({ "tries": 1 }), &plan).unwrap_err();
    assert!(
        is_budget(&failure) && failure.message.contains("workers"),
        "{failure}"
    );
    assert_eq!(states(&host), ["refused"]);
    host.apply::<Sweep>(json!({ "tries": 3 }), &plan).unwrap();
    assert_eq!(states(&host), ["done"]);
    assert_eq!(host.stored(&POD.named("ns", "worker-0")), None);
}

#[test]
fn a_role_that_refuses_is_not_taken_for_a_budget() {
    let host = host();
    host.object(worker("worker-0"));
    let plan = host.plan::<Sweep>(json!({})).unwrap();
    host.fail(
        "evict",
        Failure::denied("the user `stanch` may not create pods/eviction"),
    );
    let failure = host.apply::<Sweep>(json!({ "tries": 3 }), &plan).unwrap_err();
    assert!(!is_budget(&failure));
    assert_eq!(
        host.cluster_calls()
            .iter()
            .filter(|call| call.starts_with("evict"))
            .count(),
        1
    );
}

#[test]
fn a_lost_answer_leaves_the_action_in_doubt() {
    let host = host();
    host.object(worker("worker-0"));
    let plan = host.plan::<Sweep>(json!({})).unwrap();
    host.fail("evict", Failure::unavailable("the connection broke"));
    host.apply::<Sweep>(json!({}), &plan).unwrap_err();
    assert_eq!(states(&host), ["unknown"]);
}

#[test]
fn a_pod_that_is_gone_already_was_what_the_eviction_was_for() {
    let host = host();
    host.object(worker("worker-0"));
    let plan = host.plan::<Sweep>(json!({})).unwrap();
    host.remove_object(&POD.named("ns", "worker-0"));
    host.apply::<Sweep>(json!({}), &plan).unwrap();
}

#[test]
fn outside_of_apply_nothing_is_changed() {
    let host = host();
    let map = host.object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "ns", "name": "flags" }, "data": { "a": "1" } }));
    for change in [
        Change::Delete {
            grace_seconds: Some(0),
        },
        Change::Patch(Patch::merge(json!({ "data": { "a": "2" } }))),
        Change::Create(json!({ "kind": "ConfigMap" })),
    ] {
        let failure = kubernetes::change(&map.named(), &change).unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied, "{change:?}");
    }
    assert_eq!(host.stored(&map.named()), Some(map));
}

fn alert(pod: &str, starts_at: &str) -> Alert {
    let labels = [("pod", pod), ("namespace", "ns")];
    Alert {
        name: "Hung".into(),
        fingerprint: pod.into(),
        status: AlertStatus::Firing,
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        annotations: Default::default(),
        starts_at: starts_at.into(),
        payload: Value::Null,
    }
}

fn which(
    pods: &[&str],
    selector: Option<&str>,
    alerts: &[Alert],
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let pods: Vec<PodName> = serde_json::from_value(json!(pods)).unwrap();
    let selector = selector.map(|selector| Selector::parse(selector).unwrap());
    let which = Which {
        namespace: "ns",
        pods: &pods,
        selector: selector.as_ref(),
        alerts,
    };
    let found = which.find()?;
    let left = found
        .left
        .iter()
        .map(|left| format!("{}: {}", left.name, left.why));
    Ok((
        found.pods.iter().map(|pod| pod.name().to_owned()).collect(),
        left.collect(),
    ))
}

#[test]
fn pods_are_found_by_name_by_label_and_by_both() {
    let host = host();
    host.object(worker("worker-1"));
    host.object(worker("worker-0"));
    host.object(pod("other", json!({ "app": "other" })));
    /// Names, selector; found, left.
    type Case<'a> = (&'a [&'a str], Option<&'a str>, &'a [&'a str], &'a [&'a str]);
    let table: [Case<'_>; 4] = [
        (
            &["worker-1", "worker-1", "gone"],
            None,
            &["worker-1"],
            &["gone: it is gone"],
        ),
        (&[], Some("app=worker"), &["worker-0", "worker-1"], &[]),
        (
            &["worker-1", "other"],
            Some("app=worker"),
            &["worker-1"],
            &["other: no pod of that name has the labels `app=worker`"],
        ),
        (&[], Some("app=nothing"), &[], &[]),
    ];
    for (pods, selector, found, left) in table {
        let expected = (own(found), own(left));
        assert_eq!(
            which(pods, selector, &[]).unwrap(),
            expected,
            "{pods:?} {selector:?}"
        );
    }
    let neither = which(&[], None, &[]).unwrap_err();
    assert_eq!(neither.code, FailureCode::InvalidParams);
}

fn own(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn another_pod_of_the_same_name_is_not_the_one_that_was_meant() {
    let host = host();
    let begun = stanch_plugin::Timestamp(host.now() - 60_000).to_string();
    let mut old = worker("worker-0");
    old["metadata"]["creationTimestamp"] = json!("2025-12-01T00:00:00Z");
    let uid = host.object(old).uid().to_owned();
    let exactly = format!("worker-0@{uid}");
    let alerts = [alert("worker-0", &begun)];
    for (named, alerts) in [("worker-0", &alerts[..]), (&exactly, &alerts), (&exactly, &[])] {
        assert_eq!(which(&[named], None, alerts).unwrap().0, ["worker-0"], "{named}");
    }

    // It is replaced, by one of the same name.
    host.object(worker("worker-0"));
    let left = |named: &str, alerts: &[Alert]| {
        let (found, left) = which(&[named], None, alerts).unwrap();
        assert_eq!(found, own(&[]), "{named}");
        left.join("")
    };
    assert!(left(&exactly, &[]).contains("another pod has taken its name"));
    assert!(left("worker-0", &alerts).contains("after its alert began"));
    // An alert about another pod says nothing of this one.
    let others = [alert("worker-1", &begun)];
    assert_eq!(which(&["worker-0"], None, &others).unwrap().0, ["worker-0"]);
}

#[test]
fn what_is_not_a_pods_name_is_refused() {
    for name in [
        "",
        "Worker",
        "-a",
        "a/b",
        "a b",
        "a@",
        "a@b/c",
        "a\n",
        &"a".repeat(254),
    ] {
        let read = serde_json::from_value::<PodName>(json!(name));
        assert!(read.is_err(), "{name}");
    }
}

#[test]
fn events_are_read_the_newest_first_whoever_wrote_them() {
    let host = host();
    host.grant(&grant(&["list"], &["events"]));
    let pod = host.object(worker("worker-0"));
    let event = |name: &str, uid: &str, more: Value| {
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "namespace": "ns", "name": name },
            "involvedObject": { "uid": uid }, "type": "Warning", "reason": name, "message": "…",
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        host.object(event);
    };
    event(
        "Unhealthy",
        pod.uid(),
        json!({ "lastTimestamp": "2025-12-31T23:58:00Z", "count": 7 }),
    );
    event(
        "BackOff",
        pod.uid(),
        json!({ "series": { "lastObservedTime": "2025-12-31T23:59:00.000000Z", "count": 3 } }),
    );
    event(
        "Pulled",
        pod.uid(),
        json!({ "eventTime": "2025-12-31T20:00:00.000000Z", "type": "Normal" }),
    );
    event("Killing", "another", json!({}));
    let events = events_of([&pod]).unwrap();
    let said: Vec<_> = events
        .iter()
        .map(|event| (event.reason.as_str(), event.warning, event.count))
        .collect();
    assert_eq!(
        said,
        [("BackOff", true, 3), ("Unhealthy", true, 7), ("Pulled", false, 1)]
    );
}
