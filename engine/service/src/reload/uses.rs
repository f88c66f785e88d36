//! Which plugins a runbook uses.

use std::collections::BTreeSet;

use stanch_contract::PluginKey;
use stanch_runbook::Runbook;
use stanch_runbook::model::{StepKind, Worker};

/// All plugins that a runbook names: checks, steps, verifications, recovery, escalation.
pub fn uses(runbook: &Runbook) -> BTreeSet<&PluginKey> {
    fn of(worker: &Worker) -> Option<&PluginKey> {
        match worker {
            Worker::Plugin { uses, .. } => Some(uses),
            Worker::Person => None,
        }
    }
    let checks = runbook.diagnosis.iter().chain(&runbook.recovery.checks);
    let mut found: BTreeSet<&PluginKey> = checks.filter_map(|check| of(&check.worker)).collect();
    for step in runbook.mitigation.iter().chain(&runbook.resolution) {
        match &step.kind {
            StepKind::Look { worker, .. } => found.extend(of(worker)),
            StepKind::Change(change) => {
                found.insert(&change.uses);
                found.extend(change.verify.also.as_ref().map(|(uses, _)| uses));
            }
            StepKind::ByHand { .. } => {}
        }
    }
    found.extend(runbook.escalation.iter().map(|notice| &notice.uses));
    found
}
