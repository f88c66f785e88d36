//! The budget refuses, RBAC refuses, the pod is another one by now, the selector means nothing or everything.

use serde_json::json;
use stanch_cluster_tests::Stage;
use stanch_cluster_tests::hangs::{
    Ceilings, MAY, NAMED, RULES, allowed, budget, names, setting, uids, workers,
};
use stanch_parts::{User, shared, until};

use crate::{changes, eviction};

#[test]
fn where_the_budget_refuses_the_pod_is_evicted_when_it_lets_go() {
    let plane = shared().unwrap();
    let space = plane.space("budget-refuses").unwrap();
    let pods = workers(&space, 3, 3).unwrap();
    allowed(&space).unwrap();
    let engine = setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Default);
    let stage = Stage::start(&space, RULES, &engine);
    let hung = names(&pods).remove(0);
    stage.hang(std::slice::from_ref(&hung));
    let run = stage.run();
    stage.approve(&run, &stage.question(&run));
    until("a refusal", || {
        changes(plane, &space)
            .contains(&eviction(&space, &hung, 429))
            .then_some(())
    })
    .unwrap();
    assert!(space.pod(&hung).is_some());
    space.apply(&budget(2)).unwrap();

    let (ending, view) = stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    let mut done = changes(plane, &space);
    assert_eq!(done.pop().unwrap(), eviction(&space, &hung, 201));
    assert!(
        done.iter().all(|call| *call == eviction(&space, &hung, 429)),
        "{done:?}"
    );
}

#[test]
fn where_rbac_refuses_nothing_is_done_and_people_are_told_what_is_missing() {
    let plane = shared().unwrap();
    let space = plane.space("rbac-refuses").unwrap();
    let pods = workers(&space, 3, 2).unwrap();
    let may_not = MAY.replace("pods/eviction", "pods/none");
    space.allow(User::Engine, &may_not).unwrap();
    let engine = setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Default);
    let stage = Stage::start(&space, RULES, &engine);
    stage.hang(&names(&pods)[..1]);
    let run = stage.run();
    stage.approve(&run, &stage.question(&run));
    stage.becomes(&run, "an escalation", |view| {
        (view["escalated"] == true).then_some(())
    });
    let refused = eviction(&space, &names(&pods)[0], 403);
    assert!(changes(plane, &space).iter().all(|call| *call == refused));
    assert_eq!(uids(&space.ready("app=worker", 3).unwrap()), uids(&pods));
    let page = stage.tell(&["runs", "show", &run]);
    assert!(page.contains("pods/eviction") || page.contains("evict"), "{page}");
    until("a page", || (!stage.pages().is_empty()).then_some(())).unwrap();
}

#[test]
fn a_pod_that_was_replaced_while_people_decided_is_left_alone_though_it_has_the_same_name() {
    let plane = shared().unwrap();
    let space = plane.space("replaced").unwrap();
    let stateful = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: worker}
spec:
  replicas: 3
  serviceName: worker
  selector: {matchLabels: {app: worker}}
  template: {metadata: {labels: {app: worker}}, spec: {containers: [{name: main, image: worker}]}}
";
    space.apply(&format!("{stateful}---\n{}", budget(2))).unwrap();
    space.ready("app=worker", 3).unwrap();
    allowed(&space).unwrap();
    let engine = setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Default);
    let stage = Stage::start(&space, RULES, &engine);
    stage.hang(&["worker-1".to_owned()]);
    let run = stage.run();
    let asked = stage.question(&run);
    let old = space.pod("worker-1").unwrap();
    space
        .admin()
        .delete(&space.path("pods/worker-1"))
        .unwrap()
        .good()
        .unwrap();
    until("another worker-1", || {
        (space.pod("worker-1")?["metadata"]["uid"] != old["metadata"]["uid"]).then_some(())
    })
    .unwrap();
    let fresh = space.ready("app=worker", 3).unwrap();
    stage.approve(&run, &asked);
    stage.becomes(&run, "the step's end", |view| {
        let state = &view["steps"][0]["state"];
        (state != "asking" && state != "refreshing" && state != "applying").then_some(())
    });
    stage.answer(&["worker-1".to_owned()]);
    stage.ended(&run);
    assert_eq!(changes(plane, &space), Vec::<String>::new());
    assert_eq!(uids(&space.ready("app=worker", 3).unwrap()), uids(&fresh));
}

#[test]
fn a_selector_that_means_nothing_or_everything_changes_nothing_and_calls_people() {
    let plane = shared().unwrap();
    for (name, selector) in [("matches-nothing", "app=wroker"), ("matches-all", "app")] {
        let space = plane.space(name).unwrap();
        let pods = workers(&space, 4, 1).unwrap();
        allowed(&space).unwrap();
        for pod in names(&pods) {
            space.set(&pod, "not-ready").unwrap();
        }
        let which = format!("selector = \"{selector}\", hung_for = \"1s\"");
        let engine = setting(plane.kubeconfig(User::Engine), &which, Ceilings::Default);
        let stage = Stage::start(&space, RULES, &engine);
        stage.hang(&names(&pods)[..1]);
        let run = stage.run();
        let (ending, view) = stage.ended(&run);
        assert_eq!(ending, "failed", "{name}: {view:#}");
        assert_eq!(view["escalated"], json!(true), "{name}");
        assert_eq!(changes(plane, &space), Vec::<String>::new(), "{name}");
    }
}
