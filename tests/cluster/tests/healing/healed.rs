//! One pod hangs, and is recycled.

use serde_json::json;
use stanch_cluster_tests::Stage;
use stanch_cluster_tests::hangs::{Ceilings, NAMED, RULES, allowed, names, setting, uids, workers};
use stanch_parts::{User, shared, until};

use crate::{changes, eviction};

#[test]
fn a_metric_flips_and_the_hung_pod_is_recycled_under_its_budget_once_a_person_said_yes() {
    let plane = shared().unwrap();
    let space = plane.space("healed").unwrap();
    let pods = workers(&space, 3, 2).unwrap();
    allowed(&space).unwrap();
    let stage = Stage::start(
        &space,
        RULES,
        &setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Default),
    );
    stage.answer(&names(&pods));
    let hung = names(&pods).remove(0);
    stage.hang(std::slice::from_ref(&hung));

    let run = stage.run();
    let asked = stage.question(&run);
    assert_eq!(
        (asked.step.as_str(), asked.ask.as_str()),
        ("recycle", "Recycle them?")
    );
    let page = stage.tell(&["runs", "show", &run]);
    assert!(page.contains(&format!("/pods/{hung}")), "{page}");
    assert_eq!(
        changes(plane, &space),
        Vec::<String>::new(),
        "nothing before the yes"
    );
    stage.approve(&run, &asked);

    let (ending, view) = stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    assert_eq!(changes(plane, &space), [eviction(&space, &hung, 201)]);
    let calls = plane.calls(User::Engine).unwrap();
    let sent = calls
        .iter()
        .find(|call| call.is_change() && call.path.contains(&hung))
        .unwrap();
    let uid = sent.sent.pointer("/deleteOptions/preconditions/uid").unwrap();
    assert_eq!(
        uid,
        &json!(uids(&pods)[0]),
        "the pod that was looked at, and no other"
    );
    let after = uids(&space.ready("app=worker", 3).unwrap());
    let kept = uids(&pods).iter().filter(|uid| after.contains(uid)).count();
    assert_eq!(kept, 2, "the others were left alone");
    until("the alert's end", || {
        stage.prometheus.firing()?.is_empty().then_some(())
    })
    .unwrap();
}
