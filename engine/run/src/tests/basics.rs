//! A run from the alert to its end, in each mode.

use stanch_contract::{AlertStatus, FailureCode, Verdict};

use super::sim::*;
use crate::*;

pub(crate) const ONE: &str = r#"
[[diagnosis]]
id = "slow"
ask = "Is it slow?"
uses = "look"
with = {}
[[mitigation]]
id = "fix"
do = "Fix it"
when = "diagnosis.slow.yes"
uses = "change"
with = {}
[[escalation]]
uses = "page"
with = {}
"#;

#[test]
fn in_auto_the_change_is_planned_locked_planned_afresh_applied_and_verified_and_the_run_heals() {
    let mut sim = Sim::new("auto", ONE);
    sim.settle();
    assert_eq!(
        sim.names(),
        [
            "RunOpened",
            "BudgetReserved",
            "StepStarted",
            "StepAnswered",
            "StepStarted",
            "StepPlanned",
            "BudgetReserved",
            "LockTaken",
            "StepPlanned",
            "ActionStarted",
            "ActionEnded",
            "StepApplied",
            "StepVerified",
            "LockReleased",
            "BudgetReturned"
        ]
    );
    assert_eq!(sim.state.phase(), Phase::Recovery);
    sim.pass_secs(3_000);
    assert_eq!(sim.ending(), None, "the alert still fires");
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
    assert!(!sim.escalated());
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn in_ask_nothing_is_sent_before_a_yes() {
    let mut sim = Sim::new("ask", ONE);
    sim.pass_secs(60);
    assert!(sim.sent.is_empty());
    assert!(
        sim.ledger.locks().next().is_none(),
        "nothing is locked while people think"
    );
    sim.decide("dana", true).unwrap();
    assert_eq!(sim.targets(), ["t1"]);
    sim.recover();
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn a_no_is_final_and_escalates() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    sim.decide("dana", false).unwrap();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.ending(), Some(Ending::Rejected));
    assert_eq!(sim.told.len(), 1);
}

#[test]
fn no_answer_is_a_no() {
    let mut sim = Sim::new("ask", ONE);
    sim.pass_secs(3 * 3_600);
    assert!(sim.sent.is_empty());
    assert_eq!(sim.ending(), Some(Ending::Rejected));
    assert!(sim.told[0].1.contains("nobody answered"));
}

#[test]
fn shadow_looks_and_plans_and_asks_locks_sends_and_tells_nothing() {
    let mut sim = Sim::new(
        "shadow",
        &format!(
            "{ONE}\n[[resolution]]\nid=\"second\"\ndo=\"More\"\nwhen=\"mitigation.fix.planned\"\nuses=\"change\"\nwith={{}}\n"
        ),
    );
    sim.settle();
    assert_eq!(sim.ending(), Some(Ending::Shadow));
    assert_eq!(sim.count("StepPlanned"), 2);
    assert_eq!(sim.standing("fix"), "planned");
    for never in ["DecisionAsked", "LockTaken", "ActionStarted"] {
        assert!(!sim.has(never), "{never}");
    }
    assert!(sim.sent.is_empty() && sim.told.is_empty());
}

#[test]
fn an_alert_that_resolves_withdraws_the_question_and_skips_the_rest() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    sim.resolve();
    assert!(sim.has("DecisionExpired") && sim.has("StepSkipped"));
    assert_eq!(sim.ending(), Some(Ending::ResolvedItself));
    assert!(matches!(sim.decide("dana", true), Err(Refused::Closed { .. })));
    assert!(sim.sent.is_empty() && !sim.escalated());
}

#[test]
fn where_nothing_applies_and_the_alert_still_fires_people_are_called() {
    let mut sim = Sim::new("auto", ONE);
    sim.script("slow").looks.push_back(Ok(Verdict::No));
    sim.settle();
    assert_eq!(sim.ending(), Some(Ending::NothingToDo));
    assert!(sim.told[0].1.contains("nothing could be done"));
    assert_eq!(sim.standing("fix"), "skipped");
}

#[test]
fn an_empty_plan_is_nothing_to_do() {
    let mut sim = Sim::new("ask", ONE);
    sim.script("fix").plans.push_back(Ok(vec![]));
    sim.settle();
    assert_eq!(sim.ending(), Some(Ending::NothingToDo));
    assert!(!sim.has("DecisionAsked"));
}

#[test]
fn unknown_is_not_false_the_step_is_not_run_names_the_check_and_the_run_escalates() {
    let mut sim = Sim::new("auto", ONE);
    sim.script("slow").looks.push_back(Err(FailureCode::Unavailable));
    sim.settle();
    assert!(sim.sent.is_empty());
    assert_eq!(sim.ending(), Some(Ending::Failed));
    assert!(sim.told[0].1.contains("slow"), "{:?}", sim.told);
}

