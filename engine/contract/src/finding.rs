//! What a plugin saw.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to a question of a checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It could not be found out. Not the same as no.
    Unknown,
}

impl Verdict {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Point {
    /// Milliseconds since 1970, a whole number.
    pub at_ms: f64,
    /// The value then; always finite (what is not is left out by the host).
    pub value: f64,
}

/// Something a person would look at: a value, a link, or a curve.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evidence {
    /// What it is.
    pub label: String,
    /// Its value, as text.
    pub value: String,
    /// Where to look further: an `http` or `https` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The value's and the points' unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The curve, oldest first; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Point>,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

/// A plugin's answer to one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// Yes, no or unknown.
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What later steps can read.
    #[serde(default)]
    pub data: Value,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}
