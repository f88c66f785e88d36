//! The rules of a run, each with its denied twin.

use stanch_contract::{FailureCode, Span, Verdict};

use super::basics::ONE;
use super::sim::*;
use crate::*;

fn two_targets(mode: &str) -> Sim {
    let mut sim = Sim::new(mode, ONE);
    sim.script("fix").plans.push_back(Ok(vec!["t1", "t2"]));
    sim
}

#[test]
fn the_yes_of_who_asked_for_the_run_does_not_count() {
    let book = book("ask", ONE);
    let opened = Opened {
        by: Some("dana".into()),
        ..opened(&book)
    };
    let mut sim = Sim::with(book, opened);
    sim.settle();
    assert!(matches!(sim.decide("dana", true), Err(Refused::NotAllowed(_))));
    assert!(sim.sent.is_empty());
    sim.decide("eli", true).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn a_quorum_is_of_distinct_people() {
    let body = ONE.replace(
        "uses = \"change\"",
        "uses = \"change\"\napproval = { ask = \"May it?\", quorum = 2 }",
    );
    let mut sim = Sim::new("ask", &body);
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert!(matches!(sim.decide("dana", true), Err(Refused::NothingOpen(_))));
    assert!(sim.sent.is_empty());
    sim.decide("eli", true).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn only_who_is_named_decides() {
    let body = ONE.replace(
        "uses = \"change\"",
        "uses = \"change\"\napproval = { ask = \"May it?\", from = [\"group:sre\"] }",
    );
    let mut sim = Sim::new("ask", &body);
    sim.settle();
    assert!(matches!(sim.decide("dana", true), Err(Refused::NotAllowed(_))));
    let by = Actor {
        groups: vec!["sre".into()],
        role: Role::Approver,
        ..person("eli")
    };
    sim.person(Input::Decide {
        by,
        step: None,
        digest: None,
        yes: true,
        reason: String::new(),
    })
    .unwrap();
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn a_yes_to_another_plan_is_stale() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    let other = serde_json::from_value(serde_json::json!(stanch_contract::Digest::of(b"other"))).unwrap();
    let by = person("dana");
    let taken = sim.person(Input::Decide {
        by,
        step: None,
        digest: Some(other),
        yes: true,
        reason: String::new(),
    });
    assert!(matches!(taken, Err(Refused::Stale(_))));
    assert!(sim.sent.is_empty());
}

#[test]
fn a_subset_of_the_plan_is_applied_and_another_plan_is_asked_about_again() {
    let mut sim = Sim::new("ask", ONE);
    sim.script("fix")
        .plans
        .extend([Ok(vec!["t1", "t2"]), Ok(vec!["t2"])]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t2"]);
    assert_eq!(sim.count("DecisionAsked"), 1);

    let mut sim = Sim::new("ask", ONE);
    sim.script("fix").plans.extend([Ok(vec!["t1"]), Ok(vec!["t2"])]);
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.count("DecisionAsked"), 2);
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t2"]);
}

#[test]
fn a_yes_is_good_for_five_minutes_and_not_longer() {
    for (minutes, asked) in [(4, 1), (6, 2)] {
        let mut sim = Sim::new("ask", ONE);
        sim.settle();
        sim.pause();
        sim.decide("dana", true).unwrap();
        sim.pass_secs(minutes * 60);
        assert!(sim.sent.is_empty());
        sim.resume();
        sim.pass_secs(1);
        assert_eq!(sim.count("DecisionAsked"), asked, "{minutes} minutes");
        assert_eq!(sim.sent.len(), 2 - asked, "{minutes} minutes");
    }
}

#[test]
fn waiting_for_a_lock_does_not_make_a_yes_old_and_after_lock_wait_people_are_told_of_the_holder() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    let taken = |step: &str, lock: &str| Event {
        at: sim.now,
        kind: EventKind::LockTaken {
            step: step.into(),
            side: Side::Do,
            locks: vec![lock.into()],
        },
        calls: serde_json::Value::Null,
    };
    let other = taken("x", "http:t1");
    sim.ledger.apply(&"run0".into(), &other);
    sim.decide("dana", true).unwrap();
    sim.pass_secs(299);
    assert!(sim.told.is_empty());
    sim.pass_secs(600);
    assert!(sim.told[0].1.contains("run0"), "{:?}", sim.told);
    assert!(sim.sent.is_empty());
    let kind = EventKind::LockReleased {
        step: "x".into(),
        locks: vec!["http:t1".into()],
    };
    sim.ledger.apply(
        &"run0".into(),
        &Event {
            at: sim.now,
            kind,
            calls: serde_json::Value::Null,
        },
    );
    sim.pass_secs(1);
    assert_eq!(sim.targets(), ["t1"]);
    assert_eq!(sim.count("DecisionAsked"), 1);
}

#[test]
fn what_is_older_than_fresh_is_looked_at_again_and_nothing_is_done_on_what_is_not_true_any_more() {
    for (wait, looks) in [(30, 1), (90, 2)] {
        let mut sim = Sim::new("ask", ONE);
        sim.settle();
        sim.pass_secs(wait);
        sim.decide("dana", true).unwrap();
        assert_eq!(
            sim.calls.iter().filter(|(step, _)| step == "slow").count(),
            looks,
            "{wait} s"
        );
        assert_eq!(sim.targets(), ["t1"]);
    }
    let mut sim = Sim::new("ask", ONE);
    sim.script("slow")
        .looks
        .extend([Ok(Verdict::Yes), Ok(Verdict::No)]);
    sim.settle();
    sim.pass_secs(90);
    sim.decide("dana", true).unwrap();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.standing("fix"), "skipped");
    assert!(sim.ledger.locks().next().is_none());
}

