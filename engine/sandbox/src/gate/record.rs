//! What the gate writes down of each call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stanch_contract::plan::Capability;
use stanch_contract::{Digest, Failure, FailureCode, Progress, Timestamp};

/// Which layer refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The request itself: a URL, header, path or method that nobody may send.
    Request,
    /// The operator's grant does not name it.
    Grant,
    /// The phase of the run: a change outside of apply.
    Phase,
    /// The plan does not name it.
    Plan,
    /// The plan's action was used already, is in doubt, or was stopped before it was sent.
    Action,
    /// The name resolves to no address that may be reached.
    Address,
    /// A number, size or time limit.
    Limit,
}

impl Layer {
    /// The word that messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Grant => "grant",
            Self::Phase => "phase",
            Self::Plan => "plan",
            Self::Action => "action",
            Self::Address => "address",
            Self::Limit => "limit",
        }
    }
}

/// A refusal: which layer, why, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// Which layer refused.
    pub layer: Layer,
    /// A sentence: what was refused, on what, and why.
    pub why: String,
    /// The line of stanch.toml, or the deed, that would allow it; `None` where nothing would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_hint: Option<String>,
}

impl Refusal {
    /// A refusal that nothing would allow.
    pub fn new(layer: Layer, why: impl Into<String>) -> Self {
        Self {
            layer,
            why: why.into(),
            allow_hint: None,
        }
    }

    /// The same with what would allow it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.allow_hint = Some(hint.into());
        self
    }

    /// As the plugin gets it: `denied`, or `budget` for a limit, with the layer and the hint in the message and in `extra`.
    pub fn to_failure(&self) -> Failure {
        let code = if self.layer == Layer::Limit {
            FailureCode::Budget
        } else {
            FailureCode::Denied
        };
        let hint = self
            .allow_hint
            .as_ref()
            .map(|hint| format!("; to allow it: {hint}"))
            .unwrap_or_default();
        let mut failure = Failure::new(
            code,
            format!("refused by the {}: {}{hint}", self.layer.as_str(), self.why),
        );
        failure.extra = json!({ "layer": self.layer.as_str(), "allow": self.allow_hint });
        failure
    }
}

/// What the gate decided of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It was let through.
    Allowed,
    /// It was answered from the journal of an earlier attempt and not sent.
    Replayed,
    /// It was not let through.
    Refused(Refusal),
}

/// What came back, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// `200`, `removed 3 files`, or the failure's code and sentence. Secrets removed.
    pub summary: String,
    /// Of the content, secrets removed; the content itself is in [`Ledger::contents`] as far as the budget reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How long the content is.
    #[serde(default)]
    pub bytes: u64,
}

/// One call at the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// When it came.
    pub at: Timestamp,
    /// Through which capability.
    pub capability: Capability,
    /// The HTTP method, or the name of the function.
    pub verb: String,
    /// What it was about, in canonical form where it had one.
    pub target: String,
    /// Of the request's body; `None` where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// What came back; `None` where it was refused, or the plugin call ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Which action of the plan it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u32>,
}

/// What a session leaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The calls, in the order in which they came.
    pub calls: Vec<RecordedCall>,
    /// Contents of requests and answers by digest, secrets removed, within the byte budget of a session.
    pub contents: BTreeMap<Digest, Vec<u8>>,
    /// Apply: what became of each action, including what earlier attempts left. One that is missing was not sent.
    pub progress: Progress,
}
