//! What went wrong in a call, in the contract's words.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of failure that the contract documents. A code that a plugin made up is [`FailureCode::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The runbook gave parameters that this plugin cannot use.
    InvalidParams,
    /// The host, or the system acted on, refused.
    Denied,
    /// What was named is not there.
    NotFound,
    /// The world changed since the plan was made.
    Conflict,
    /// Not reachable now.
    Unavailable,
    /// A time limit was reached.
    Timeout,
    /// Another limit was reached; the message names it.
    Budget,
    /// The plugin trapped (a panic, an exception, an exit).
    Trap,
    /// Anything else.
    Failed,
}

impl FailureCode {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParams => "invalid-params",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Budget => "budget",
            Self::Trap => "trap",
            Self::Failed => "failed",
        }
    }

    /// From a plugin's word; what the contract does not know is [`FailureCode::Failed`], and a plugin cannot claim a trap.
    pub fn from_contract(word: &str) -> Self {
        match word {
            "invalid-params" => Self::InvalidParams,
            "denied" => Self::Denied,
            "not-found" => Self::NotFound,
            "conflict" => Self::Conflict,
            "unavailable" => Self::Unavailable,
            "timeout" => Self::Timeout,
            "budget" => Self::Budget,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{message} ({code})")]
pub struct Failure {
    /// What kind.
    pub code: FailureCode,
    /// One sentence for a tired reader: what failed, on what, and why. Free of control characters.
    pub message: String,
    /// When it may be worth another try, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

impl Failure {
    /// A failure with a code and a sentence.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
            extra: Value::Null,
        }
    }
}
