//! What a sender told the engine: one alert.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether the sender says that the alert still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It no longer holds.
    Resolved,
}

impl AlertStatus {
    /// The word that the plugin contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert, as every intake hands it over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alert {
    /// The alert's name (Alertmanager's label `alertname`).
    pub name: String,
    /// Stable identity of the alert across notifications; unique among one sender's alerts.
    pub fingerprint: String,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// Labels, by name. They come from outside.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations, by name. They come from outside.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire, RFC 3339, as the sender wrote it.
    pub starts_at: String,
    /// What the sender sent of this alert; `null` where it was over 64 KiB.
    #[serde(default)]
    pub payload: Value,
}
