//! Facts that are not older than `fresh`: before the first action of a step, what is old is looked at again. A look that cannot
//! be made again is unknown, and a step that goes by it is not run.

use serde_json::Value;
use stanch_contract::{Failure, FailureCode, Finding, StepId, Timestamp};
use stanch_runbook::model::{StepKind, Worker};

use super::{End, Stage};
use crate::command::{Call, Command, Key, Slot};
use crate::diagnosis::unknown;
use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::words::*;

/// The answer of a look that could not be made again: what is not known any more is unknown.
fn not_seen(step: &StepId, failure: Failure) -> EventKind {
    EventKind::StepAnswered {
        step: step.clone(),
        finding: Box::new(unknown(failure.message.clone())),
        by: None,
        failure: Some(failure),
    }
}

impl State {
    /// The locks are held: looks again at what the step reads, and whether its `when` still holds. After that
    /// the fresh plan is all that is missing.
    pub(crate) fn refresh(
        &mut self,
        index: usize,
        side: Side,
        since: Timestamp,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let touched = self.steps.get(index).is_some_and(|step| step.work.touched());
        if side == Side::Do && self.verify_stage_again(index, now, out) {
            return true;
        }
        if side == Side::Undo || touched {
            return false;
        }
        if let Some(id) = self.stale(index, since).into_iter().next() {
            return self.look_again(&id, now, out);
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
                    side,
                    Failing::Expression,
                    format!("not run: {error}"),
                    now,
                    out,
                );
            }
            Some((source, Ok(false))) => {
                return self.skip(
                    index,
                    Skip::When,
                    format!("`{source}` does not hold any more"),
                    now,
                    out,
                );
            }
            _ => {}
        }
        match self.step_params(step) {
            Err(error) => self.fail(
                index,
                side,
                Failing::Expression,
                format!("not run: {error}"),
                now,
                out,
            ),
            Ok(_) => false,
        }
    }

    /// Asks a check or look again. `false`: it is being asked.
    fn look_again(&mut self, id: &StepId, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if let Some(check) = self.checks.get(id) {
            let asking = check.asking;
            if !asking {
                self.start_check(id, now, out);
            }
            return !asking;
        }
        let found = self.steps.iter().position(|step| step.id == *id);
        let Some((look, step)) = found.and_then(|look| Some((look, self.steps.get(look)?))) else {
            return false;
        };
        if step.looking_again {
            return false;
        }
        let kind = match self.step_model(look).map(|model| self.step_params(model)) {
            Some(Ok(params)) => EventKind::StepStarted {
                step: id.clone(),
                params,
            },
            Some(Err(error)) => not_seen(id, Failure::new(FailureCode::InvalidParams, error.to_string())),
            None => return false,
        };
        self.emit(now, out, kind);
        true
    }

    /// A look that was asked again is answered.
    pub(crate) fn looked_again(
        &mut self,
        index: usize,
        result: Result<Finding, Failure>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let step = self.step_id(index);
        let kind = match result {
            Ok(finding) => EventKind::StepAnswered {
                step,
                finding: Box::new(finding),
                by: None,
                failure: None,
            },
            Err(failure) => not_seen(&step, failure),
        };
        self.emit_with(now, out, kind, calls);
    }

    /// The looks that are asked again.
    pub(crate) fn want_looks_again(&self, commands: &mut Vec<Command>) {
        let refreshing = self
            .steps
            .iter()
            .any(|step| matches!(step.work.stage, Stage::Refreshing { .. }));
        let again = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| refreshing && step.looking_again);
        for (index, step) in again {
            let Some(StepKind::Look {
                worker: Worker::Plugin { uses, .. },
                ..
            }) = self.step_model(index).map(|model| &model.kind)
            else {
                continue;
            };
            let key = Key {
                step: step.id.clone(),
                side: Side::Do,
                slot: Slot::Look,
                turn: step.work.turn,
            };
            let params = step.work.params.clone();
            commands.push(self.call(key, uses.clone(), &step.work, params, Call::Diagnose));
        }
    }

    /// What the step goes by that a plugin can be asked again: the checks and earlier looks of its `when` and its
    /// parameters, and what those are asked with. What a change did is no such fact: it was verified.
    fn facts(&self, index: usize) -> Vec<StepId> {
        let mut facts: Vec<StepId> = Vec::new();
        let mut open = self.step_names(index);
        while let Some(id) = open.pop() {
            if facts.contains(&id) {
                continue;
            }
            if let Some(check) = self.checks.get(&id) {
                open.extend(check.needs.iter().cloned());
                facts.push(id);
            } else if let Some(look) = self.steps.iter().position(|step| step.id == id)
                && self
                    .steps
                    .get(look)
                    .is_some_and(|step| step.end == Some(End::Answered))
            {
                open.extend(self.step_asks_with(look));
                facts.push(id);
            }
        }
        facts
    }

    /// Facts by a plugin that were found too long before `since`. The first that needs none of the others comes first.
    fn stale(&self, index: usize, since: Timestamp) -> Vec<StepId> {
        let fresh = self.book.guardrails.fresh;
        let old_at = |at: Timestamp| at < since && at.plus(fresh) <= since;
        let old = |id: &StepId| match self.checks.get(id) {
            Some(check) => !check.by_hand && check.answered_at.is_some_and(old_at),
            None => {
                let look = self.steps.iter().find(|step| step.id == *id);
                look.and_then(|look| look.ended_at).is_some_and(old_at)
            }
        };
        let needs_old = |id: &StepId| match self.checks.get(id) {
            Some(check) => check.needs.iter().any(old),
            None => {
                let look = self.steps.iter().position(|step| step.id == *id);
                look.is_some_and(|look| self.step_asks_with(look).iter().any(old))
            }
        };
        let mut stale: Vec<_> = self.facts(index).into_iter().filter(|id| old(id)).collect();
        stale.sort_by_key(|id| needs_old(id));
        stale
    }

    /// Whether everything is fresh but the plan.
    pub(crate) fn wants_fresh_plan(&self, index: usize, side: Side) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        match step.side(side).map(|work| &work.stage) {
            Some(Stage::Refreshing { since }) => {
                side == Side::Undo || step.work.touched() || self.stale(index, *since).is_empty()
            }
            _ => false,
        }
    }
}
