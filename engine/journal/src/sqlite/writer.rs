//! The one thread that writes.
//!
//! It takes everything that waits and commits it at once: one flush for all. A batch that is refused (its fence is
//! stale, what it names is not there) is taken out and the rest committed without it, so a group is either on the disk
//! or not, and every caller is told only after. Checkpoints are made here too, between commits and before they get long,
//! instead of inside whichever commit happens to be the thousandth page.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::apply::{Fault, Memory};
use super::pace::Pace;
use super::queue::{Pending, Queue};
use super::reserve::Reserve;
use super::{collect, failure, is_full};
use crate::health::Gauges;
use crate::{Durability, StoreError};

/// Pages in the log at which they are moved to the file.
const CHECKPOINT_AT: i64 = 1_000;
/// Commits between two looks at how long the log is.
const LOOK_EVERY: u32 = 16;
/// How often a full disk is looked at.
const RETAKE_EVERY: Duration = Duration::from_secs(1);
/// How long to sleep where there is nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// The writer's own things.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    pub(super) queue: Arc<Queue>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) reserve: Reserve,
    pub(super) memory: Memory,
    /// Commits since the last look at the log.
    pub(super) unlooked: u32,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut pace = Pace::default();
        loop {
            let full = self.gauges.full.load(Ordering::Relaxed);
            let taken = self.queue.take(&mut pace, if full { RETAKE_EVERY } else { IDLE });
            let began = Instant::now();
            if full {
                self.retake();
            }
            if !taken.batches.is_empty() {
                self.commit(taken.batches);
                self.checkpoint_if_long();
                let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.gauges.committing_ns.fetch_add(took, Ordering::Relaxed);
                self.gauges.longest_ns.fetch_max(took, Ordering::Relaxed);
            }
            for chore in taken.chores {
                self.memory.forget();
                collect::run(&mut self.conn, &self.path, chore);
                self.gauges.commits.fetch_add(1, Ordering::Relaxed);
                self.gauges.flushes.fetch_add(1, Ordering::Relaxed);
            }
            if taken.last {
                break;
            }
        }
        self.checkpoint();
    }

    /// Commits these batches with one flush, and answers each.
    fn commit(&mut self, mut group: Vec<Pending>) {
        if self.gauges.full.load(Ordering::Relaxed) {
            self.refuse_new_work(&mut group);
        }
        while !group.is_empty() {
            match self.try_commit(&group) {
                Ok(()) => {
                    self.count(&group);
                    self.gauges.ended(Ok(()));
                    for pending in group.drain(..) {
                        if let Some(reply) = pending.reply {
                            let _ = reply.send(Ok(()));
                        }
                    }
                }
                Err((index, Fault::Refused(error))) => {
                    let pending = group.remove(index);
                    self.refuse(pending, &error);
                }
                Err((_, Fault::Database(error))) if is_full(&error) => {
                    self.gauges.full.store(true, Ordering::Relaxed);
                    let released = self.reserve.release();
                    self.gauges.reserved.store(self.reserve.held(), Ordering::Relaxed);
                    self.gauges.ended(Err(&StoreError::DiskFull));
                    if released {
                        tracing::warn!(
                            "the disk under the journal is full: its reserve is given to the open runs"
                        );
                        self.refuse_new_work(&mut group);
                    } else {
                        for pending in group.drain(..) {
                            self.refuse(pending, &StoreError::DiskFull);
                        }
                    }
                }
                Err((_, Fault::Database(error))) => {
                    let error = failure("write to", &self.path, &error);
                    self.gauges.ended(Err(&error));
                    for pending in group.drain(..) {
                        self.refuse(pending, &error);
                    }
                }
            }
        }
    }

    /// All of them or none. Where none, which one it was.
    fn try_commit(&mut self, group: &[Pending]) -> Result<(), (usize, Fault)> {
        let result = self.transact(group);
        if result.is_err() {
            self.memory.forget();
            if !self.conn.is_autocommit()
                && let Err(error) = self.conn.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the journal could not roll back");
            }
        }
        result
    }

    fn transact(&mut self, group: &[Pending]) -> Result<(), (usize, Fault)> {
        let run = |sql: &str| self.conn.prepare_cached(sql)?.execute([]).map_err(Fault::from);
        run("BEGIN IMMEDIATE").map_err(|fault| (0, fault))?;
        for (index, pending) in group.iter().enumerate() {
            self.memory
                .apply(&self.conn, &pending.batch)
                .map_err(|fault| (index, fault))?;
        }
        run("COMMIT").map_err(|fault| (0, fault))?;
        Ok(())
    }

    fn refuse_new_work(&self, group: &mut Vec<Pending>) {
        for pending in group.extract_if(.., |pending| !pending.batch.uses_reserve) {
            self.refuse(pending, &StoreError::DiskFull);
        }
    }

    fn refuse(&self, pending: Pending, error: &StoreError) {
        match pending.reply {
            Some(reply) => {
                let _ = reply.send(Err(error.clone()));
            }
            None => {
                self.gauges.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "a batch that nobody waited for could not be kept");
            }
        }
    }

    fn count(&self, group: &[Pending]) {
        let sum = |number: fn(&Pending) -> usize| -> u64 {
            group
                .iter()
                .map(|pending| u64::try_from(number(pending)).unwrap_or(0))
                .sum()
        };
        let gauges = &self.gauges;
        gauges.commits.fetch_add(1, Ordering::Relaxed);
        gauges.flushes.fetch_add(1, Ordering::Relaxed);
        gauges.batches.fetch_add(sum(|_| 1), Ordering::Relaxed);
        gauges.barriers.fetch_add(
            sum(|pending| usize::from(pending.batch.durability == Durability::Barrier)),
            Ordering::Relaxed,
        );
        gauges
            .writes
            .fetch_add(sum(|pending| pending.batch.writes.len()), Ordering::Relaxed);
    }

    /// The disk is full; whether there was something set aside.
    fn use_reserve(&mut self) -> bool {
        self.gauges.full.store(true, Ordering::Relaxed);
        let released = self.reserve.release();
        self.gauges.reserved.store(self.reserve.held(), Ordering::Relaxed);
        if released {
            tracing::warn!("the disk under the journal is full: its reserve is given to the open runs");
        }
        released
    }

    fn retake(&mut self) {
        if self.reserve.retake() {
            tracing::info!("there is room under the journal again: new work is taken");
            self.gauges.full.store(false, Ordering::Relaxed);
            self.gauges.reserved.store(self.reserve.held(), Ordering::Relaxed);
        }
    }

    fn checkpoint_if_long(&mut self) {
        self.unlooked += 1;
        if self.unlooked < LOOK_EVERY {
            return;
        }
        self.unlooked = 0;
        match self
            .conn
            .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1))
        {
            Ok(pages) if pages < CHECKPOINT_AT => {}
            Ok(_) => self.checkpoint(),
            Err(error) => tracing::warn!(%error, "the journal's log could not be looked at"),
        }
    }

    /// Moves what the log holds to the file, so that the log begins anew with the next commit. A reader that is still in
    /// an older state holds up a part of it until the next time.
    fn checkpoint(&mut self) {
        match self
            .conn
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(2))
        {
            Ok(_) => {
                self.gauges.flushes.fetch_add(2, Ordering::Relaxed);
            }
            // The log itself may go on for a while in the blocks it has, but it would not get shorter any more.
            Err(error) if is_full(&error) && self.use_reserve() => self.checkpoint(),
            Err(error) => tracing::warn!(%error, "the journal's log could not be moved to the file"),
        }
    }
}
