//! What the engine hands to a call.

use serde::de::DeserializeOwned;
use serde_json::Value;
use stanch_contract::Alert;
use stanch_contract::plan::{ActionState, ChangePlan};

use crate::finding::Outcome;
use crate::{Action, Failure, FailureContext, Plan};

/// For which run and step a call is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The same for every attempt at one application of this step of this run, and different between them.
    pub idempotency_key: String,
    /// The alerts of the run's episode, the first first. None where a person started the run.
    pub alerts: Vec<Alert>,
    /// What else the engine said.
    pub extra: Value,
}

impl Context {
    /// The idempotency key of the action at `index` of a plan with `actions` actions: the context's own where there is
    /// one action, else with the index appended.
    pub fn key_of(&self, index: usize, actions: usize) -> String {
        if actions > 1 {
            format!("{}-{index}", self.idempotency_key)
        } else {
            self.idempotency_key.clone()
        }
    }
}

/// What the host saw of one planned action.
pub type Progress = ActionState;

/// What was tried, also where apply failed, trapped, or the engine died in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt<Data> {
    /// The plan that was applied.
    pub plan: Plan<Data>,
    /// What the host saw of each action, in the plan's order.
    pub progress: Vec<Progress>,
    /// What `apply` said, where it came to say something.
    pub outcome: Option<Outcome<Data>>,
}

/// [`Attempt`] as it comes over the border.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq)]
pub struct WireAttempt {
    pub plan: ChangePlan,
    pub progress: Vec<(u32, ActionState)>,
    pub outcome: Option<stanch_contract::Outcome>,
}

impl<Data> Attempt<Data> {
    /// The actions with what became of them.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &Progress)> {
        self.plan.actions.iter().zip(&self.progress)
    }

    /// The actions that took effect for certain.
    pub fn done(&self) -> impl Iterator<Item = &Action> {
        self.actions()
            .filter(|(_, state)| matches!(state, Progress::Done { .. }))
            .map(|(action, _)| action)
    }

    /// The actions that took effect or may have: what an undo has to think of.
    pub fn maybe_done(&self) -> impl Iterator<Item = &Action> {
        self.actions()
            .filter(|(_, state)| matches!(state, Progress::Done { .. } | Progress::Unknown { .. }))
            .map(|(action, _)| action)
    }
}

impl<Data: Clone> Attempt<Data> {
    /// The plan's data, without which there is no way back.
    ///
    /// # Errors
    /// `failed` where the plan had none, or had what another version of the plugin said.
    pub fn before(&self) -> Result<Data, Failure> {
        self.plan
            .data
            .clone()
            .context("what was there before is not known")
    }
}

impl<Data: DeserializeOwned> Attempt<Data> {
    pub(crate) fn from_wire(wire: WireAttempt) -> Result<Self, Failure> {
        let plan = Plan::from_wire(wire.plan)?;
        let mut progress = vec![ActionState::NotSent; plan.actions.len()];
        for (index, state) in wire.progress {
            if let Some(slot) = usize::try_from(index)
                .ok()
                .and_then(|index| progress.get_mut(index))
            {
                *slot = state;
            }
        }
        Ok(Self {
            plan,
            progress,
            outcome: wire.outcome.map(Outcome::from_wire),
        })
    }
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// `question`, `progress`, `escalation` or `report`.
    pub kind: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// One line.
    pub title: String,
    /// Plain text, already free of markup.
    pub text: String,
    /// Where to look further.
    pub link: Option<String>,
    /// The run's report: alert, findings, plan, what was done.
    pub report: Value,
    /// The same for every message of one run.
    pub thread: String,
    /// What else the engine said.
    pub extra: Value,
}
