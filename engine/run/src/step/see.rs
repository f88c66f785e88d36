//! What can be seen of steps: whose turn it is, what each reads, and who still has to say something.

use serde_json::Value;
use stanch_contract::Span;
use stanch_runbook::model::{Change, Step, StepKind, Worker};

use super::End;
use crate::state::State;
use crate::words::*;

/// How long a person has to answer where no approval says it.
pub(crate) const ANSWER_TIME: Span = Span::from_secs(900);

impl State {
    /// The step and side whose turn it is: what is under way comes to its end, then what is to be put back, then the next.
    pub(crate) fn driven(&self) -> Option<(usize, Side)> {
        if let Some(index) = self.steps.iter().position(|step| step.work.is_busy()) {
            return Some((index, Side::Do));
        }
        if let Some(index) = self.steps.iter().rposition(|step| step.undoing()) {
            return Some((index, Side::Undo));
        }
        let diagnosing = !self.diagnosis_is_over() && !self.is_withdrawn();
        if diagnosing || self.cursor >= self.steps.len() {
            None
        } else {
            Some((self.cursor, Side::Do))
        }
    }

    pub(crate) fn step_id(&self, index: usize) -> stanch_contract::StepId {
        self.steps
            .get(index)
            .map_or_else(|| "".into(), |step| step.id.clone())
    }

    pub(crate) fn change(&self, index: usize) -> Option<&Change> {
        match &self.step_model(index)?.kind {
            StepKind::Change(change) => Some(change),
            _ => None,
        }
    }

    /// How long a person has to answer what this step reads, or the step itself.
    pub(crate) fn answer_time(&self, index: usize) -> Span {
        self.step_model(index)
            .map_or(ANSWER_TIME, |step| match &step.kind {
                StepKind::ByHand { expires, .. } => *expires,
                _ => step.waits,
            })
    }

    /// Work of a person that an alert that resolves does not make needless.
    pub(crate) fn is_due_after_resolved(&self, index: usize) -> bool {
        matches!(
            self.step_model(index).map(|step| &step.kind),
            Some(StepKind::ByHand {
                after_resolved: true,
                ..
            })
        )
    }

    pub(crate) fn step_params(&self, step: &Step) -> Result<Value, stanch_runbook::expr::EvalError> {
        match &step.kind {
            StepKind::Change(change) => self.render(&change.with),
            StepKind::Look {
                worker: Worker::Plugin { with, .. },
                ..
            } => self.render(with),
            _ => Ok(Value::Null),
        }
    }

    /// The checks and steps that a step names, in its `when` and its parameters.
    pub(crate) fn step_names(&self, index: usize) -> Vec<stanch_contract::StepId> {
        let when = self.step_model(index).and_then(|step| step.when.as_ref());
        let mut names = when.map(|when| when.reads().to_vec()).unwrap_or_default();
        names.extend(self.step_asks_with(index));
        names
    }

    /// The checks and steps that its parameters name.
    pub(crate) fn step_asks_with(&self, index: usize) -> Vec<stanch_contract::StepId> {
        match self.step_model(index).map(|step| &step.kind) {
            Some(StepKind::Change(change)) => change.with.reads().to_vec(),
            Some(StepKind::Look {
                worker: Worker::Plugin { with, .. },
                ..
            }) => with.reads().to_vec(),
            _ => Vec::new(),
        }
    }

    /// The checks that a step reads, and what those need.
    pub(crate) fn step_reads(&self, index: usize) -> Vec<stanch_contract::StepId> {
        self.with_needs(&self.step_names(index))
    }

    /// Whether the plugin's own verify is asked, and another plugin besides.
    pub(crate) fn verify_parts(&self, index: usize) -> (bool, bool) {
        self.change(index).map_or((false, false), |change| {
            (change.verify.own, change.verify.also.is_some())
        })
    }

    /// The step for whose sake the later ones are not done.
    pub(super) fn stopped_by(&self) -> Option<&stanch_contract::StepId> {
        let stops = |index: usize| {
            self.step_model(index)
                .is_some_and(|step| step.on_failure == stanch_runbook::model::OnFailure::Stop)
        };
        let mut steps = self.steps.iter().enumerate();
        steps
            .find(|(index, step)| {
                matches!(step.end, Some(End::Failed(_) | End::Refused | End::Expired)) && stops(*index)
            })
            .map(|(_, step)| &step.id)
    }
}
