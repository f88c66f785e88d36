//! In which phase of a run a plugin call happens, and what an apply needs besides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use stanch_contract::{ActionState, CheckedPlan};

/// What a plugin call may do, before any grant is looked at.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each call, moved twice: a box would cost more than it saves"
)]
pub enum Phase {
    /// Diagnosis, plan, verify, plan-undo: nothing may be changed.
    Read,
    /// Exactly what the plan names, each action once.
    Apply(Apply),
    /// Only what the plugin's `notify` grant names.
    Notify,
}

impl Phase {
    /// The word that messages use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Read => "read-only",
            Self::Apply(_) => "apply",
            Self::Notify => "notify",
        }
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An apply: the plan that was decided on, what is known of it from earlier attempts, and where its actions are made durable.
pub struct Apply {
    /// The plan, in the order that the numbers of its actions refer to.
    pub plan: CheckedPlan,
    /// What earlier attempts at the same application left, by the action's place in the plan.
    pub earlier: BTreeMap<u32, EarlierAction>,
    /// The journal, as far as the gate needs it.
    pub log: Arc<dyn ActionLog>,
}

/// What an earlier attempt left of one action.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierAction {
    /// What became of it.
    pub state: ActionState,
    /// What [`ActionLog::ended`] was given then.
    pub answer: Option<Vec<u8>>,
}

/// The journal's side of an apply.
#[async_trait]
pub trait ActionLog: Send + Sync {
    /// Makes it durable that this action is about to be sent. Nothing is sent before this returns.
    ///
    /// # Errors
    /// [`Stop`] where it must not be sent now (paused, cancelled, over budget, revoked): then nothing is sent.
    async fn started(&self, action: u32) -> Result<(), Stop>;

    /// Makes durable what became of it. `answer` is the gate's own form of the target's answer, with secrets removed and
    /// capped, to be handed back in [`EarlierAction::answer`].
    async fn ended(&self, action: u32, state: ActionState, answer: Option<Vec<u8>>);
}

/// Why an action must not be sent now, in a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Stop {
    /// As in "the engine is paused for this plugin by `dana`: investigating".
    pub reason: String,
}
