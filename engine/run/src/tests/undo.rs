//! Putting back: what it obeys, how it is verified, and how doubt on the way back is settled.

use stanch_contract::{FailureCode, Verdict};

use super::sim::*;
use crate::*;

/// One step by this plugin that is put back when the alert is over.
fn body(plugin: &str, more: &str) -> String {
    format!(
        r#"
[[mitigation]]
id = "fix"
do = "Fix it"
uses = "{plugin}"
with = {{}}
undo = ["when-resolved"]
{more}
[recovery]
stable_for = "1m"
trust = "alert"
[[escalation]]
uses = "page"
with = {{}}
"#
    )
}

/// A run whose change is about to be put back.
fn over(plugin: &str, prepare: impl FnOnce(&mut Sim)) -> Sim {
    let mut sim = Sim::new("auto", &body(plugin, ""));
    prepare(&mut sim);
    sim.settle();
    assert_eq!(sim.standing("fix"), "done");
    sim.resolve();
    sim.pass_secs(61);
    assert!(sim.has("UndoStarted"));
    sim
}

fn back(sim: &Sim) -> usize {
    sim.sent.iter().filter(|(_, side, _)| *side == Side::Undo).count()
}

fn held(lock: &str, at: stanch_contract::Timestamp) -> Event {
    Event {
        at,
        kind: EventKind::LockTaken {
            step: "x".into(),
            side: Side::Do,
            locks: vec![lock.into()],
        },
        calls: serde_json::Value::Null,
    }
}

#[test]
fn what_was_put_back_is_looked_at_until_all_is_as_before_where_the_plugin_can_tell() {
    let mut sim = over("careful", |sim| {
        let looks = &mut sim.script("fix").looks_back;
        looks.extend([
            Ok(Verdict::No),
            Ok(Verdict::No),
            Err(FailureCode::Unavailable),
            Ok(Verdict::Yes),
        ]);
    });
    assert!(!sim.step("fix").undone, "applied, and still to be put back");
    assert_eq!(sim.ending(), None);
    sim.pass_secs(20);
    let step = sim.step("fix");
    assert!(
        step.undone && step.undo_summary.contains("nothing is left"),
        "{step:?}"
    );
    assert_eq!((back(&sim), sim.ending()), (1, Some(Ending::Healed)));
    assert!(!sim.escalated());

    // One that cannot tell is taken at its word, and that is said.
    let sim = over("change", |_| ());
    let step = sim.step("fix");
    assert!(
        step.undone && step.undo_summary.contains("cannot tell"),
        "{step:?}"
    );

    // Nobody looks where the runbook says so.
    let mut sim = Sim::new("auto", &body("careful", "verify = \"none\""));
    sim.script("fix").looks_back.push_back(Ok(Verdict::No));
    sim.settle();
    sim.recover();
    assert!(sim.step("fix").undone);
}

