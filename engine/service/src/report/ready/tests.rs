//! Each line of the report from the events that make it.

use serde_json::{Value, json};
use stanch_contract::{Digest, PlanDigest};
use stanch_run::event::Question;

use super::*;

fn at(second: i64, kind: EventKind) -> Event {
    Event {
        at: Timestamp(second * 1_000),
        kind,
        calls: Value::Null,
    }
}

fn digest() -> PlanDigest {
    PlanDigest::from(Digest::of(b"plan"))
}

fn step(name: &str) -> StepId {
    StepId::from(name)
}

fn asked(second: i64, side: Side, quorum: u32) -> Event {
    let question = Question {
        side,
        ask: "Restart it?".into(),
        digest: digest(),
        from: Vec::new(),
        quorum,
        expires: Timestamp(i64::MAX),
        undo: String::new(),
        number: 1,
    };
    at(
        second,
        EventKind::DecisionAsked {
            step: step("restart"),
            question: Box::new(question),
        },
    )
}

fn yes(second: i64, by: &str, alone: bool) -> Event {
    at(
        second,
        EventKind::DecisionGiven {
            step: step("restart"),
            side: Side::Do,
            by: by.into(),
            digest: digest(),
            reason: String::new(),
            alone,
            via: String::new(),
        },
    )
}

fn no(second: i64) -> Event {
    at(
        second,
        EventKind::DecisionRefused {
            step: step("restart"),
            side: Side::Do,
            by: "dana".into(),
            digest: None,
            reason: String::new(),
            via: String::new(),
        },
    )
}

fn lapsed(second: i64, why: Lapse) -> Event {
    at(
        second,
        EventKind::DecisionExpired {
            step: step("restart"),
            side: Side::Do,
            why,
        },
    )
}

fn closed(second: i64, ending: Ending) -> Event {
    at(
        second,
        EventKind::RunClosed {
            ending,
            summary: String::new(),
        },
    )
}

fn failed(second: i64) -> Event {
    let failed = json!({"at": second * 1_000, "is": {"StepFailed": {"step": "restart", "why": "verify", "message": "m"}}});
    serde_json::from_value(failed).unwrap()
}

/// The report on some runs of one runbook.
fn of(runs: &[Vec<Event>]) -> Readiness {
    let mut all = Readinesses::default();
    for events in runs {
        all.add("pod-hangs", events);
    }
    let [one] = all.told().try_into().unwrap();
    one
}

fn healed(took: i64) -> Vec<Event> {
    vec![
        asked(0, Side::Do, 1),
        yes(took, "dana", false),
        closed(took + 60, Ending::Healed),
    ]
}

#[test]
fn each_answer_is_counted_once_and_as_what_it_was() {
    let report = of(&[
        healed(10),
        vec![asked(0, Side::Do, 1), no(100), closed(101, Ending::Rejected)],
        vec![
            asked(0, Side::Do, 1),
            lapsed(900, Lapse::Unanswered),
            closed(901, Ending::Rejected),
        ],
        vec![
            asked(0, Side::Do, 1),
            lapsed(50, Lapse::Resolved),
            closed(51, Ending::ResolvedItself),
        ],
        vec![asked(0, Side::Do, 1), lapsed(50, Lapse::Cancelled)],
        vec![asked(0, Side::Do, 2), yes(20, "dana", true)],
    ]);
    let answers = report.answers;
    assert_eq!(
        (
            answers.yes,
            answers.alone,
            answers.no,
            answers.unanswered,
            answers.overtaken
        ),
        (2, 1, 1, 1, 1)
    );
    let acted = report.acted;
    assert_eq!(
        (acted.runs, acted.healed, acted.resolved_itself, acted.open),
        (6, 1, 1, 2)
    );
    assert_eq!(
        (report.ready, report.why.as_str()),
        (Ready::NotYet, "1 of 4 questions was no")
    );
}

#[test]
fn a_yes_counts_when_as_many_people_as_are_needed_said_it() {
    let one = of(&[vec![
        asked(0, Side::Do, 2),
        yes(5, "dana", false),
        yes(6, "dana", false),
    ]]);
    assert_eq!(one.answers.yes, 0, "one person twice");
    let two = of(&[vec![
        asked(0, Side::Do, 2),
        yes(5, "dana", false),
        yes(90, "lee", false),
    ]]);
    assert_eq!((two.answers.yes, two.answers.slowest), (1, Some(90_000)));
}

