//! What a run is opened with: everything that it pins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Alert, Digest, PluginKey, RunId};
use stanch_runbook::EngineGuardrails;

/// The content of [`crate::EventKind::RunOpened`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The run.
    pub run: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// Of its [`stanch_runbook::RunbookSource`].
    pub digest: Digest,
    /// The generation of the snapshot that it was opened under.
    pub generation: u64,
    /// The plugins that the runbook uses.
    pub plugins: BTreeMap<PluginKey, Pin>,
    /// The engine's guardrails of then.
    pub guardrails: EngineGuardrails,
    /// Inputs, converted to their types.
    pub inputs: BTreeMap<String, Value>,
    /// Why others have no value. Such a run looks at nothing and does nothing: it tells people, and ends as failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The alerts that began the episode, the first first; empty where a person started it without one.
    pub alerts: Vec<Alert>,
    /// What its alerts have in common.
    pub group_key: String,
    /// Which episode of runbook and group key.
    pub episode: u64,
    /// The person who asked for it; absent where an alert did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Looks and plans only.
    #[serde(default)]
    pub shadow: bool,
}

/// What a run pins of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Of the component's bytes.
    pub component: Digest,
    /// Of the operator's settings for this installation.
    pub settings: Digest,
    /// Of what the operator let it do: a run is held to the stricter of then and now.
    pub grant: Digest,
    /// The manifest says: a repeat of an action has no second effect.
    #[serde(default)]
    pub idempotent: bool,
    /// The manifest says: it can give the way back.
    #[serde(default)]
    pub reversible: bool,
    /// The manifest says: its verify can answer.
    #[serde(default)]
    pub verifies: bool,
    /// The manifest says: asked again after the way back, its `plan-undo` tells whether all is as before.
    #[serde(default)]
    pub verifies_undo: bool,
}
