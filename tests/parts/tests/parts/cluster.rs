//! Pods, budgets, roles, logs and the audit log of the control plane that the tests of this program share.

use serde_json::{Value, json};
use stanch_parts::{User, shared, until};

/// A Deployment of `count` pods with these annotations, in YAML's flow style, and a budget that keeps `keeps` of them.
fn workers(count: usize, annotations: &str, keeps: usize) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec:
  replicas: {count}
  selector: {{matchLabels: {{app: worker}}}}
  template:
    metadata: {{labels: {{app: worker}}, annotations: {annotations}}}
    spec: {{containers: [{{name: main, image: worker}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: worker}}
spec: {{minAvailable: {keeps}, selector: {{matchLabels: {{app: worker}}}}}}
"
    )
}

fn name(pod: &Value) -> String {
    pod["metadata"]["name"].as_str().unwrap().to_owned()
}

fn uid(pod: &Value) -> String {
    pod["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn eviction(pod: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": pod["metadata"]["name"] },
        "deleteOptions": { "preconditions": { "uid": pod["metadata"]["uid"] } },
    })
}

#[test]
fn an_evicted_pod_is_replaced_and_the_next_is_refused_until_it_is() {
    let space = shared().unwrap().space("budget").unwrap();
    // Ready when the test says so, and not before.
    space
        .apply(&workers(2, "{stanch.test/state: pending}", 1))
        .unwrap();
    let made_ready = || {
        let pods = until("two pods", || {
            space.pods("app=worker").filter(|pods| pods.len() == 2)
        });
        for pod in pods.unwrap() {
            space.set(&name(&pod), "ready").unwrap();
        }
        space.ready("app=worker", 2).unwrap()
    };
    let evict = |pod: &Value| {
        let path = space.path(&format!("pods/{}/eviction", name(pod)));
        space.admin().create(&path, &eviction(pod)).unwrap()
    };
    let let_go = |pod: &Value| {
        until("the budget to let go", || {
            (evict(pod).status == 201).then_some(())
        })
    };

    let pods = made_ready();
    let_go(&pods[0]).unwrap();
    let refused = evict(&pods[1]);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "DisruptionBudget");
    until("the end of the evicted one", || {
        space.pod(&name(&pods[0])).is_none().then_some(())
    })
    .unwrap();
    let replaced = made_ready();
    assert!(replaced.iter().all(|pod| uid(pod) != uid(&pods[0])));
    let_go(&pods[1]).unwrap();
}

#[test]
fn a_pod_of_a_statefulset_comes_back_under_its_name_as_another_and_a_stale_eviction_is_refused() {
    let space = shared().unwrap().space("same-name").unwrap();
    space
        .apply(
            "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: main, image: db}]}}
",
        )
        .unwrap();
    let old = space.ready("app=db", 1).unwrap().remove(0);
    assert_eq!(name(&old), "db-0");
    space
        .admin()
        .delete(&space.path("pods/db-0"))
        .unwrap()
        .good()
        .unwrap();
    let new = until("another db-0", || {
        let pods = space.pods("app=db")?;
        pods.into_iter().find(|pod| uid(pod) != uid(&old))
    });
    assert_eq!(name(&new.unwrap()), "db-0");
    space.ready("app=db", 1).unwrap();
    let stale = space
        .admin()
        .create(&space.path("pods/db-0/eviction"), &eviction(&old))
        .unwrap();
    assert_eq!(stale.status, 409, "{stale:?}");
}

#[test]
fn a_pod_is_in_the_state_that_a_test_gives_it_since_when_the_test_says() {
    let space = shared().unwrap().space("states").unwrap();
    let since = "2026-01-01T00:00:00Z";
    space
        .apply(&workers(1, &format!("{{stanch.test/since: '{since}'}}"), 0))
        .unwrap();
    let pod = name(&space.ready("app=worker", 1).unwrap()[0]);
    space.set(&pod, "not-ready").unwrap();
    let conditions = space.pod(&pod).unwrap()["status"]["conditions"].clone();
    let ready = conditions
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == "Ready")
        .unwrap();
    assert_eq!(ready["lastTransitionTime"], since);
    space.set(&pod, "crash-loop").unwrap();
    let status = space.pod(&pod).unwrap()["status"]["containerStatuses"][0].clone();
    assert_eq!(status["restartCount"], 7);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    let events = until("the events", || {
        let events = space.admin().items(&space.path("events"))?;
        let reasons: Vec<String> = events
            .iter()
            .map(|event| event["reason"].as_str().unwrap().to_owned())
            .collect();
        ["Unhealthy", "BackOff"]
            .iter()
            .all(|one| reasons.iter().any(|reason| reason == one))
            .then_some(reasons)
    });
    events.unwrap();
    space.set(&pod, "ready").unwrap();
}

