//! What runs share: locks, rates, cooldowns, places, pauses. A fold of the same events of all runs.
//!
//! A run asks with a [`Claim`]; it is granted whole or not at all, so runs that wait hold nothing and cannot block each
//! other in a circle. A grant counts from the moment it is given, before its event is on the disk; folding that event
//! again changes nothing.

mod locks;
mod pauses;
mod places;
mod rates;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stanch_contract::{PluginKey, Rate, RunId, Span, StepId, Timestamp};
use stanch_runbook::EngineGuardrails;

use crate::event::{Event, EventKind};
use crate::words::Side;

pub use pauses::{Pause, PauseScope};

/// What can be in the way of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// The plan is over a limit of one step.
    Limits,
    /// Another run holds a lock.
    Lock,
    /// A person paused it.
    Pause,
    /// Too many actions of the whole engine.
    Actions,
    /// Too many runs of this runbook that change something.
    Rate,
    /// Another run changed something under this lock a short while ago.
    Cooldown,
    /// Too many alerts: diagnosis only.
    Storm,
    /// Too many open runs of this runbook.
    MaxOpen,
}

impl Guard {
    /// Whether a step that it blocks is held: planned again every minute, and failed after `hold`. The others are waited
    /// for as long as it takes.
    pub fn holds(self) -> bool {
        matches!(
            self,
            Self::Limits | Self::Actions | Self::Rate | Self::Cooldown | Self::Storm
        )
    }
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Which guardrail.
    pub guard: Guard,
    /// In a sentence.
    pub message: String,
    /// The run that holds what is waited for.
    pub holder: Option<RunId>,
}

/// A share of what runs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Budget {
    /// A place among the open runs of the runbook.
    Place,
    /// That many actions; with it the run counts as one that changes something.
    Change {
        /// How many.
        actions: u32,
        /// Under which name the cooldown counts.
        cooldown: String,
    },
}

/// What a step needs before it may change something.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Its runbook.
    pub runbook: String,
    /// The step.
    pub step: StepId,
    /// The change, or putting it back: an undo obeys locks and pauses only.
    pub side: Side,
    /// The plugin that acts.
    pub plugin: PluginKey,
    /// Kubernetes namespaces that are acted in.
    pub namespaces: Vec<String>,
    /// In order, each once. Empty: only pauses are asked.
    pub locks: Vec<String>,
    /// How many more actions.
    pub actions: u32,
    /// The runbook's own rate.
    pub rate: Option<Rate>,
    /// Under which name the cooldown counts.
    pub cooldown_key: String,
    /// How long after another run's change.
    pub cooldown: Option<Span>,
    /// Since when it waits.
    pub since: Timestamp,
}

/// What runs share.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    runbook_of: BTreeMap<RunId, String>,
    locks: locks::Locks,
    rates: rates::Rates,
    places: places::Places,
    pauses: pauses::Pauses,
}

impl Ledger {
    /// Folds one event of one run.
    pub fn apply(&mut self, run: &RunId, event: &Event) {
        match &event.kind {
            EventKind::RunOpened(opened) => {
                self.runbook_of.insert(run.clone(), opened.runbook.clone());
            }
            EventKind::LockTaken { step, locks, .. } => self.locks.take(run, step, locks),
            EventKind::LockReleased { locks, .. } => self.locks.release(run, locks),
            EventKind::BudgetReserved {
                step: Some(step),
                budget: Budget::Change { actions, cooldown },
            } => {
                let runbook = self.runbook_of.get(run).cloned().unwrap_or_default();
                self.rates
                    .reserve(run, &runbook, step, *actions, cooldown, event.at);
            }
            EventKind::BudgetReturned {
                step: Some(step),
                budget: Budget::Change { actions, .. },
            } => {
                self.rates.give_back(run, step, *actions);
            }
            EventKind::BudgetReserved {
                budget: Budget::Place,
                ..
            } => {
                if let Some(runbook) = self.runbook_of.get(run) {
                    self.places.take(runbook, run);
                }
            }
            EventKind::BudgetReturned {
                budget: Budget::Place,
                ..
            } => self.places.release(run),
            EventKind::ActionStarted {
                step, side: Side::Do, ..
            } => self.rates.changed(run, step, event.at),
            EventKind::ActionEnded {
                step, side: Side::Do, ..
            } => self.rates.ended(run, step, event.at),
            EventKind::RunClosed { .. } => {
                self.locks.forget(run);
                self.places.release(run);
                self.rates.closed(run);
                self.runbook_of.remove(run);
            }
            _ => {}
        }
    }

    /// Forgets a run that was opened and could not be made durable: it holds nothing yet.
    pub fn abandon(&mut self, run: &RunId) {
        self.runbook_of.remove(run);
    }

    /// A place for a run of this runbook, at most `most` at a time, in the order in which they asked.
    pub fn enter(&mut self, runbook: &str, run: &RunId, most: u32) -> Option<Blocked> {
        self.places.enter(runbook, run, most)
    }

    /// Whether this claim would be granted but for locks. Changes nothing.
    pub fn consult(&self, claim: &Claim, now: Timestamp, guardrails: &EngineGuardrails) -> Option<Blocked> {
        self.pauses
            .blocking(claim)
            .or_else(|| self.rates.blocking(claim, now, guardrails))
    }

    /// Grants this claim or says what is in the way; where that is a lock, the claim waits in line.
    pub fn claim(&mut self, claim: &Claim, now: Timestamp, guardrails: &EngineGuardrails) -> Option<Blocked> {
        if let Some(blocked) = self.consult(claim, now, guardrails) {
            self.locks.withdraw(&claim.run, &claim.step);
            return Some(blocked);
        }
        if let Some(blocked) = self.locks.blocking(claim) {
            self.locks.enqueue(claim);
            return Some(blocked);
        }
        self.locks.withdraw(&claim.run, &claim.step);
        self.locks.take(&claim.run, &claim.step, &claim.locks);
        if claim.side == Side::Do && claim.actions > 0 {
            self.rates.grant(claim, now);
        }
        None
    }

    /// Puts a claim that waits for a lock in line without granting it: after a restart, before the first is granted.
    pub fn enqueue(&mut self, claim: &Claim) {
        self.locks.enqueue(claim);
    }

    /// The run no longer wants what it waits for.
    pub fn withdraw(&mut self, run: &RunId, step: &StepId) {
        self.locks.withdraw(run, step);
    }

    /// The pause that covers an action of this plugin for this runbook.
    pub fn paused(&self, runbook: &str, plugin: &PluginKey, namespaces: &[String]) -> Option<&Pause> {
        self.pauses.covering(runbook, plugin, namespaces)
    }

    /// Sets a pause, in place of one of the same scope.
    pub fn pause(&mut self, pause: Pause) {
        self.pauses.set(pause);
    }

    /// Clears the pause of exactly this scope; `false` where there is none.
    pub fn resume(&mut self, scope: &PauseScope) -> bool {
        self.pauses.clear(scope)
    }

    /// The pauses.
    pub fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.pauses.all()
    }

    /// That many firing alerts came in.
    pub fn alerts_came(&mut self, count: u32, now: Timestamp) {
        self.rates.alerts_came(count, now);
    }

    /// Whether it storms, and with how many alerts.
    pub fn storm(&self, now: Timestamp, guardrails: &EngineGuardrails) -> Option<u32> {
        self.rates.storm(now, guardrails)
    }

    /// The holder of each lock.
    pub fn locks(&self) -> impl Iterator<Item = (&str, &RunId)> {
        self.locks.held()
    }
}