#[test]
fn an_answer_to_the_way_back_is_not_one_to_the_change() {
    let report = of(&[vec![asked(0, Side::Undo, 1), yes(5, "dana", false)]]);
    assert_eq!(report.answers, Answers::default());
}

#[test]
fn half_of_the_answers_came_within_a_step_that_is_never_more_than_the_slowest() {
    let report = of(&[healed(10), healed(40), healed(70), healed(800)]);
    assert_eq!(
        (report.answers.half_within, report.answers.slowest),
        (Some(60_000), Some(800_000))
    );
    let one = of(&[healed(40)]);
    assert_eq!(one.answers.half_within, Some(40_000));
    let slow = of(&[healed(100_000)]);
    assert_eq!(slow.answers.half_within, Some(100_000_000));
}

#[test]
fn twenty_yeses_and_no_failure_are_ready_to_go_on_without_asking_and_one_less_is_not() {
    let nineteen: Vec<_> = (0..19).map(|_| healed(10)).collect();
    let report = of(&nineteen);
    assert_eq!(
        (report.ready, report.why.as_str()),
        (
            Ready::NotYet,
            "19 of 20 answers with yes so far, and none with no"
        )
    );
    let twenty: Vec<_> = (0..20).map(|_| healed(10)).collect();
    assert_eq!(of(&twenty).ready, Ready::ForAuto);
    let with = |run: Vec<Event>| {
        let mut runs = twenty.clone();
        runs.push(run);
        of(&runs)
    };
    let refused = with(vec![asked(0, Side::Do, 1), no(3)]);
    assert_eq!(
        (refused.ready, refused.why.as_str()),
        (Ready::NotYet, "1 of 21 questions was no")
    );
    let unanswered = with(vec![asked(0, Side::Do, 1), lapsed(9, Lapse::Unanswered)]);
    assert_eq!(unanswered.ready, Ready::NotYet);
    let broken = with(vec![failed(1), closed(2, Ending::Failed)]);
    assert_eq!(
        (broken.ready, broken.why.as_str()),
        (Ready::NotYet, "a step failed in 1 of 21 runs")
    );
}

#[test]
fn what_nobody_planned_or_asked_is_ready_for_nothing() {
    let report = of(&[vec![closed(1, Ending::NothingToDo)]]);
    assert_eq!(
        (report.ready, report.why.as_str()),
        (
            Ready::NotYet,
            "nothing was planned in shadow, and nothing was asked"
        )
    );
}

/// Shadow is told by what the run was opened with, so the tally is asked itself here: a run's first event is large.
#[test]
fn ten_plans_in_shadow_without_a_failure_are_ready_to_ask_and_one_less_is_not() {
    let tally = |shadow: Shadowed| Tally {
        shadow,
        ..Tally::default()
    };
    let seen = Shadowed {
        runs: 12,
        planned: 10,
        ..Shadowed::default()
    };
    let (ready, why) = tally(seen).ready();
    assert_eq!(ready, Ready::ForAsk);
    assert!(
        why.starts_with("in 10 of 12 runs in shadow there was a plan"),
        "{why}"
    );
    for (less, expected) in [
        (Shadowed { planned: 9, ..seen }, "9 of 10 plans in shadow so far"),
        (
            Shadowed { failed: 1, ..seen },
            "in 1 of 12 runs in shadow a step failed",
        ),
        (
            Shadowed { held: 2, ..seen },
            "in 2 of 12 runs in shadow a guardrail held a step",
        ),
    ] {
        assert_eq!(tally(less).ready(), (Ready::NotYet, expected.to_owned()));
    }
}

#[test]
fn a_run_in_shadow_is_counted_by_what_it_would_have_done_and_what_became_of_its_alert() {
    let resolved = json!({"at": 5, "is": {"AlertResolved": {"alert": {
        "name": "A", "fingerprint": "f", "status": "resolved", "starts_at": "2026-11-24T00:00:00Z"}}}});
    let mut tally = Tally::default();
    tally.shadowed(&[failed(1), serde_json::from_value(resolved).unwrap()]);
    tally.shadowed(&[closed(2, Ending::Shadow)]);
    assert_eq!(
        tally.shadow,
        Shadowed {
            runs: 2,
            failed: 1,
            resolved: 1,
            ..Shadowed::default()
        }
    );
}
