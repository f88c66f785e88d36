//! What the runs of each runbook say of how far it can be trusted: a fold over their events.
//!
//! One run is in memory at a time, and of each runbook a few numbers: how long answers took is kept in steps, not as a list.
//! Nothing here is a promise: the words say what was seen and how often, and a person sets the mode.

use std::collections::{BTreeMap, BTreeSet};

use stanch_contract::{StepId, Timestamp};
use stanch_run::words::{Lapse, Side};
use stanch_run::{Ending, Event, EventKind};

use super::words;
use crate::control::types::{Acted, Answers, Readiness, Ready, Shadowed};

/// Runs in shadow with a plan before a runbook is called ready to ask.
const PLANS: u32 = 10;
/// Answers with yes before it is called ready to go on without asking.
const YESES: u32 = 20;
/// Steps of the time that an answer took, in seconds.
const STEPS: [i64; 11] = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 14_400, 86_400];

/// The fold.
#[derive(Debug, Default)]
pub struct Readinesses {
    runbooks: BTreeMap<String, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    shadow: Shadowed,
    acted: Acted,
    answers: Answers,
    /// Answers within each of [`STEPS`], and beyond.
    took: [u32; STEPS.len() + 1],
    slowest: Option<i64>,
}

/// A question that nobody has answered, or not enough have.
struct Open {
    asked_at: Timestamp,
    quorum: usize,
    yes: BTreeSet<String>,
}

impl Readinesses {
    /// Adds a run, by all of its events.
    pub fn add(&mut self, runbook: &str, events: &[Event]) {
        let tally = self.runbooks.entry(runbook.to_owned()).or_default();
        let shadow = events
            .iter()
            .any(|event| matches!(&event.kind, EventKind::RunOpened(opened) if opened.shadow));
        if shadow {
            tally.shadowed(events);
        } else {
            tally.ended(events);
            tally.answered(events);
        }
    }

    /// What was seen, by runbook.
    pub fn told(self) -> Vec<Readiness> {
        self.runbooks
            .into_iter()
            .map(|(runbook, tally)| tally.told(runbook))
            .collect()
    }
}

impl Tally {
    fn shadowed(&mut self, events: &[Event]) {
        let any = |wanted: fn(&EventKind) -> bool| u32::from(events.iter().any(|event| wanted(&event.kind)));
        let seen = &mut self.shadow;
        seen.runs += 1;
        seen.planned +=
            any(|kind| matches!(kind, EventKind::StepPlanned { plan, .. } if !plan.actions.is_empty()));
        seen.held += any(|kind| matches!(kind, EventKind::GuardrailBlocked { .. }));
        seen.failed += any(|kind| matches!(kind, EventKind::StepFailed { .. }));
        seen.resolved += any(|kind| matches!(kind, EventKind::AlertResolved { .. }));
    }

    fn ended(&mut self, events: &[Event]) {
        let ending = events.iter().rev().find_map(|event| match &event.kind {
            EventKind::RunClosed { ending, .. } => Some(*ending),
            _ => None,
        });
        let seen = &mut self.acted;
        seen.runs += 1;
        match ending {
            Some(Ending::Healed) => seen.healed += 1,
            Some(Ending::ResolvedItself) => seen.resolved_itself += 1,
            Some(_) => {}
            None => seen.open += 1,
        }
        let failed = |event: &Event| {
            matches!(
                event.kind,
                EventKind::StepFailed { .. } | EventKind::UndoFailed { .. }
            )
        };
        seen.failed += u32::from(events.iter().any(failed));
    }