/// A look between two checks' facts and the change that goes by it.
const BY_A_LOOK: &str = r#"
[[diagnosis]]
id = "slow"
ask = "Is it slow?"
uses = "look"
with = {}
[[mitigation]]
id = "kept"
ask = "Are the logs kept?"
uses = "look"
with = { of = "${diagnosis.slow.summary}" }
[[resolution]]
id = "fix"
do = "Fix it"
when = "mitigation.kept.yes"
uses = "change"
with = {}
[[escalation]]
uses = "page"
with = {}
"#;

#[test]
fn an_earlier_look_that_a_step_goes_by_is_looked_at_again_where_it_is_old() {
    let looks = |sim: &Sim, id: &str| sim.calls.iter().filter(|(step, _)| step == id).count();
    for (wait, times) in [(30, 1), (90, 2)] {
        let mut sim = Sim::new("ask", BY_A_LOOK);
        sim.settle();
        sim.pass_secs(wait);
        sim.decide("dana", true).unwrap();
        assert_eq!(
            (looks(&sim, "kept"), looks(&sim, "slow")),
            (times, times),
            "{wait} s"
        );
        assert_eq!(sim.targets(), ["t1"]);
        // What it is asked with is asked before it.
        let order: Vec<&str> = sim.calls.iter().map(|(step, _)| step.as_str()).collect();
        let last = |id: &str| order.iter().rposition(|step| *step == id);
        assert!(last("slow") < last("kept"), "{order:?}");
    }
    for (answer, standing, told) in [
        (Ok(Verdict::No), "skipped", false),
        (Ok(Verdict::Unknown), "failed", true),
        (Err(FailureCode::Unavailable), "failed", true),
    ] {
        let mut sim = Sim::new("ask", BY_A_LOOK);
        sim.script("kept").looks.extend([Ok(Verdict::Yes), answer]);
        sim.settle();
        sim.pass_secs(90);
        sim.decide("dana", true).unwrap();
        assert!(sim.sent.is_empty(), "{answer:?}");
        assert_eq!(
            (sim.standing("fix"), sim.escalated()),
            (standing, true),
            "{answer:?}"
        );
        assert_eq!(
            sim.told.iter().any(|(_, text)| text.contains("kept")),
            told,
            "{answer:?}"
        );
        assert!(sim.ledger.locks().next().is_none());
    }
}

