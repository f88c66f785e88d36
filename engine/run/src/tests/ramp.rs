//! A change in stages: all planned first, one decision, each held and verified before the next.

use serde_json::{Value, json};
use stanch_contract::{AlertStatus, FailureCode, Verdict};

use super::basics::ONE;
use super::sim::*;
use crate::*;

/// A step in three stages, each held for two minutes.
fn ramped(more: &str) -> String {
    let ramp = "ramp = { with = [{ weight = 10 }, { weight = 50 }, { weight = 100 }], hold = \"2m\" }";
    let keys = format!("uses = \"change\"\n{ramp}\n{more}");
    ONE.replace("uses = \"change\"", &keys)
}

/// Each stage acts on a target of its own here, so that one sees which was sent.
const STAGES: [&str; 3] = ["w10", "w50", "w100"];

fn three(mode: &str, more: &str) -> Sim {
    let mut sim = Sim::new(mode, &ramped(more));
    plans(&mut sim, STAGES);
    plans(&mut sim, STAGES);
    sim
}

fn plans<const N: usize>(sim: &mut Sim, targets: [&'static str; N]) {
    let plans = &mut sim.script("fix").plans;
    plans.extend(targets.map(|target| Ok(if target.is_empty() { vec![] } else { vec![target] })));
}

fn stages(sim: &Sim) -> (usize, usize) {
    let ramp = sim.step("fix").ramp.expect("the step has stages");
    (ramp.done, ramp.of)
}

fn asked(sim: &Sim, slot: Slot) -> usize {
    sim.calls
        .iter()
        .filter(|(step, of)| step == "fix" && *of == slot)
        .count()
}

/// The weights that the plugin was called with, in this slot.
fn weights(sim: &Sim, wanted: Slot) -> Vec<Value> {
    let of_slot = sim
        .handed
        .iter()
        .filter(|(step, slot, _)| step == "fix" && *slot == wanted);
    of_slot.map(|(_, _, params)| params["weight"].clone()).collect()
}

#[test]
fn one_question_is_about_all_stages_and_each_is_held_and_verified_before_the_next() {
    let mut sim = three("ask", "");
    sim.settle();
    assert!(sim.sent.is_empty());
    assert_eq!(
        sim.count("StepPlanned"),
        3,
        "all stages are planned before anybody is asked"
    );
    let plan = sim.step("fix").plan.expect("there is a plan");
    let targets: Vec<_> = plan.actions.iter().map(|action| action.target.as_str()).collect();
    assert_eq!(targets, STAGES, "and all are in the question");
    assert_eq!(stages(&sim), (0, 3));
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(sim.standing("fix"), "holding");
    sim.pass_secs(119);
    assert_eq!(asked(&sim, Slot::Own), 0, "it is held before it is verified");
    sim.pass_secs(1);
    assert_eq!(asked(&sim, Slot::Own), 1);
    assert_eq!(sim.targets(), ["w10", "w50"]);
    assert_eq!(stages(&sim), (1, 3));
    sim.pass_secs(120);
    assert_eq!(sim.targets(), STAGES);
    assert_eq!(
        sim.standing("fix"),
        "holding",
        "the last is held and verified too"
    );
    sim.pass_secs(120);
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(stages(&sim), (3, 3));
    assert_eq!(sim.count("DecisionAsked"), 1);
    assert!(!sim.escalated());
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn each_stage_is_planned_applied_and_verified_with_its_own_parameters() {
    let mut sim = three("auto", "");
    sim.pass_secs(400);
    assert_eq!(sim.standing("fix"), "done");
    let all = [json!(10), json!(50), json!(100)];
    for slot in [Slot::Plan, Slot::Fresh, Slot::Apply, Slot::Own] {
        assert_eq!(weights(&sim, slot), all, "{slot:?}");
    }
}

#[test]
fn a_stage_that_is_not_verified_is_the_last_and_what_was_sent_is_put_back() {
    let mut sim = three("ask", "undo = [\"on-failure\"]");
    let script = sim.script("fix");
    script.verify.extend([Ok(Verdict::Yes), Ok(Verdict::No)]);
    script.undo_plans.push_back(Ok(vec!["w50", "w10"]));
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(900);
    let sent = |side| -> Vec<&str> {
        let of_side = sim.sent.iter().filter(|(_, of, _)| *of == side);
        of_side.map(|(_, _, target)| target.as_str()).collect()
    };
    assert_eq!(sent(Side::Do), ["w10", "w50"]);
    assert_eq!(sent(Side::Undo), ["w50", "w10"]);
    assert_eq!(
        sim.count("DecisionAsked"),
        1,
        "the yes covers the way back of all stages"
    );
    assert_eq!(sim.standing("fix"), "failed");
    assert!(sim.escalated());
}

#[test]
fn a_stage_that_fails_stops_the_ramp() {
    let mut sim = three("ask", "");
    sim.script("fix")
        .applies
        .extend([How::Works, How::Refused(0, FailureCode::Failed)]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(900);
    assert_eq!(sim.targets(), ["w10", "w50"], "it was sent, and refused");
    assert_eq!(sim.standing("fix"), "failed");
    assert_eq!(stages(&sim), (1, 3));
    assert!(sim.escalated());
}

#[test]
fn an_engine_that_died_while_a_stage_was_held_verifies_it_before_the_next() {
    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    sim.crash();
    sim.pass_secs(89);
    assert_eq!(sim.targets(), ["w10"]);
    sim.pass_secs(1);
    assert_eq!(asked(&sim, Slot::Own), 1);
    assert_eq!(sim.targets(), ["w10", "w50"]);
    assert_eq!(sim.count("DecisionAsked"), 1);
}

#[test]
fn an_engine_that_died_between_two_stages_goes_on_by_verifying_the_one_before() {
    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pause();
    sim.pass_secs(121);
    assert_eq!(
        (asked(&sim, Slot::Own), stages(&sim)),
        (1, (1, 3)),
        "verified, and kept from going on"
    );
    // It does not hold any more.
    sim.script("fix").verify.push_back(Ok(Verdict::No));
    sim.crash();
    sim.settle();
    assert_eq!(stages(&sim), (0, 3));
    assert_eq!(asked(&sim, Slot::Own), 2);
    sim.pass_secs(600);
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(sim.standing("fix"), "failed");

    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pause();
    sim.pass_secs(121);
    sim.crash();
    sim.pass_secs(121 * 3);
    assert_eq!(sim.targets(), STAGES, "it still holds: the ramp goes on");
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn an_engine_that_died_in_a_stage_does_not_send_it_twice() {
    let mut sim = three("ask", "");
    sim.script("fix").applies.extend([How::Works, How::Dies(0)]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(120);
    sim.pass_secs(600);
    assert_eq!(sim.targets(), STAGES);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn a_stage_that_was_verified_long_ago_is_verified_again_before_the_next() {
    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pause();
    sim.pass_secs(1_000);
    assert_eq!(asked(&sim, Slot::Own), 1);
    sim.resume();
    sim.pass_secs(5);
    assert_eq!(asked(&sim, Slot::Own), 2);
    assert_eq!(sim.targets(), ["w10", "w50"]);
    assert_eq!(sim.count("DecisionAsked"), 1);
}

#[test]
fn a_stage_that_became_another_is_asked_about_and_a_no_leaves_what_was_done() {
    let mut sim = Sim::new("ask", &ramped(""));
    plans(&mut sim, STAGES);
    plans(&mut sim, ["w10", "other", "other", "w100"]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(120);
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(sim.count("DecisionAsked"), 2);
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["w10", "other"]);
    sim.pass_secs(240);
    assert_eq!(sim.targets(), ["w10", "other", "w100"]);
    assert_eq!(sim.standing("fix"), "done");

    let mut sim = Sim::new("ask", &ramped(""));
    plans(&mut sim, STAGES);
    plans(&mut sim, ["w10", "other"]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(120);
    sim.decide("dana", false).unwrap();
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(sim.standing("fix"), "refused");
}

#[test]
fn parameters_that_changed_before_the_first_action_plan_and_ask_about_all_stages_again() {
    let with = ramped("").replace(
        "with = {}\n[[escalation]]",
        "with = { n = \"${size(alerts)}\" }\n[[escalation]]",
    );
    let mut sim = Sim::new("ask", &with);
    plans(&mut sim, STAGES);
    plans(&mut sim, ["w10"]);
    plans(&mut sim, STAGES);
    plans(&mut sim, STAGES);
    sim.settle();
    assert_eq!(sim.count("DecisionAsked"), 1);
    sim.input(Input::Alerts(vec![alert("a2", AlertStatus::Firing)]))
        .unwrap();
    sim.decide("dana", true).unwrap();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.count("DecisionAsked"), 2);
    let last = sim
        .handed
        .iter()
        .rfind(|(step, slot, _)| step == "fix" && *slot == Slot::Plan);
    assert_eq!(
        last.map(|(_, _, params)| params.clone()),
        Some(json!({"n": 2, "weight": 100}))
    );
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["w10"]);
}

#[test]
fn stages_with_nothing_to_do_are_passed_over() {
    let mut sim = Sim::new("ask", &ramped(""));
    plans(&mut sim, ["", "w50", "w100", "w50", "w100"]);
    sim.settle();
    assert_eq!(stages(&sim), (1, 3));
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["w50"]);
    sim.pass_secs(240);
    assert_eq!(sim.targets(), ["w50", "w100"]);
    assert_eq!(sim.standing("fix"), "done");

    // One that somebody did meanwhile is held and verified all the same.
    let mut sim = Sim::new("ask", &ramped(""));
    plans(&mut sim, STAGES);
    plans(&mut sim, ["w10", "", "w100"]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(120);
    assert_eq!((sim.targets(), sim.standing("fix")), (vec!["w10"], "holding"));
    sim.pass_secs(240);
    assert_eq!(sim.targets(), ["w10", "w100"]);
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(sim.count("DecisionAsked"), 1);

    let mut sim = Sim::new("ask", &ramped(""));
    plans(&mut sim, ["", "", ""]);
    sim.settle();
    assert_eq!(sim.standing("fix"), "skipped");
    assert_eq!(sim.count("DecisionAsked"), 0);
}

#[test]
fn an_alert_that_resolves_at_ten_per_cent_starts_no_further_stage() {
    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.resolve();
    sim.pass_secs(130);
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(asked(&sim, Slot::Own), 1, "what was done is verified");
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(
        sim.step("fix").summary,
        "1 of 3 stages done; the alerts are resolved, the rest was not started"
    );
}

#[test]
fn a_cancel_stops_a_ramp_where_it_is() {
    let mut sim = three("ask", "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.person(Input::Cancel {
        by: person("eli"),
        then: OnCancel::Leave,
        reason: String::new(),
    })
    .unwrap();
    sim.pass_secs(600);
    assert_eq!(sim.targets(), ["w10"]);
    assert_eq!(sim.standing("fix"), "failed");
}

#[test]
fn a_shadow_run_plans_all_stages() {
    let mut sim = three("shadow", "");
    sim.settle();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.standing("fix"), "planned");
    assert_eq!(sim.step("fix").plan.expect("there is a plan").actions.len(), 3);
}

#[test]
fn the_limit_of_targets_is_of_all_stages() {
    let mut sim = three("ask", "limits = { targets = 2 }");
    sim.settle();
    assert_eq!(sim.standing("fix"), "held");
    assert!(sim.sent.is_empty());
}

#[test]
fn a_ramp_is_not_begun_where_the_engines_rate_would_stop_it_half_way() {
    let mut sim = three("auto", "");
    sim.guardrails.actions = "2/1h".parse().unwrap();
    sim.settle();
    assert!(sim.sent.is_empty());
    let mut sim = three("auto", "");
    sim.guardrails.actions = "3/1h".parse().unwrap();
    sim.pass_secs(400);
    assert_eq!(sim.targets(), STAGES);
}
