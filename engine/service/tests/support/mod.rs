//! What the tests of the service share.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests call this, and they must stop here"
)]

pub(crate) mod files;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stanch_contract::{Alert, RunId, Timestamp};
use stanch_service::Snapshot;
use stanch_service::config::Settings;
use stanch_service::intake::{Accepted, AlertSink, NotDurable};

/// Takes alerts as the engine does, and remembers them.
#[derive(Default)]
pub(crate) struct Recorder {
    taken: Mutex<Vec<(String, Vec<Alert>)>>,
    refusal: Mutex<Option<NotDurable>>,
}

impl Recorder {
    pub(crate) fn last(&self) -> (String, Vec<Alert>) {
        self.taken.lock().unwrap().last().cloned().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    pub(crate) fn refuse(&self, refusal: Option<NotDurable>) {
        *self.refusal.lock().unwrap() = refusal;
    }
}

#[async_trait]
impl AlertSink for Recorder {
    async fn accept(&self, alerts: Vec<Alert>, intake: &str) -> Result<Accepted, NotDurable> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let accepted = Accepted {
            alerts: alerts.len(),
            runs: vec![RunId::from("r1")],
            unmatched: 0,
        };
        self.taken.lock().unwrap().push((intake.to_owned(), alerts));
        Ok(accepted)
    }
}

/// A snapshot of nothing but settings.
pub(crate) fn snapshot_of(settings: Settings) -> Snapshot {
    Snapshot {
        generation: 1,
        built: Timestamp(0),
        settings: Arc::new(settings),
        runbooks: BTreeMap::new(),
        index: Arc::default(),
        plugins: BTreeMap::new(),
        problems: Vec::new(),
        held: None,
    }
}
