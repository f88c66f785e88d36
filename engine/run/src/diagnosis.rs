//! The checks: all at the same time, those with `needs` after what they need. A check by hand never holds the run up.

use std::collections::BTreeSet;

use serde_json::Value;
use stanch_contract::{Failure, FailureCode, Finding, StepId, Timestamp, Verdict};
use stanch_runbook::expr::StepResult;
use stanch_runbook::model::{Check, Worker};

use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::step::fold::answer_of;

/// A check of diagnosis or recovery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CheckState {
    pub(crate) by_hand: bool,
    pub(crate) needs: Vec<StepId>,
    /// A plugin is asked, or a person.
    pub(crate) asking: bool,
    pub(crate) turn: u32,
    pub(crate) params: Value,
    pub(crate) finding: Option<Finding>,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) by: Option<String>,
}

impl CheckState {
    pub(crate) fn new(check: &Check) -> Self {
        Self {
            by_hand: State::is_by_hand(check),
            needs: check.needs.clone(),
            asking: false,
            turn: 0,
            params: Value::Null,
            finding: None,
            answered_at: None,
            by: None,
        }
    }
}

/// An answer that nobody could give.
pub(crate) fn unknown(summary: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Unknown,
        summary: summary.into(),
        evidence: Vec::new(),
        data: Value::Null,
        extra: Value::Null,
    }
}

impl State {
    pub(crate) fn fold_check(&mut self, id: &StepId, kind: &EventKind, at: Timestamp) {
        let Some(check) = self.checks.get_mut(id) else {
            return;
        };
        match kind {
            EventKind::StepStarted { params, .. } => {
                check.asking = true;
                check.turn += 1;
                check.params.clone_from(params);
            }
            EventKind::StepAnswered { finding, by, .. } => {
                check.asking = false;
                check.answered_at = Some(at);
                check.by.clone_from(by);
                check.finding = Some((**finding).clone());
                let result = StepResult {
                    answer: answer_of(finding.verdict),
                    summary: finding.summary.clone(),
                    data: finding.data.clone(),
                };
                self.results.insert(id.clone(), result);
            }
            _ => {}
        }
    }

    /// Waits, in the end, for a person: by hand and not answered, or needing what is.
    pub(crate) fn waits_for_hand(&self, id: &StepId) -> bool {
        self.checks.get(id).is_some_and(|check| {
            check.finding.is_none()
                && (check.by_hand || check.needs.iter().any(|need| self.waits_for_hand(need)))
        })
    }

    /// Every check is answered but those that wait for a person.
    pub(crate) fn diagnosis_is_over(&self) -> bool {
        self.book.diagnosis.iter().all(|check| {
            self.checks
                .get(&check.id)
                .is_some_and(|state| state.finding.is_some())
                || self.waits_for_hand(&check.id)
        })
    }

    /// Starts what can be started.
    pub(crate) fn drive_diagnosis(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let answered = |id: &StepId| self.checks.get(id).is_some_and(|check| check.finding.is_some());
        let ready = self.book.diagnosis.iter().find(|check| {
            let state = self.checks.get(&check.id);
            state.is_some_and(|state| !state.asking && state.finding.is_none())
                && check.needs.iter().all(answered)
        });
        let Some(id) = ready.map(|check| check.id.clone()) else {
            return false;
        };
        self.start_check(&id, now, out);
        true
    }

    /// Asks a check (again). One whose parameters have no value is unknown.
    pub(crate) fn start_check(&mut self, id: &StepId, now: Now<'_>, out: &mut Vec<Event>) {
        let Some(check) = self.check_model(id) else { return };
        let params = match &check.worker {
            Worker::Person => Ok(Value::Null),
            Worker::Plugin { with, .. } => self.render(with),
        };
        let kind = match params {
            Ok(params) => EventKind::StepStarted {
                step: id.clone(),
                params,
            },
            Err(error) => {
                let failure = Failure::new(FailureCode::InvalidParams, error.to_string());
                EventKind::StepAnswered {
                    step: id.clone(),
                    finding: Box::new(unknown(failure.message.clone())),
                    by: None,
                    failure: Some(failure),
                }
            }
        };
        self.emit(now, out, kind);
    }

    /// These checks and what they need, in the order of the checklist.
    pub(crate) fn with_needs(&self, ids: &[StepId]) -> Vec<StepId> {
        let mut all: BTreeSet<StepId> = BTreeSet::new();
        let mut open: Vec<StepId> = ids.to_vec();
        while let Some(id) = open.pop() {
            if let Some(check) = self.checks.get(&id)
                && all.insert(id)
            {
                open.extend(check.needs.iter().cloned());
            }
        }
        self.book
            .diagnosis
            .iter()
            .map(|check| check.id.clone())
            .filter(|id| all.contains(id))
            .collect()
    }
}
