//! What a store promises, whatever it is made of.
//!
//! One call changes anything: [`Store::append`], with a batch that is kept whole or not at all. The words fit a single
//! file as well as a log server with one subject for each run: a run's rows carry the number of the first event in them,
//! which is the fence; a named value carries the revision it replaces; nothing is ever rewritten in place but a run's
//! listing columns. tests/conformance holds every store to this page.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stanch_contract::{AlertStatus, Digest, RunId, Timestamp};

use crate::{AuditPage, Counters, Health, StoreError};

/// When [`Store::append`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the batch, and every batch appended before it, is on the disk.
    Barrier,
    /// When the batch is in the queue. It joins the next commit, 50 ms later at the latest. Where it cannot be kept,
    /// [`Health`] says so and the next batch of the same run is refused with [`StoreError::Conflict`].
    Lazy,
    /// When the batch, and every batch appended before it, is on the disk, as with [`Durability::Barrier`]; but it joins the
    /// next commit as a lazy one does, and asks for none. An empty batch is how to wait for what was appended lazily.
    Joined,
}

/// Writes that are kept together or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    /// When this is, by the engine's clock.
    pub at: Timestamp,
    /// When the call returns.
    pub durability: Durability,
    /// Whether it may use the space set aside for when the disk is full. Work under way may, so that open runs can end;
    /// new work may not, and is refused with [`StoreError::DiskFull`] for as long as the disk is full.
    pub uses_reserve: bool,
    /// What to write, in this order.
    pub writes: Vec<Write>,
}

impl Append {
    /// New work: an alert that came in, a run that is about to be opened. Waits for the disk.
    pub fn new_work(at: Timestamp, writes: Vec<Write>) -> Self {
        Self {
            at,
            durability: Durability::Barrier,
            uses_reserve: false,
            writes,
        }
    }

    /// Work under way, that must be on the disk before what comes next.
    pub fn barrier(at: Timestamp, writes: Vec<Write>) -> Self {
        Self {
            at,
            durability: Durability::Barrier,
            uses_reserve: true,
            writes,
        }
    }

    /// Nothing: waits until what was appended before is on the disk, however that comes about.
    pub fn joined(at: Timestamp) -> Self {
        Self {
            at,
            durability: Durability::Joined,
            uses_reserve: true,
            writes: Vec::new(),
        }
    }

    /// Work under way, that joins the next commit.
    pub fn lazy(at: Timestamp, writes: Vec<Write>) -> Self {
        Self {
            at,
            durability: Durability::Lazy,
            uses_reserve: true,
            writes,
        }
    }
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    /// A run's listing columns. The first opens the run, and comes before its first events; later ones replace what can
    /// change: `state`, `closed_at`, `ending`, `escalated`, `settled`, `detail`.
    Run(RunRecord),
    /// Events of a run, one row.
    Events(NewEvents),
    /// An alert that was accepted.
    Alert(NewAlert),
    /// A content, kept under its digest; once, however often it is written. A content that no run pins is dropped when
    /// the time to keep has passed, so whoever pins writes the content in the same batch. Answers of a few KiB are better
    /// part of the events: a content costs a page of its own.
    Content {
        /// The SHA-256 of `bytes`.
        digest: Digest,
        /// The content.
        bytes: Bytes,
    },
    /// These contents stay for as long as this run is kept. Runs with the same pins share them.
    Pins {
        /// Who needs them.
        run: RunId,
        /// What is needed; each is in the store, or earlier in this batch.
        digests: Vec<Digest>,
    },
    /// A named value of the engine, such as a pause.
    Value {
        /// Its name.
        name: String,
        /// The revision that is replaced, 0 where there is none; not given: whatever is there.
        expected: Option<u64>,
        /// The new value; nothing removes it.
        value: Option<Bytes>,
    },
    /// An entry of the audit. The store numbers it and chains it to the one before, in the order of commits.
    Audit(serde_json::Value),
}

/// Events of one run that belong together. The store keeps them as one row and cannot read them.
#[derive(Debug, Clone)]
pub struct NewEvents {
    /// Whose.
    pub run: RunId,
    /// How many events of the run are in the journal already. This is the fence: a writer that does not know the whole
    /// run is refused with [`StoreError::Conflict`].
    pub first_seq: u64,
    /// How many events `payload` holds, at least 1.
    pub count: u32,
    /// The events.
    pub payload: Bytes,
}

/// A row of events, as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The number of the first event in the row, from 0.
    pub first_seq: u64,
    /// How many events it holds.
    pub count: u32,
    /// When it was appended.
    pub at: Timestamp,
    /// The events.
    pub payload: Bytes,
}

/// What the store knows of a run without reading its events: enough to list runs and to find the ones to resume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The name of its runbook.
    pub runbook: String,
    /// What its alerts have in common.
    pub group_key: String,
    /// Which episode of `runbook` and `group_key` it belongs to.
    pub episode: u64,
    /// The generation of the configuration it was opened under.
    pub generation: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// A word or two on where it stands.
    pub state: String,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    pub ending: Option<String>,
    /// Whether somebody was, or is to be, called.
    pub escalated: bool,
    /// Whether nothing is to be expected of it any more: it is closed and its episode is over. A run that is not settled
    /// is never dropped, whatever its age.
    pub settled: bool,
    /// Whatever else a list shows; the store does not look into it.
    pub detail: String,
}

