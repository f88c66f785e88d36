//! Objects of a cluster: which share of those that are alike is acted on, what stays Ready, what is turned away for now, and
//! the pause of a namespace.

use stanch_contract::{Population, Share, Span};
use stanch_runbook::guardrails::{EngineGuardrails, TargetCeilings};

use super::basics::ONE;
use super::sim::*;
use crate::ledger::PauseScope;
use crate::opened::Opened;

const PODS: [&str; 8] = [
    "kubernetes:shop/_/pods/p0",
    "kubernetes:shop/_/pods/p1",
    "kubernetes:shop/_/pods/p2",
    "kubernetes:shop/_/pods/p3",
    "kubernetes:shop/_/pods/p4",
    "kubernetes:shop/_/pods/p5",
    "kubernetes:shop/_/pods/p6",
    "kubernetes:shop/_/pods/p7",
];

/// Guardrails that stop none of these by how many they are: only share and keep-ready are left to judge.
fn wide() -> EngineGuardrails {
    EngineGuardrails {
        targets: TargetCeilings::all(100),
        actions: "100/1m".parse().expect("a rate"),
        ..EngineGuardrails::default()
    }
}

/// A step in mode auto that acts on the first `acts` of `PODS`, of which the host counted `total`, the first `ready` of them
/// Ready.
fn acting(more: &str, acts: usize, counted: Option<(u32, u32)>) -> Sim {
    acting_within(wide(), more, acts, counted)
}

fn acting_within(guardrails: EngineGuardrails, more: &str, acts: usize, counted: Option<(u32, u32)>) -> Sim {
    let body = ONE.replace("uses = \"change\"", &format!("uses = \"change\"\n{more}"));
    let book = book("auto", &body);
    let opened = Opened {
        guardrails,
        ..opened(&book)
    };
    let mut sim = Sim::with(book, opened);
    let script = sim.script("fix");
    script.plans.push_back(Ok(PODS[..acts].to_vec()));
    script.population = counted.map(|(total, ready)| Population {
        what: "kubernetes:shop/_/pods?app=web".into(),
        total,
        ready,
        ready_targets: PODS
            .iter()
            .take(usize::try_from(ready).expect("few"))
            .map(|pod| (*pod).to_owned())
            .collect(),
    });
    sim
}

#[test]
fn one_object_may_always_be_acted_on_and_from_the_second_on_a_share_of_what_was_counted() {
    // (acted on, counted and Ready, the engine's share, goes on)
    let table = [
        (1, None, 25, true),
        (1, Some((1, 1)), 25, true),
        (2, None, 25, false),
        (2, Some((8, 8)), 25, true),
        (2, Some((7, 7)), 25, false),
        (3, Some((8, 8)), 25, false),
        (3, Some((12, 8)), 25, true),
        (2, Some((3, 3)), 50, false),
        (2, Some((4, 4)), 50, true),
        (8, Some((8, 8)), 100, false),
    ];
    for (acts, counted, percent, goes_on) in table {
        let within = EngineGuardrails {
            share: Share::percent(percent),
            ..wide()
        };
        let mut sim = acting_within(within, "", acts, counted);
        sim.settle();
        let case = format!("{acts} of {counted:?} at {percent}%");
        assert_eq!(sim.targets().len() == acts, goes_on, "{case}");
        assert_eq!(
            sim.standing("fix"),
            if goes_on { "done" } else { "held" },
            "{case}"
        );
    }
}

#[test]
fn a_share_that_is_over_is_held_whole_and_says_what_is_allowed() {
    let mut sim = acting("", 3, Some((8, 8)));
    sim.settle();
    let wanted = "the plan acts on 3 of 8 objects (kubernetes:shop/_/pods?app=web), and the engine allows 25% of them, which is 2";
    assert_eq!(sim.step("fix").summary, wanted);
    sim.pass_secs(700);
    assert!(sim.sent.is_empty() && sim.escalated());
    assert_eq!(sim.standing("fix"), "failed");

    let mut sim = acting("", 2, None);
    sim.settle();
    assert!(
        sim.step("fix").summary.contains("names no population"),
        "{}",
        sim.step("fix").summary
    );
}

#[test]
fn a_runbook_may_ask_for_a_smaller_share_and_not_for_a_larger_one() {
    let whole = EngineGuardrails {
        share: Share::WHOLE,
        ..wide()
    };
    let mut sim = acting_within(whole, "limits = { share = \"25%\" }", 3, Some((8, 8)));
    sim.settle();
    assert!(
        sim.step("fix").summary.contains("the runbook allows 25%"),
        "{}",
        sim.step("fix").summary
    );
    let mut sim = acting("limits = { share = \"100%\" }", 3, Some((8, 8)));
    sim.settle();
    assert!(
        sim.step("fix").summary.contains("the engine allows 25%"),
        "{}",
        sim.step("fix").summary
    );
}

