use super::*;
use stanch_plugin::kubernetes::POD;
use stanch_plugin::testing::{Found, Host};

const MINUTE: i64 = 60_000;

fn at(host: &Host, ago: i64) -> String {
    Timestamp(host.now() - ago).to_string()
}

fn host() -> Host {
    let host = Host::new();
    host.grant(&PodState::asks());
    host
}

/// A pod of the ReplicaSet `worker-7d4f`, an hour old and Ready or not for `since`.
fn pod(host: &Host, name: &str, ready: &str, since: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "inference", "name": name, "labels": { "app": "worker" }, "creationTimestamp": at(host, 60 * MINUTE),
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "worker-7d4f", "uid": "rs", "controller": true }],
        },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "server" }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": at(host, since), "message": "containers with unready status: [server]" }],
            "containerStatuses": [{ "name": "server", "restartCount": 0, "state": { "running": { "startedAt": at(host, 60 * MINUTE) } } }],
        },
    })
}

/// Three that are well and one that has hung for ten minutes.
fn one_hangs() -> Host {
    let host = host();
    for name in ["worker-0", "worker-1", "worker-2"] {
        host.object(pod(&host, name, "True", 50 * MINUTE));
    }
    host.object(pod(&host, "worker-3", "False", 10 * MINUTE));
    host
}

fn ask(host: &Host, extra: Value) -> Found {
    let mut params = json!({ "namespace": "inference", "selector": "app=worker" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    host.diagnose::<PodState>(params).unwrap()
}

#[test]
fn a_pod_that_hangs_is_named_with_all_that_a_later_step_needs() {
    let host = one_hangs();
    let found = ask(&host, json!({ "what": ["hung"], "for": "5m" }));
    assert_eq!(found.verdict, Verdict::Yes);
    assert_eq!(
        found.summary,
        "Of 4 pods with `app=worker` in `inference` 1 hangs: worker-3 (for 10m)"
    );
    let data = &found.data;
    assert_eq!(
        (&data["count"], &data["looked_at"], &data["ready"]),
        (&json!(1), &json!(4), &json!(3))
    );
    let uid = host
        .stored(&POD.named("inference", "worker-3"))
        .unwrap()
        .uid()
        .to_owned();
    assert_eq!(
        data["pods"][0],
        json!({
            "name": "worker-3", "uid": uid, "namespace": "inference", "node": "node-1", "owner": "ReplicaSet/worker-7d4f",
            "ready": false, "restarts": 0, "trouble": "hung", "since": at(&host, 10 * MINUTE),
            "reason": "it runs and is not Ready: containers with unready status: [server]",
        })
    );
    assert_eq!(data["ids"], json!([format!("worker-3@{uid}")]));
}

#[test]
fn what_does_not_last_long_enough_is_a_no() {
    let found = ask(&one_hangs(), json!({ "what": ["hung"], "for": "15m" }));
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
    assert_eq!(
        found.summary,
        "Of 4 pods with `app=worker` in `inference` none hangs; 3 are Ready"
    );
    assert_eq!(found.data["ids"], json!([]));
}

#[test]
fn each_trouble_is_found_where_it_is_asked_about_and_only_there() {
    let host = host();
    let mut loops = pod(&host, "loops", "False", 2 * MINUTE);
    loops["status"]["containerStatuses"] = json!([{
        "name": "server", "restartCount": 14, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "reason": "OOMKilled", "exitCode": 137, "finishedAt": at(&host, MINUTE) } },
    }]);
    let mut stuck = pod(&host, "stuck", "False", 30 * MINUTE);
    stuck["metadata"]["deletionTimestamp"] = json!(at(&host, 20 * MINUTE));
    let mut done = pod(&host, "done", "False", 30 * MINUTE);
    done["status"]["phase"] = json!("Succeeded");
    for object in [pod(&host, "hangs", "False", 10 * MINUTE), loops, stuck, done] {
        host.object(object);
    }
    let table = [
        ("hung", json!(["hangs"])),
        ("crash-looping", json!(["loops"])),
        ("terminating", json!(["stuck"])),
        ("not-ready", json!(["hangs", "loops"])),
    ];
    for (what, expected) in table {
        let found = ask(&host, json!({ "what": [what] }));
        let names: Vec<&Value> = found.data["pods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pod| &pod["name"])
            .collect();
        assert_eq!(json!(names), expected, "{what}");
        assert_eq!(found.data["looked_at"], 3, "{what}");
    }
    let found = ask(&host, json!({ "what": ["hung", "crash-looping", "terminating"] }));
    assert_eq!(
        found.summary,
        "Of 3 pods with `app=worker` in `inference` 1 hangs: hangs (for 10m); \
         1 crash-loops: loops (last crash 1m ago); 1 is stuck in Terminating: stuck (for 20m)"
    );
}

#[test]
fn restarts_are_a_loop_where_the_runbook_says_how_many() {
    let host = host();
    let mut restarted = pod(&host, "worker-0", "True", MINUTE);
    restarted["status"]["containerStatuses"][0]["restartCount"] = json!(2);
    restarted["status"]["containerStatuses"][0]["lastState"] =
        json!({ "terminated": { "reason": "Error", "exitCode": 1, "finishedAt": at(&host, 15 * MINUTE) } });
    host.object(restarted);
    let asked = |extra: Value| ask(&host, extra).verdict;
    assert_eq!(asked(json!({ "what": ["crash-looping"] })), Verdict::No);
    assert_eq!(
        asked(json!({ "what": ["crash-looping"], "restarts": 2 })),
        Verdict::No
    );
    assert_eq!(
        asked(json!({ "what": ["crash-looping"], "restarts": 2, "within": "20m" })),
        Verdict::Yes
    );
}

#[test]
fn a_selector_that_fits_nothing_is_unknown_and_not_no() {
    let found = ask(
        &one_hangs(),
        json!({ "selector": { "app": "wroker" }, "what": ["hung"] }),
    );
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(
        found.summary.ends_with("is the selector right?"),
        "{}",
        found.summary
    );
    let found = ask(&one_hangs(), json!({ "selector": { "app": "wroker" } }));
    assert_eq!(found.verdict, Verdict::Unknown);
}

#[test]
fn named_pods_are_there_or_gone_or_other_ones_by_now() {
    let host = one_hangs();
    let named = |pods: Value| {
        host.diagnose::<PodState>(json!({ "namespace": "inference", "pods": pods }))
            .unwrap()
    };
    let found = named(json!(["worker-3", "worker-9", "worker-0@another"]));
    assert_eq!((found.verdict, &found.data["count"]), (Verdict::Yes, &json!(1)));
    assert_eq!(
        found.summary,
        "Of 3 named pods in `inference` 1 is there: worker-3 (not Ready); 2 named pods are not meant any more"
    );
    assert_eq!(
        found.data["left"],
        json!([
            { "name": "worker-0", "why": "another pod has taken its name" },
            { "name": "worker-9", "why": "it is gone" },
        ])
    );
    let found = named(json!(["worker-9"]));
    assert_eq!(
        (found.verdict, found.summary.as_str()),
        (
            Verdict::No,
            "Of 1 named pod in `inference` none is there; 1 named pod is not meant any more"
        )
    );
}

#[test]
fn the_clusters_own_notes_are_shown_the_newest_first_and_bounded() {
    let host = one_hangs();
    let uid = host
        .stored(&POD.named("inference", "worker-3"))
        .unwrap()
        .uid()
        .to_owned();
    for (name, ago) in [("Old", 30), ("New", 2), ("Middle", 9)] {
        host.object(json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "namespace": "inference", "name": name },
            "involvedObject": { "uid": uid, "name": "worker-3" }, "type": "Warning", "reason": name, "message": "Readiness probe failed",
            "lastTimestamp": at(&host, ago * MINUTE), "count": 7,
        }));
    }
    let found = ask(&host, json!({ "what": ["hung"], "events": 2 }));
    let events: Vec<&str> = found
        .evidence
        .iter()
        .filter(|evidence| evidence.label.starts_with("Event"))
        .map(|evidence| evidence.label.as_str())
        .collect();
    assert_eq!(
        events,
        [
            "Event of worker-3: New, 2m ago, 7 times",
            "Event of worker-3: Middle, 9m ago, 7 times"
        ]
    );
}