    fn answered(&mut self, events: &[Event]) {
        let mut open: BTreeMap<&StepId, Open> = BTreeMap::new();
        for event in events {
            match &event.kind {
                EventKind::DecisionAsked { step, question } if question.side == Side::Do => {
                    let quorum = usize::try_from(question.quorum).unwrap_or(usize::MAX);
                    open.insert(
                        step,
                        Open {
                            asked_at: event.at,
                            quorum,
                            yes: BTreeSet::new(),
                        },
                    );
                }
                EventKind::DecisionGiven {
                    step,
                    side: Side::Do,
                    by,
                    alone,
                    ..
                } => {
                    let Some(question) = open.get_mut(step) else {
                        continue;
                    };
                    question.yes.insert(by.clone());
                    if *alone || question.yes.len() >= question.quorum {
                        self.answers.yes += 1;
                        self.answers.alone += u32::from(*alone);
                        self.took(question.asked_at, event.at);
                        open.remove(step);
                    }
                }
                EventKind::DecisionRefused {
                    step, side: Side::Do, ..
                } => {
                    if let Some(question) = open.remove(step) {
                        self.answers.no += 1;
                        self.took(question.asked_at, event.at);
                    }
                }
                EventKind::DecisionExpired {
                    step,
                    side: Side::Do,
                    why,
                } if open.remove(step).is_some() => match why {
                    Lapse::Unanswered => self.answers.unanswered += 1,
                    Lapse::Resolved => self.answers.overtaken += 1,
                    Lapse::Cancelled | Lapse::TooOld => {}
                },
                _ => {}
            }
        }
    }

    fn took(&mut self, from: Timestamp, to: Timestamp) {
        let took = to.since(from).as_millis();
        self.slowest = self.slowest.max(Some(took));
        let step = STEPS
            .iter()
            .position(|step| took <= step * 1_000)
            .unwrap_or(STEPS.len());
        if let Some(count) = self.took.get_mut(step) {
            *count += 1;
        }
    }

    /// The first step within which half of the answers came; never more than the slowest.
    fn half_within(&self) -> Option<i64> {
        let slowest = self.slowest?;
        let all: u32 = self.took.iter().sum();
        let mut within = 0;
        for (count, step) in self.took.iter().zip(STEPS) {
            within += count;
            if within * 2 >= all {
                return Some(slowest.min(step * 1_000));
            }
        }
        Some(slowest)
    }

    fn told(mut self, runbook: String) -> Readiness {
        self.answers.half_within = self.half_within();
        self.answers.slowest = self.slowest;
        let (ready, why) = self.ready();
        Readiness {
            runbook,
            shadow: self.shadow,
            acted: self.acted,
            answers: self.answers,
            ready,
            why,
        }
    }

    /// What it is ready for, and why. What people said no to, or what failed, comes before how often it went well.
    fn ready(&self) -> (Ready, String) {
        let (shadow, acted, answers) = (self.shadow, self.acted, self.answers);
        let asked = answers.yes + answers.no + answers.unanswered;
        if asked > 0 {
            let why = if answers.no > 0 {
                format!("{} of {} was no", answers.no, questions(asked))
            } else if answers.unanswered > 0 {
                format!("nobody answered {} of {}", answers.unanswered, questions(asked))
            } else if acted.failed > 0 {
                format!("a step failed in {} of {}", acted.failed, runs(acted.runs))
            } else if answers.yes < YESES {
                format!(
                    "{} of {YESES} answers with yes so far, and none with no",
                    answers.yes
                )
            } else {
                let why = format!(
                    "all {} were answered with yes, and no step failed",
                    questions(asked)
                );
                return (Ready::ForAuto, why);
            };
            return (Ready::NotYet, why);
        }
        let why = if shadow.runs == 0 {
            "nothing was planned in shadow, and nothing was asked".to_owned()
        } else if shadow.failed > 0 {
            format!(
                "in {} of {} in shadow a step failed",
                shadow.failed,
                runs(shadow.runs)
            )
        } else if shadow.held > 0 {
            format!(
                "in {} of {} in shadow a guardrail held a step",
                shadow.held,
                runs(shadow.runs)
            )
        } else if shadow.planned < PLANS {
            format!("{} of {PLANS} plans in shadow so far", shadow.planned)
        } else {
            let why = format!(
                "in {} of {} in shadow there was a plan, each within grant and guardrails, and no step failed",
                shadow.planned,
                runs(shadow.runs)
            );
            return (Ready::ForAsk, why);
        };
        (Ready::NotYet, why)
    }
}

fn questions(count: u32) -> String {
    words::count(u64::from(count), "question")
}

fn runs(count: u32) -> String {
    words::count(u64::from(count), "run")
}

#[cfg(test)]
mod tests;
