//! What becomes of an alert that starts no run, and of one that fires on after its run is closed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_outside::counter::Counter;
use stanch_outside::http::Connection;
use stanch_outside::run::ending;
use world::{PATIENCE, TOKEN, World, about};

fn runbook(name: &str, trigger: &str) -> String {
    format!(
        r#"name = "{name}"
title = "Done by hand"
owner = "nobody"
[trigger]
{trigger}
[impact]
severity = "low"
summary = "None."
[[mitigation]]
id = "tell"
do = "Tell somebody"
"#
    )
}

/// How many runs of it there are.
fn runs(world: &World, runbook: &str) -> usize {
    world
        .runs()
        .iter()
        .filter(|run| run["runbook"] == runbook)
        .count()
}

fn until(is_so: impl Fn() -> bool, world: &World) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{:#?}", world.runs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_fits_no_runbook_is_kept_as_that_and_a_condition_that_fails_is_told() {
    let slow = "alert = \"Slow\"\nwhen = 'double(alert.annotations.p99) > 2.0'";
    let counter = Counter::open(1, Duration::ZERO).unwrap();
    let world = World::new(counter, &[("slow", runbook("slow", slow))], &[]);
    let engine = world.start();
    let sent = |alert: &str, case: &str, p99: Option<&str>| {
        let mut body = about(alert, &[case.to_owned()], true);
        if let Some(p99) = p99 {
            body["alerts"][0]["annotations"]["p99"] = json!(p99);
        }
        let mut engine = Connection::open(world.listens).unwrap();
        let answer = engine
            .post("/alerts/alertmanager", TOKEN, &body.to_string())
            .unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let fingerprint = body["alerts"][0]["fingerprint"].as_str().unwrap().to_owned();
        (answer["runs"].as_array().unwrap().len(), fingerprint)
    };
    // The alert, what it says, how many runs it starts, and what is said of it.
    let table = [
        ("Other", "a", None, 0, "stops it"),
        ("Slow", "b", Some("1.5"), 0, "stops it"),
        ("Slow", "c", None, 0, "no value"),
        ("Slow", "d", Some("many"), 0, "no value"),
        ("Slow", "e", Some("2.5"), 1, "applies"),
    ];
    for (alert, case, p99, started, said) in table {
        let (runs, fingerprint) = sent(alert, case, p99);
        assert_eq!(runs, started, "{alert} {p99:?}");
        let told = engine.tell(&["explain", &fingerprint]).unwrap();
        assert!(told.contains(said), "{alert} {p99:?}: {told}");
        if said == "no value" {
            assert!(told.contains("p99"), "{told}");
        }
    }
    assert_eq!(world.runs().len(), 1);
    let metrics = Connection::open(world.listens)
        .unwrap()
        .get("/metrics")
        .unwrap()
        .body;
    assert!(metrics.contains("stanch_alerts_unmatched_total 4"), "{metrics}");
    engine.stop().unwrap();
}

#[test]
fn what_still_fires_after_its_run_closed_has_another_run_only_where_the_runbook_says_so() {
    let again = "alert = \"Slow\"\ngroup_by = [\"case\"]\nagain = \"1s\"";
    let never = "alert = \"Slow\"\ngroup_by = [\"case\"]";
    let books = [
        ("again", runbook("again", again)),
        ("never", runbook("never", never)),
    ];
    let counter = Counter::open(1, Duration::ZERO).unwrap();
    let world = World::new(counter, &books, &[]);
    let engine = world.start();
    let cases = ["fires", "over"].map(str::to_owned);
    world.deliver(&about("Slow", &cases, true));
    assert_eq!((runs(&world, "again"), runs(&world, "never")), (2, 2));
    // One of the two is over before its time comes.
    world.deliver(&about("Slow", &["over".to_owned()], false));
    for run in world.runs() {
        let run = run["id"].as_str().unwrap();
        // What is resolved may have ended by itself meanwhile.
        let _ = engine.tell(&["cancel", run, "--leave"]);
        until(
            || world.run(run).is_some_and(|view| ending(&view).is_some()),
            &world,
        );
    }
    until(|| runs(&world, "again") > 2, &world);
    assert_eq!((runs(&world, "again"), runs(&world, "never")), (3, 2));
    let newest = world
        .runs()
        .into_iter()
        .find(|run| run["runbook"] == "again")
        .unwrap();
    assert!(newest["group"].as_str().unwrap().contains("fires"), "{newest:#}");
    engine.stop().unwrap();
}
