//! Places among the open runs of one runbook: `max_open`. Recovery does not count.

use std::collections::BTreeMap;

use stanch_contract::RunId;

use super::{Blocked, Guard};

#[derive(Debug, Clone, Default)]
struct Of {
    inside: Vec<RunId>,
    waiting: Vec<RunId>,
}

/// Places, by runbook.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<String, Of>);

impl Places {
    pub(super) fn take(&mut self, runbook: &str, run: &RunId) {
        let of = self.0.entry(runbook.to_owned()).or_default();
        of.waiting.retain(|other| other != run);
        if !of.inside.contains(run) {
            of.inside.push(run.clone());
        }
    }

    pub(super) fn release(&mut self, run: &RunId) {
        self.0.retain(|_, of| {
            of.inside.retain(|other| other != run);
            of.waiting.retain(|other| other != run);
            !(of.inside.is_empty() && of.waiting.is_empty())
        });
    }

    pub(super) fn enter(&mut self, runbook: &str, run: &RunId, most: u32) -> Option<Blocked> {
        let of = self.0.entry(runbook.to_owned()).or_default();
        if of.inside.contains(run) {
            return None;
        }
        let most = usize::try_from(most.max(1)).unwrap_or(usize::MAX);
        let first_in_line = of.waiting.first().is_none_or(|first| first == run);
        if of.inside.len() < most && first_in_line {
            self.take(runbook, run);
            return None;
        }
        if !of.waiting.contains(run) {
            of.waiting.push(run.clone());
        }
        Some(Blocked {
            guard: Guard::MaxOpen,
            message: format!(
                "`{runbook}` has {} open runs, and at most {most} at a time; this one waits",
                of.inside.len()
            ),
            holder: of.inside.first().cloned(),
        })
    }
}
