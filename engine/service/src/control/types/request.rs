//! What the command line asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Alert, Digest, RunId, StepId, Verdict};

pub use stanch_run::ledger::PauseScope;

/// Which runs to list; newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RunFilter {
    /// Of this runbook only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Open ones only.
    #[serde(default)]
    pub open: bool,
    /// Those that wait for a person only.
    #[serde(default)]
    pub waiting: bool,
    /// Opened before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RunId>,
    /// At most this many; 50 where nothing is said, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Starts a run by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The runbook's name.
    pub runbook: String,
    /// Its inputs. A text is converted to the input's type.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Start another run of an episode that has had one.
    #[serde(default)]
    pub again: bool,
}

/// Yes or no to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Whether it may be done.
    pub yes: bool,
    /// The whole digest of the plan that was looked at.
    pub digest: Digest,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Alone, without the quorum: audited, and everybody is told. Needs a reason.
    #[serde(default)]
    pub break_glass: bool,
}

/// A person's answer to a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerCheck {
    /// Yes, no or unknown.
    pub verdict: Verdict,
}

/// What a person says of a step done by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Whether it was done.
    pub done: bool,
}

/// A person settles a doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Whether the action took effect.
    pub happened: bool,
    /// Whether the run goes on.
    pub go_on: bool,
}

/// Puts back what a run changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoRun {
    /// Only what this step changed; absent: everything, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
}

/// Ends a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRun {
    /// What becomes of what was changed: put back or left. Must be said where something was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<bool>,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Stops changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Which changes: `all`, `runbook:NAME`, `plugin:KEY`, `namespace:NAME`.
    #[schema(value_type = String)]
    pub scope: PauseScope,
    /// Why: everybody who looks will read it.
    pub reason: String,
}

/// Asks which alerts an intake would make of a body. Nothing is taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadAlerts {
    /// The intake's path.
    pub intake: String,
    /// What its sender would send: JSON.
    pub body: Value,
}

/// Asks which runbooks an alert would start, and why not the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ExplainRequest {
    /// This alert.
    Alert(Box<Alert>),
    /// The newest stored alert with this fingerprint.
    Fingerprint(String),
}

/// Asks for a dry run: checks and plans for real, with the gate closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// The runbook's name.
    pub runbook: String,
    /// The alerts, as if they came in.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// Inputs, besides what the alert gives.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
}

/// Which part of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditPart {
    /// Entries after this number.
    #[serde(default)]
    pub after: u64,
    /// At most so many; 100 where it is 0, never more than 1,000.
    #[serde(default)]
    pub limit: usize,
}

/// Goes back to an earlier generation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Which one; absent: the one before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}
