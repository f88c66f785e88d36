//! Putting back what was changed.
//!
//! Where the plugin can tell, `plan-undo` is also what verifies it: asked again after the way back was applied, an empty plan
//! says that all is as before. Doubt on the way back is settled as on the way there, with that for a verify.

use serde_json::Value;
use stanch_contract::{CheckedPlan, Failure, Finding, Verdict};

use crate::command::Slot;
use crate::diagnosis::unknown;
use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::step::End;
use crate::words::*;

impl State {
    /// A step that failed, or was refused half-way, after something was changed.
    pub(crate) fn start_undo_on_failure(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if self.cancelled.is_some() || self.reopened.is_some() {
            return false;
        }
        let found = self.steps.iter().enumerate().find(|(index, step)| {
            let failed = matches!(step.end, Some(End::Failed(why)) if why != Failing::Cancelled)
                || matches!(step.end, Some(End::Refused | End::Expired));
            failed
                && step.stands()
                && step.undo.is_none()
                && self.change(*index).is_some_and(|change| change.undo.on_failure)
        });
        let Some((index, _)) = found else { return false };
        self.start_undo(index, UndoReason::OnFailure, now, out);
        true
    }

    pub(crate) fn start_undo(
        &mut self,
        index: usize,
        reason: UndoReason,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let step = self.step_id(index);
        self.emit(now, out, EventKind::UndoStarted { step, reason });
    }

    /// Whether the plugin can give the way back.
    pub(crate) fn can_undo(&self, index: usize) -> bool {
        let pin = self
            .change(index)
            .and_then(|change| self.opened.plugins.get(&change.uses));
        pin.is_some_and(|pin| pin.reversible)
    }

    /// Whether the plugin can tell that all is as before, and the runbook lets anybody look.
    pub(crate) fn undo_is_verified(&self, index: usize) -> bool {
        let Some(change) = self.change(index) else {
            return false;
        };
        let pin = self.opened.plugins.get(&change.uses);
        let nobody = !change.verify.own && change.verify.also.is_none();
        pin.is_some_and(|pin| pin.verifies_undo) && !nobody
    }

    /// `plan-undo` was asked again after the way back was applied.
    pub(crate) fn looked_back(
        &mut self,
        index: usize,
        result: Result<CheckedPlan, Failure>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let finding = match result {
            Ok(plan) if plan.actions.is_empty() => Finding {
                verdict: Verdict::Yes,
                ..unknown("nothing is left to be put back")
            },
            Ok(plan) => Finding {
                verdict: Verdict::No,
                ..unknown(format!("still to be put back: {}", plan.summary))
            },
            Err(failure) => unknown(failure.message),
        };
        self.verified(index, Side::Undo, Slot::Own, finding, calls, now, out);
    }

    /// The way back was applied: it is over once all is as before, or the time to find that out is.
    pub(crate) fn verifying_undo(
        &mut self,
        index: usize,
        since: stanch_contract::Timestamp,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let Some(undo) = self.steps.get(index).and_then(|step| step.undo.as_ref()) else {
            return false;
        };
        if undo.own == Some(Verdict::Yes) {
            let step = self.step_id(index);
            self.emit(now, out, EventKind::StepUndone { step });
            return true;
        }
        let within = self
            .change(index)
            .map(|change| change.verify.within)
            .unwrap_or_default();
        if now.at < since.plus(within) {
            return false;
        }
        let message = format!("applied, but not verified within {within}: {}", undo.note);
        self.fail(index, Side::Undo, Failing::Verify, message, now, out)
    }

    /// A decision that was made covers this way back: a person's word, or the yes (or the mode) under which the change
    /// was made, provided that it acts only on what an action was really sent to.
    pub(crate) fn covers(&self, index: usize, plan: &stanch_contract::CheckedPlan) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        if let Some(UndoReason::Command { .. }) = step.undo_reason {
            return true;
        }
        let sent = step.work.sent_targets();
        plan.targets()
            .iter()
            .all(|(kind, name)| sent.iter().any(|(k, n)| k == kind && n == name))
    }

    /// An undo that has changed nothing yet is given up where the alert fires again, or a person says leave.
    pub(crate) fn abandon_undo(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        if step.undo.as_ref().is_none_or(|undo| undo.is_busy()) {
            return false;
        }
        let left = self
            .cancelled
            .as_ref()
            .filter(|cancelled| cancelled.then == OnCancel::Leave);
        let (message, again) = if let Some(cancelled) = left {
            (format!("left as it is, as `{}` said", cancelled.by), false)
        } else if step.undo_reason == Some(UndoReason::WhenResolved) && !self.is_quiet() {
            ("the alert fires again".to_owned(), true)
        } else {
            return false;
        };
        let step = step.id.clone();
        self.emit(now, out, EventKind::UndoFailed { step, message, again });
        true
    }
}
