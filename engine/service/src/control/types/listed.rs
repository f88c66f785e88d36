//! What is loaded and what came in, as lists.

use serde::{Deserialize, Serialize};
use stanch_contract::{AlertStatus, Digest, RunId, Timestamp};
use stanch_runbook::model::{Mode, Severity};

/// Which alerts to list; newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AlertsFilter {
    /// What became of them: a `fate` of [`TakenIn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<String>,
    /// With a smaller number than this: the `id` of the last one of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most this many; 50 where nothing is said, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// An alert that was taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TakenIn {
    /// Its number; later ones have greater ones.
    pub id: u64,
    /// When it came in.
    pub at: Timestamp,
    /// Its name.
    pub name: String,
    /// Stable identity.
    pub fingerprint: String,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// What became of it: `opened` a run, `repeated` or `resolved` in one, `counted` towards `at_least`, `unmatched`, `error`
    /// (a trigger's expression has no value), or `nothing` (resolved, and no run knew it).
    pub fate: String,
    /// The runs that it opened or belongs to.
    pub runs: Vec<RunId>,
    /// Its labels, as `name=value`.
    pub labels: String,
    /// What had no value, where the fate is `error`.
    pub errors: Vec<String>,
}

/// A loaded runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunbookView {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// How bad what it is for is.
    pub severity: Severity,
    /// Who owns it.
    pub owner: String,
    /// Whose folder it is in.
    pub team: String,
    /// How much it may do by itself.
    pub mode: Mode,
    /// The alerts that start it; empty: matchers do, or a person.
    pub alerts: Vec<String>,
    /// Whether an alert can start it; else a person does.
    pub triggered: bool,
}

/// A loaded runbook, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunbookPage {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: RunbookView,
    /// The file that it was read from, as the operator wrote its path.
    pub path: String,
    /// Of its text, its folder's defaults and its vars.
    pub digest: Digest,
    /// The page, as Markdown: what `stanch show` prints.
    pub page: String,
    /// Every value that applies and where it comes from: what `stanch show --resolved` prints.
    pub resolved: String,
}
