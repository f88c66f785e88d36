//! How a store is, and what it did: for /readyz, status and the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::StoreError;

/// Whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// There is.
    Well,
    /// A commit found the disk full. Open runs go on in the space that was set aside; new work is refused until there is
    /// room again and the space is set aside anew.
    Full,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether there is room.
    pub disk: Disk,
    /// How many bytes are set aside now.
    pub reserved: u64,
    /// Batches whose append had returned before the disk, and which could not be kept.
    pub lost: u64,
    /// What the latest failed commit said; nothing once a commit succeeded again.
    pub failing: Option<StoreError>,
}

/// What a store did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Commits.
    pub commits: u64,
    /// Times that the disk was waited for: one for each commit, two for each checkpoint that moved something.
    pub flushes: u64,
    /// Batches kept.
    pub batches: u64,
    /// Batches that waited for the disk.
    pub barriers: u64,
    /// Writes kept.
    pub writes: u64,
    /// Batches in the queue now.
    pub queued: u64,
    /// How large the store is, in bytes.
    pub bytes: u64,
    /// Time spent in commits, all together.
    pub committing: Duration,
    /// The longest commit, with the checkpoint that followed it.
    pub longest: Duration,
}

/// What the threads of a store tell each other and everybody.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) commits: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) barriers: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) committing_ns: AtomicU64,
    pub(crate) longest_ns: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) reserved: AtomicU64,
    pub(crate) full: AtomicBool,
    failing: Mutex<Option<StoreError>>,
}

impl Gauges {
    pub(crate) fn health(&self) -> Health {
        Health {
            disk: if self.full.load(Ordering::Relaxed) {
                Disk::Full
            } else {
                Disk::Well
            },
            reserved: self.reserved.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            failing: self
                .failing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// `queued` and `bytes` are known elsewhere.
    pub(crate) fn counters(&self, queued: u64, bytes: u64) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            commits: read(&self.commits),
            flushes: read(&self.flushes),
            batches: read(&self.batches),
            barriers: read(&self.barriers),
            writes: read(&self.writes),
            queued,
            bytes,
            committing: Duration::from_nanos(read(&self.committing_ns)),
            longest: Duration::from_nanos(read(&self.longest_ns)),
        }
    }

    /// Notes how the latest commit ended; logs where that changed.
    pub(crate) fn ended(&self, result: Result<(), &StoreError>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, failing.as_ref()) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!("the journal commits again");
                *failing = None;
            }
            (Err(error), before) => {
                if before != Some(error) {
                    tracing::error!(%error, "the journal could not commit");
                }
                *failing = Some(error.clone());
            }
        }
    }
}