#[test]
fn a_way_back_that_does_not_hold_in_time_fails_and_waits_for_a_person() {
    let mut sim = over("careful", |sim| {
        sim.script("fix").looks_back.push_back(Ok(Verdict::No));
    });
    sim.pass_secs(110);
    assert!(!sim.has("UndoFailed"));
    sim.pass_secs(20);
    let step = sim.step("fix");
    assert!(step.undo_failed && !step.undone, "{step:?}");
    assert!(
        sim.told
            .iter()
            .any(|(_, text)| text.contains("still to be put back")),
        "{:?}",
        sim.told
    );
    assert_eq!(sim.state.questions()[0].kind, QuestionKind::UndoOrLeave);
    sim.script("fix").looks_back = [Ok(Verdict::Yes)].into();
    sim.person(Input::Undo {
        by: person("dana"),
        step: None,
    })
    .unwrap();
    sim.pass_secs(1);
    assert!(sim.step("fix").undone);
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn doubt_on_the_way_back_is_settled_by_looking_else_by_repeating_what_is_safe_else_by_a_person() {
    for how in [How::Loses(0), How::Dies(0)] {
        let doubt = |looks: &[Verdict], safe: bool| {
            let how = how.clone();
            let mut sim = over("careful", |sim| {
                let script = sim.script("fix");
                script.undo_applies.push_back(how);
                script.looks_back.extend(looks.iter().map(|verdict| Ok(*verdict)));
                script.repeat_safe = safe;
            });
            sim.pass_secs(10);
            sim
        };
        let sim = doubt(&[Verdict::Yes], false);
        assert_eq!((back(&sim), sim.ending()), (1, Some(Ending::Healed)), "{how:?}");
        assert!(sim.has("DoubtSettled") && sim.step("fix").undone);

        let sim = doubt(&[Verdict::No, Verdict::Yes], true);
        assert_eq!((back(&sim), sim.ending()), (2, Some(Ending::Healed)), "{how:?}");

        let mut sim = doubt(&[Verdict::No, Verdict::Yes], false);
        sim.pass_secs(7_200);
        assert_eq!((back(&sim), sim.ending()), (1, None), "{how:?}");
        assert!(sim.ledger.locks().next().is_some(), "a lock in doubt stays held");
        assert_eq!(sim.state.questions()[0].kind, QuestionKind::Settle);
        sim.person(Input::Settle {
            by: person("dana"),
            step: "fix".into(),
            happened: false,
            go_on: true,
        })
        .unwrap();
        sim.pass_secs(10);
        assert_eq!((back(&sim), sim.ending()), (2, Some(Ending::Healed)), "{how:?}");
    }
}

#[test]
fn who_cannot_look_back_is_asked_nothing_and_a_person_settles_the_doubt() {
    let sim = over("change", |sim| {
        sim.script("fix").undo_applies.push_back(How::Dies(0));
    });
    assert_eq!(sim.state.questions()[0].kind, QuestionKind::Settle);
    let looked = sim.calls.iter().filter(|(_, slot)| *slot == Slot::Own).count();
    assert_eq!((looked, back(&sim)), (1, 1), "only the change was verified");
}

#[test]
fn an_undo_waits_for_the_lock_of_another_run() {
    let mut sim = Sim::new("auto", &body("change", ""));
    sim.settle();
    sim.ledger.apply(&"run0".into(), &held("http:t1", sim.now));
    sim.resolve();
    sim.pass_secs(700);
    assert_eq!(back(&sim), 0);
    assert!(
        sim.told.iter().any(|(_, text)| text.contains("run0")),
        "{:?}",
        sim.told
    );
    let kind = EventKind::LockReleased {
        step: "x".into(),
        locks: vec!["http:t1".into()],
    };
    let free = Event {
        kind,
        ..held("http:t1", sim.now)
    };
    sim.ledger.apply(&"run0".into(), &free);
    sim.pass_secs(1);
    assert_eq!((back(&sim), sim.ending()), (1, Some(Ending::Healed)));
}

#[test]
fn an_undo_obeys_a_pause_before_it_and_in_the_middle_of_it() {
    let mut sim = Sim::new("auto", &body("change", ""));
    sim.script("fix").plans.push_back(Ok(vec!["t1", "t2"]));
    sim.script("fix").undo_plans.push_back(Ok(vec!["t2", "t1"]));
    sim.script("fix").undo_applies.push_back(How::Pauses(1));
    sim.settle();
    sim.pause();
    sim.resolve();
    sim.pass_secs(3_600);
    assert_eq!(back(&sim), 0);
    sim.resume();
    sim.pass_secs(1);
    assert_eq!(back(&sim), 1, "paused again after the first");
    sim.pass_secs(3_600);
    assert_eq!((back(&sim), sim.ending()), (1, None));
    sim.resume();
    sim.pass_secs(1);
    assert_eq!((back(&sim), sim.ending()), (2, Some(Ending::Healed)));
}

#[test]
fn an_undo_that_the_grant_does_not_allow_is_refused_and_waits_for_a_person() {
    let sim = over("change", |sim| {
        sim.script("fix").undo_plans.push_back(Err(FailureCode::Denied));
    });
    assert_eq!((back(&sim), sim.ending()), (0, None));
    assert!(sim.step("fix").undo_failed && sim.escalated());
    assert_eq!(sim.state.questions()[0].kind, QuestionKind::UndoOrLeave);
}

#[test]
fn neither_storm_nor_rate_nor_cooldown_keeps_an_undo() {
    let text = body("change", "").replace(
        "[[escalation]]",
        "[guardrails]\ncooldown = \"24h\"\nrate = \"1/24h\"\n[[escalation]]",
    );
    let mut sim = Sim::new("auto", &text);
    sim.guardrails.actions = "1/24h".parse().unwrap();
    sim.settle();
    assert_eq!(sim.targets(), ["t1"]);
    sim.resolve();
    sim.pass_secs(50);
    sim.ledger.alerts_came(1_000, sim.now);
    sim.pass_secs(15);
    assert_eq!((back(&sim), sim.ending()), (1, Some(Ending::Healed)));
}

/// A run that closed with its change in place.
fn closed(ending: Ending) -> Sim {
    let text = body("careful", "").replace("undo = [\"when-resolved\"]\n", "");
    let mut sim = Sim::new("auto", &text);
    match ending {
        Ending::Healed => {
            sim.settle();
            sim.recover();
        }
        Ending::Failed => {
            sim.script("fix").verify.push_back(Ok(Verdict::No));
            sim.pass_secs(130);
        }
        _ => {
            sim.settle();
            let (by, then, reason) = (person("dana"), OnCancel::Leave, String::new());
            sim.person(Input::Cancel { by, then, reason }).unwrap();
        }
    }
    assert_eq!(
        (sim.ending(), sim.standing("fix") == "skipped"),
        (Some(ending), false)
    );
    sim
}

fn undo(sim: &mut Sim, role: Role) -> Result<usize, Refused> {
    let by = Actor {
        role,
        ..person("dana")
    };
    sim.person(Input::Undo { by, step: None })
}

#[test]
fn a_closed_run_is_opened_again_to_put_its_change_back_and_ends_as_it_had_ended() {
    for ending in [Ending::Healed, Ending::Failed, Ending::Cancelled] {
        let mut sim = closed(ending);
        assert!(matches!(
            undo(&mut sim, Role::Approver),
            Err(Refused::NotAllowed(_))
        ));
        assert_eq!(sim.ending(), Some(ending), "nothing happened");
        undo(&mut sim, Role::Operator).unwrap();
        sim.pass_secs(10);
        assert!(sim.step("fix").undone);
        assert_eq!((back(&sim), sim.ending()), (1, Some(ending)));
        assert!(matches!(
            undo(&mut sim, Role::Operator),
            Err(Refused::NothingOpen(_))
        ));
        assert_eq!(sim.count("RunReopened"), 1);
        assert!(sim.ledger.locks().next().is_none());
    }
}

#[test]
fn while_a_closed_run_is_open_again_it_does_nothing_else_and_waits_where_it_could_not_put_back() {
    for ending in [Ending::Healed, Ending::Failed, Ending::Cancelled] {
        let mut sim = closed(ending);
        sim.script("fix").looks_back.push_back(Ok(Verdict::No));
        let calls = sim.calls.len();
        undo(&mut sim, Role::Admin).unwrap();
        sim.crash();
        sim.settle();
        sim.fire();
        sim.pass_secs(90_000);
        assert_eq!(sim.ending(), None);
        assert!(sim.step("fix").undo_failed && sim.escalated());
        let only = sim.calls[calls..].iter().all(|(step, _)| step == "fix");
        assert!(only, "no check is asked: {:?}", &sim.calls[calls..]);
        assert_eq!(sim.state.questions()[0].kind, QuestionKind::UndoOrLeave);
        let (by, then, reason) = (person("dana"), OnCancel::Leave, String::new());
        sim.person(Input::Cancel { by, then, reason }).unwrap();
        assert_eq!(sim.ending(), Some(ending), "left, and over as before");
    }
}

#[test]
fn a_closed_run_without_a_change_that_stands_stays_closed() {
    let mut sim = Sim::new("ask", &body("careful", ""));
    sim.settle();
    sim.decide("dana", false).unwrap();
    assert_eq!(sim.ending(), Some(Ending::Rejected));
    let events = sim.events.len();
    assert!(matches!(
        undo(&mut sim, Role::Admin),
        Err(Refused::NothingOpen(_))
    ));
    assert_eq!(sim.events.len(), events);
}