#[test]
fn a_death_while_an_old_look_is_asked_again_asks_it_again() {
    let mut sim = Sim::new("ask", BY_A_LOOK);
    sim.settle();
    sim.pass_secs(90);
    sim.script("kept").idle = true;
    sim.decide("dana", true).unwrap();
    assert!(sim.sent.is_empty(), "it waits for the look");
    sim.script("kept").idle = false;
    sim.crash();
    sim.settle();
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn a_doubt_that_verify_ends_with_yes_is_applied_and_nothing_is_sent_again() {
    for how in [How::Loses(0), How::Dies(0)] {
        let mut sim = Sim::new("auto", ONE);
        sim.script("fix").applies.push_back(how);
        sim.settle();
        sim.settle();
        assert_eq!(sim.targets(), ["t1"]);
        assert!(sim.has("InDoubt") && sim.has("DoubtSettled"));
        assert_eq!(sim.standing("fix"), "done");
        assert!(sim.escalated());
    }
}

#[test]
fn what_is_repeat_safe_is_sent_again_and_what_is_not_waits_for_a_person_with_its_lock() {
    for how in [How::Loses(0), How::Dies(0)] {
        let mut sim = Sim::new("auto", ONE);
        sim.script("fix").applies.push_back(how.clone());
        sim.script("fix")
            .verify
            .extend([Ok(Verdict::No), Ok(Verdict::Yes)]);
        sim.script("fix").repeat_safe = true;
        sim.settle();
        sim.pass_secs(10);
        assert_eq!(sim.targets(), ["t1", "t1"]);
        assert_eq!(sim.standing("fix"), "done");

        let mut sim = Sim::new("auto", ONE);
        sim.script("fix").applies.push_back(how);
        sim.script("fix")
            .verify
            .extend([Ok(Verdict::No), Ok(Verdict::Yes)]);
        sim.settle();
        sim.pass_secs(7_200);
        assert_eq!(sim.targets(), ["t1"]);
        assert!(sim.ledger.locks().next().is_some(), "a lock in doubt stays held");
        assert_eq!(sim.state.questions()[0].kind, QuestionKind::Settle);
        let by = person("dana");
        sim.person(Input::Settle {
            by,
            step: "fix".into(),
            happened: false,
            go_on: true,
        })
        .unwrap();
        assert_eq!(
            sim.targets(),
            ["t1", "t1"],
            "a person said that it did not happen"
        );
        assert_eq!(sim.standing("fix"), "done");
    }
}

#[test]
fn what_is_repeat_safe_is_sent_again_after_three_lost_answers_or_ten_deaths_and_then_a_person_is_asked() {
    let run = |how: How, times: usize| {
        let mut sim = Sim::new("auto", ONE);
        sim.script("fix").repeat_safe = true;
        sim.script("fix").applies.extend(vec![how; times]);
        sim.script("fix").verify.extend(vec![Ok(Verdict::No); times]);
        sim.script("fix").verify.push_back(Ok(Verdict::Yes));
        sim.settle();
        sim.pass_secs(60);
        (sim.sent.len(), sim.standing("fix"), sim.state.questions().len())
    };
    assert_eq!(run(How::Loses(0), 3), (4, "done", 0));
    assert_eq!(run(How::Loses(0), 4), (4, "in doubt", 1));
    // The engine's own deaths say nothing of the target.
    assert_eq!(run(How::Dies(0), 4), (5, "done", 0));
    assert_eq!(run(How::Dies(0), 10), (11, "done", 0));
    // But what kills the engine each time does not do so for ever.
    assert_eq!(run(How::Dies(0), 11), (11, "in doubt", 1));
}

#[test]
fn half_an_apply_is_taken_up_with_the_same_plan_and_what_has_an_answer_is_not_sent_again() {
    let mut sim = two_targets("auto");
    sim.script("fix").repeat_safe = true;
    sim.script("fix").applies.push_back(How::Dies(1));
    sim.script("fix")
        .verify
        .extend([Ok(Verdict::No), Ok(Verdict::Yes)]);
    sim.settle();
    sim.settle();
    assert_eq!(sim.targets(), ["t1", "t2", "t2"]);
    let plans = sim
        .calls
        .iter()
        .filter(|(_, slot)| matches!(slot, Slot::Plan | Slot::Fresh))
        .count();
    assert_eq!(plans, 2, "the same plan, not a fresh one");
}

#[test]
fn a_crash_before_anything_was_sent_plans_afresh() {
    let mut sim = Sim::new("auto", ONE);
    sim.script("fix").idle = true;
    sim.settle();
    sim.script("fix").idle = false;
    sim.crash();
    sim.settle();
    assert_eq!(sim.targets(), ["t1"]);
    assert!(!sim.has("InDoubt"));
}

#[test]
fn a_retry_is_only_while_nothing_was_changed_or_what_was_is_repeat_safe() {
    let body = ONE.replace(
        "uses = \"change\"",
        "uses = \"change\"\nretry = { times = 1, every = \"5s\" }",
    );
    let run = |repeat_safe: bool, how: How| {
        let mut sim = Sim::new("auto", &body);
        sim.script("fix").plans.push_back(Ok(vec!["t1", "t2"]));
        sim.script("fix").repeat_safe = repeat_safe;
        sim.script("fix").applies.push_back(how);
        sim.settle();
        sim.pass_secs(10);
        (sim.standing("fix"), sim.sent.len())
    };
    assert_eq!(run(false, How::Fails(0, FailureCode::Unavailable)), ("done", 2));
    assert_eq!(run(true, How::Fails(1, FailureCode::Unavailable)), ("done", 2));
    assert_eq!(run(false, How::Fails(1, FailureCode::Unavailable)), ("failed", 1));
    assert_eq!(run(false, How::Fails(0, FailureCode::Denied)), ("failed", 0));
}

#[test]
fn a_conflict_is_planned_again_and_compared_with_what_remains() {
    let mut sim = two_targets("ask");
    sim.script("fix").plans = [Ok(vec!["t1", "t2"]), Ok(vec!["t1", "t2"]), Ok(vec!["t2"])].into();
    sim.script("fix")
        .applies
        .push_back(How::Refused(1, FailureCode::Conflict));
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1", "t2", "t2"]);
    assert_eq!(sim.count("DecisionAsked"), 1);
    assert_eq!(sim.standing("fix"), "done");

    let mut sim = two_targets("ask");
    sim.script("fix").plans = [Ok(vec!["t1", "t2"]), Ok(vec!["t1", "t2"]), Ok(vec!["t3"])].into();
    sim.script("fix")
        .applies
        .push_back(How::Refused(1, FailureCode::Conflict));
    sim.settle();
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1", "t2"], "the new plan was not decided on");
    assert_eq!(sim.count("DecisionAsked"), 2);
}

#[test]
fn a_pause_in_the_middle_of_an_apply_leaves_the_rest_unsent_until_it_is_cleared() {
    let mut sim = two_targets("auto");
    sim.script("fix").applies.push_back(How::Pauses(1));
    sim.settle();
    assert_eq!(sim.targets(), ["t1"]);
    sim.pass_secs(3_600);
    assert_eq!(sim.targets(), ["t1"], "nothing while it is paused");
    sim.resume();
    sim.pass_secs(1);
    assert_eq!(
        sim.targets(),
        ["t1", "t2"],
        "what has an answer is not sent again"
    );
    assert_eq!(sim.standing("fix"), "done");
}

#[test]
fn cancel_asks_what_becomes_of_the_change_and_does_what_is_said() {
    let cancel = |then| Input::Cancel {
        by: person("dana"),
        then,
        reason: String::new(),
    };
    for (then, undone) in [(OnCancel::Undo, true), (OnCancel::Leave, false)] {
        let mut sim = Sim::new("auto", ONE);
        sim.settle();
        sim.person(cancel(OnCancel::Ask)).unwrap();
        sim.pass_secs(60);
        assert_eq!(sim.ending(), None);
        assert_eq!(sim.state.questions()[0].kind, QuestionKind::UndoOrLeave);
        sim.person(cancel(then)).unwrap();
        assert_eq!(sim.ending(), Some(Ending::Cancelled));
        assert_eq!(sim.step("fix").undone, undone);
    }
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    sim.person(cancel(OnCancel::Ask)).unwrap();
    assert_eq!(
        sim.ending(),
        Some(Ending::Cancelled),
        "nothing was changed, so nothing is asked"
    );
    assert!(sim.sent.is_empty());
}

#[test]
fn undo_beyond_what_was_sent_is_asked_about_and_undo_by_command_is_not() {
    let body = ONE.replace("uses = \"change\"", "uses = \"change\"\nundo = [\"on-failure\"]");
    let mut sim = Sim::new("auto", &body);
    sim.script("fix").verify.push_back(Ok(Verdict::No));
    sim.script("fix")
        .undo_plans
        .push_back(Ok(vec!["t1", "elsewhere"]));
    sim.settle();
    sim.pass_secs(130);
    assert_eq!(sim.state.questions()[0].kind, QuestionKind::DecideUndo);
    assert_eq!(sim.targets(), ["t1"]);
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1", "t1", "elsewhere"]);

    let mut sim = Sim::new("auto", ONE);
    sim.script("fix")
        .undo_plans
        .push_back(Ok(vec!["t1", "elsewhere"]));
    sim.settle();
    sim.person(Input::Undo {
        by: person("dana"),
        step: None,
    })
    .unwrap();
    assert_eq!(sim.targets(), ["t1", "t1", "elsewhere"]);
    assert!(sim.step("fix").undone);
    let again = sim.person(Input::Undo {
        by: person("dana"),
        step: None,
    });
    assert!(matches!(again, Err(Refused::NothingOpen(_))));
}

#[test]
fn give_up_escalates_undoes_nothing_and_stays_open_for_a_person() {
    let body = format!(
        "{}\n[recovery]\nstable_for = \"1m\"\ngive_up_after = \"1h\"\ntrust = \"alert\"\n",
        ONE.replace(
            "uses = \"change\"",
            "uses = \"change\"\nundo = [\"when-resolved\"]"
        )
    );
    let mut sim = Sim::new("auto", &body);
    sim.pass_secs(3_700);
    assert!(sim.told.iter().any(|(_, text)| text.contains("did not recover")));
    sim.recover();
    assert_eq!(sim.ending(), None);
    assert!(!sim.has("UndoStarted"));
    sim.person(Input::Undo {
        by: person("dana"),
        step: None,
    })
    .unwrap();
    sim.pass_secs(120);
    assert!(sim.step("fix").undone);
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn over_a_limit_the_step_is_held_whole_and_goes_on_when_the_plan_is_within() {
    let mut sim = Sim::new("auto", ONE);
    let large = || Ok(vec!["a", "b", "c", "d"]);
    sim.script("fix")
        .plans
        .extend([large(), large(), Ok(vec!["a", "b", "c"])]);
    sim.settle();
    assert_eq!(sim.standing("fix"), "held");
    sim.pass_secs(130);
    assert_eq!(sim.targets(), ["a", "b", "c"]);
}

#[test]
fn the_guardrails_are_the_stricter_of_then_and_now() {
    let mut sim = two_targets("ask");
    sim.settle();
    sim.guardrails.targets.http = 1;
    sim.decide("dana", true).unwrap();
    assert!(sim.sent.is_empty());
    sim.guardrails.targets.http = 100;
    sim.pass_secs(61);
    assert_eq!(sim.sent.len(), 2);
}

#[test]
fn a_storm_leaves_diagnosis_only() {
    let mut sim = Sim::new("ask", ONE);
    sim.ledger.alerts_came(201, sim.now);
    sim.settle();
    assert!(sim.has("StepAnswered") && !sim.has("DecisionAsked"));
    assert!(sim.step("fix").summary.contains("storm"));
    sim.pass_secs(130);
    assert!(sim.has("DecisionAsked"), "the storm is over");
}

#[test]
fn help_is_called_by_the_next_way_where_one_is_deaf_and_the_run_ends_where_all_are() {
    let body = format!("{ONE}[[escalation]]\nuses = \"mail\"\nwith = {{}}\n");
    let mut sim = Sim::new("auto", &body);
    sim.script("slow").looks.push_back(Ok(Verdict::No));
    sim.deaf.push("page".into());
    sim.pass_secs(60);
    assert_eq!(sim.told[0].0, "mail");
    assert_eq!(sim.ending(), Some(Ending::NothingToDo));

    let mut sim = Sim::new("auto", &body);
    sim.script("slow").looks.push_back(Ok(Verdict::No));
    sim.deaf = vec!["page".into(), "mail".into()];
    sim.pass_secs(300);
    assert_eq!(sim.ending(), None, "it goes on calling");
    sim.pass_secs(3_600);
    assert_eq!(sim.ending(), Some(Ending::NothingToDo));
}

#[test]
fn a_step_waits_for_a_check_by_hand_and_without_an_answer_it_is_unknown() {
    let body = ONE.replace("uses = \"look\"\nwith = {}", "by_hand = \"look at the graph\"");
    let mut sim = Sim::new("auto", &body);
    sim.settle();
    assert!(sim.sent.is_empty());
    sim.person(Input::Answer {
        by: person("dana"),
        check: "slow".into(),
        verdict: Verdict::Yes,
    })
    .unwrap();
    assert_eq!(sim.targets(), ["t1"]);

    let mut sim = Sim::new("auto", &body);
    sim.pass(Span::from_secs(7_200));
    assert!(sim.sent.is_empty());
    assert_eq!(sim.ending(), Some(Ending::Failed));
    assert!(sim.told[0].1.contains("slow"));
}

#[test]
fn a_step_by_hand_is_done_or_not_done_and_no_answer_is_a_failure() {
    let body = ONE.replace("uses = \"change\"\nwith = {}", "by_hand = \"do it\"");
    let by_hand = |done| Input::ByHand {
        by: person("dana"),
        step: "fix".into(),
        done,
    };
    let mut sim = Sim::new("auto", &body);
    sim.settle();
    sim.person(by_hand(true)).unwrap();
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
    let mut sim = Sim::new("auto", &body);
    sim.settle();
    sim.person(by_hand(false)).unwrap();
    assert_eq!(sim.ending(), Some(Ending::Failed));
    let mut sim = Sim::new("auto", &body);
    sim.pass_secs(7_200);
    assert_eq!(sim.ending(), Some(Ending::Failed));
    assert_eq!(sim.told.len(), 1);
}

/// Done by hand, and taken back by hand.
const BY_HAND_AND_BACK: &str = r#"
[[mitigation]]
id = "away"
do = "Send the traffic away"
by_hand = "drain"
[[resolution]]
id = "ticket"
do = "Open a ticket"
by_hand = "call"
on_failure = "continue"
[[resolution]]
id = "back"
do = "Send the traffic back"
when = "!mitigation.away.skipped"
by_hand = "undrain"
on_failure = "continue"
after_resolved = "do"
approval = { expires = "12h" }
[[escalation]]
uses = "page"
with = {}
"#;

#[test]
fn what_is_to_be_done_by_hand_after_all_is_asked_for_although_the_alert_is_resolved() {
    let by_hand = |step: &str, done| Input::ByHand {
        by: person("dana"),
        step: step.into(),
        done,
    };
    let away = || {
        let mut sim = Sim::new("auto", BY_HAND_AND_BACK);
        sim.settle();
        sim.person(by_hand("away", true)).unwrap();
        sim.resolve();
        sim
    };
    let mut sim = away();
    assert_eq!(
        sim.standing("ticket"),
        "skipped",
        "nobody needs the ticket any more"
    );
    sim.pass_secs(3_600);
    assert_eq!(sim.ending(), None, "the traffic is still away");
    assert_eq!(sim.state.questions()[0].step, Some("back".into()));
    sim.person(by_hand("back", true)).unwrap();
    sim.pass_secs(400);
    assert_eq!((sim.ending(), sim.escalated()), (Some(Ending::Healed), false));

    // Not done, or nobody says: people are told, and it is no healing.
    let mut sim = away();
    sim.person(by_hand("back", false)).unwrap();
    sim.pass_secs(400);
    assert_eq!((sim.ending(), sim.told.len()), (Some(Ending::Mitigated), 1));
    let mut sim = away();
    sim.pass_secs(13 * 3_600);
    assert_eq!((sim.ending(), sim.told.len()), (Some(Ending::Mitigated), 1));

    // What never went away need not come back, and a cancel ends it as any other.
    let mut sim = Sim::new("auto", BY_HAND_AND_BACK);
    sim.settle();
    sim.resolve();
    assert_eq!(sim.ending(), Some(Ending::ResolvedItself));
    let mut sim = away();
    let (by, then, reason) = (person("dana"), OnCancel::Leave, String::new());
    sim.person(Input::Cancel { by, then, reason }).unwrap();
    assert_eq!(sim.ending(), Some(Ending::Cancelled));
}

#[test]
fn a_viewer_decides_nothing() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    let by = Actor {
        role: Role::Viewer,
        ..person("vic")
    };
    let inputs = [
        Input::Decide {
            by: by.clone(),
            step: None,
            digest: None,
            yes: true,
            reason: String::new(),
        },
        Input::Cancel {
            by: by.clone(),
            then: OnCancel::Leave,
            reason: String::new(),
        },
        Input::Undo { by, step: None },
    ];
    for input in inputs {
        assert!(matches!(sim.person(input), Err(Refused::NotAllowed(_))));
    }
}

#[test]
fn who_breaks_the_glass_decides_alone_and_everybody_is_told_why() {
    let body = ONE.replace(
        "uses = \"change\"",
        "uses = \"change\"\napproval = { ask = \"May it?\", from = [\"group:sre\"], quorum = 2 }",
    );
    let mut sim = Sim::new("ask", &body);
    sim.settle();
    let glass = |reason: &str| Input::BreakGlass {
        by: person("dana"),
        step: None,
        digest: None,
        reason: reason.into(),
    };
    sim.person(glass("nobody else is awake")).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
    assert!(
        sim.told[0].1.contains("alone: nobody else is awake"),
        "{:?}",
        sim.told
    );
    // Whether a reason has to be given is the operator's to say.
    let mut sim = Sim::new("ask", &body);
    sim.settle();
    sim.person(glass("")).unwrap();
    assert!(sim.told[0].1.ends_with("decided alone"), "{:?}", sim.told);
}

#[test]
fn a_plan_that_the_world_overtook_is_made_again_and_not_for_ever() {
    let mut sim = Sim::new("auto", ONE);
    sim.script("fix")
        .plans
        .extend([Err(FailureCode::Conflict), Ok(vec!["t1"])]);
    sim.pass_secs(2);
    assert_eq!(sim.targets(), ["t1"]);
    let mut sim = Sim::new("auto", ONE);
    sim.script("fix").plans.push_back(Err(FailureCode::Conflict));
    sim.pass_secs(60);
    assert_eq!(sim.ending(), Some(Ending::Failed));
}
