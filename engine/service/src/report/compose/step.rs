//! The steps of a run: where each stands, what was planned, who decided, what became of it.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{ActionState, CheckedPlan, Finding, PlanDigest, StepId, Timestamp, Verdict};
use stanch_run::ledger::Guard;
use stanch_run::{Event, EventKind, OpenQuestion, QuestionKind, Side, Skip, Standing, State};
use stanch_runbook::model::{Step, StepKind};

use super::worker;
use crate::control::types::{
    ActionView, DecisionView, PlanView, QuestionView, StepKindView, StepState, StepView, UndoPromise,
    WorkerView,
};

/// What the events add to what the state says of a step.
#[derive(Default)]
struct Trace {
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    attempt: u32,
    planned_at: Option<Timestamp>,
    undo_planned_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    decisions: Vec<DecisionView>,
    finding: Option<Finding>,
    verified: Option<Finding>,
    skip: Option<Skip>,
    doubt: Option<String>,
}

/// The steps, mitigation first.
pub(super) fn steps(state: &State, view: &stanch_run::RunView, events: &[Event]) -> Vec<StepView> {
    let book = state.runbook();
    let models = book.mitigation.iter().chain(&book.resolution);
    models
        .zip(&view.steps)
        .map(|(model, step)| one(state, view, model, step, &trace(events, &step.id)))
        .collect()
}

fn trace(events: &[Event], id: &StepId) -> Trace {
    let mut trace = Trace::default();
    for event in events.iter().filter(|event| event.kind.step() == Some(id)) {
        match &event.kind {
            EventKind::StepStarted { .. } => {
                trace.started_at.get_or_insert(event.at);
            }
            EventKind::StepAnswered { finding, .. } => {
                trace.finding = Some((**finding).clone());
                trace.ended_at = Some(event.at);
            }
            EventKind::StepSkipped { why, .. } => {
                trace.skip = Some(*why);
                trace.ended_at = Some(event.at);
            }
            EventKind::StepPlanned { .. } => trace.planned_at = Some(event.at),
            EventKind::UndoPlanned { .. } => trace.undo_planned_at = Some(event.at),
            EventKind::DecisionAsked { .. } => trace.asked_at = Some(event.at),
            EventKind::DecisionGiven {
                side,
                by,
                digest,
                reason,
                ..
            } => {
                trace
                    .decisions
                    .push(decision(event.at, true, *side, by, Some(*digest), reason));
            }
            EventKind::DecisionRefused {
                side,
                by,
                digest,
                reason,
                ..
            } => {
                trace
                    .decisions
                    .push(decision(event.at, false, *side, by, *digest, reason));
            }
            EventKind::ActionStarted { attempt, .. } => trace.attempt = trace.attempt.max(*attempt),
            EventKind::StepVerified {
                side: Side::Do,
                finding,
                ..
            } => {
                trace.ended_at = Some(event.at);
                trace.verified = Some((**finding).clone());
            }
            EventKind::InDoubt { cause, .. } => trace.doubt = Some(cause.clone()),
            EventKind::StepFailed { .. } | EventKind::StepUndone { .. } | EventKind::UndoFailed { .. } => {
                trace.ended_at = Some(event.at);
            }
            _ => {}
        }
    }
    trace
}

fn decision(
    at: Timestamp,
    yes: bool,
    side: Side,
    by: &str,
    digest: Option<PlanDigest>,
    reason: &str,
) -> DecisionView {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    DecisionView {
        by: by.to_owned(),
        yes,
        digest,
        undo: side == Side::Undo,
        reason,
        at,
    }
}

fn one(
    state: &State,
    run: &stanch_run::RunView,
    model: &Step,
    step: &stanch_run::StepView,
    trace: &Trace,
) -> StepView {
    let question = run
        .questions
        .iter()
        .find(|question| question.step.as_ref() == Some(&step.id));
    let (kind, who) = match &model.kind {
        StepKind::Look { worker: who, .. } => (StepKindView::Look, worker(who)),
        StepKind::Change(change) => (StepKindView::Change, WorkerView::Plugin(change.uses.clone())),
        StepKind::ByHand { .. } => (StepKindView::ByHand, WorkerView::Person),
    };
    let plan = step
        .plan
        .as_ref()
        .zip(step.digest)
        .zip(trace.planned_at)
        .map(|((checked, digest), at)| {
            let sending = step.state == Standing::Applying;
            plan_view(checked, digest, &step.progress, sending, &step.params, at)
        });
    let undo_plan = step
        .undo_plan
        .as_ref()
        .zip(step.undo_digest)
        .zip(trace.undo_planned_at)
        .map(|((checked, digest), at)| {
            let sending = step.undo == Some(Standing::Applying);
            plan_view(checked, digest, &step.undo_progress, sending, &Value::Null, at)
        });
    StepView {
        id: step.id.clone(),
        phase: step.phase,
        kind,
        what: step.what.clone(),
        worker: who,
        when: model.when.as_ref().map(|when| when.source().to_owned()),
        by_hand: model.by_hand.clone(),
        state: standing(step, question, trace),
        on: step.on.clone(),
        batch: step.batch,
        ramp: step.ramp,
        attempt: trace.attempt,
        plan,
        question: question.and_then(|question| asked(state, question, trace.asked_at)),
        decisions: trace.decisions.clone(),
        undo: promise(state, model),
        outcome: step.outcome.clone(),
        verified: trace.verified.clone(),
        undo_plan,
        started_at: trace.started_at,
        ended_at: trace.ended_at,
    }
}