/// An alert to record.
#[derive(Debug, Clone)]
pub struct NewAlert {
    /// Its name.
    pub name: String,
    /// Its identity across notifications.
    pub fingerprint: String,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// A word on what became of it.
    pub fate: String,
    /// The runs that it opened or belongs to; each is in the store, or earlier in this batch.
    pub runs: Vec<RunId>,
    /// The alert and whatever else is to be known of it; the store does not look into it.
    pub payload: Bytes,
}

/// An alert as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRecord {
    /// Its number; of the alerts that are kept, later ones have greater ones.
    pub id: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Its name.
    pub name: String,
    /// Its identity across notifications.
    pub fingerprint: String,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// A word on what became of it.
    pub fate: String,
    /// The runs that it opened or belongs to, in the order of their opening.
    pub runs: Vec<RunId>,
    /// As it was given.
    pub payload: Bytes,
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// How often it was written, from 1; never the same again after it was removed.
    pub revision: u64,
    /// The value.
    pub value: Bytes,
}

/// Which runs to list, newest first. What is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this runbook.
    pub runbook: Option<String>,
    /// Of this group key.
    pub group_key: Option<String>,
    /// Not closed yet, or closed.
    pub open: Option<bool>,
    /// With this ending.
    pub ending: Option<String>,
    /// Escalated, or not.
    pub escalated: Option<bool>,
    /// Settled, or not.
    pub settled: Option<bool>,
    /// Closed at this time or later, or still open.
    pub closed_since: Option<Timestamp>,
    /// Opened before this run: the last of the page before.
    pub before: Option<RunId>,
    /// At most this many; 100 where it is 0, never more than 1,000.
    pub limit: usize,
}

/// Which alerts to list, newest first. What is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// That belong to this run.
    pub run: Option<RunId>,
    /// With this fate.
    pub fate: Option<String>,
    /// With this fingerprint.
    pub fingerprint: Option<String>,
    /// With a smaller number than this: the last of the page before.
    pub before: Option<u64>,
    /// At most this many; 100 where it is 0, never more than 1,000.
    pub limit: usize,
}

/// What [`Store::collect`] dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Runs, with their events.
    pub runs: u64,
    /// Alerts.
    pub alerts: u64,
    /// Contents.
    pub contents: u64,
    /// Entries of the audit.
    pub entries: u64,
}

/// The durable log. A read sees every batch whose append was confirmed at the disk, and none in part.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Appends a batch, whole or not at all. Batches are kept in the order of the calls. Dropping the future before it
    /// returns leaves open whether the batch is kept, and so do [`StoreError::Io`] and [`StoreError::Closed`]; after any
    /// other error nothing of it is.
    async fn append(&self, batch: Append) -> Result<(), StoreError>;

    /// A run's events from this number on, in order. Rows are whole: the first may begin before `from`.
    async fn events(&self, run: &RunId, from: u64) -> Result<Vec<EventRow>, StoreError>;

    /// A run's listing columns.
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError>;

    /// The runs that fit, newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;

    /// All runs of which something is still to be expected, oldest first: what an engine resumes.
    async fn unsettled_runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        let mut filter = RunFilter {
            settled: Some(false),
            limit: 1_000,
            ..RunFilter::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.runs(&filter).await?;
            let Some(last) = page.last() else { break };
            filter.before = Some(last.id.clone());
            all.extend(page);
        }
        all.reverse();
        Ok(all)
    }

    /// The alerts that fit, newest first.
    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRecord>, StoreError>;

    /// A content. That it has this digest is checked.
    async fn content(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError>;

    /// A named value.
    async fn value(&self, name: &str) -> Result<Option<Value>, StoreError>;

    /// The named values whose names begin so, by name.
    async fn values(&self, prefix: &str) -> Result<Vec<Value>, StoreError>;

    /// Entries of the audit after this number, in order, at most so many; and the ends of all that is kept of it, of the
    /// same moment. 100 where `limit` is 0, never more than 1,000.
    async fn audit(&self, after: u64, limit: usize) -> Result<AuditPage, StoreError>;

    /// Drops what is older than the time to keep: settled runs closed before then, alerts of no run that is kept,
    /// contents that no run pins, entries of the audit (where what is kept of it begins, is kept). In small steps, so that appends go on meanwhile.
    async fn collect(&self, now: Timestamp) -> Result<Collected, StoreError>;

    /// Reads everything and checks that it is sound; slow on a large store.
    async fn verify(&self) -> Result<(), StoreError>;

    /// How the store is.
    fn health(&self) -> Health;

    /// What the store did since it was opened.
    fn counters(&self) -> Counters;

    /// Commits what is queued and gives the store up. Appends after this are refused.
    async fn close(&self) -> Result<(), StoreError>;
}
