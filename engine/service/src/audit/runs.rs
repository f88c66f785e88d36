//! What of a run's events is audited: what people said to it, and that nobody did.

use stanch_contract::RunId;
use stanch_journal::Write;
use stanch_run::words::{Lapse, OnCancel, Settler, UndoReason};
use stanch_run::{Event, EventKind};

use super::Entry;

/// The entries of these events, for their batch.
pub(crate) fn of_run<'a>(run: &'a RunId, events: &'a [Event]) -> impl Iterator<Item = Write> + 'a {
    events
        .iter()
        .filter_map(|event| of_event(run, &event.kind))
        .map(|entry| entry.write())
}

fn of_event(run: &RunId, kind: &EventKind) -> Option<Entry> {
    let order = |step: Option<&_>, what: &str, by: &str, detail: String| {
        Some(Entry::Order {
            run: run.clone(),
            step: step.cloned(),
            what: what.to_owned(),
            by: by.to_owned(),
            detail,
        })
    };
    match kind {
        EventKind::DecisionGiven {
            step,
            side,
            by,
            digest,
            reason,
            alone,
            via,
        } => Some(Entry::Decision {
            run: run.clone(),
            step: step.clone(),
            side: *side,
            yes: true,
            by: by.clone(),
            via: via.clone(),
            plan: Some(digest.digest()),
            reason: reason.clone(),
            alone: *alone,
        }),
        EventKind::DecisionRefused {
            step,
            side,
            by,
            digest,
            reason,
            via,
        } => Some(Entry::Decision {
            run: run.clone(),
            step: step.clone(),
            side: *side,
            yes: false,
            by: by.clone(),
            via: via.clone(),
            plan: digest.map(|digest| digest.digest()),
            reason: reason.clone(),
            alone: false,
        }),
        EventKind::DecisionExpired {
            step,
            side,
            why: Lapse::Unanswered,
        } => Some(Entry::Unanswered {
            run: run.clone(),
            step: step.clone(),
            side: *side,
        }),
        EventKind::RunOpened(opened) => {
            let by = opened.by.as_deref()?;
            order(None, "start", by, opened.runbook.clone())
        }
        EventKind::StepAnswered {
            step,
            finding,
            by: Some(by),
            ..
        } => order(Some(step), "answer", by, finding.verdict.as_str().to_owned()),
        EventKind::DoubtSettled {
            step,
            settler: Settler::Person { name },
            happened,
            go_on,
            ..
        } => {
            let happened = if *happened {
                "it happened"
            } else {
                "it did not happen"
            };
            let then = if *go_on { "go on" } else { "stop" };
            order(Some(step), "settle", name, format!("{happened}, {then}"))
        }
        EventKind::UndoStarted {
            step,
            reason: UndoReason::Command { by },
        } => order(Some(step), "undo", by, String::new()),
        EventKind::RunReopened { by } => order(None, "undo", by, "opened again for it".to_owned()),
        EventKind::RunCancelled { by, then, reason } => {
            let then = match then {
                OnCancel::Undo => "what was changed is put back",
                OnCancel::Leave => "what was changed stays",
                OnCancel::Ask => "what was changed is asked about",
            };
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            order(None, "cancel", by, format!("{then}{why}"))
        }
        _ => None,
    }
}
