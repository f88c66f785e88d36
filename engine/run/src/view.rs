//! A run as people look at it: what a list, a page and the command line show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{
    ActionState, Alert, CheckedPlan, Finding, Outcome, PlanDigest, RunId, Span, StepId, Timestamp,
};
use stanch_runbook::model::{ChangePhase, StepKind, Worker};

use crate::ledger::Guard;
use crate::state::{Phase, State};
use crate::step::{End, Stage, Work};
use crate::words::*;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// What its alerts have in common.
    pub group_key: String,
    /// Which episode.
    pub episode: u64,
    /// The generation that it was opened under.
    pub generation: u64,
    /// Where it is.
    pub phase: Phase,
    /// How it ended.
    pub ending: Option<Ending>,
    /// In a sentence: what it waits for, or how it ended.
    pub summary: String,
    /// Why people were called.
    pub escalated: Vec<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The person who asked for it.
    pub by: Option<String>,
    /// Looks and plans only.
    pub shadow: bool,
    /// The alerts of its episode.
    pub alerts: Vec<Alert>,
    /// Inputs.
    pub inputs: BTreeMap<String, Value>,
    /// The checklist.
    pub diagnosis: Vec<CheckView>,
    /// Mitigation and resolution.
    pub steps: Vec<StepView>,
    /// The recovery checks.
    pub recovery: Vec<CheckView>,
    /// Since when it waits until it is well.
    pub recovery_since: Option<Timestamp>,
    /// Since when the alerts are resolved and the recovery checks hold without a break.
    pub holding_since: Option<Timestamp>,
    /// What people are asked.
    pub questions: Vec<OpenQuestion>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckView {
    /// Its id.
    pub id: StepId,
    /// The question.
    pub ask: String,
    /// A person answers.
    pub by_hand: bool,
    /// It is being asked.
    pub asking: bool,
    /// The answer.
    pub finding: Option<Finding>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// By whom, where a person did.
    pub by: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Its id.
    pub id: StepId,
    /// Mitigation or resolution.
    pub phase: ChangePhase,
    /// What it does, or asks.
    pub what: String,
    /// Where it stands.
    pub state: Standing,
    /// In a sentence.
    pub summary: String,
    /// The plan.
    pub plan: Option<CheckedPlan>,
    /// What a decision is about.
    pub digest: Option<PlanDigest>,
    /// Who said yes.
    pub approved_by: Vec<String>,
    /// What became of the plan's actions.
    pub progress: BTreeMap<u32, ActionState>,
    /// What the plugin says it did.
    pub outcome: Option<Outcome>,
    /// The locks it holds.
    pub locks: Vec<String>,
    /// The cluster that it acts on or looks at.
    #[serde(default)]
    pub on: Option<String>,
    /// How far its batches are.
    #[serde(default)]
    pub batch: Option<BatchView>,
    /// How far its stages are.
    #[serde(default)]
    pub ramp: Option<RampView>,
    /// What is in the way, where it waits for something.
    pub guard: Option<Guard>,
    /// When it is tried again, where it waits for that.
    pub again_at: Option<Timestamp>,
    /// The parameters, evaluated.
    pub params: Value,
    /// How putting it back stands; `None` where it was not tried.
    pub undo: Option<Standing>,
    /// In a sentence: how putting it back went.
    pub undo_summary: String,
    /// It could not be put back.
    pub undo_failed: bool,
    /// The plan of the way back.
    pub undo_plan: Option<CheckedPlan>,
    /// What a decision about it is about.
    pub undo_digest: Option<PlanDigest>,
    /// What became of its actions.
    pub undo_progress: BTreeMap<u32, ActionState>,
    /// It was put back.
    pub undone: bool,
}

/// How far a step is that acts on a few targets at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchView {
    /// Targets that were acted on and verified.
    pub done: usize,
    /// Targets in all.
    pub of: usize,
    /// At a time.
    pub size: u32,
}