#[test]
fn some_stay_ready_besides_those_that_are_acted_on() {
    // (acted on, counted and Ready, kept Ready, goes on)
    let table = [
        (2, (8, 3), 1, true),
        (2, (8, 2), 1, false),
        (2, (8, 2), 0, true),
        (2, (8, 8), 7, false),
        (2, (8, 8), 6, true),
        // One alone is judged by nobody but the disruption budget.
        (1, (8, 1), 1, true),
        // What is acted on and is not Ready takes nothing away.
        (2, (8, 0), 1, false),
    ];
    for (acts, counted, kept, goes_on) in table {
        let within = EngineGuardrails {
            share: Share::WHOLE,
            keep_ready: kept,
            ..wide()
        };
        let mut sim = acting_within(within, "", acts, Some(counted));
        sim.settle();
        assert_eq!(
            sim.targets().len() == acts,
            goes_on,
            "{acts} of {counted:?}, {kept} kept"
        );
    }
    let whole = EngineGuardrails {
        share: Share::WHOLE,
        ..wide()
    };
    let mut sim = acting_within(whole, "", 2, Some((8, 2)));
    sim.settle();
    assert!(
        sim.step("fix").summary.starts_with("0 of 8 objects"),
        "{}",
        sim.step("fix").summary
    );
}

#[test]
fn with_batches_those_of_one_batch_are_acted_on_at_one_time() {
    let eight = |share: u32, batch: &str| {
        let within = EngineGuardrails {
            share: Share::percent(share),
            ..wide()
        };
        acting_within(within, batch, 8, Some((8, 8)))
    };
    let one_by_one = "batch = { size = 1, hold = \"30s\" }";
    let mut sim = eight(100, one_by_one);
    // As in the world: what is done is not planned again, and a fresh one has taken its place.
    sim.script("fix").plans = [0, 0, 1, 2, 3, 4, 5, 6, 7]
        .map(|done: usize| Ok(PODS[done..].to_vec()))
        .into();
    sim.settle();
    for _ in 0..8 {
        sim.pass_secs(30);
    }
    assert_eq!(sim.targets(), PODS);
    assert_eq!(sim.standing("fix"), "done");
    // The share is of the whole step, however small its batches are; and all at one time would leave none.
    for mut sim in [eight(25, one_by_one), eight(100, "")] {
        sim.settle();
        assert_eq!(sim.standing("fix"), "held");
        sim.pass_secs(240);
        assert!(sim.sent.is_empty());
    }
}

#[test]
fn an_action_that_is_turned_away_for_now_is_tried_again_in_the_same_apply() {
    let one_a_minute = EngineGuardrails {
        actions: "1/1m".parse().expect("a rate"),
        ..wide()
    };
    let mut sim = acting_within(one_a_minute, "", 1, None);
    sim.script("fix").applies.push_back(How::TurnedAway(5));
    sim.settle();
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!((sim.count("ActionStarted"), sim.count("ActionEnded")), (6, 6));
    // What is given back is the place of the run: a try that took no effect takes nothing from the rate, and gives back nothing.
    assert_eq!(sim.count("BudgetReturned"), 1);
}

#[test]
fn a_pause_of_a_namespace_holds_what_acts_in_it_and_nothing_else() {
    let mut sim = acting("", 1, None);
    sim.pause_in(PauseScope::Namespace("shop".into()));
    sim.settle();
    assert!(sim.sent.is_empty(), "it is paused");
    sim.pass_secs(3600);
    assert!(sim.sent.is_empty());
    assert!(sim.ledger.resume(&PauseScope::Namespace("shop".into())));
    sim.pass_secs(1);
    assert_eq!(sim.targets(), PODS[..1]);

    let mut other = acting("", 1, None);
    other.pause_in(PauseScope::Namespace("shop-2".into()));
    other.settle();
    assert_eq!(other.targets(), PODS[..1]);
    assert_eq!(other.now.since(stanch_contract::Timestamp(START)), Span::ZERO);
}

#[test]
fn a_pause_of_a_namespace_in_the_middle_of_an_apply_stops_the_rest() {
    let mut sim = acting("", 2, Some((8, 8)));
    sim.script("fix")
        .applies
        .push_back(How::PausesNamespace(1, "shop"));
    sim.settle();
    assert_eq!(sim.targets(), PODS[..1]);
    sim.pass_secs(600);
    assert_eq!(sim.targets(), PODS[..1]);
    assert!(sim.ledger.resume(&PauseScope::Namespace("shop".into())));
    sim.pass_secs(1);
    assert_eq!(sim.targets(), PODS[..2]);
}