#[test]
fn without_a_grant_for_events_the_answer_stands_and_without_one_for_pods_there_is_none() {
    let host = Host::new();
    let pods = PodState::asks()["kubernetes"][0].clone();
    host.grant(&json!({ "kubernetes": [pods] }));
    host.object(pod(&host, "worker-3", "False", 10 * MINUTE));
    let found = ask(&host, json!({ "what": ["hung"] }));
    assert_eq!(found.verdict, Verdict::Yes);
    let last = found.evidence.last().unwrap();
    assert!(
        last.value.starts_with("not read: ") && last.value.contains("No grant"),
        "{}",
        last.value
    );

    let blind = Host::new();
    let params = json!({ "namespace": "inference", "selector": "app=worker", "what": ["hung"] });
    assert_eq!(
        blind.diagnose::<PodState>(params).unwrap_err().code,
        FailureCode::Denied
    );
}

#[test]
fn more_pods_than_are_looked_at_prove_trouble_and_never_that_there_is_none() {
    let host = host();
    for number in 0..1001 {
        host.object(pod(&host, &format!("worker-{number:04}"), "True", 50 * MINUTE));
    }
    let found = ask(&host, json!({ "what": ["hung"] }));
    assert_eq!(found.verdict, Verdict::Unknown, "{}", found.summary);
    host.object(pod(&host, "worker-0000", "False", 10 * MINUTE));
    assert_eq!(ask(&host, json!({ "what": ["hung"] })).verdict, Verdict::Yes);
}

#[test]
fn parameters_that_mean_everything_or_nothing_are_refused() {
    let host = one_hangs();
    for params in [
        json!({ "namespace": "inference", "what": ["hung"] }),
        json!({ "namespace": "inference", "selector": "", "what": ["hung"] }),
        json!({ "namespace": "inference", "selector": "app=worker", "what": ["tired"] }),
        json!({ "namespace": "inference", "pods": ["../secrets"] }),
    ] {
        let failure = host.diagnose::<PodState>(params.clone()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams, "{params}");
    }
}
