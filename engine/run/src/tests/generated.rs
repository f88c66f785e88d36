//! Generated runbooks, worlds and crashes: what must never happen does not, whatever comes when.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stanch_contract::{ActionState, AlertStatus, FailureCode, Span, Verdict};

use super::sim::*;
use crate::*;

/// Something that happens to a run.
#[derive(Debug, Clone)]
enum Chance {
    Pass(i64),
    Crash,
    Resolve,
    Fire,
    Decide(bool),
    Settle(bool, bool),
    ByHand(bool),
    Answer(u8),
    Cancel(u8),
    Undo,
    Pause,
    Resume,
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        4 => (0_i64..400).prop_map(Chance::Pass),
        3 => Just(Chance::Crash),
        2 => Just(Chance::Resolve),
        2 => Just(Chance::Fire),
        4 => any::<bool>().prop_map(Chance::Decide),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Chance::Settle(a, b)),
        1 => any::<bool>().prop_map(Chance::ByHand),
        1 => (0_u8..3).prop_map(Chance::Answer),
        1 => (0_u8..3).prop_map(Chance::Cancel),
        1 => Just(Chance::Undo),
        1 => Just(Chance::Pause),
        1 => Just(Chance::Resume),
    ]
}

#[derive(Debug, Clone)]
struct World {
    mode: &'static str,
    steps: Vec<OneStep>,
    by_hand_check: bool,
}

#[derive(Debug, Clone)]
struct OneStep {
    kind: u8,
    on_failure: &'static str,
    undo: u8,
    approval: bool,
    retry: bool,
    repeat_safe: bool,
    /// All at once, a few at a time, or in stages.
    parts: u8,
    how: How,
    undo_how: How,
    verify: Vec<u8>,
    plans: Vec<u8>,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Works),
        1 => (0_u32..3).prop_map(How::Loses),
        1 => (0_u32..3).prop_map(How::Dies),
        1 => (0_u32..3).prop_map(|n| How::Fails(n, FailureCode::Unavailable)),
        1 => (0_u32..3).prop_map(|n| How::Refused(n, FailureCode::Conflict)),
        1 => (0_u32..3).prop_map(|n| How::Refused(n, FailureCode::Failed)),
    ]
}

