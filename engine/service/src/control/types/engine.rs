//! The engine, its runbooks and its plugins, as a person looks at them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Digest, Manifest, PluginKey, PluginKind, RunId, Timestamp};
use stanch_sandbox::gate::GrantSpec;

use super::run::RunView;
pub use crate::intake::Accepted;
pub use crate::snapshot::{Problem as FileProblem, ProblemKind};
pub use stanch_journal::{AuditEntry, AuditPage};
pub use stanch_run::ledger::Pause;

/// What the engine is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The engine's version.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// The engine's time when this was made.
    pub now: Timestamp,
    /// The loaded generation.
    pub generation: u64,
    /// After a rollback: the generation whose content this is, until a file changes or a reload is asked for.
    pub held: Option<u64>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// How many runbooks are loaded.
    pub runbooks: u32,
    /// How many plugins are loaded.
    pub plugins: u32,
    /// Files that do not load; the last good version of each stays.
    pub problems: Vec<FileProblem>,
    /// The clusters, by name.
    #[serde(default)]
    pub clusters: Vec<ClusterView>,
    /// What is stopped.
    pub pauses: Vec<Pause>,
    /// Whether there are too many alerts: diagnosis only.
    pub storm: bool,
    /// Runs that are open.
    pub open_runs: u32,
    /// Runs that wait for a person.
    pub waiting_runs: u32,
    /// Runs in the journal that cannot go on, and why.
    pub stuck_runs: BTreeMap<RunId, String>,
    /// The journal.
    pub store: StoreHealth,
}

/// How a cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClusterView {
    /// Its name in stanch.toml.
    pub name: String,
    /// The server's URL; absent where what it is reached by cannot be read.
    pub server: Option<String>,
    /// Who is acted as, where it is not who logs in.
    pub acts_as: Option<String>,
    /// When it was last asked something.
    pub asked: Option<Timestamp>,
    /// Why it does not answer or cannot be reached; absent where nothing is wrong, as far as is known.
    pub problem: Option<String>,
}

/// How the journal is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreHealth {
    /// Whether it can be written.
    pub writable: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is wrong; absent where nothing is.
    pub problem: Option<String>,
}

/// What became of a reload or a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reloaded {
    /// The generation that is loaded now.
    pub generation: u64,
    /// What was added, changed or removed, a line each.
    pub changes: Vec<String>,
    /// What does not load and stays as it was.
    pub problems: Vec<FileProblem>,
}

/// For each runbook, what an alert meets in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The alert's name.
    pub alert: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Each runbook, those that apply first.
    pub runbooks: Vec<RunbookExplanation>,
}

/// What an alert meets in one runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunbookExplanation {
    /// The runbook's name.
    pub runbook: String,
    /// Whether all conditions hold.
    pub applies: bool,
    /// The conditions in their order, up to and with the first that stopped it.
    pub conditions: Vec<ConditionView>,
    /// The group key that its run would have, where it applies.
    pub group: Option<String>,
}

/// One condition of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConditionView {
    /// As the runbook writes it.
    pub condition: String,
    /// What the alert has there: `env = "dev"`.
    pub value: String,
    /// Whether it holds; absent: it has no value, and `value` says why.
    pub holds: Option<bool>,
}

/// An installed plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PluginView {
    /// The operator's key.
    pub key: PluginKey,
    /// What it is for.
    pub kind: PluginKind,
    /// Where it was loaded from.
    pub source: String,
    /// The component's digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What the operator lets it do, a line each.
    pub grants: Vec<String>,
    /// What it asks for and was not given, a line each.
    pub missing: Vec<String>,
    /// Its limits, as stanch.toml writes them.
    pub limits: Value,
    /// Which runbooks use it.
    pub used_by: Vec<String>,
}

/// The smallest grant for what a plugin asked of the gate in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suggested {
    /// The operator's key.
    pub plugin: PluginKey,
    /// The grant.
    #[schema(value_type = Object)]
    pub grant: GrantSpec,
    /// What a person has to fill in or know about it, one sentence each.
    pub notes: BTreeSet<String>,
    /// Why the last of what it did failed, where it did: with this grant it may ask for more.
    pub failed: Option<String>,
}

/// What a dry run found: a run in shadow that was not recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DryRun {
    /// The run as it would be, with every plan that could be made.
    pub run: RunView,
}
