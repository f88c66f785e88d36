//! How a run ends, and when it may.

use stanch_contract::Timestamp;
use stanch_runbook::model::OnFailure;

use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::step::End;
use crate::words::*;

impl State {
    /// Waits for `trigger.after`.
    pub(crate) fn wait_for_start(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if self.after_over || self.is_withdrawn() {
            return false;
        }
        let due = self.after_due().is_some_and(|at| now.at >= at);
        if due {
            self.emit(
                now,
                out,
                EventKind::TimerDue {
                    timer: Timer::After,
                    step: None,
                    side: Side::Do,
                },
            );
        }
        due
    }

    /// A run that is not told what it needs is no run, but people must know that the alert is with them.
    pub(crate) fn raise_faults(&mut self, at: Timestamp) {
        if self.after_over {
            for fault in self.opened.clone().faults.iter() {
                self.raise(at, format!("nothing was looked at or done: {fault}"));
            }
        }
    }

    pub(crate) fn after_due(&self) -> Option<Timestamp> {
        let after = self.book.trigger.as_ref().and_then(|trigger| trigger.after)?;
        (!self.after_over).then(|| self.opened_at.plus(after))
    }

    /// How the run ends, where nothing is left to be done or waited for.
    pub(crate) fn verdict(&self, at: Timestamp) -> Option<Ending> {
        if !self.entered {
            if self.cancelled.is_some() {
                return Some(Ending::Cancelled);
            }
            if self.after_over && !self.opened.faults.is_empty() {
                return Some(Ending::Failed);
            }
            return self.is_resolved().then_some(Ending::ResolvedItself);
        }
        let open =
            |step: &crate::step::StepState| step.end.is_none() || step.undoing() || !step.locks.is_empty();
        if self.steps.iter().any(open) || (!self.diagnosis_is_over() && !self.is_withdrawn()) {
            return None;
        }
        if let Some(before) = self.reopened {
            let left = self
                .cancelled
                .as_ref()
                .is_some_and(|cancelled| cancelled.then == OnCancel::Leave);
            let failed = self.steps.iter().any(|step| step.undo_failed && step.stands());
            return (left || !failed).then_some(before);
        }
        if let Some(cancelled) = &self.cancelled {
            let stands = self.steps.iter().any(|step| step.stands());
            return (!stands || cancelled.then == OnCancel::Leave).then_some(Ending::Cancelled);
        }
        if self.opened.shadow {
            return Some(Ending::Shadow);
        }
        if (0..self.steps.len()).any(|index| self.awaits_undo(index)) {
            return None;
        }
        self.verdict_of_steps(at)
    }

    fn verdict_of_steps(&self, at: Timestamp) -> Option<Ending> {
        let ends = || {
            self.steps
                .iter()
                .enumerate()
                .filter_map(|(index, step)| Some((index, step.end.as_ref()?)))
        };
        let stops = |index| {
            self.step_model(index)
                .is_some_and(|step| step.on_failure == OnFailure::Stop)
        };
        let failed = |(index, end): (usize, &End)| matches!(end, End::Failed(_)).then(|| stops(index));
        let refused = ends().any(|(_, end)| matches!(end, End::Refused | End::Expired));
        let done = ends().any(|(_, end)| *end == End::Done);
        if ends().filter_map(failed).any(|stops| stops) {
            return Some(Ending::Failed);
        }
        if done {
            // A person put everything back, and it did not recover.
            if self.gave_up && self.steps.iter().any(|step| step.undone) && !self.is_stable(at) {
                return Some(Ending::Failed);
            }
            // A step that failed half-way and was not put back: something stands that nobody verified. The same where what is
            // to be done whatever the alert does was not.
            let loose = self.steps.iter().enumerate().any(|(index, step)| {
                let left = step.stands() || self.is_due_after_resolved(index);
                matches!(step.end, Some(End::Failed(_))) && left
            });
            let well = if refused || loose {
                Ending::Mitigated
            } else {
                Ending::Healed
            };
            return self.is_stable(at).then_some(well);
        }
        if self.steps.iter().any(|step| step.work.touched()) {
            return Some(Ending::Failed);
        }
        if refused {
            return Some(Ending::Rejected);
        }
        if ends().filter_map(failed).next().is_some() {
            return Some(Ending::Failed);
        }
        Some(if self.is_resolved() {
            Ending::ResolvedItself
        } else {
            Ending::NothingToDo
        })
    }

    /// Closes the run, once who is to be told was told.
    pub(crate) fn finish(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(ending) = self.verdict(now.at) else {
            return false;
        };
        if ending == Ending::NothingToDo && !self.alerts.is_empty() && !self.idle {
            self.emit(
                now,
                out,
                EventKind::TimerDue {
                    timer: Timer::Idle,
                    step: None,
                    side: Side::Do,
                },
            );
            return true;
        }
        if self.is_telling() {
            return false;
        }
        self.close(ending, now, out);
        true
    }

    pub(crate) fn close(&mut self, ending: Ending, now: Now<'_>, out: &mut Vec<Event>) {
        let summary = self.closing_summary(ending);
        self.emit(now, out, EventKind::RunClosed { ending, summary });
    }

    fn closing_summary(&self, ending: Ending) -> String {
        let steps = |wanted: &dyn Fn(&crate::step::StepState) -> bool| -> String {
            let ids: Vec<&str> = self
                .steps
                .iter()
                .filter(|s| wanted(s))
                .map(|s| s.id.as_str())
                .collect();
            ids.join(", ")
        };
        let done = steps(&|step| step.end == Some(End::Done));
        let failed = steps(&|step| matches!(step.end, Some(End::Failed(_))));
        let refused = steps(&|step| matches!(step.end, Some(End::Refused | End::Expired)));
        let undone = steps(&|step| step.undone);
        let parts = [
            ("done", done),
            ("failed", failed),
            ("refused", refused),
            ("put back", undone),
        ];
        if !self.entered && ending == Ending::Failed {
            return self.opened.faults.join("; ");
        }
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(word, ids)| format!("{word}: {ids}"))
            .collect();
        if said.is_empty() {
            ending.to_string()
        } else {
            said.join("; ")
        }
    }
}
