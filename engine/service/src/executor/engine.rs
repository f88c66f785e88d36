//! The engine as the rest of the service holds it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use stanch_contract::{Failure, RunId};
use stanch_journal::Store;
use stanch_run::{Ending, Event, State};
use stanch_sandbox::Sandbox;
use stanch_sandbox::gate::RecordedCall;
use tokio_util::task::TaskTracker;

use super::board::Board;
use super::hidden::Seals;
use super::id::Ids;
use super::mail::Letter;
use super::pins::Pinned;
use crate::audit::Audit;
use crate::clock;
use crate::snapshot::Current;

/// What the engine is made of.
pub struct Parts {
    /// The journal.
    pub store: Arc<dyn Store>,
    /// Where plugins that a run pins are installed again after a restart.
    pub sandbox: Sandbox,
    /// What is loaded.
    pub current: Arc<Current>,
    /// Who counts what happens.
    pub observer: Arc<dyn Observer>,
    /// The engine's own folder: the key of hidden inputs is in it.
    pub folder: PathBuf,
}

/// Told of what happens, for metrics and logs. Must not wait.
pub trait Observer: Send + Sync + 'static {
    /// A run was opened.
    fn opened(&self, _runbook: &str) {}
    /// These events of a run are kept.
    fn recorded(&self, _run: &RunId, _events: &[Event]) {}
    /// A run was closed.
    fn closed(&self, _state: &State, _ending: Ending) {}
    /// A plugin call ended.
    fn called(
        &self,
        _plugin: &str,
        _function: &'static str,
        _result: Result<(), &Failure>,
        _calls: &[RecordedCall],
        _took: std::time::Duration,
    ) {
    }
    /// An alert fits no runbook, or a trigger's expression has no value.
    fn unmatched(&self, _alert: &str, _errors: usize) {}
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] stanch_journal::StoreError),
}

/// A run in the journal that this engine cannot go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckRun {
    /// The run.
    pub run: RunId,
    /// Why not.
    pub why: String,
}

/// The engine. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) current: Arc<Current>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) board: Board,
    pub(super) ids: Ids,
    pub(super) pinned: Pinned,
    pub(super) seals: Arc<Seals>,
    /// The tasks of runs.
    pub(super) tasks: TaskTracker,
    /// Runs that cannot go on.
    pub(super) stuck: Mutex<Vec<StuckRun>>,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            store,
            sandbox,
            current,
            observer,
            folder,
        } = parts;
        let seals = Arc::new(Seals::in_folder(&folder));
        let pinned = Pinned::new(store.clone(), sandbox);
        let (board, ids, tasks) = (Board::default(), Ids::default(), TaskTracker::new());
        Self {
            inner: Arc::new(Inner {
                store,
                current,
                observer,
                board,
                ids,
                pinned,
                seals,
                tasks,
                stuck: Mutex::default(),
            }),
        }
    }

    /// The journal.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Where what happens outside of runs is audited.
    pub fn audit(&self) -> Audit {
        Audit::new(self.inner.store.clone())
    }

    /// What is loaded.
    pub fn current(&self) -> &Arc<Current> {
        &self.inner.current
    }

    /// Runs of which something is still to be expected.
    pub fn open_runs(&self) -> usize {
        self.inner.board.lock().open()
    }

    /// The runs of which something is still to be expected.
    pub fn runs(&self) -> Vec<RunId> {
        self.inner.board.lock().members.keys().cloned().collect()
    }

    /// Whether nothing new is taken any more.
    pub fn is_draining(&self) -> bool {
        self.inner.board.lock().draining
    }

    /// The runs that an alert belongs to, by their runbooks.
    pub fn runs_of(&self, fingerprint: &str) -> BTreeMap<String, RunId> {
        let board = self.inner.board.lock();
        let runs = board
            .of_alert(fingerprint)
            .filter_map(|run| Some((board.members.get(run)?.runbook.clone(), run.clone())));
        runs.collect()
    }

    /// Runs in the journal that cannot go on, and why.
    pub fn stuck_runs(&self) -> Vec<StuckRun> {
        self.inner
            .stuck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs that ask a person something.
    pub fn asking_runs(&self) -> usize {
        self.inner.board.lock().asking()
    }

    /// Whether it storms: diagnosis only.
    pub fn storms(&self) -> bool {
        let guardrails = self.inner.current.load().settings.guardrails.clone();
        self.inner
            .board
            .lock()
            .ledger
            .storm(clock::now(), &guardrails)
            .is_some()
    }

    /// What was loaded changed: who waits for a guardrail, or holds a plugin that is not installed any more, looks again.
    pub fn reloaded(&self) {
        self.inner.board.lock().wake();
        self.inner.pinned.forget_unused();
    }

    /// Takes nothing new, begins no new call, waits until those in flight have ended (each within its own limit), and
    /// commits what is queued. Runs go on when the engine is started again.
    pub async fn drain(&self) {
        {
            let mut board = self.inner.board.lock();
            board.draining = true;
            for member in board.members.values() {
                let _ = member.mail.send(Letter::Drain);
            }
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        if let Err(error) = self.inner.store.close().await {
            tracing::error!(%error, "the journal did not close cleanly; what was confirmed is in it");
        }
    }
}
