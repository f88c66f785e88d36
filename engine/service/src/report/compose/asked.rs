//! What one plugin asked of the gate in a run: what the smallest grant for it is made of.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use stanch_contract::plan::Action;
use stanch_contract::{PluginKey, StepId};
use stanch_run::{Event, EventKind, State};
use stanch_runbook::Runbook;
use stanch_runbook::model::StepKind;
use stanch_sandbox::gate::RecordedCall;

use super::timeline::Record;

/// What it asked for about one cluster, or about none.
#[derive(Default)]
pub(crate) struct Asked {
    /// Its calls, those that were refused too.
    pub(crate) calls: Vec<RecordedCall>,
    /// What it planned, also where nobody said yes.
    pub(crate) actions: Vec<Action>,
}

/// By cluster; and why the last of what it did failed, where it did.
pub(crate) fn asked(
    state: &State,
    events: &[Event],
    plugin: &PluginKey,
) -> (BTreeMap<Option<String>, Asked>, Option<String>) {
    let (mut all, mut failed) = (BTreeMap::<_, Asked>::new(), None);
    for event in events {
        let Ok(record) = Record::deserialize(&event.calls) else {
            continue;
        };
        if record.plugin != *plugin {
            continue;
        }
        let step = event.kind.step();
        let of = all
            .entry(step.and_then(|step| cluster(state.runbook(), step, plugin)))
            .or_default();
        of.calls.extend(record.calls);
        if let EventKind::StepPlanned { plan, .. } | EventKind::UndoPlanned { plan, .. } = &event.kind {
            of.actions.extend(plan.offered.actions.iter().cloned());
        }
        failed = match &event.kind {
            EventKind::StepAnswered { failure, .. } => {
                failure.as_ref().map(|failure| failure.message.clone())
            }
            EventKind::AttemptFailed { failure, .. } => Some(failure.message.clone()),
            EventKind::StepFailed { message, .. } => Some(message.clone()),
            _ => None,
        };
    }
    (all, failed)
}

/// Which cluster a plugin is bound to in a step.
fn cluster(book: &Runbook, id: &StepId, plugin: &PluginKey) -> Option<String> {
    let mut checks = book.diagnosis.iter().chain(&book.recovery.checks);
    if let Some(check) = checks.find(|check| check.id == *id) {
        return check.on.clone();
    }
    let mut steps = book.mitigation.iter().chain(&book.resolution);
    let step = steps.find(|step| step.id == *id)?;
    match &step.kind {
        StepKind::Change(change) if change.uses != *plugin => change.verify.on.clone().or(step.on.clone()),
        _ => step.on.clone(),
    }
}
