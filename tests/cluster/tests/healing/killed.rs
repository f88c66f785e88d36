//! The API server is killed: between plan and apply, and between an action and its answer.

use stanch_cluster_tests::Stage;
use stanch_cluster_tests::hangs::{Ceilings, NAMED, RULES, allowed, names, setting, uids, workers};
use stanch_parts::{ControlPlane, Moment, User, until};

use crate::{changes, eviction};

#[test]
fn an_api_server_that_dies_between_plan_and_apply_only_delays_what_was_approved() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("killed-before").unwrap();
    let pods = workers(&space, 3, 2).unwrap();
    allowed(&space).unwrap();
    let door = plane.door().unwrap();
    let kubeconfig = plane.kubeconfig_through(&door, User::Engine).unwrap();
    let stage = Stage::start(&space, RULES, &setting(kubeconfig, NAMED, Ceilings::Default));
    let hung = names(&pods).remove(0);
    stage.hang(std::slice::from_ref(&hung));
    let run = stage.run();
    let asked = stage.question(&run);
    plane.kill_api_server();
    door.shut();
    stage.approve(&run, &asked);
    stage.becomes(&run, "a step that cannot go on", |view| {
        (view["steps"][0]["state"] != "asking").then_some(())
    });
    plane.restart_api_server().unwrap();
    door.unshut().unwrap();
    let (ending, view) = stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    assert_eq!(changes(&plane, &space), [eviction(&space, &hung, 201)]);
}

#[test]
fn an_eviction_without_an_answer_is_found_out_about_and_done_once() {
    let plane = ControlPlane::start().unwrap();
    for (name, moment) in [("cut-before", Moment::Arrived), ("cut-after", Moment::Made)] {
        let space = plane.space(name).unwrap();
        let pods = workers(&space, 3, 2).unwrap();
        allowed(&space).unwrap();
        let door = plane.door().unwrap();
        let kubeconfig = plane.kubeconfig_through(&door, User::Engine).unwrap();
        let stage = Stage::start(&space, RULES, &setting(kubeconfig, NAMED, Ceilings::Default));
        let hung = names(&pods).remove(0);
        stage.hang(std::slice::from_ref(&hung));
        let run = stage.run();
        let asked = stage.question(&run);
        door.arm(moment, |request| {
            let (method, path) = request.asked();
            let only_asks =
                path.contains("dryRun") || String::from_utf8_lossy(&request.body).contains("dryRun");
            method == "POST" && path.contains("/eviction") && !only_asks
        });
        stage.approve(&run, &asked);
        until("the eviction", || door.is_struck().then_some(())).unwrap();
        plane.kill_api_server();
        door.shut();
        door.release();
        stage.becomes(&run, "a doubt", |view| {
            let events = view["timeline"].as_array()?;
            events
                .iter()
                .any(|entry| entry["event"] == "InDoubt")
                .then_some(())
        });
        plane.restart_api_server().unwrap();
        if matches!(moment, Moment::Made) {
            // The look that is to find out comes once there is something to find: before the fresh pod is Ready it says no, and
            // what is repeat-safe is rightly sent again.
            until("the fresh pod", || {
                let ready = names(&space.ready("app=worker", 3).ok()?);
                (!ready.contains(&hung)).then_some(())
            })
            .unwrap();
        }
        door.unshut().unwrap();
        let (ending, view) = stage.ended(&run);
        assert_eq!(ending, "healed", "{name}: {view:#}");
        assert_eq!(changes(&plane, &space), [eviction(&space, &hung, 201)], "{name}");
        let after = uids(&space.ready("app=worker", 3).unwrap());
        let kept = uids(&pods).iter().filter(|uid| after.contains(uid)).count();
        assert_eq!(kept, 2, "{name}");
    }
}
