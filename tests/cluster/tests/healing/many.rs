//! Eight of ten pods hang at once.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use stanch_cluster_tests::Stage;
use stanch_cluster_tests::hangs::{Ceilings, NAMED, RULES, allowed, names, setting, uids, workers};
use stanch_parts::{Space, User, shared};

use crate::{changes, eviction};

const PODS: usize = 10;
const HUNG: usize = 8;

/// The fewest Ready pods that were seen at one time while something is done.
fn fewest<T>(space: &Space<'_>, work: impl FnOnce() -> T) -> (usize, T) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut fewest = PODS;
            while !done.load(Ordering::SeqCst) {
                if let Some(pods) = space.pods("app=worker") {
                    let ready = pods.iter().filter(|pod| stanch_parts::is_ready(pod)).count();
                    fewest = fewest.min(ready);
                }
            }
            fewest
        });
        let result = work();
        done.store(true, Ordering::SeqCst);
        (watcher.join().unwrap(), result)
    })
}

#[test]
fn with_raised_ceilings_eight_are_recycled_one_by_one_under_one_yes_and_the_budget() {
    let plane = shared().unwrap();
    let space = plane.space("eight-raised").unwrap();
    let pods = workers(&space, PODS, PODS - 1).unwrap();
    allowed(&space).unwrap();
    let engine = setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Raised);
    let stage = Stage::start(&space, RULES, &engine);
    let hung = names(&pods)[..HUNG].to_vec();
    stage.hang(&hung);
    let run = stage.run();
    // The question is asked again where the group has grown since: the first yes is about all eight.
    let asked = stage.becomes(&run, "a question about all eight", |view| {
        let asked = stanch_outside::run::asked(view)?;
        let actions = view["steps"][0]["plan"]["actions"].as_array()?.len();
        (actions == HUNG).then_some(asked)
    });
    let (fewest, (ending, view)) = fewest(&space, || {
        stage.approve(&run, &asked);
        stage.ended(&run)
    });
    assert_eq!(ending, "healed", "{view:#}");
    assert_eq!(fewest, PODS - 1, "one at a time, as the budget has it");
    let mut done = changes(plane, &space);
    done.retain(|call| !call.ends_with("429"));
    done.sort();
    let mut wanted: Vec<String> = hung.iter().map(|pod| eviction(&space, pod, 201)).collect();
    wanted.sort();
    assert_eq!(done, wanted, "each once");
    let given = view["timeline"].as_array().unwrap();
    let given = given
        .iter()
        .filter(|entry| entry["event"] == "DecisionGiven")
        .count();
    assert_eq!(given, 1, "one yes");
}

#[test]
fn with_the_default_ceilings_eight_are_held_and_then_people_are_called() {
    let plane = shared().unwrap();
    let space = plane.space("eight-default").unwrap();
    let pods = workers(&space, PODS, PODS - 1).unwrap();
    allowed(&space).unwrap();
    let engine = setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Default);
    let stage = Stage::start(&space, RULES, &engine);
    stage.hang(&names(&pods)[..HUNG]);
    let run = stage.run();
    stage.becomes(&run, "a step that is held", |view| {
        (view["steps"][0]["state"] == "held").then_some(())
    });
    let (ending, view) = stage.ended(&run);
    assert_eq!(ending, "failed", "{view:#}");
    assert_eq!(view["escalated"], json!(true));
    assert_eq!(changes(plane, &space), Vec::<String>::new());
    assert_eq!(uids(&space.ready("app=worker", PODS).unwrap()), uids(&pods));
}
