//! A few targets at a time: each batch under the one yes, each verified before the next.

use stanch_contract::{FailureCode, Verdict};
use stanch_runbook::guardrails::TargetCeilings;

use super::basics::ONE;
use super::sim::*;
use crate::*;

/// A step that acts on one target at a time, with 30 seconds between.
fn batched(size: u32, more: &str) -> String {
    let keys = format!("uses = \"change\"\nbatch = {{ size = {size}, hold = \"30s\" }}\n{more}");
    ONE.replace("uses = \"change\"", &keys)
}

/// Three targets, and what is left of them after each.
fn three(mode: &str, size: u32, more: &str) -> Sim {
    let mut sim = Sim::new(mode, &batched(size, more));
    let all = ["t1", "t2", "t3"];
    let plans = &mut sim.script("fix").plans;
    plans.push_back(Ok(all.to_vec()));
    plans.push_back(Ok(all.to_vec()));
    plans.push_back(Ok(all[usize::try_from(size).unwrap()..].to_vec()));
    if size == 1 {
        plans.push_back(Ok(vec!["t3"]));
    }
    sim
}

fn of_batch(sim: &Sim) -> (usize, usize) {
    let batch = sim.step("fix").batch.expect("the step has batches");
    (batch.done, batch.of)
}

#[test]
fn one_question_covers_all_batches_and_each_waits_for_the_one_before() {
    let mut sim = three("ask", 1, "");
    sim.settle();
    assert!(sim.sent.is_empty());
    assert_eq!(of_batch(&sim), (0, 3));
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "between batches");
    assert_eq!(of_batch(&sim), (1, 3));
    sim.pass_secs(29);
    assert_eq!(sim.targets(), ["t1"]);
    sim.pass_secs(1);
    assert_eq!(sim.targets(), ["t1", "t2"]);
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1", "t2", "t3"]);
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(of_batch(&sim), (3, 3));
    assert_eq!(sim.count("DecisionAsked"), 1);
    assert_eq!(sim.count("StepApplied"), 3);
    assert!(!sim.escalated());
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn the_last_batch_may_be_smaller() {
    let mut sim = three("auto", 2, "");
    sim.settle();
    assert_eq!(sim.targets(), ["t1", "t2"]);
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1", "t2", "t3"]);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn a_batch_is_handed_to_the_plugin_alone_under_its_own_key() {
    let mut sim = three("auto", 1, "");
    let mut keys = Vec::new();
    for expected in ["t1", "t2", "t3"] {
        sim.script("fix").idle = false;
        // The apply is looked at before it is begun.
        let mut found = None;
        for _ in 0..50 {
            let commands = sim.state.commands(sim.now());
            found = commands.into_iter().find_map(|command| match command {
                Command::Call(call) => match call.call.clone() {
                    Call::Apply(apply) => Some((apply, call.idempotency.0, call.attempt)),
                    _ => None,
                },
                _ => None,
            });
            if found.is_some() || !sim.step_once() {
                break;
            }
        }
        let (apply, key, attempt) = found.expect("an apply is wanted");
        let targets: Vec<&str> = apply.plan.actions.iter().map(|a| a.target.as_str()).collect();
        let offered: Vec<&str> = apply
            .plan
            .offered
            .actions
            .iter()
            .map(|a| a.target.as_str())
            .collect();
        assert_eq!((targets, offered), (vec![expected], vec![expected]));
        assert_eq!(attempt, 1);
        assert!(!keys.contains(&key), "{key} is used twice");
        keys.push(key);
        sim.settle();
        sim.now = sim.now.plus(stanch_contract::Span::from_secs(30));
        sim.input(Input::Tick).unwrap();
    }
    assert_eq!(keys.len(), 3);
}

