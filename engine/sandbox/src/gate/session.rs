//! One plugin call at the gate.

use std::sync::Arc;

use stanch_contract::plan::Capability;
use stanch_contract::{Failure, RunId, StepId, Timestamp};
use tokio::time::Instant;

use super::{Facilities, Grant, Layer, Ledger, Phase, Refusal};
use crate::files::{Entries, Entry, Removed, Space};
use crate::http::{Request, Response};

/// Where the gate reads the time that it writes down.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a session is made of.
pub struct SessionParts {
    /// What the operator lets this installation do.
    pub grant: Arc<Grant>,
    /// For messages and logs.
    pub run: RunId,
    /// For messages and logs.
    pub step: StepId,
    /// What the phase lets through.
    pub phase: Phase,
    /// What all sessions share.
    pub facilities: Arc<Facilities>,
    /// How many calls the plugin may make; one more is refused with `budget`.
    pub max_calls: u32,
    /// When the plugin call ends at the latest.
    pub deadline: Instant,
    /// The time that is written down.
    pub clock: Clock,
}

/// One plugin call at the gate. Cheap to clone; all clones are the same session.
#[derive(Clone)]
pub struct Session {
    inner: Arc<SessionParts>,
}

impl Session {
    /// Opens the gate for one plugin call.
    pub fn new(parts: SessionParts) -> Self {
        Self {
            inner: Arc::new(parts),
        }
    }

    fn closed(&self, what: &str) -> Failure {
        Refusal::new(
            Layer::Grant,
            format!("`{}` has no grant for {what}", self.inner.grant.plugin()),
        )
        .to_failure()
    }

    /// `http.send`.
    ///
    /// # Errors
    /// `denied`, `budget`, `timeout`, `unavailable`, `conflict` or `failed`, in the contract's sense.
    pub async fn http_send(&self, request: Request) -> Result<Response, Failure> {
        Err(self.closed(&request.url))
    }

    /// `files.usage`.
    ///
    /// # Errors
    /// As [`Session::http_send`], and `not-found`.
    pub async fn files_usage(&self, folder: &str) -> Result<Space, Failure> {
        Err(self.closed(folder))
    }

    /// `files.scan`.
    ///
    /// # Errors
    /// As [`Session::files_usage`].
    pub async fn files_scan(
        &self,
        folder: &str,
        _recursive: bool,
        _continue_from: Option<&str>,
    ) -> Result<Entries, Failure> {
        Err(self.closed(folder))
    }

    /// `files.read`.
    ///
    /// # Errors
    /// As [`Session::files_usage`].
    pub async fn files_read(&self, path: &str, _limit_bytes: u32) -> Result<Vec<u8>, Failure> {
        Err(self.closed(path))
    }

    /// `files.write`.
    ///
    /// # Errors
    /// As [`Session::files_usage`], and `conflict`.
    pub async fn files_write(&self, path: &str, _content: Vec<u8>) -> Result<(), Failure> {
        Err(self.closed(path))
    }

    /// `files.remove`.
    ///
    /// # Errors
    /// As [`Session::files_usage`], and `conflict`.
    pub async fn files_remove(&self, folder: &str, _files: Vec<Entry>) -> Result<Removed, Failure> {
        Err(self.closed(folder))
    }

    /// Any function of the interface `kubernetes`: refused and recorded, because this version has no clusters.
    pub fn kubernetes(&self, verb: &str, target: &str) -> Failure {
        self.closed(&format!("{} {verb} {target}", Capability::Kubernetes.as_str()))
    }

    /// Closes the session: waits for actions under way to end (each within its own limit) and hands over what was recorded.
    pub async fn finish(&self) -> Ledger {
        Ledger::default()
    }
}