#[test]
fn after_waits_and_an_alert_that_is_over_before_starts_nothing() {
    let body = format!("[trigger]\nalert = \"Slow\"\nafter = \"2m\"\n{ONE}");
    let mut sim = Sim::new("auto", &body);
    sim.pass_secs(119);
    assert_eq!(sim.state.phase(), Phase::Waiting);
    let mut short = Sim::new("auto", &body);
    short.pass_secs(60);
    short.resolve();
    assert_eq!(short.ending(), Some(Ending::ResolvedItself));
    assert!(short.calls.is_empty());
    sim.pass_secs(2);
    assert_eq!(sim.targets(), ["t1"]);
}

#[test]
fn a_run_without_an_input_that_it_needs_does_nothing_tells_people_which_and_ends_as_failed() {
    let fault = "the input `tail` has to be a whole number; it is \"many\"";
    for after in ["", "after = \"2m\"\n"] {
        let book = book("auto", &format!("[trigger]\nalert = \"Slow\"\n{after}{ONE}"));
        let open = || {
            let faults = vec![fault.to_owned()];
            Sim::with(
                book.clone(),
                Opened {
                    faults,
                    ..opened(&book)
                },
            )
        };
        let mut sim = open();
        sim.settle();
        assert_eq!(
            sim.told.is_empty(),
            !after.is_empty(),
            "nobody is called before `after` is over"
        );
        sim.pass_secs(121);
        assert!(sim.told[0].1.contains(fault), "{:?}", sim.told);
        assert_eq!(sim.ending(), Some(Ending::Failed));
        assert!(sim.state.summary().contains("`tail`"));
        assert!(sim.calls.is_empty() && sim.sent.is_empty());
        // As any other episode: a repeat starts nothing, and one that is over before `after` calls nobody.
        sim.fire();
        assert_eq!(sim.told.len(), 1);
        if !after.is_empty() {
            let mut short = open();
            short.pass_secs(60);
            short.resolve();
            assert_eq!(short.ending(), Some(Ending::ResolvedItself));
            assert!(short.told.is_empty());
        }
    }
    // Where there is nobody to tell it ends at once.
    let (alone, _) = ONE.split_once("[[escalation]]").unwrap();
    let book = book("auto", &format!("[trigger]\nalert = \"Slow\"\n{alone}"));
    let faults = vec![fault.to_owned()];
    let mut sim = Sim::with(
        book.clone(),
        Opened {
            faults,
            ..opened(&book)
        },
    );
    sim.settle();
    assert_eq!(sim.ending(), Some(Ending::Failed));
}

#[test]
fn a_run_heals_only_after_the_checks_held_for_the_whole_time_and_undoes_newest_first() {
    let body = r#"
[[mitigation]]
id = "one"
do = "One"
uses = "change"
with = {}
undo = ["when-resolved"]
[[mitigation]]
id = "two"
do = "Two"
uses = "change"
with = {}
undo = ["when-resolved"]
[recovery]
stable_for = "5m"
[[recovery.check]]
id = "well"
ask = "Is it well?"
uses = "look"
with = {}
[[escalation]]
uses = "page"
with = {}
"#;
    let mut sim = Sim::new("auto", body);
    sim.script("two").plans.push_back(Ok(vec!["t2"]));
    sim.script("two").undo_plans.push_back(Ok(vec!["t2"]));
    sim.settle();
    sim.resolve();
    sim.pass_secs(290);
    assert!(!sim.has("UndoStarted"));
    sim.script("well").looks.push_back(Ok(Verdict::No));
    sim.pass_secs(20);
    assert!(!sim.has("UndoStarted"), "a break starts the time anew");
    sim.script("well").looks.clear();
    sim.pass_secs(200);
    sim.fire();
    assert!(sim.told.iter().any(|(_, text)| text.contains("fires again")));
    sim.resolve();
    sim.pass_secs(299);
    assert!(!sim.has("UndoStarted"));
    sim.pass_secs(30);
    let undone: Vec<_> = sim
        .sent
        .iter()
        .filter(|(_, side, _)| *side == Side::Undo)
        .map(|(s, _, _)| s.as_str())
        .collect();
    assert_eq!(undone, ["two", "one"]);
    assert_eq!(sim.ending(), Some(Ending::Healed));
}

#[test]
fn a_group_is_resolved_when_all_of_its_alerts_are() {
    let mut sim = Sim::new("auto", ONE);
    sim.settle();
    sim.input(Input::Alerts(vec![alert("a2", AlertStatus::Firing)]))
        .unwrap();
    sim.resolve();
    sim.pass_secs(3_600);
    assert_eq!(sim.ending(), None);
    sim.input(Input::Alerts(vec![alert("a2", AlertStatus::Resolved)]))
        .unwrap();
    sim.pass_secs(3_600);
    assert_eq!(sim.ending(), Some(Ending::Healed));
}