/// How far a step is that makes its change in stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RampView {
    /// Stages that were applied and verified, or had nothing to do.
    pub done: usize,
    /// Stages in all.
    pub of: usize,
    /// Time between a stage that was applied and its verify.
    pub hold: Span,
}

/// What kind of answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionKind {
    /// approve or deny a change.
    Decide,
    /// approve or deny putting it back.
    DecideUndo,
    /// answer yes, no or unknown.
    Answer,
    /// done or not done.
    ByHand,
    /// settle: did it happen, and does it go on?
    Settle,
    /// undo, or cancel with leave.
    UndoOrLeave,
}

/// Something that a person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenQuestion {
    /// What kind.
    pub kind: QuestionKind,
    /// About which check or step; absent for the run as a whole.
    pub step: Option<StepId>,
    /// In words.
    pub ask: String,
    /// Who is asked; empty: whoever has the role.
    pub from: Vec<String>,
    /// How many are needed, and who said yes so far.
    pub quorum: u32,
    /// Who said yes so far.
    pub given: Vec<String>,
    /// The plan that it is about.
    pub digest: Option<PlanDigest>,
    /// When no answer is an answer.
    pub expires: Option<Timestamp>,
    /// What a yes covers besides.
    pub undo: String,
}

fn standing_of_work(work: &Work) -> Standing {
    match work.stage {
        Stage::Pending => Standing::Pending,
        Stage::Looking => Standing::Looking,
        Stage::AwaitingPerson { .. } => Standing::AwaitingPerson,
        Stage::Planning => Standing::Planning,
        Stage::Weighing => Standing::Weighing,
        Stage::Held { .. } => Standing::Held,
        Stage::Asking => Standing::Asking,
        Stage::Refreshing { .. } => Standing::Refreshing,
        Stage::Applying => Standing::Applying,
        Stage::Waiting { .. } => Standing::Retrying,
        Stage::Between { .. } => Standing::BetweenBatches,
        Stage::Holding { .. } => Standing::Holding,
        Stage::Interrupted => Standing::Interrupted,
        Stage::Doubting { .. } => Standing::InDoubt,
        Stage::Settled { .. } => Standing::Settled,
        Stage::Verifying { .. } => Standing::Verifying,
        Stage::Applied => Standing::Applied,
        Stage::Ended => Standing::Over,
    }
}

fn standing_of_end(end: &End) -> Standing {
    match end {
        End::Done => Standing::Done,
        End::Answered => Standing::Answered,
        End::Planned => Standing::Planned,
        End::Skipped(_) => Standing::Skipped,
        End::Refused => Standing::Refused,
        End::Expired => Standing::Expired,
        End::Failed(_) => Standing::Failed,
    }
}

impl State {
    /// The run as people look at it.
    pub fn view(&self) -> RunView {
        RunView {
            id: self.opened.run.clone(),
            runbook: self.opened.runbook.clone(),
            title: self.book.title.clone(),
            group_key: self.opened.group_key.clone(),
            episode: self.opened.episode,
            generation: self.opened.generation,
            phase: self.phase(),
            ending: self.ending(),
            summary: self.summary(),
            escalated: self.escalated().into_iter().map(str::to_owned).collect(),
            opened_at: self.opened_at,
            closed_at: self.closed_at(),
            by: self.opened.by.clone(),
            shadow: self.opened.shadow,
            alerts: self.alerts.clone(),
            inputs: self.opened.inputs.clone(),
            diagnosis: self
                .book
                .diagnosis
                .iter()
                .filter_map(|check| self.check_view(&check.id))
                .collect(),
            steps: (0..self.steps.len())
                .filter_map(|index| self.step_view(index))
                .collect(),
            recovery: self
                .book
                .recovery
                .checks
                .iter()
                .filter_map(|check| self.check_view(&check.id))
                .collect(),
            recovery_since: self.recovery_since,
            holding_since: self.holding_since,
            questions: self.questions(),
        }
    }

