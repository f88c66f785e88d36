//! What a plugin says of itself: the JSON document of `describe` and of the custom section `stanch:manifest`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which of the three worlds a plugin is built for. Found from its exports, not claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// Answers one question, read-only.
    Diagnosis,
    /// Plans, then applies one change.
    Remediation,
    /// Tells people.
    Notification,
}

impl PluginKind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Diagnosis => "diagnosis",
            Self::Remediation => "remediation",
            Self::Notification => "notification",
        }
    }
}

/// A plugin's manifest. Unknown members are refused, so that a misspelt promise is not taken for none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The plugin's name, kebab-case.
    pub name: String,
    /// Its version (semver).
    pub version: String,
    /// One sentence: what it does, on what.
    pub summary: String,
    /// JSON Schema 2020-12 of its parameters; a string may say `x-stanch-format`: promql, url, regex or json.
    pub params: Value,
    /// JSON Schema 2020-12 of the `data` of its findings and outcomes.
    #[serde(default)]
    pub data: Value,
    /// Remediation: a repeat of an action of one idempotency key has no second effect.
    #[serde(default)]
    pub idempotent: bool,
    /// Remediation: `plan-undo` gives the way back.
    #[serde(default)]
    pub reversible: bool,
    /// Remediation: `verify` can answer yes and no.
    #[serde(default)]
    pub verifies: bool,
    /// Remediation: asked again after the way back was applied, `plan-undo` looks at the world and gives an empty plan where
    /// all is as before.
    #[serde(default)]
    pub verifies_undo: bool,
    /// What it needs, in the notation of a grant (`{"http": [...], "files": [...]}`). Asked, not given.
    #[serde(default)]
    pub asks: Value,
}
