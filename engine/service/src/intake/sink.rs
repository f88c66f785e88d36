//! Where alerts go: what an intake needs of the engine.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stanch_contract::{Alert, RunId};

/// Takes alerts and answers only when they are durable.
#[async_trait]
pub trait AlertSink: Send + Sync + 'static {
    /// Records these alerts and what they start.
    ///
    /// # Errors
    /// Where they are not durable. Then nothing of them counts as seen, and the sender is asked to send them again.
    async fn accept(&self, alerts: Vec<Alert>, intake: &str) -> Result<Accepted, NotDurable>;
}

/// What became of some alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// How many were recorded.
    pub alerts: usize,
    /// The runs that they opened or belong to.
    pub runs: Vec<RunId>,
    /// How many fit no runbook.
    pub unmatched: usize,
}

/// Why alerts were not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotDurable {
    /// One sentence.
    pub reason: String,
    /// When another try may do.
    pub retry_after: Duration,
}