    fn check_view(&self, id: &StepId) -> Option<CheckView> {
        let (model, state) = (self.check_model(id)?, self.checks.get(id)?);
        Some(CheckView {
            id: id.clone(),
            ask: model.ask.clone(),
            by_hand: state.by_hand,
            asking: state.asking,
            finding: state.finding.clone(),
            answered_at: state.answered_at,
            by: state.by.clone(),
        })
    }

    fn what(&self, index: usize) -> String {
        match self.step_model(index).map(|step| &step.kind) {
            Some(StepKind::Look { ask, .. }) => ask.clone(),
            Some(StepKind::Change(change)) => change.what.clone(),
            Some(StepKind::ByHand { what, .. }) => what.clone(),
            None => String::new(),
        }
    }

    fn step_view(&self, index: usize) -> Option<StepView> {
        let step = self.steps.get(index)?;
        let work = &step.work;
        let waits = work.waits.as_ref().map(|waits| waits.message.clone());
        let made = work.whole();
        let undo = step.undo.as_ref();
        let back = undo.and_then(Work::made);
        Some(StepView {
            id: step.id.clone(),
            phase: step.phase,
            what: self.what(index),
            state: step
                .end
                .as_ref()
                .map_or_else(|| standing_of_work(work), standing_of_end),
            summary: if step.end.is_some() {
                step.summary.clone()
            } else {
                waits.unwrap_or_else(|| work.note.clone())
            },
            plan: made.as_ref().map(|made| made.plan.clone()),
            digest: work.planned.as_ref().map(|planned| planned.digest),
            approved_by: work
                .decision
                .as_ref()
                .map(|decision| decision.by.clone())
                .unwrap_or_default(),
            progress: made.map(|made| made.progress).unwrap_or_default(),
            outcome: work.outcome.clone(),
            locks: step.locks.clone(),
            on: self.step_model(index).and_then(|step| step.on.clone()),
            batch: self.batch_view(index),
            ramp: self.ramp_view(index),
            guard: match work.stage {
                Stage::Held { .. } => Some(Guard::Limits),
                _ => work.waits.as_ref().map(|waits| waits.guard),
            },
            again_at: match work.stage {
                Stage::Waiting { until, .. } => Some(until),
                Stage::Held { next } => Some(next),
                Stage::Between { until } | Stage::Holding { until } => Some(until),
                _ => None,
            },
            params: work.params.clone(),
            undo: undo.map(standing_of_work),
            undo_summary: undo.map(|undo| undo.note.clone()).unwrap_or_default(),
            undo_failed: step.undo_failed,
            undo_plan: back.as_ref().map(|made| made.plan.clone()),
            undo_digest: undo
                .and_then(|undo| undo.planned.as_ref())
                .map(|planned| planned.digest),
            undo_progress: back.map(|made| made.progress).unwrap_or_default(),
            undone: step.undone,
        })
    }

    fn batch_view(&self, index: usize) -> Option<BatchView> {
        let size = self.change(index)?.batch?.size;
        let step = self.steps.get(index)?;
        let whole = step.work.whole()?;
        let of = whole.plan.targets().len();
        let done = match step.end {
            Some(End::Done) => {
                let mut done = step.work.sent_targets();
                done.sort_unstable();
                done.dedup();
                done.len()
            }
            _ => step.work.batch_progress().0,
        };
        Some(BatchView { done, of, size })
    }

    fn ramp_view(&self, index: usize) -> Option<RampView> {
        let ramp = self.change(index)?.ramp?;
        let step = self.steps.get(index)?;
        let done = match step.end {
            Some(End::Done) if step.work.ahead.is_empty() => ramp.stages,
            _ => step.work.stage_now(),
        };
        Some(RampView {
            done,
            of: ramp.stages,
            hold: ramp.hold,
        })
    }

