//! What the command line asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Alert, Digest, StepId, Verdict};

/// Which runs to list; newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// At most this many; 50 where nothing is said, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Starts a run by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerCheck {
    /// Yes, no or unknown.
    pub verdict: Verdict,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a person says of a step done by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Whether it was done.
    pub done: bool,
    /// What was done or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A person settles a doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Whether the action took effect.
    pub happened: bool,
    /// Whether the run goes on.
    pub go_on: bool,
    /// How it was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Puts back what a run changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoRun {
    /// Only what this step changed; absent: everything, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Ends a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRun {
    /// What becomes of what was changed: put back or left. Must be said where something was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<bool>,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a pause is about. Written `all`, `runbook:NAME`, `plugin:KEY`, `namespace:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PauseScope {
    /// Every change.
    All,
    /// Changes of one runbook.
    Runbook(String),
    /// Changes by one plugin.
    Plugin(String),
    /// Changes in one namespace.
    Namespace(String),
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what can be paused: write `all`, `runbook:NAME`, `plugin:KEY` or `namespace:NAME`")]
pub struct NotAScope(String);

impl FromStr for PauseScope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAScope(text.chars().take(80).collect());
        if text == "all" {
            return Ok(Self::All);
        }
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong());
        }
        match kind {
            "runbook" => Ok(Self::Runbook(name.to_owned())),
            "plugin" => Ok(Self::Plugin(name.to_owned())),
            "namespace" => Ok(Self::Namespace(name.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Runbook(name) => write!(f, "runbook:{name}"),
            Self::Plugin(key) => write!(f, "plugin:{key}"),
            Self::Namespace(name) => write!(f, "namespace:{name}"),
        }
    }
}

impl Serialize for PauseScope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PauseScope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Stops changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Which changes.
    pub scope: PauseScope,
    /// Why: everybody who looks will read it.
    pub reason: String,
}

/// Asks which runbooks an alert would start, and why not the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ExplainRequest {
    /// This alert.
    Alert(Box<Alert>),
    /// The newest stored alert with this fingerprint.
    Fingerprint(String),
}

/// Asks for a dry run: checks and plans for real, with the gate closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// Goes back to an earlier generation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Which one; absent: the one before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_what_it_prints() {
        for text in ["all", "runbook:disk-full", "plugin:waf", "namespace:inference"] {
            assert_eq!(text.parse::<PauseScope>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in [
            "",
            "everything",
            "runbook:",
            "runbook",
            "host:a",
            "runbook:a b",
            "ALL",
        ] {
            assert!(text.parse::<PauseScope>().is_err(), "{text}");
        }
    }
}