#[test]
fn a_watch_tells_of_a_pod_that_comes_after_it_began() {
    let space = shared().unwrap().space("watch").unwrap();
    space.apply(&workers(1, "{}", 0)).unwrap();
    let old = space.ready("app=worker", 1).unwrap().remove(0);
    let mut deleted = false;
    let fresh = space.admin().watch(&space.path("pods"), |event| {
        let pod = &event["object"];
        if !deleted {
            assert_eq!((&event["type"], uid(pod)), (&json!("ADDED"), uid(&old)));
            let path = space.path(&format!("pods/{}", name(pod)));
            space.admin().delete(&path).unwrap().good().unwrap();
            deleted = true;
        }
        (uid(pod) != uid(&old)).then(|| uid(pod))
    });
    assert_eq!(fresh.unwrap(), uid(&space.ready("app=worker", 1).unwrap()[0]));
}

#[test]
fn a_pod_stuck_in_terminating_stays_until_it_is_deleted_without_grace() {
    let space = shared().unwrap().space("stuck").unwrap();
    space
        .apply(&workers(1, "{stanch.test/terminating: stuck}", 0))
        .unwrap();
    let stuck = space.ready("app=worker", 1).unwrap().remove(0);
    let path = space.path(&format!("pods/{}", name(&stuck)));
    space.admin().delete(&path).unwrap().good().unwrap();
    until("its replacement", || {
        (space.pods("app=worker")?.len() == 2).then_some(())
    })
    .unwrap();
    let left = space.pod(&name(&stuck)).unwrap();
    assert!(left["metadata"]["deletionTimestamp"].is_string(), "{left}");
    space
        .admin()
        .delete(&format!("{path}?gracePeriodSeconds=0"))
        .unwrap()
        .good()
        .unwrap();
    let left = space.ready("app=worker", 1).unwrap();
    assert_ne!(uid(&left[0]), uid(&stuck));
}

#[test]
fn logs_are_read_through_the_api_server_the_current_ones_and_the_previous_ones() {
    let space = shared().unwrap().space("logs").unwrap();
    space.apply(&workers(1, "{}", 0)).unwrap();
    let pod = name(&space.ready("app=worker", 1).unwrap()[0]);
    space
        .logs(
            &pod,
            "main",
            &["started", "CUDA error: out of memory"],
            &["old", "older"],
        )
        .unwrap();
    let read = |query: &str| {
        space
            .admin()
            .text(&space.path(&format!("pods/{pod}/log?{query}")))
    };
    assert_eq!(read("").unwrap(), "started\nCUDA error: out of memory\n");
    assert_eq!(read("tailLines=1").unwrap(), "CUDA error: out of memory\n");
    assert_eq!(read("previous=true").unwrap(), "old\nolder\n");
    assert!(read("container=no-such-one").is_err());
}

#[test]
fn a_user_may_do_what_its_role_says_and_the_audit_log_has_all_that_it_asked_for() {
    let plane = shared().unwrap();
    let space = plane.space("roles").unwrap();
    space.apply(&workers(2, "{}", 1)).unwrap();
    space
        .allow(
            User::Engine,
            "[{apiGroups: [''], resources: [pods], verbs: [get, list]}, \
             {apiGroups: [''], resources: [pods/eviction], verbs: [create]}]",
        )
        .unwrap();
    let pods = space.ready("app=worker", 2).unwrap();
    let engine = plane.api(User::Engine).unwrap();
    let pod = name(&pods[0]);
    until("the role", || engine.object(&space.path("pods"))).unwrap();
    let before = plane.calls(User::Engine).unwrap().len();
    assert_eq!(
        engine.delete(&space.path(&format!("pods/{pod}"))).unwrap().status,
        403
    );
    assert_eq!(
        engine.get("/api/v1/namespaces/kube-system/pods").unwrap().status,
        403
    );
    let path = space.path(&format!("pods/{pod}/eviction"));
    assert_eq!(engine.create(&path, &eviction(&pods[0])).unwrap().status, 201);
    assert_eq!(
        plane
            .api(User::Stranger)
            .unwrap()
            .get(&space.path("pods"))
            .unwrap()
            .status,
        403
    );

    let calls = plane.calls(User::Engine).unwrap().split_off(before);
    let told: Vec<String> = calls.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!("delete roles/pods/{pod} → 403"),
            "list kube-system/pods → 403".to_owned(),
            format!("create roles/pods/{pod}/eviction → 201"),
        ]
    );
    assert_eq!(calls.iter().filter(|call| call.is_change()).count(), 2);
    let uid_sent = calls[2].sent.pointer("/deleteOptions/preconditions/uid").unwrap();
    assert_eq!(uid_sent, &json!(uid(&pods[0])));
}
