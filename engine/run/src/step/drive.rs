//! What follows from a step's state and the time alone.

use stanch_contract::{Finding, Span, Verdict};
use stanch_runbook::model::{StepKind, Worker};

use super::{MOST_QUESTIONS, MOST_REPLANS, Stage};
use crate::diagnosis::unknown;
use crate::event::{Event, EventKind};
use crate::ledger::{Budget, Guard};
use crate::state::{Now, State};
use crate::words::*;

impl State {
    pub(crate) fn drive_steps(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if self.start_undo_on_failure(now, out) || self.undo_after_cancel(now, out) || self.release(now, out)
        {
            return true;
        }
        let Some((index, side)) = self.driven() else {
            return false;
        };
        if side == Side::Do && self.withdraw(index, now, out) {
            return true;
        }
        if side == Side::Undo && self.abandon_undo(index, now, out) {
            return true;
        }
        self.drive_work(index, side, now, out)
    }

    fn drive_work(&mut self, index: usize, side: Side, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        match work.stage.clone() {
            Stage::Pending => self.begin(index, now, out),
            Stage::AwaitingPerson { until } if now.at >= until => self.nobody_answered(index, now, out),
            Stage::Weighing => self.weigh(index, side, now, out),
            Stage::Held { next } if now.at >= next => self.hold_on(index, side, now, out),
            Stage::Asking
                if work
                    .question
                    .as_ref()
                    .is_some_and(|question| now.at >= question.expires) =>
            {
                self.lapse(index, side, Lapse::Unanswered, now, out)
            }
            Stage::Refreshing { since } => self.refresh(index, side, since, now, out),
            Stage::Waiting { until, .. } if now.at >= until => {
                self.timer_due(index, side, Timer::Retry, now, out)
            }
            Stage::Between { until } if now.at >= until => {
                self.timer_due(index, side, Timer::Batch, now, out)
            }
            Stage::Holding { until } if now.at >= until => {
                self.timer_due(index, side, Timer::Stage, now, out)
            }
            Stage::Interrupted => self.lock_wait(index, side, now, out),
            Stage::Doubting { since, verify_over } => self.doubt(index, side, since, verify_over, now, out),
            Stage::Settled { happened, go_on } => self.settled(index, side, happened, go_on, now, out),
            Stage::Verifying { since } if side == Side::Undo => self.verifying_undo(index, since, now, out),
            Stage::Verifying { since } => self.verifying(index, since, now, out),
            Stage::Applied => {
                let step = self.step_id(index);
                self.emit(now, out, EventKind::StepUndone { step });
                true
            }
            _ => false,
        }
    }

    /// Ends the step, or its undo, with a failure.
    pub(crate) fn fail(
        &mut self,
        index: usize,
        side: Side,
        why: Failing,
        message: impl Into<String>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let (step, message) = (self.step_id(index), message.into());
        self.emit(
            now,
            out,
            match side {
                Side::Do => EventKind::StepFailed { step, why, message },
                Side::Undo => EventKind::UndoFailed {
                    step,
                    message,
                    again: false,
                },
            },
        );
        true
    }

    pub(crate) fn skip(
        &mut self,
        index: usize,
        why: Skip,
        summary: impl Into<String>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let step = self.step_id(index);
        self.emit(
            now,
            out,
            EventKind::StepSkipped {
                step,
                why,
                summary: summary.into(),
            },
        );
        true
    }

    pub(crate) fn timer_due(
        &mut self,
        index: usize,
        side: Side,
        timer: Timer,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let step = Some(self.step_id(index));
        self.emit(now, out, EventKind::TimerDue { timer, step, side });
        true
    }

    pub(crate) fn lapse(
        &mut self,
        index: usize,
        side: Side,
        why: Lapse,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let step = self.step_id(index);
        self.emit(now, out, EventKind::DecisionExpired { step, side, why });
        true
    }

    /// Alerts that resolve, and a cancel, end what has not changed anything.
    fn withdraw(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if !self.is_withdrawn() {
            return false;
        }
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        let work = &step.work;
        let cancelled = self.cancelled.is_some();
        if !cancelled && self.is_due_after_resolved(index) {
            return false;
        }
        match work.stage {
            // The gate withholds what was not sent, and the doubt is settled whatever else happens.
            Stage::Applying | Stage::Doubting { .. } | Stage::Settled { .. } | Stage::Applied => false,
            // What was done is verified; what was not started is not done.
            _ if !cancelled && work.batches > 0 && !work.batch_touched() => {
                if work.question.is_some() {
                    return self.lapse(index, Side::Do, Lapse::Resolved, now, out);
                }
                let done = work.done_of_all();
                let summary = format!("{done}; the alerts are resolved, the rest was not started");
                self.skip(index, Skip::Resolved, summary, now, out)
            }
            _ if work.touched() && !cancelled => false,
            _ if work.question.is_some() => {
                let why = if cancelled {
                    Lapse::Cancelled
                } else {
                    Lapse::Resolved
                };
                self.lapse(index, Side::Do, why, now, out)
            }
            _ if work.touched() => self.fail(
                index,
                Side::Do,
                Failing::Cancelled,
                "stopped by a person after something was changed",
                now,
                out,
            ),
            Stage::Verifying { .. } if !cancelled => false,
            _ if cancelled => self.skip(index, Skip::Cancelled, "the run was cancelled", now, out),
            _ => self.skip(index, Skip::Resolved, "the alerts are resolved", now, out),
        }
    }