fn promise(state: &State, model: &Step) -> UndoPromise {
    match &model.kind {
        StepKind::Change(change) => UndoPromise {
            possible: state
                .opened()
                .plugins
                .get(&change.uses)
                .is_some_and(|pin| pin.reversible),
            on_failure: change.undo.on_failure,
            when_resolved: change.undo.when_resolved,
        },
        _ => UndoPromise::default(),
    }
}

/// An open question that is about a plan.
fn asked(state: &State, question: &OpenQuestion, asked_at: Option<Timestamp>) -> Option<QuestionView> {
    let undo = match question.kind {
        QuestionKind::Decide => false,
        QuestionKind::DecideUndo => true,
        _ => return None,
    };
    Some(QuestionView {
        ask: question.ask.clone(),
        digest: question.digest?,
        undo,
        asked_at: asked_at?,
        expires_at: question.expires?,
        from: question.from.clone(),
        quorum: question.quorum,
        promise: question.undo.clone(),
        except: state.opened().by.clone(),
        yes: question.given.clone(),
    })
}

fn standing(step: &stanch_run::StepView, question: Option<&OpenQuestion>, trace: &Trace) -> StepState {
    if let Some(state) = way_back(step, question) {
        return state;
    }
    let why = step.summary.clone();
    match step.state {
        Standing::Pending => StepState::Waiting,
        Standing::Planning | Standing::Refreshing => StepState::Planning,
        Standing::Looking | Standing::AwaitingPerson | Standing::Asking => StepState::Asked,
        Standing::Held => StepState::Held { why },
        Standing::Weighing | Standing::Interrupted => match step.guard {
            Some(Guard::Lock) => StepState::Locking { why },
            Some(Guard::Pause) => StepState::Paused { why },
            Some(_) => StepState::Held { why },
            None if step.state == Standing::Interrupted => StepState::Applying,
            None => StepState::Planning,
        },
        Standing::Applying => StepState::Applying,
        Standing::Retrying => match step.again_at {
            Some(at) => StepState::Retrying { at, why },
            None => StepState::Planning,
        },
        Standing::BetweenBatches => match step.again_at {
            Some(at) => StepState::BetweenBatches { at },
            None => StepState::Verifying,
        },
        Standing::Holding => match step.again_at {
            Some(at) => StepState::Holding { at },
            None => StepState::Verifying,
        },
        Standing::InDoubt => StepState::InDoubt {
            why: trace.doubt.clone().unwrap_or(why),
            person: is_settle(question),
        },
        Standing::Settled | Standing::Verifying | Standing::Applied | Standing::Over => StepState::Verifying,
        Standing::Done => StepState::Done,
        Standing::Answered => match &trace.finding {
            Some(finding) => StepState::Answered {
                finding: finding.clone(),
            },
            None => StepState::Done,
        },
        Standing::Planned => StepState::Planned,
        Standing::Skipped if trace.skip == Some(Skip::NothingToDo) => StepState::NothingToDo,
        Standing::Skipped => StepState::Skipped { why },
        Standing::Refused | Standing::Expired => StepState::Rejected { why },
        Standing::Failed => StepState::Failed { why },
    }
}

fn is_settle(question: Option<&OpenQuestion>) -> bool {
    question.is_some_and(|question| question.kind == QuestionKind::Settle)
}

/// Where the way back counts more than where the change ended.
fn way_back(step: &stanch_run::StepView, question: Option<&OpenQuestion>) -> Option<StepState> {
    let standing = step.undo?;
    let why = step.undo_summary.clone();
    Some(match (step.undone, step.undo_failed, standing) {
        (true, ..) => StepState::Undone { why },
        (_, true, _) => StepState::UndoFailed { why },
        (_, _, Standing::Asking) => StepState::Asked,
        (_, _, Standing::InDoubt) => StepState::InDoubt {
            why,
            person: is_settle(question),
        },
        (_, _, Standing::Over) => return None,
        _ => StepState::Undoing,
    })
}

fn plan_view(
    checked: &CheckedPlan,
    digest: PlanDigest,
    progress: &BTreeMap<u32, ActionState>,
    sending: bool,
    params: &Value,
    made_at: Timestamp,
) -> PlanView {
    let actions: Vec<ActionView> = (0u32..)
        .zip(&checked.actions)
        .map(|(at, action)| {
            let progress = progress.get(&at).cloned().unwrap_or(ActionState::NotSent);
            let sending = sending && matches!(progress, ActionState::Unknown { .. });
            ActionView {
                action: action.clone(),
                sending,
                progress,
            }
        })
        .collect();
    let items = checked
        .actions
        .iter()
        .map(|action| action.items.len() as u64)
        .sum();
    let bytes: Vec<u64> = checked.actions.iter().filter_map(|action| action.bytes).collect();
    PlanView {
        digest,
        actions,
        targets: u32::try_from(checked.targets().len()).unwrap_or(u32::MAX),
        items,
        bytes: (!bytes.is_empty()).then(|| bytes.iter().sum()),
        population: checked.population.clone(),
        params: params.clone(),
        plugin_says: checked.summary.clone(),
        made_at,
    }
}

/// The word for a verdict, for sentences.
pub(super) fn verdict(finding: &Finding) -> &'static str {
    match finding.verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
        Verdict::Unknown => "unknown",
    }
}