    /// What people are asked.
    pub fn questions(&self) -> Vec<OpenQuestion> {
        if self.closed.is_some() {
            return Vec::new();
        }
        let blank = |kind, step: Option<&StepId>, ask: String| OpenQuestion {
            kind,
            step: step.cloned(),
            ask,
            from: Vec::new(),
            quorum: 1,
            given: Vec::new(),
            digest: None,
            expires: None,
            undo: String::new(),
        };
        let mut open = Vec::new();
        if self.entered && !self.opened.shadow && !self.is_withdrawn() && self.reopened.is_none() {
            for check in self.book.diagnosis.iter().filter(|check| Self::is_by_hand(check)) {
                if self
                    .checks
                    .get(&check.id)
                    .is_some_and(|state| state.finding.is_none())
                {
                    open.push(blank(QuestionKind::Answer, Some(&check.id), check.ask.clone()));
                }
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            if let Stage::AwaitingPerson { until } = step.work.stage {
                let look = matches!(
                    self.step_model(index).map(|step| &step.kind),
                    Some(StepKind::Look {
                        worker: Worker::Person,
                        ..
                    })
                );
                let kind = if look {
                    QuestionKind::Answer
                } else {
                    QuestionKind::ByHand
                };
                open.push(OpenQuestion {
                    expires: Some(until),
                    ..blank(kind, Some(&step.id), self.what(index))
                });
            }
            for side in [Side::Do, Side::Undo] {
                let Some(work) = step.side(side) else { continue };
                if let Some(question) = &work.question {
                    let kind = if side == Side::Do {
                        QuestionKind::Decide
                    } else {
                        QuestionKind::DecideUndo
                    };
                    open.push(OpenQuestion {
                        kind,
                        step: Some(step.id.clone()),
                        ask: question.ask.clone(),
                        from: question.from.clone(),
                        quorum: question.quorum,
                        given: work.given.clone(),
                        digest: Some(question.digest),
                        expires: Some(question.expires),
                        undo: question.undo.clone(),
                    });
                }
                if self.asks_to_settle(index, side) {
                    let ask = format!("Did it happen? {}", work.note);
                    open.push(blank(QuestionKind::Settle, Some(&step.id), ask));
                }
            }
        }
        if self.wants_choice() {
            let ask = "What was changed still stands: put it back, or leave it?".to_owned();
            open.push(blank(QuestionKind::UndoOrLeave, None, ask));
        }
        open
    }

    /// The run cannot end before a person says what becomes of what was changed.
    fn wants_choice(&self) -> bool {
        let idle = self
            .steps
            .iter()
            .all(|step| step.end.is_some() && !step.undoing());
        let stands = self.steps.iter().any(crate::step::StepState::stands);
        let stuck = (0..self.steps.len()).any(|index| {
            let failed = self
                .steps
                .get(index)
                .is_some_and(|step| step.undo_failed && step.stands());
            failed && (self.awaits_undo(index) || self.reopened.is_some())
        });
        idle && stands && (self.cancelled.is_some() || self.gave_up || stuck)
    }

    /// In a sentence: what it waits for, or how it ended.
    pub fn summary(&self) -> String {
        if let Some(closed) = &self.closed {
            return closed.summary.clone();
        }
        if let Some(question) = self.questions().into_iter().next() {
            return match question.step {
                Some(step) => format!("asks about {step}: {}", question.ask),
                None => question.ask,
            };
        }
        match self.phase() {
            Phase::Waiting => self
                .place_note
                .clone()
                .unwrap_or_else(|| "waits whether it still fires".to_owned()),
            Phase::Recovery if self.gave_up => "did not recover; waits for a person".to_owned(),
            Phase::Recovery => "waits until it is well".to_owned(),
            phase => self
                .driven()
                .and_then(|(index, side)| {
                    let step = self.steps.get(index)?;
                    Some(format!("{} {}", step.id, standing_of_work(step.side(side)?)))
                })
                .unwrap_or_else(|| phase.as_str().to_owned()),
        }
    }
}