    fn begin(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if let Some(before) = self.stopped_by() {
            let summary = format!("`{before}` was not done, and the run goes no further");
            return self.skip(index, Skip::Stopped, summary, now, out);
        }
        if let Some(waiting) = self.await_hand(index, now, out) {
            return waiting;
        }
        let Some(step) = self.step_model(index) else {
            return false;
        };
        match step
            .when
            .as_ref()
            .map(|when| (when.source().to_owned(), self.holds(when)))
        {
            Some((_, Err(error))) => {
                return self.fail(
                    index,
                    Side::Do,
                    Failing::Expression,
                    format!("not run: {error}"),
                    now,
                    out,
                );
            }
            Some((source, Ok(false))) => {
                return self.skip(index, Skip::When, format!("`{source}` does not hold"), now, out);
            }
            _ => {}
        }
        let person = matches!(
            &step.kind,
            StepKind::ByHand { .. }
                | StepKind::Look {
                    worker: Worker::Person,
                    ..
                }
        );
        if person && self.opened.shadow {
            return self.skip(index, Skip::Shadow, "a shadow run asks nobody", now, out);
        }
        match self.step_params(step) {
            Err(error) => self.fail(
                index,
                Side::Do,
                Failing::Expression,
                format!("not run: {error}"),
                now,
                out,
            ),
            Ok(params) => {
                let step = self.step_id(index);
                self.emit(now, out, EventKind::StepStarted { step, params });
                true
            }
        }
    }