fn one_step() -> impl Strategy<Value = OneStep> {
    let first = (
        0_u8..8,
        any::<bool>(),
        0_u8..4,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0_u8..4,
    );
    let second = (
        how(),
        how(),
        prop::collection::vec(0_u8..3, 0..3),
        prop::collection::vec(0_u8..5, 0..4),
    );
    (first, second).prop_map(
        |((kind, stop, undo, approval, retry, repeat_safe, parts), (how, undo_how, verify, plans))| OneStep {
            kind,
            on_failure: if stop { "stop" } else { "continue" },
            undo,
            approval,
            retry,
            repeat_safe,
            parts,
            how,
            undo_how,
            verify,
            plans,
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let mode = prop_oneof![3 => Just("auto"), 3 => Just("ask"), 1 => Just("shadow")];
    (mode, prop::collection::vec(one_step(), 1..4), any::<bool>()).prop_map(|(mode, steps, by_hand_check)| {
        World {
            mode,
            steps,
            by_hand_check,
        }
    })
}

impl World {
    fn body(&self) -> String {
        let worker = if self.by_hand_check {
            "by_hand = \"look\""
        } else {
            "uses = \"look\"\nwith = {}"
        };
        let mut body = format!("[[diagnosis]]\nid = \"check\"\nask = \"Is it?\"\n{worker}\n");
        for (n, step) in self.steps.iter().enumerate() {
            let phase = if n == 0 { "mitigation" } else { "resolution" };
            let on_failure = step.on_failure;
            body.push_str(&format!(
                "[[{phase}]]\nid = \"s{n}\"\non_failure = \"{on_failure}\"\n"
            ));
            if step.kind == 0 {
                body.push_str("do = \"It\"\nby_hand = \"do it\"\n");
                continue;
            }
            if step.kind == 1 {
                body.push_str("ask = \"Is it?\"\nuses = \"look\"\nwith = {}\n");
                continue;
            }
            let undo = [
                "[]",
                "[\"on-failure\"]",
                "[\"when-resolved\"]",
                "[\"on-failure\", \"when-resolved\"]",
            ];
            let undo = undo[usize::from(step.undo)];
            let plugin = if step.kind < 5 { "change" } else { "careful" };
            body.push_str(&format!(
                "do = \"It\"\nuses = \"{plugin}\"\nwith = {{}}\nundo = {undo}\n"
            ));
            if step.kind == 2 {
                body.push_str("when = \"diagnosis.check.yes\"\n");
            }
            if step.approval {
                body.push_str("approval = { ask = \"May it?\" }\n");
            }
            body.push_str(match step.parts {
                0 | 1 => "",
                2 => "batch = { size = 1, hold = \"20s\" }\n",
                _ => "ramp = { with = [{ weight = 1 }, { weight = 2 }, { weight = 3 }], hold = \"30s\" }\n",
            });
            if step.retry {
                body.push_str("retry = { times = 2, every = \"5s\" }\n");
            }
        }
        body.push_str("[recovery]\nstable_for = \"1m\"\ngive_up_after = \"2h\"\n");
        body.push_str(
            "[[recovery.check]]\nid = \"well\"\nask = \"Is it well?\"\nuses = \"look\"\nwith = {}\n",
        );
        body.push_str("[[escalation]]\nuses = \"page\"\nwith = {}\n");
        body
    }

    fn sim(&self) -> Sim {
        let mut sim = Sim::new(self.mode, &self.body());
        for (n, step) in self.steps.iter().enumerate() {
            let script = sim.script(&format!("s{n}"));
            script.repeat_safe = step.repeat_safe;
            script.applies.push_back(step.how.clone());
            script.undo_applies.push_back(step.undo_how.clone());
            script.verify = step.verify.iter().map(|v| verdict(*v)).collect();
            script.looks_back = step.verify.iter().rev().map(|v| verdict(*v)).collect();
            script.plans = step.plans.iter().map(|p| plan_of(*p)).collect();
        }
        sim
    }
}

fn verdict(n: u8) -> Result<Verdict, FailureCode> {
    match n {
        0 => Ok(Verdict::Yes),
        1 => Ok(Verdict::No),
        _ => Err(FailureCode::Unavailable),
    }
}

fn plan_of(n: u8) -> Result<Vec<&'static str>, FailureCode> {
    match n {
        0 => Ok(vec!["t1", "t2"]),
        1 => Ok(vec!["t1"]),
        2 => Ok(vec!["t3"]),
        3 => Ok(vec![]),
        _ => Err(FailureCode::Unavailable),
    }
}

fn happen(sim: &mut Sim, chance: &Chance) {
    let by = || person("dana");
    let steps: Vec<_> = sim.state.view().steps.into_iter().map(|step| step.id).collect();
    match chance {
        Chance::Pass(secs) => sim.pass_secs(*secs),
        Chance::Crash => {
            sim.crash();
            sim.settle();
        }
        Chance::Resolve => drop(sim.person(Input::Alerts(vec![alert("a1", AlertStatus::Resolved)]))),
        Chance::Fire => drop(sim.person(Input::Alerts(vec![alert("a1", AlertStatus::Firing)]))),
        Chance::Decide(yes) => drop(sim.decide("dana", *yes)),
        Chance::Settle(happened, go_on) => {
            for step in steps {
                let _ = sim.person(Input::Settle {
                    by: by(),
                    step,
                    happened: *happened,
                    go_on: *go_on,
                });
            }
        }
        Chance::ByHand(done) => {
            for step in steps {
                let _ = sim.person(Input::ByHand {
                    by: by(),
                    step,
                    done: *done,
                });
            }
        }
        Chance::Answer(n) => {
            let verdict = verdict(*n).unwrap_or(Verdict::Unknown);
            let _ = sim.person(Input::Answer {
                by: by(),
                check: "check".into(),
                verdict,
            });
        }
        Chance::Cancel(n) => {
            let then = [OnCancel::Undo, OnCancel::Leave, OnCancel::Ask][usize::from(*n)];
            let _ = sim.person(Input::Cancel {
                by: by(),
                then,
                reason: String::new(),
            });
        }
        Chance::Undo => drop(sim.person(Input::Undo { by: by(), step: None })),
        Chance::Pause => sim.pause(),
        Chance::Resume => {
            sim.ledger.resume(&ledger::PauseScope::All);
            sim.settle();
        }
    }
}

/// Whatever happened, people can bring the run to its end.
fn end(sim: &mut Sim) {
    sim.ledger.resume(&ledger::PauseScope::All);
    for _ in 0..12 {
        sim.pass(Span::from_secs(4_000));
        for step in sim.state.view().steps {
            let _ = sim.person(Input::Settle {
                by: person("dana"),
                step: step.id,
                happened: true,
                go_on: false,
            });
        }
        let _ = sim.person(Input::Cancel {
            by: person("dana"),
            then: OnCancel::Leave,
            reason: String::new(),
        });
    }
    assert!(
        sim.ending().is_some(),
        "it does not end: {:?}\n{:?}",
        sim.state.view(),
        sim.names()
    );
}

/// What must hold of the events of any run.
fn invariants(events: &[Event]) {
    let mut planned: BTreeMap<(String, Side), usize> = BTreeMap::new();
    let mut repeat_safe: BTreeMap<(String, Side), Vec<bool>> = BTreeMap::new();
    let mut locked: BTreeMap<String, usize> = BTreeMap::new();
    let mut sent: BTreeMap<(String, Side, u32), ActionState> = BTreeMap::new();
    let mut asked: BTreeMap<(String, Side), bool> = BTreeMap::new();
    let mut yes: BTreeMap<(String, Side), bool> = BTreeMap::new();
    let (mut failures, mut closed) = (0, false);
    for event in events {
        let episode = matches!(
            event.kind,
            EventKind::AlertRepeated { .. } | EventKind::AlertResolved { .. }
        );
        let reopens = matches!(event.kind, EventKind::RunReopened { .. });
        assert!(
            closed == reopens || episode,
            "an event after RunClosed: {event:?}"
        );
        match &event.kind {
            EventKind::StepPlanned { step, plan, .. } => {
                let key = (step.0.clone(), Side::Do);
                repeat_safe.insert(key.clone(), plan.actions.iter().map(|a| a.repeat_safe).collect());
                planned.insert(key, plan.actions.len());
                sent.retain(|(s, side, _), _| !(*s == step.0 && *side == Side::Do));
            }
            EventKind::UndoPlanned { step, plan, .. } => {
                let key = (step.0.clone(), Side::Undo);
                repeat_safe.insert(key.clone(), plan.actions.iter().map(|a| a.repeat_safe).collect());
                planned.insert(key, plan.actions.len());
                sent.retain(|(s, side, _), _| !(*s == step.0 && *side == Side::Undo));
            }
            EventKind::DecisionAsked { step, question } => {
                asked.insert((step.0.clone(), question.side), true);
                yes.insert((step.0.clone(), question.side), false);
            }
            // A person's word, and the yes to the change, take the place of an earlier question.
            EventKind::UndoStarted { step, .. } => {
                asked.remove(&(step.0.clone(), Side::Undo));
            }
            EventKind::DecisionGiven { step, side, .. } => {
                yes.insert((step.0.clone(), *side), true);
            }
            EventKind::LockTaken { step, locks, .. } => {
                locked.insert(step.0.clone(), locks.len());
            }
            EventKind::LockReleased { step, .. } => {
                locked.remove(&step.0);
            }
            EventKind::ActionStarted {
                step, side, action, ..
            } => {
                let key = (step.0.clone(), *side);
                assert!(
                    usize::try_from(*action).unwrap() < planned[&key],
                    "an action beyond the plan"
                );
                assert!(
                    locked.get(&step.0).is_some_and(|locks| *locks > 0),
                    "an action without locks"
                );
                assert!(!asked.contains_key(&key) || yes[&key], "an action without a yes");
                match sent.get(&(step.0.clone(), *side, *action)) {
                    None => {}
                    Some(ActionState::Unknown { .. }) => {
                        assert!(
                            repeat_safe[&key][usize::try_from(*action).unwrap()],
                            "sent again in doubt"
                        );
                    }
                    Some(state) => panic!("sent again: {state:?}"),
                }
                let unknown = ActionState::Unknown {
                    detail: String::new(),
                };
                sent.insert((step.0.clone(), *side, *action), unknown);
            }
            EventKind::ActionEnded {
                step,
                side,
                action,
                state,
                ..
            } => {
                sent.insert((step.0.clone(), *side, *action), state.clone());
            }
            EventKind::DoubtSettled {
                step,
                side,
                happened: false,
                ..
            } => {
                sent.retain(|(s, d, _), state| {
                    !(*s == step.0 && d == side && matches!(state, ActionState::Unknown { .. }))
                });
            }
            EventKind::StepFailed { why, .. } if *why != Failing::Cancelled => failures += 1,
            EventKind::DecisionRefused { .. } | EventKind::InDoubt { .. } => failures += 1,
            EventKind::DecisionExpired {
                why: Lapse::Unanswered,
                ..
            } => failures += 1,
            EventKind::RunClosed { .. } => closed = true,
            EventKind::RunReopened { .. } => closed = false,
            _ => {}
        }
    }
    let told = events.iter().filter_map(|event| match event.kind {
        EventKind::EscalationSent { reasons, .. } => Some(reasons),
        _ => None,
    });
    assert!(
        failures == 0 || told.max().unwrap_or(0) >= failures,
        "a failure that nobody was told of"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_done_twice_or_without_a_yes_and_every_run_can_end(
        world in world(),
        chances in prop::collection::vec(chance(), 0..14),
    ) {
        let mut sim = world.sim();
        sim.settle();
        for chance in &chances {
            if sim.ending().is_some() {
                break;
            }
            happen(&mut sim, chance);
        }
        end(&mut sim);
        // A person may have it opened again, and it can end again.
        let ending = sim.ending();
        happen(&mut sim, &Chance::Undo);
        end(&mut sim);
        prop_assert_eq!(sim.ending(), ending);
        if world.mode == "shadow" {
            prop_assert!(sim.sent.is_empty() && sim.told.is_empty());
        } else {
            invariants(&sim.events);
        }
        prop_assert!(sim.ledger.locks().next().is_none());
    }

    #[test]
    fn a_run_goes_on_from_every_prefix_of_its_events(world in world(), cut in 0.0_f64..1.0) {
        let mut sim = world.sim();
        sim.settle();
        let _ = sim.decide("dana", true);
        sim.pass_secs(200);
        let cut = 1 + ((sim.events.len() - 1) as f64 * cut) as usize;
        sim.events.truncate(cut);
        sim.crash();
        sim.settle();
        let _ = sim.decide("dana", true);
        end(&mut sim);
        if world.mode != "shadow" {
            invariants(&sim.events);
        }
    }
}
