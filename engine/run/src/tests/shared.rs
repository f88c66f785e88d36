//! What runs share: the ledger and the episodes.

use stanch_contract::{AlertStatus, Span, Timestamp};
use stanch_runbook::EngineGuardrails;

use super::sim::alert;
use crate::episode::{Episodes, Route, group_key};
use crate::*;

fn claim(run: &str, locks: &[&str], since: i64) -> Claim {
    Claim {
        run: run.into(),
        runbook: "book".into(),
        step: "fix".into(),
        side: Side::Do,
        plugin: "change".into(),
        namespaces: vec![],
        locks: locks.iter().map(ToString::to_string).collect(),
        actions: 1,
        rate: None,
        cooldown_key: "lock:disk".into(),
        cooldown: None,
        since: Timestamp(since),
    }
}

fn event(at: i64, kind: EventKind) -> Event {
    Event {
        at: Timestamp(at),
        kind,
        calls: serde_json::Value::Null,
    }
}

fn released(step: &str, locks: &[&str]) -> EventKind {
    EventKind::LockReleased {
        step: step.into(),
        locks: locks.iter().map(ToString::to_string).collect(),
    }
}

fn guard(blocked: Option<Blocked>) -> Option<Guard> {
    blocked.map(|blocked| blocked.guard)
}

#[test]
fn a_lock_has_one_holder_and_waiters_get_it_in_order() {
    let (mut ledger, rails) = (Ledger::default(), EngineGuardrails::default());
    assert_eq!(
        ledger.claim(&claim("r1", &["a", "b"], 0), Timestamp(0), &rails),
        None
    );
    let blocked = ledger
        .claim(&claim("r2", &["b", "c"], 1), Timestamp(1), &rails)
        .unwrap();
    assert_eq!((blocked.guard, blocked.holder), (Guard::Lock, Some("r1".into())));
    // `c` is free, and r2 wants it first.
    let blocked = ledger
        .claim(&claim("r3", &["c"], 2), Timestamp(2), &rails)
        .unwrap();
    assert_eq!(blocked.holder, Some("r2".into()));
    assert_eq!(ledger.claim(&claim("r4", &["d"], 3), Timestamp(3), &rails), None);
    ledger.apply(&"r1".into(), &event(4, released("fix", &["a", "b"])));
    assert_eq!(
        guard(ledger.claim(&claim("r3", &["c"], 2), Timestamp(4), &rails)),
        Some(Guard::Lock)
    );
    assert_eq!(
        ledger.claim(&claim("r2", &["b", "c"], 1), Timestamp(4), &rails),
        None
    );
    // Who holds nothing releases nothing.
    ledger.apply(&"r3".into(), &event(5, released("fix", &["c"])));
    assert_eq!(
        ledger
            .locks()
            .filter(|(lock, run)| *lock == "c" && run.as_str() == "r2")
            .count(),
        1
    );
}

#[test]
fn a_grant_and_its_event_count_once_and_what_was_not_sent_is_given_back() {
    let mut ledger = Ledger::default();
    let rails = EngineGuardrails {
        actions: "2/1m".parse().unwrap(),
        ..Default::default()
    };
    let reserve = |actions| Budget::Change {
        actions,
        cooldown: "lock:disk".into(),
    };
    let mut first = claim("r1", &["a"], 0);
    first.actions = 2;
    assert_eq!(ledger.claim(&first, Timestamp(0), &rails), None);
    let kind = EventKind::BudgetReserved {
        step: Some("fix".into()),
        budget: reserve(2),
    };
    ledger.apply(&"r1".into(), &event(1, kind));
    assert_eq!(
        guard(ledger.claim(&claim("r2", &["b"], 1), Timestamp(1), &rails)),
        Some(Guard::Actions)
    );
    let kind = EventKind::BudgetReturned {
        step: Some("fix".into()),
        budget: reserve(1),
    };
    ledger.apply(&"r1".into(), &event(2, kind));
    assert_eq!(ledger.claim(&claim("r2", &["b"], 1), Timestamp(2), &rails), None);
    assert_eq!(
        guard(ledger.consult(&claim("r3", &["c"], 1), Timestamp(59_999), &rails)),
        Some(Guard::Actions)
    );
    assert_eq!(
        ledger.consult(&claim("r3", &["c"], 1), Timestamp(60_003), &rails),
        None
    );
}

#[test]
fn a_cooldown_is_between_runs_and_not_within_one_and_an_undo_obeys_none() {
    let (mut ledger, rails) = (Ledger::default(), EngineGuardrails::default());
    let with = |run: &str| Claim {
        cooldown: Some(Span::from_secs(60)),
        ..claim(run, &["a"], 0)
    };
    assert_eq!(ledger.claim(&with("r1"), Timestamp(0), &rails), None);
    let started = EventKind::ActionStarted {
        step: "fix".into(),
        side: Side::Do,
        attempt: 1,
        action: 0,
    };
    ledger.apply(&"r1".into(), &event(1_000, started));
    ledger.apply(&"r1".into(), &event(1_001, released("fix", &["a"])));
    assert_eq!(ledger.consult(&with("r1"), Timestamp(2_000), &rails), None);
    assert_eq!(
        guard(ledger.consult(&with("r2"), Timestamp(60_999), &rails)),
        Some(Guard::Cooldown)
    );
    assert_eq!(
        ledger.consult(
            &Claim {
                side: Side::Undo,
                ..with("r2")
            },
            Timestamp(2_000),
            &rails
        ),
        None
    );
    assert_eq!(ledger.consult(&with("r2"), Timestamp(61_000), &rails), None);
}

