//! An apply: what the gate may send, and what follows when it ends.

use serde_json::Value;
use stanch_contract::{ActionState, Failure, FailureCode, Outcome};

use super::{MOST_REPLANS, Stage};
use crate::command::Key;
use crate::event::{Event, EventKind};
use crate::input::Refused;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    /// The Kubernetes namespace that an action of the plan under way is in, for the pauses.
    pub fn namespace_of(&self, key: &Key, action: u32) -> Option<String> {
        let step = self.steps.iter().find(|step| step.id == key.step)?;
        let action = step.side(key.side)?.action(action)?;
        action.namespace().map(str::to_owned)
    }

    /// The gate is about to send an action.
    pub(crate) fn action_starting(
        &mut self,
        key: &Key,
        action: u32,
        withhold: Option<Withheld>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let refuse = |why, reason: &str| {
            Err(Refused::Withheld {
                why,
                reason: reason.to_owned(),
            })
        };
        let stale = || Refused::Stale(format!("`{}` is not being applied any more", key.step));
        let index = self.current(key).ok_or_else(stale)?;
        let Some(work) = self.steps.get(index).and_then(|step| step.side(key.side)) else {
            return Err(stale());
        };
        if work.stage != Stage::Applying {
            return Err(stale());
        }
        let Some(planned) = work.action(action) else {
            return Err(Refused::Stale(format!(
                "the plan of `{}` has no action {action}",
                key.step
            )));
        };
        match work.progress.get(&action) {
            None => {}
            Some(ActionState::Unknown { .. }) if planned.repeat_safe => {}
            Some(ActionState::Refused { for_now: true, .. }) => {}
            Some(state) => {
                let state = state.as_str();
                return Err(Refused::Stale(format!(
                    "action {action} of `{}` was sent: {state}",
                    key.step
                )));
            }
        }
        if let Some(why) = withhold {
            return refuse(why, "paused, or the engine is stopping");
        }
        if let Some(cancelled) = &self.cancelled
            && (key.side == Side::Do || cancelled.then == OnCancel::Leave)
        {
            return refuse(Withheld::Cancelled, "the run was cancelled");
        }
        if key.side == Side::Do && !work.batch_touched() && self.is_resolved() {
            return refuse(
                Withheld::Resolved,
                "the alerts are resolved, and this was not begun yet",
            );
        }
        if self.is_too_old(index, key.side, now.at) {
            return refuse(Withheld::TooOld, "the yes was given too long ago");
        }
        let (step, side, attempt) = (key.step.clone(), key.side, work.attempt);
        self.emit(
            now,
            out,
            EventKind::ActionStarted {
                step,
                side,
                attempt,
                action,
            },
        );
        Ok(())
    }

    /// The gate has an answer; it counts whenever it comes.
    pub(crate) fn action_ended(
        &mut self,
        key: &Key,
        action: u32,
        state: ActionState,
        answer: Option<Vec<u8>>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(step) = self.steps.iter().find(|step| step.id == key.step) else {
            return;
        };
        let Some(work) = step.side(key.side) else { return };
        let open = matches!(work.progress.get(&action), Some(ActionState::Unknown { .. }));
        if !open || self.closed.is_some() {
            return;
        }
        let (step, side, attempt) = (key.step.clone(), key.side, work.attempt);
        self.emit(
            now,
            out,
            EventKind::ActionEnded {
                step,
                side,
                attempt,
                action,
                state,
                answer,
            },
        );
    }

    /// The plugin's apply is over, in whatever way.
    #[expect(clippy::too_many_arguments, reason = "all that an apply leaves")]
    pub(crate) fn apply_ended(
        &mut self,
        index: usize,
        side: Side,
        result: Result<Outcome, Failure>,
        withheld: Option<Withheld>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return;
        };
        if work.stage != Stage::Applying {
            return;
        }
        let step = self.step_id(index);
        let actions = work.unknown();
        if !actions.is_empty() {
            // What the plugin says cannot end the doubt.
            let (cause, outcome) = match result {
                Ok(outcome) => (
                    "no definite answer came from the target".to_owned(),
                    Some(Box::new(outcome)),
                ),
                Err(failure) => (failure.to_string(), None),
            };
            return self.emit_with(
                now,
                out,
                EventKind::InDoubt {
                    step,
                    side,
                    actions,
                    cause,
                    died: false,
                    outcome,
                },
                calls,
            );
        }
        let touched = work.batch_touched();
        let changed_is_safe = work.earlier.len() == work.before_batch && work.repeat_safe(&work.done());
        let replans = work.replans;
        if let Some(why) = withheld {
            return self.was_withheld(index, side, why, touched, calls, now, out);
        }
        match result {
            Ok(outcome) => {
                let outcome = Some(Box::new(outcome));
                self.emit_with(now, out, EventKind::StepApplied { step, side, outcome }, calls);
            }
            Err(failure) if failure.code == FailureCode::Conflict && replans < MOST_REPLANS => {
                let kind = self.taken_up(index, side, Part::Apply, Then::Fresh, failure, now.at);
                self.emit_with(now, out, kind, calls);
            }
            Err(failure) => {
                let then = if touched { Then::SamePlan } else { Then::Fresh };
                let may = !touched || changed_is_safe;
                if !(may && self.try_again(index, side, Part::Apply, then, &failure, &calls, now, out)) {
                    self.fail_with(index, side, Failing::Apply, failure, calls, now, out);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that an apply leaves")]
    fn was_withheld(
        &mut self,
        index: usize,
        side: Side,
        why: Withheld,
        touched: bool,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let step = self.step_id(index);
        let kind = match why {
            Withheld::Paused | Withheld::Stopping => {
                let failure = Failure::new(FailureCode::Denied, format!("not everything was sent: {why}"));
                let then = if touched { Then::SamePlan } else { Then::Claim };
                self.taken_up(index, side, Part::Apply, then, failure, now.at)
            }
            Withheld::TooOld => EventKind::DecisionExpired {
                step,
                side,
                why: Lapse::TooOld,
            },
            Withheld::Resolved => {
                let before = self.steps.get(index).map(|step| &step.work);
                let summary = match before.filter(|work| work.batches > 0) {
                    Some(work) => {
                        let done = work.done_of_all();
                        format!("{done}; the alerts are resolved, the rest was not started")
                    }
                    None => "the alerts were resolved before anything was sent".to_owned(),
                };
                EventKind::StepSkipped {
                    step,
                    why: Skip::Resolved,
                    summary,
                }
            }
            Withheld::Cancelled if side == Side::Undo => {
                let message = "stopped by a person".to_owned();
                EventKind::UndoFailed {
                    step,
                    message,
                    again: false,
                }
            }
            Withheld::Cancelled if self.steps.get(index).is_some_and(|step| step.work.touched()) => {
                let message = "stopped by a person after something was changed".to_owned();
                EventKind::StepFailed {
                    step,
                    why: Failing::Cancelled,
                    message,
                }
            }
            Withheld::Cancelled => EventKind::StepSkipped {
                step,
                why: Skip::Cancelled,
                summary: "the run was cancelled".to_owned(),
            },
        };
        self.emit_with(now, out, kind, calls);
    }

    /// The engine was started again: what was being applied is not any more.
    pub(crate) fn restarted(&mut self, now: Now<'_>, out: &mut Vec<Event>) {
        let cause = "the engine stopped while it was applied";
        let applying = |side: Side| {
            let of = move |step: &super::StepState| {
                step.side(side).is_some_and(|work| work.stage == Stage::Applying)
            };
            self.steps.iter().position(of).map(|index| (index, side))
        };
        let found: Vec<_> = [Side::Do, Side::Undo].into_iter().filter_map(applying).collect();
        for (index, side) in found {
            let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
                continue;
            };
            let (actions, touched) = (work.unknown(), work.batch_touched());
            if !actions.is_empty() {
                self.emit(
                    now,
                    out,
                    EventKind::InDoubt {
                        step: self.step_id(index),
                        side,
                        actions,
                        cause: cause.into(),
                        died: true,
                        outcome: None,
                    },
                );
                continue;
            }
            let failure = Failure::new(FailureCode::Failed, cause);
            let then = if touched { Then::SamePlan } else { Then::Claim };
            let kind = self.taken_up(index, side, Part::Apply, then, failure, now.at);
            self.emit(now, out, kind);
        }
        self.restarted_between_stages(now, out);
        self.recovery_was_unwatched(now, out);
    }
}
