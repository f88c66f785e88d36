//! From a run's state and events to what a person looks at.
//!
//! The state says where the run stands; the events say how it came there: when, by whom, with which numbers. Nothing is
//! decided here, and nothing is read but what the journal and the pinned runbook hold.

mod asked;
mod step;
#[cfg(test)]
mod tests;
mod timeline;

use stanch_contract::{Failure, StepId, Timestamp};
use stanch_run::{Event, EventKind, Phase, QuestionKind, State};
use stanch_runbook::expr::Scope;
use stanch_runbook::model::{Check, Mode, Worker};

pub(crate) use self::asked::asked;
use self::step::steps;
use self::timeline::{calls, timeline};
use crate::control::types::{
    AlertView, CheckState, CheckView, LinkView, PinsView, RecoveryView, RunSummary, RunView, WorkerView,
};

/// One line of the list of runs.
pub fn summary(state: &State) -> RunSummary {
    summary_of(state, &state.view())
}

fn summary_of(state: &State, view: &stanch_run::RunView) -> RunSummary {
    let book = state.runbook();
    RunSummary {
        id: view.id.clone(),
        runbook: view.runbook.clone(),
        title: view.title.clone(),
        severity: book.impact.severity,
        shadow: view.shadow,
        phase: view.phase,
        ending: view.ending,
        escalated: !view.escalated.is_empty(),
        needs_person: !view.questions.is_empty(),
        note: waiting_for(view).map_or_else(|| view.summary.clone(), |what| format!("waits for {what}")),
        group: group(&view.group_key),
        opened_at: view.opened_at,
        closed_at: view.closed_at,
    }
}

/// What a run waits for, in a few words.
fn waiting_for(view: &stanch_run::RunView) -> Option<String> {
    if view.phase == Phase::Closed {
        return None;
    }
    let name = |step: &Option<StepId>| step.as_ref().map(|step| format!("`{step}`")).unwrap_or_default();
    let asked = view.questions.iter().map(|question| match question.kind {
        QuestionKind::Decide => format!("a decision on {}", name(&question.step)),
        QuestionKind::DecideUndo => format!("a decision on putting back {}", name(&question.step)),
        QuestionKind::Answer => format!("an answer to {}", name(&question.step)),
        QuestionKind::ByHand => format!("{} to be done by hand", name(&question.step)),
        QuestionKind::Settle => format!("somebody who knows whether {} happened", name(&question.step)),
        QuestionKind::UndoOrLeave => "a word on what was changed: put it back or leave it".to_owned(),
    });
    let asked: Vec<String> = asked.collect();
    if !asked.is_empty() {
        return Some(asked.join(", "));
    }
    let blocked = view.steps.iter().find(|step| step.guard.is_some());
    blocked.map(|step| step.summary.clone())
}

/// The group key, as a person reads it: `cluster="eu-b"`. A fingerprint stays as it is.
pub(crate) fn group(key: &str) -> String {
    match serde_json::from_str::<Vec<(String, String)>>(key) {
        Ok(labels) => labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect::<Vec<_>>()
            .join(" "),
        Err(_) => key.to_owned(),
    }
}

/// A run, whole.
pub fn run_view(state: &State, events: &[Event], now: Timestamp) -> RunView {
    let view = state.view();
    let book = state.runbook();
    let opened = state.opened();
    let (calls, logs) = calls(events);
    RunView {
        summary: summary_of(state, &view),
        impact: book.impact.summary.clone(),
        mode: if view.shadow { Mode::Shadow } else { book.mode },
        started_by: view.by.clone(),
        owner: book.owner.clone(),
        team: book.team.clone(),
        alerts: view
            .alerts
            .iter()
            .map(|alert| AlertView {
                name: alert.name.clone(),
                fingerprint: alert.fingerprint.clone(),
                status: alert.status,
                starts_at: alert.starts_at.clone(),
                labels: alert.labels.clone(),
                annotations: alert.annotations.clone(),
            })
            .collect(),
        inputs: view.inputs.clone(),
        links: links(state),
        checklist: checks(&book.diagnosis, &view.diagnosis, &view, events),
        steps: steps(state, &view, events),
        recovery: recovery(state, &view, events),
        pins: PinsView {
            generation: view.generation,
            runbook: opened.digest,
            plugins: opened
                .plugins
                .iter()
                .map(|(key, pin)| (key.clone(), pin.component))
                .collect(),
        },
        escalated_for: view.escalated.clone(),
        undo_or_leave: view
            .questions
            .iter()
            .any(|question| question.kind == QuestionKind::UndoOrLeave),
        calls,
        logs,
        timeline: timeline(state, events),
        now,
    }
}

/// The runbook's links. One that cannot be made says why in its place.
fn links(state: &State) -> Vec<LinkView> {
    let (book, opened) = (state.runbook(), state.opened());
    let scope = Scope {
        alerts: state.alerts(),
        inputs: &opened.inputs,
        vars: &book.vars,
        run: None,
        impact: Some(&book.impact),
        results: state.results(),
    };
    book.links
        .iter()
        .map(|link| LinkView {
            title: link.title.clone(),
            url: link
                .url
                .render(&scope)
                .unwrap_or_else(|error| format!("({error})")),
        })
        .collect()
}

fn worker(worker: &Worker) -> WorkerView {
    match worker {
        Worker::Plugin { uses, .. } => WorkerView::Plugin(uses.clone()),
        Worker::Person => WorkerView::Person,
    }
}

fn checks(
    models: &[Check],
    views: &[stanch_run::CheckView],
    run: &stanch_run::RunView,
    events: &[Event],
) -> Vec<CheckView> {
    let asked = |id: &StepId| {
        run.questions
            .iter()
            .any(|question| question.kind == QuestionKind::Answer && question.step.as_ref() == Some(id))
    };
    models
        .iter()
        .zip(views)
        .map(|(model, view)| {
            let state = match &view.finding {
                Some(finding) => match last_failure(events, &view.id) {
                    Some(failure) => CheckState::Failed {
                        failure: failure.clone(),
                    },
                    None => CheckState::Answered {
                        finding: finding.clone(),
                    },
                },
                None if view.asking || asked(&view.id) => CheckState::Asked,
                None if run.phase == Phase::Closed => CheckState::Skipped {
                    why: "not asked".to_owned(),
                },
                None => CheckState::Waiting,
            };
            CheckView {
                id: view.id.clone(),
                ask: view.ask.clone(),
                worker: worker(&model.worker),
                by_hand: model.by_hand.clone(),
                state,
                by: view.by.clone(),
                at: view.answered_at,
            }
        })
        .collect()
}

/// Why the last answer to a check is unknown, where the look failed.
fn last_failure<'a>(events: &'a [Event], check: &StepId) -> Option<&'a Failure> {
    events.iter().rev().find_map(|event| match &event.kind {
        EventKind::StepAnswered { step, failure, .. } if step == check => Some(failure.as_ref()),
        _ => None,
    })?
}

fn recovery(state: &State, view: &stanch_run::RunView, events: &[Event]) -> Option<RecoveryView> {
    let since = view.recovery_since?;
    let model = &state.runbook().recovery;
    Some(RecoveryView {
        since,
        stable_since: view.holding_since,
        stable_for: model.stable_for,
        give_up_at: since.plus(model.give_up_after),
        checks: checks(&model.checks, &view.recovery, view, events),
    })
}
