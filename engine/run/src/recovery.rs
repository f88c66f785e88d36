//! Recovery: waits until the alerts are resolved and the checks hold for `stable_for`, then puts back what says so,
//! newest first. What was not watched did not hold.

use stanch_contract::{Span, Timestamp, Verdict};
use stanch_runbook::model::Worker;

use crate::command::{Command, Slot};
use crate::diagnosis::unknown;
use crate::event::{Event, EventKind};
use crate::ledger::Budget;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    pub(crate) fn is_recovering(&self) -> bool {
        let over = self.cancelled.is_some() || self.closed.is_some() || self.reopened.is_some();
        self.recovery_since.is_some() && !over
    }

    pub(crate) fn recovery_checks_hold(&self) -> bool {
        let yes = |finding: &stanch_contract::Finding| finding.verdict == Verdict::Yes;
        self.book.recovery.checks.iter().all(|check| {
            self.checks
                .get(&check.id)
                .is_some_and(|state| state.finding.as_ref().is_some_and(yes))
        })
    }

    /// How often the checks are asked: often enough to notice a break in `stable_for`.
    pub(crate) fn recovery_pace(&self) -> Span {
        let fifth = self.book.recovery.stable_for.as_millis() / 5;
        Span::from_millis(fifth.clamp(1_000, 15_000))
    }

    /// It has been well for as long as it must be. Where there is nothing to wait for, at once.
    pub(crate) fn is_stable(&self, at: Timestamp) -> bool {
        if self.alerts.is_empty() && self.book.recovery.checks.is_empty() {
            return self.recovery_since.is_some();
        }
        let Some(since) = self.holding_since else {
            return false;
        };
        let end = since.plus(self.book.recovery.stable_for);
        // The last look at each check is not older than the end of that time.
        let looked = |check: &stanch_runbook::model::Check| {
            let next = self.pace.get(&(check.id.clone(), Slot::Look));
            next.is_some_and(|next| *next >= end.plus(self.recovery_pace()))
        };
        at >= end && self.book.recovery.checks.iter().all(looked)
    }

    /// The newest change that is to be put back now.
    fn to_put_back(&self) -> Option<usize> {
        (0..self.steps.len()).rev().find(|index| self.awaits_undo(*index))
    }

    /// A change that is to be put back when all is well.
    pub(crate) fn awaits_undo(&self, index: usize) -> bool {
        let declared = self.change(index).is_some_and(|change| change.undo.when_resolved);
        declared && self.steps.get(index).is_some_and(|step| step.stands())
    }

    pub(crate) fn drive_recovery(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if !self.is_recovering() {
            return false;
        }
        if self.place_held && self.verdict(now.at).is_none() {
            self.emit(
                now,
                out,
                EventKind::BudgetReturned {
                    step: None,
                    budget: Budget::Place,
                },
            );
            return true;
        }
        if let Some(id) = self.check_to_begin() {
            self.start_check(&id, now, out);
            return true;
        }
        let give_up = self
            .recovery_since
            .map(|since| since.plus(self.book.recovery.give_up_after));
        if !self.gave_up && give_up.is_some_and(|at| now.at >= at) && self.verdict(now.at).is_none() {
            self.emit(
                now,
                out,
                EventKind::TimerDue {
                    timer: Timer::GiveUp,
                    step: None,
                    side: Side::Do,
                },
            );
            return true;
        }
        if self.gave_up || !self.is_stable(now.at) || self.steps.iter().any(|step| step.undoing()) {
            return false;
        }
        match self.to_put_back() {
            // What could not be put back waits for a person, and so does what was changed before it.
            Some(index) if self.steps.get(index).is_some_and(|step| !step.undo_failed) => {
                self.start_undo(index, UndoReason::WhenResolved, now, out);
                true
            }
            _ => false,
        }
    }

    /// A recovery check whose parameters were not evaluated yet.
    fn check_to_begin(&self) -> Option<stanch_contract::StepId> {
        if !self.is_quiet() || !self.watches() {
            return None;
        }
        let mut checks = self.book.recovery.checks.iter();
        checks
            .find(|check| {
                self.checks
                    .get(&check.id)
                    .is_some_and(|state| !state.asking && state.finding.is_none())
            })
            .map(|check| check.id.clone())
    }

    /// There is something to wait for.
    fn watches(&self) -> bool {
        let worth = self
            .steps
            .iter()
            .any(|step| step.stands() || step.undone || step.end == Some(crate::step::End::Done));
        self.is_recovering() && worth
    }

    pub(crate) fn want_recovery(&self, now: Now<'_>, commands: &mut Vec<Command>) {
        if !self.is_quiet() || !self.watches() {
            return;
        }
        for check in &self.book.recovery.checks {
            let Some(state) = self.checks.get(&check.id) else {
                continue;
            };
            let begun = state.asking || state.finding.is_some();
            if let (true, true, Worker::Plugin { uses, .. }) =
                (begun, self.paced(&check.id, Slot::Look, now.at), &check.worker)
            {
                commands.push(self.look(&check.id, state.turn, uses.clone(), state.params.clone()));
            }
        }
    }

    pub(crate) fn recovery_due(&self, now: Now<'_>, due: &mut Vec<Timestamp>) {
        if !self.is_recovering() {
            return;
        }
        if !self.gave_up {
            due.extend(
                self.recovery_since
                    .map(|since| since.plus(self.book.recovery.give_up_after)),
            );
        }
        let stable = self
            .holding_since
            .map(|since| since.plus(self.book.recovery.stable_for));
        due.extend(stable.filter(|at| *at > now.at || self.recovery_goes_on(now.at)));
        if self.is_quiet() && self.watches() {
            let checks = self.book.recovery.checks.iter();
            due.extend(checks.filter_map(|check| self.pace.get(&(check.id.clone(), Slot::Look)).copied()));
        }
    }

    /// It is well for long enough, and something follows from that which does not wait for a person or an answer.
    fn recovery_goes_on(&self, at: Timestamp) -> bool {
        if !self.is_stable(at) || self.steps.iter().any(|step| step.undoing()) {
            return false;
        }
        let undo = self.to_put_back().and_then(|index| self.steps.get(index));
        (self.verdict(at).is_some() && !self.is_telling())
            || (!self.gave_up && undo.is_some_and(|step| !step.undo_failed))
    }

    /// The engine was down: nobody saw whether the checks held.
    pub(crate) fn recovery_was_unwatched(&mut self, now: Now<'_>, out: &mut Vec<Event>) {
        if self.holding_since.is_none() || !self.is_recovering() {
            return;
        }
        let ids: Vec<_> = self
            .book
            .recovery
            .checks
            .iter()
            .map(|check| check.id.clone())
            .collect();
        for step in ids {
            let finding = Box::new(unknown("the engine was not running, so nobody looked"));
            self.emit(
                now,
                out,
                EventKind::StepAnswered {
                    step,
                    finding,
                    by: None,
                    failure: None,
                },
            );
        }
    }
}