#[test]
fn a_rate_counts_runs_that_changed_something() {
    let (mut ledger, rails) = (Ledger::default(), EngineGuardrails::default());
    let with = |run: &str, lock: &str| Claim {
        rate: Some("1/1h".parse().unwrap()),
        ..claim(run, &[lock], 0)
    };
    assert_eq!(ledger.claim(&with("r1", "a"), Timestamp(0), &rails), None);
    assert_eq!(
        guard(ledger.claim(&with("r2", "b"), Timestamp(1), &rails)),
        Some(Guard::Rate)
    );
    assert_eq!(
        ledger.claim(&with("r1", "c"), Timestamp(1), &rails),
        None,
        "the same run goes on"
    );
    assert_eq!(ledger.claim(&with("r2", "b"), Timestamp(3_600_001), &rails), None);
}

#[test]
fn a_pause_covers_its_scope_and_only_that_and_is_cleared_by_its_scope() {
    let (mut ledger, rails) = (Ledger::default(), EngineGuardrails::default());
    let scopes = [
        "all",
        "runbook:book",
        "plugin:change",
        "runbook:other",
        "plugin:other",
        "namespace:x",
    ];
    for (scope, covers) in scopes.iter().zip([true, true, true, false, false, false]) {
        let scope: ledger::PauseScope = scope.parse().unwrap();
        let (by, reason, at) = ("eli".into(), "wait".into(), Timestamp(0));
        ledger.pause(ledger::Pause {
            scope: scope.clone(),
            by,
            reason,
            at,
        });
        assert_eq!(
            ledger
                .consult(&claim("r1", &["a"], 0), Timestamp(0), &rails)
                .is_some(),
            covers,
            "{scope}"
        );
        assert!(ledger.resume(&scope));
        assert!(!ledger.resume(&scope));
    }
    assert!("host:a".parse::<ledger::PauseScope>().is_err());
}

#[test]
fn at_most_so_many_runs_of_a_runbook_are_open_and_the_rest_enter_in_order() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.enter("book", &"r1".into(), 1), None);
    assert_eq!(guard(ledger.enter("book", &"r2".into(), 1)), Some(Guard::MaxOpen));
    assert_eq!(guard(ledger.enter("book", &"r3".into(), 1)), Some(Guard::MaxOpen));
    assert_eq!(ledger.enter("other", &"r4".into(), 1), None);
    ledger.apply(
        &"r1".into(),
        &event(
            1,
            EventKind::BudgetReturned {
                step: None,
                budget: Budget::Place,
            },
        ),
    );
    assert_eq!(guard(ledger.enter("book", &"r3".into(), 1)), Some(Guard::MaxOpen));
    assert_eq!(ledger.enter("book", &"r2".into(), 1), None);
}

#[test]
fn an_episode_ends_when_all_is_resolved_and_its_run_is_closed() {
    use AlertStatus::{Firing, Resolved};
    let mut episodes = Episodes::default();
    assert_eq!(episodes.route("test", "a1", Resolved, 0), Route::Nothing);
    assert_eq!(
        episodes.route("test", "a1", Firing, 0),
        Route::Begins { episode: 1 }
    );
    let book = super::sim::book("auto", super::basics::ONE);
    let opened = EventKind::RunOpened(Box::new(super::sim::opened(&book)));
    let run: stanch_contract::RunId = "run1".into();
    episodes.apply(&run, &event(0, opened));
    assert_eq!(
        episodes.route("test", "a1", Firing, 1),
        Route::Belongs {
            run: run.clone(),
            open: true
        }
    );
    let closed = EventKind::RunClosed {
        ending: Ending::Rejected,
        summary: String::new(),
    };
    episodes.apply(&run, &event(1, closed));
    // A person said no: the next notification starts nothing.
    assert_eq!(
        episodes.route("test", "a1", Firing, 1),
        Route::Belongs {
            run: run.clone(),
            open: false
        }
    );
    let episode = episodes.get("test", "a1").unwrap();
    assert_eq!(
        Episodes::again_due(episode, Span::from_secs(60)),
        Some(Timestamp(60_001))
    );
    let resolved = EventKind::AlertResolved {
        alert: Box::new(alert("a1", Resolved)),
    };
    episodes.apply(&run, &event(2, resolved));
    assert!(episodes.is_settled(&run));
    assert_eq!(
        episodes.route("test", "a1", Firing, 1),
        Route::Begins { episode: 2 }
    );
}

#[test]
fn a_group_key_cannot_pass_for_another() {
    let with = |a: &str, b: &str| {
        let mut one = alert("f", AlertStatus::Firing);
        one.labels.insert("a".into(), a.into());
        one.labels.insert("b".into(), b.into());
        group_key(&one, &["a".into(), "b".into()])
    };
    assert_ne!(with("x\",\"y", "z"), with("x", "y\",\"z"));
    assert_eq!(group_key(&alert("f", AlertStatus::Firing), &[]), "f");
}
