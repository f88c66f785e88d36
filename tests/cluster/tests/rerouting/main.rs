//! `high-latency-cluster-b`, as it ships but for its times, on real parts: a Caddy before two regions, a Prometheus that fires,
//! an Alertmanager that posts, a control plane with the pods that hang, users who never stop asking.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod city;
mod region;

use city::{BEFORE, City};
use stanch_cluster_tests::hangs::{allowed, budget, names};
use stanch_parts::{ControlPlane, Space, User, until};

/// The pods of cluster B, one of which hangs on a full GPU.
fn pods(space: &Space<'_>) -> String {
    let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  replicas: 8\n  \
                    selector: {matchLabels: {app: llm}}\n  template:\n    metadata: {labels: {app: llm}}\n    \
                    spec: {containers: [{name: main, image: llm}]}\n---\n";
    let budget = budget(6).replace("worker", "llm");
    space.apply(&format!("{workload}{budget}")).unwrap();
    allowed(space).unwrap();
    let hung = names(&space.ready("app=llm", 8).unwrap()).remove(0);
    space.set(&hung, "not-ready").unwrap();
    space
        .logs(&hung, "main", &["NCCL watchdog: no heartbeat"], &[])
        .unwrap();
    hung
}

/// Users of cluster B wait: one of its pods hangs, with its GPU's memory full.
fn breaks(city: &City, hung: &str) {
    for (what, mib) in [("USED", 79_000.0), ("FREE", 1_000.0)] {
        let series = format!("DCGM_FI_DEV_FB_{what}{{namespace=\"inference\",pod=\"{hung}\",gpu=\"0\"}}");
        city.stage.metrics.set(&series, mib);
    }
    city.near.set_slow(true);
}

fn about(share: f64, wanted: f64) {
    assert!((share - wanted).abs() < 0.1, "{share} instead of {wanted}");
}

#[test]
fn live_traffic_is_moved_in_stages_over_a_death_of_the_engine_and_back_once_the_cluster_answers() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("inference").unwrap();
    let hung = pods(&space);
    let city = City::start(&space, &plane.kubeconfig(User::Engine));
    let (near, far) = city.users();
    about(city.share(60), 0.95);
    breaks(&city, &hung);

    let run = city.stage.run();
    let page = city.stage.tell(&["show", "high-latency-cluster-b"]);
    assert!(
        page.contains("Users in the EU region will experience timeouts."),
        "{page}"
    );
    let asked = city.approve(&run, "reroute");
    assert_eq!(asked.ask, "I detected High Latency. Re-route traffic?");

    city.has([9, 1]);
    about(city.share(30), 0.9);
    city.stage.kill_engine();
    assert_eq!(city.weights(), [9, 1], "a dead engine moves nothing");
    city.stage.start_engine();
    city.has([1, 1]);
    about(city.share(40), 0.5);
    city.has([0, 1]);
    let came = city.near.routed();
    about(city.share(60), 0.0);
    assert_eq!(city.near.routed(), came, "none is sent there any more");

    let asked = city.approve(&run, "restart_hung_pods");
    assert!(asked.ask.contains("restarted, for good"), "{asked:?}");
    let after = names(&space.ready("app=llm", 8).unwrap());
    assert!(!after.contains(&hung), "{after:?}");
    city.near.set_slow(false);

    let (ending, view) = city.stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    assert_eq!(city.weights(), BEFORE);
    about(city.share(60), 0.95);
    assert_eq!(city.stage.pages(), Vec::<serde_json::Value>::new());
    let (served, never_came) = (near.served(), near.never_came());
    assert_eq!(
        (near.leave(), far.leave()),
        (Vec::new(), Vec::new()),
        "of {served} requests"
    );
    assert!(served > 300, "{served}");
    assert!(never_came * 100 < served, "{never_came} of {served}");
}

#[test]
fn an_engine_that_died_between_two_stages_looks_at_the_first_before_it_goes_on_and_puts_back_what_is_not_borne()
 {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("inference").unwrap();
    let hung = pods(&space);
    let city = City::start(&space, &plane.kubeconfig(User::Engine));
    let (near, far) = city.users();
    breaks(&city, &hung);
    let run = city.stage.run();
    city.approve(&run, "reroute");
    city.has([9, 1]);
    city.stage.kill_engine();
    city.far.set_slow(true);
    city.stage.start_engine();

    city.has(BEFORE);
    assert_eq!(city.stage.ended(&run).0, "failed");
    let page = city.stage.tell(&["runs", "show", &run]);
    assert_eq!(page.matches("not sent").count(), 2, "neither 50 nor 100: {page}");
    until("the page", || (!city.stage.pages().is_empty()).then_some(())).unwrap();
    assert_eq!((near.leave(), far.leave()), (Vec::new(), Vec::new()));
}