    /// Whether the step still waits for a check that a person answers. `None`: it does not.
    fn await_hand(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> Option<bool> {
        let reads = self.step_reads(index);
        let open: Vec<_> = reads
            .into_iter()
            .filter(|id| self.checks.get(id).is_some_and(|check| check.finding.is_none()))
            .collect();
        if open.is_empty() {
            return None;
        }
        let until = self.cursor_since.plus(self.answer_time(index));
        if now.at < until && !self.opened.shadow {
            return Some(false);
        }
        // Those that only need one of these are asked once it is answered, be it with unknown.
        let by_hand = open
            .into_iter()
            .find(|id| self.checks.get(id).is_some_and(|check| check.by_hand));
        let Some(step) = by_hand else { return Some(false) };
        let finding = Box::new(unknown("nobody answered in time"));
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
        Some(true)
    }

    fn nobody_answered(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if let Some(StepKind::ByHand { .. }) = self.step_model(index).map(|step| &step.kind) {
            return self.fail(
                index,
                Side::Do,
                Failing::ByHand,
                "nobody said in time whether it is done",
                now,
                out,
            );
        }
        let (step, finding) = (self.step_id(index), Box::new(unknown("nobody answered in time")));
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
        true
    }

    fn hold_on(&mut self, index: usize, side: Side, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let hold = self.guardrails(now).hold;
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        if work.held_since.is_some_and(|since| now.at >= since.plus(hold)) {
            let message = format!("held for {hold}, and still: {}", work.note);
            return self.fail(index, side, Failing::Guardrail, message, now, out);
        }
        self.timer_due(index, side, Timer::Hold, now, out)
    }

    /// There is a plan: is it within the limits, was it decided on, and is anything in the way?
    fn weigh(&mut self, index: usize, side: Side, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        let Some(work) = step.side(side) else { return false };
        let Some(planned) = &work.planned else {
            return false;
        };
        if planned.plan.actions.is_empty() {
            let id = step.id.clone();
            return match side {
                Side::Undo => {
                    self.emit(now, out, EventKind::StepUndone { step: id });
                    true
                }
                // A conflict after half of it, and nothing is left to do: it is applied.
                // Nor is there anything to do for a stage that others follow.
                Side::Do if work.touched() || !work.ahead.is_empty() => {
                    self.emit(
                        now,
                        out,
                        EventKind::StepApplied {
                            step: id,
                            side,
                            outcome: None,
                        },
                    );
                    true
                }
                Side::Do => {
                    let summary = planned.plan.summary.clone();
                    self.skip(
                        index,
                        Skip::NothingToDo,
                        format!("nothing to do: {summary}"),
                        now,
                        out,
                    )
                }
            };
        }
        if let Some(message) = self.over_limits(index, side, &planned.plan, now) {
            let step = Some(step.id.clone());
            let kind = EventKind::GuardrailBlocked {
                step,
                side,
                guard: Guard::Limits,
                message,
                holder: None,
            };
            self.emit(now, out, kind);
            return true;
        }
        if work.replans >= MOST_REPLANS {
            return self.fail(
                index,
                side,
                Failing::Changed,
                "the plan was another one each time",
                now,
                out,
            );
        }
        if let Err(error) = self.claim(index, side) {
            return self.fail(
                index,
                side,
                Failing::Expression,
                format!("its lock has no name: {error}"),
                now,
                out,
            );
        }
        if self.is_too_old(index, side, now.at) {
            return self.lapse(index, side, Lapse::TooOld, now, out);
        }
        if self.needs_question(index, side) {
            if work.asked >= MOST_QUESTIONS {
                let message = "it was asked three times, and the plan or the time passed each time";
                return self.fail(index, side, Failing::Changed, message, now, out);
            }
            // What blocks an undo does not keep it from being asked about.
            return side == Side::Undo && self.ask(index, side, now, out);
        }
        self.lock_wait(index, side, now, out)
    }

    fn lock_wait(&mut self, index: usize, side: Side, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let most = self.guardrails(now).lock_wait;
        let waits = self
            .steps
            .get(index)
            .and_then(|step| step.side(side))
            .and_then(|work| work.waits.as_ref());
        let over = |waits: &super::Waits| {
            waits.guard == Guard::Lock && !waits.told && now.at >= waits.since.plus(most)
        };
        waits.is_some_and(over) && self.timer_due(index, side, Timer::LockWait, now, out)
    }

    fn verifying(
        &mut self,
        index: usize,
        since: stanch_contract::Timestamp,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let (own, also) = self.verify_parts(index);
        let (step, within) = (
            self.step_id(index),
            self.change(index)
                .map_or(Span::ZERO, |change| change.verify.within),
        );
        let work = self.steps.get(index).map(|step| &step.work);
        if work.is_some_and(super::Work::nothing_left) {
            let (done, _) = work.map(super::Work::batch_progress).unwrap_or_default();
            let summary = format!("{done} done and verified; nothing is left to do");
            let finding = Box::new(Finding {
                verdict: Verdict::Yes,
                ..unknown(summary)
            });
            let kind = EventKind::StepVerified {
                step,
                side: Side::Do,
                own: true,
                finding,
            };
            self.emit(now, out, kind);
            return true;
        }
        let yes = |verdict: fn(&super::Work) -> Option<Verdict>| work.and_then(verdict) == Some(Verdict::Yes);
        if own && yes(|work| work.own) && (!also || yes(|work| work.also)) {
            // A doubt ended with verify's yes: it is not asked again.
            let note = work.map(|work| work.note.clone()).unwrap_or_default();
            let finding = Box::new(Finding {
                verdict: Verdict::Yes,
                ..unknown(note)
            });
            self.emit(
                now,
                out,
                EventKind::StepVerified {
                    step,
                    side: Side::Do,
                    own: true,
                    finding,
                },
            );
            return true;
        }
        if !own && !also {
            let summary = "applied; not verified, as the runbook says".to_owned();
            let finding = Box::new(Finding {
                verdict: Verdict::Yes,
                ..unknown(summary)
            });
            self.emit(
                now,
                out,
                EventKind::StepVerified {
                    step,
                    side: Side::Do,
                    own: true,
                    finding,
                },
            );
            return true;
        }
        if now.at < since.plus(within) {
            return false;
        }
        let note = self
            .steps
            .get(index)
            .map(|step| step.work.note.clone())
            .unwrap_or_default();
        let message = format!("applied, but not verified within {within}: {note}");
        self.fail(index, Side::Do, Failing::Verify, message, now, out)
    }

    /// Gives back what a step that is over does not need any more.
    fn release(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let over = |step: &super::StepState| step.end.is_some() && !step.undoing();
        let unspent = self
            .steps
            .iter()
            .position(|step| step.end.is_some() && step.work.reserved > step.work.started);
        if let Some(index) = unspent
            && let Some(work) = self.steps.get(index).map(|step| &step.work)
        {
            let actions = work.reserved - work.started;
            let budget = Budget::Change {
                actions,
                cooldown: String::new(),
            };
            let step = Some(self.step_id(index));
            self.emit(now, out, EventKind::BudgetReturned { step, budget });
            return true;
        }
        let locked = self
            .steps
            .iter()
            .find(|step| over(step) && !step.locks.is_empty());
        if let Some(step) = locked {
            let kind = EventKind::LockReleased {
                step: step.id.clone(),
                locks: step.locks.clone(),
            };
            self.emit(now, out, kind);
            return true;
        }
        false
    }
}