#[test]
fn the_engine_may_die_between_batches_and_in_one() {
    let mut sim = three("ask", 1, "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.crash();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1", "t2"]);
    assert_eq!(sim.count("DecisionAsked"), 1);

    let mut sim = three("ask", 1, "");
    sim.script("fix").applies.extend([How::Works, How::Dies(0)]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    // Verify says that it took effect: it is not sent again.
    assert_eq!(sim.targets(), ["t1", "t2"]);
    sim.pass_secs(60);
    assert_eq!(sim.targets(), ["t1", "t2", "t3"]);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn a_batch_that_is_not_verified_is_the_last_and_the_undo_covers_what_was_sent() {
    let mut sim = three("ask", 1, "undo = [\"on-failure\"]");
    let script = sim.script("fix");
    script.verify.extend([Ok(Verdict::Yes), Ok(Verdict::No)]);
    script.undo_plans.push_back(Ok(vec!["t1", "t2"]));
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(600);
    let (done, undone): (Vec<_>, Vec<_>) = sim.sent.iter().partition(|(_, side, _)| *side == Side::Do);
    let targets = |sent: &[&(String, Side, String)]| -> Vec<String> {
        sent.iter().map(|(_, _, target)| target.clone()).collect()
    };
    assert_eq!(targets(&done), ["t1", "t2"]);
    assert_eq!(targets(&undone), ["t1", "t2"]);
    assert_eq!(
        sim.count("DecisionAsked"),
        1,
        "the yes covers the way back of all batches"
    );
    assert_eq!(sim.standing("fix"), "failed");
    assert!(sim.escalated());
}

#[test]
fn an_undo_of_what_no_batch_sent_is_asked_about() {
    let mut sim = three("ask", 1, "undo = [\"on-failure\"]");
    let script = sim.script("fix");
    script.verify.extend([Ok(Verdict::Yes), Ok(Verdict::No)]);
    script.undo_plans.push_back(Ok(vec!["t1", "t3"]));
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(600);
    assert_eq!(sim.targets(), ["t1", "t2"]);
    assert_eq!(sim.count("DecisionAsked"), 2);
}

#[test]
fn what_a_plan_grew_by_is_asked_about_and_a_smaller_one_is_not() {
    let mut sim = Sim::new("ask", &batched(1, ""));
    sim.script("fix").plans.extend([
        Ok(vec!["t1", "t2"]),
        Ok(vec!["t1", "t2"]),
        Ok(vec!["t2", "t3"]),
        Ok(vec!["t2", "t3"]),
        Ok(vec!["t3"]),
    ]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.count("DecisionAsked"), 2);
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1", "t2"]);
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1", "t2", "t3"]);
    assert_eq!(sim.count("DecisionAsked"), 2);

    let mut sim = Sim::new("ask", &batched(1, ""));
    sim.script("fix").plans.extend([
        Ok(vec!["t1", "t2", "t3"]),
        Ok(vec!["t1", "t2", "t3"]),
        Ok(vec!["t3"]),
    ]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1", "t3"]);
    assert_eq!(sim.count("DecisionAsked"), 1);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn where_nothing_is_left_the_step_is_done() {
    let mut sim = Sim::new("ask", &batched(1, ""));
    sim.script("fix")
        .plans
        .extend([Ok(vec!["t1", "t2"]), Ok(vec!["t1", "t2"]), Ok(vec![])]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "done");
    assert!(!sim.escalated());
}

#[test]
fn an_alert_that_resolves_between_batches_skips_the_rest() {
    let mut sim = three("ask", 1, "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.resolve();
    sim.pass_secs(60);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(of_batch(&sim), (1, 3));
    assert_eq!(
        sim.step("fix").summary,
        "1 of 3 done; the alerts are resolved, the rest was not started"
    );
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn a_question_about_the_rest_is_withdrawn_where_the_alert_resolves() {
    let mut sim = Sim::new("ask", &batched(1, ""));
    let plans = [vec!["t1", "t2"], vec!["t1", "t2"], vec!["t2", "t3"]];
    sim.script("fix").plans.extend(plans.map(Ok));
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    assert_eq!(sim.count("DecisionAsked"), 2);
    sim.resolve();
    assert!(sim.state.questions().is_empty());
    assert_eq!(sim.standing("fix"), "done");
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn a_pause_stops_before_the_next_batch_and_a_cancel_for_good() {
    let mut sim = three("ask", 1, "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pause();
    sim.pass_secs(3_600);
    assert_eq!(sim.targets(), ["t1"]);
    sim.resume();
    sim.pass_secs(0);
    assert_eq!(
        sim.targets(),
        ["t1", "t2"],
        "the yes was acted on: it is good for all batches"
    );
    sim.person(Input::Cancel {
        by: person("eli"),
        then: OnCancel::Leave,
        reason: String::new(),
    })
    .unwrap();
    sim.pass_secs(600);
    assert_eq!(sim.targets(), ["t1", "t2"]);
    assert_eq!(sim.standing("fix"), "failed");
}

#[test]
fn a_batch_that_was_paused_before_it_was_sent_is_planned_afresh() {
    let mut sim = three("ask", 1, "");
    sim.script("fix").applies.extend([How::Works, How::Pauses(0)]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1"]);
    // Meanwhile only t3 is left.
    assert_eq!(sim.script("fix").plans.len(), 1);
    sim.resume();
    sim.pass_secs(0);
    assert_eq!(sim.targets(), ["t1", "t3"]);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn a_conflict_in_a_batch_plans_what_remains_of_it_and_of_the_rest() {
    let mut sim = Sim::new("ask", &batched(2, ""));
    let script = sim.script("fix");
    script.plans.extend([
        Ok(vec!["t1", "t2", "t3"]),
        Ok(vec!["t1", "t2", "t3"]),
        Ok(vec!["t2", "t3"]),
        Ok(vec![]),
    ]);
    script.applies.push_back(How::Refused(1, FailureCode::Conflict));
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert_eq!(
        sim.count("DecisionAsked"),
        1,
        "what remains is part of what was decided on"
    );
    assert_eq!(sim.targets(), ["t1", "t2", "t2", "t3"]);
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn the_limit_of_targets_is_of_the_whole_step() {
    let mut sim = Sim::new("ask", &batched(1, "limits = { targets = 2 }"));
    let all = vec!["t1", "t2", "t3"];
    sim.script("fix").plans.push_back(Ok(all));
    sim.settle();
    assert_eq!(sim.standing("fix"), "held");
    sim.pass_secs(700);
    assert!(sim.sent.is_empty());
    assert_eq!(sim.standing("fix"), "failed");
    assert!(sim.escalated());

    // What earlier batches did counts: a plan that grows cannot go round it.
    let mut sim = Sim::new("auto", &batched(1, "limits = { targets = 2 }"));
    let plans = [vec!["t1", "t2"], vec!["t1", "t2"], vec!["t2", "t3"]];
    sim.script("fix").plans.extend(plans.map(Ok));
    sim.settle();
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "held");
}

#[test]
fn a_fresh_plan_passes_the_guardrails_of_now() {
    let mut sim = three("ask", 1, "");
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.guardrails.targets = TargetCeilings::all(2);
    sim.pass_secs(30);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "held");
    sim.guardrails.targets = TargetCeilings::all(3);
    sim.pass_secs(60);
    assert_eq!(sim.targets(), ["t1", "t3"], "held, and then under the same yes");
    assert_eq!(sim.count("DecisionAsked"), 1);
}

#[test]
fn a_batch_takes_of_the_engines_rate_only_what_it_sends() {
    let mut sim = three("auto", 1, "");
    sim.guardrails.actions = "1/1m".parse().unwrap();
    sim.settle();
    assert_eq!(sim.targets(), ["t1"]);
    sim.pass_secs(31);
    // The rate is not over: held, and planned again a minute later.
    assert_eq!(sim.standing("fix"), "held");
    sim.pass_secs(120);
    assert_eq!(sim.targets().len(), 2);
    assert_eq!(sim.count("StepFailed"), 0);
}

#[test]
fn a_no_to_what_the_plan_grew_by_leaves_what_was_done() {
    let mut sim = Sim::new("ask", &batched(1, ""));
    let plans = [vec!["t1", "t2"], vec!["t1", "t2"], vec!["t2", "t3"]];
    sim.script("fix").plans.extend(plans.map(Ok));
    sim.settle();
    sim.decide("dana", true).unwrap();
    sim.pass_secs(30);
    sim.decide("dana", false).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.standing("fix"), "refused");
}
