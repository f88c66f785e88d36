//! Cancel and undo by a person.

use stanch_contract::StepId;

use crate::actor::Actor;
use crate::event::{Event, EventKind};
use crate::input::Refused;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    /// Stops before the next action. Without a word on what becomes of the changes the run stays open until there is one.
    pub(crate) fn cancel(
        &mut self,
        by: &Actor,
        then: OnCancel,
        reason: String,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.operator(by, "cancel a run")?;
        if self
            .cancelled
            .as_ref()
            .is_some_and(|cancelled| cancelled.then == then)
            && then != OnCancel::Undo
        {
            return Err(Refused::NothingOpen(format!(
                "run `{}` is cancelled already",
                self.opened.run
            )));
        }
        self.emit(
            now,
            out,
            EventKind::RunCancelled {
                by: by.name.clone(),
                then,
                reason,
            },
        );
        if then == OnCancel::Undo {
            for index in self.to_undo(None).unwrap_or_default() {
                self.start_undo(index, UndoReason::Command { by: by.name.clone() }, now, out);
            }
        }
        Ok(())
    }

    /// `stanch undo`: a decision itself. A closed run is opened again for it.
    pub(crate) fn undo(
        &mut self,
        by: &Actor,
        step: Option<&StepId>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.operator(by, "undo a step")?;
        let wanted = self.to_undo(step)?;
        let by = by.name.clone();
        if self.closed.is_some() {
            self.emit(now, out, EventKind::RunReopened { by: by.clone() });
        }
        for index in wanted {
            self.start_undo(index, UndoReason::Command { by: by.clone() }, now, out);
        }
        Ok(())
    }

    /// The steps that a person may have put back, the newest first: this one, or all. Never none.
    fn to_undo(&self, step: Option<&StepId>) -> Result<Vec<usize>, Refused> {
        let run = &self.opened.run;
        let nothing = |what: &str| {
            Err(Refused::NothingOpen(format!(
                "nothing to put back in run `{run}`: {what}"
            )))
        };
        let Some(id) = step else {
            let all: Vec<usize> = (0..self.steps.len())
                .rev()
                .filter(|index| self.may_undo(*index))
                .collect();
            if all.is_empty() {
                return nothing("no step has a change that stands and that its plugin can undo");
            }
            return Ok(all);
        };
        let index = self.steps.iter().position(|known| known.id == *id);
        let Some((index, state)) = index.and_then(|index| Some((index, self.steps.get(index)?))) else {
            return nothing(&format!("there is no step `{id}`"));
        };
        if !state.stands() {
            return nothing(&format!("`{id}` has no change that stands"));
        }
        if state.end.is_none() {
            let why = format!("`{id}` is not over yet: cancel the run, or wait for it to end");
            return Err(Refused::Stale(why));
        }
        if state.undoing() {
            return Err(Refused::Stale(format!("`{id}` is being put back already")));
        }
        if !self.can_undo(index) {
            return nothing(&format!("the plugin of `{id}` cannot undo"));
        }
        Ok(vec![index])
    }

    fn may_undo(&self, index: usize) -> bool {
        let ready = self
            .steps
            .get(index)
            .is_some_and(|step| step.stands() && step.end.is_some() && !step.undoing());
        ready && self.can_undo(index)
    }

    /// After `cancel --undo`: a step that ended only after it, with a change that stands.
    pub(crate) fn undo_after_cancel(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(cancelled) = self
            .cancelled
            .clone()
            .filter(|cancelled| cancelled.then == OnCancel::Undo)
        else {
            return false;
        };
        let busy = self.steps.iter().any(|step| step.work.is_busy());
        let next = (0..self.steps.len()).rev().find(|index| {
            self.may_undo(*index) && self.steps.get(*index).is_some_and(|step| step.undo.is_none())
        });
        let Some(index) = next.filter(|_| !busy) else {
            return false;
        };
        self.start_undo(index, UndoReason::Command { by: cancelled.by }, now, out);
        true
    }
}
