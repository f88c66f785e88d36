//! What the runs of each runbook say of how far it can be trusted.

use serde::{Deserialize, Serialize};
use stanch_contract::Timestamp;

/// Which runs are looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReportFilter {
    /// Those that were open within this many milliseconds before now; 30 days where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<i64>,
    /// Of this runbook only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

/// The runs of a time, runbook by runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// From when on.
    pub since: Timestamp,
    /// The engine's time when this was made.
    pub now: Timestamp,
    /// By name; none for a runbook without a run.
    pub runbooks: Vec<Readiness>,
    /// Runs were left out: there were more than are looked at, and the oldest are not in here.
    pub left_out: bool,
}

/// The runs of one runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Readiness {
    /// Its name.
    pub runbook: String,
    /// What it would have done.
    pub shadow: Shadowed,
    /// What it did, and asked.
    pub acted: Acted,
    /// What people answered.
    pub answers: Answers,
    /// What it is ready for.
    pub ready: Ready,
    /// Why, in a sentence.
    pub why: String,
}

/// Runs in shadow: nothing was asked or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shadowed {
    /// How many.
    pub runs: u32,
    /// In which something would have been changed.
    pub planned: u32,
    /// In which a step was held by a guardrail.
    pub held: u32,
    /// In which a step failed: no plan could be made, or it is beyond the grant.
    pub failed: u32,
    /// Whose alerts were resolved since: by people, or by themselves.
    pub resolved: u32,
}

/// Runs that were not in shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Acted {
    /// How many.
    pub runs: u32,
    /// Resolved, with changes that were verified.
    pub healed: u32,
    /// Resolved before anything was changed.
    pub resolved_itself: u32,
    /// With a step that failed.
    pub failed: u32,
    /// Still open.
    pub open: u32,
}

/// Questions about changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answers {
    /// Answered with yes, by as many as were needed.
    pub yes: u32,
    /// Of these: by one person alone, who broke the glass.
    pub alone: u32,
    /// Answered with no.
    pub no: u32,
    /// Nobody answered in time.
    pub unanswered: u32,
    /// The alerts were resolved before anybody answered: people acted otherwise, or it was over by itself.
    pub overtaken: u32,
    /// Half of the answers came within this many milliseconds, rounded up; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_within: Option<i64>,
    /// The slowest answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest: Option<i64>,
}

/// What a runbook may be given next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// Not more than it has.
    NotYet,
    /// To ask people: `mode = "ask"`.
    ForAsk,
    /// To go on without asking: `mode = "auto"`.
    ForAuto,
}
