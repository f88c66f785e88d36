//! The store in one SQLite file, for one engine.
//!
//! WAL with `synchronous=FULL`: a commit is one write and one flush of a log whose blocks exist already, whatever it
//! changes. One thread writes ([`writer`]); a few connections read beside it ([`read`]). Preparing the log with zeros and
//! grouping commits is what makes it fast: a flush that need not also record that the file grew takes two thirds of the
//! time. It protects against a crash of the engine, of the machine and against a full disk; not against a disk that says
//! that it flushed when it did not.

mod apply;
mod audit;
mod collect;
mod lock;
mod pace;
mod queue;
mod read;
mod reserve;
mod schema;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use stanch_contract::{ByteSize, Digest, RunId, Span, Timestamp};
use tokio::sync::oneshot;

use crate::health::Gauges;
use crate::{
    AlertFilter, AlertRecord, Append, AuditPage, Collected, Counters, EventRow, Health, RunFilter, RunRecord,
    Store, StoreError, Value,
};

/// How long one connection waits for another.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of the log is prepared. Checkpoints keep it about half as long.
const LOG: u64 = 8 << 20;

/// Where the journal is and what it keeps: `[store]` of stanch.toml.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// For how long settled runs, alerts and contents stay.
    pub keep: Span,
    /// How much space is set aside for when the disk is full.
    pub reserve: ByteSize,
}

/// The store in one file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    keep: Span,
    queue: Arc<queue::Queue>,
    readers: Arc<read::Readers>,
    gauges: Arc<Gauges>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens `journal.db` in the folder, or makes it. Blocks for some milliseconds; longer where an engine that was killed
    /// left a long log.
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        let folder = &settings.folder;
        let path = folder.join("journal.db");
        let io = |doing: &'static str, path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| StoreError::Io {
                doing,
                path,
                why: error.to_string(),
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io("make the folder", folder))?;
        let engine = lock::EngineLock::take(&folder.join("journal.lock"), &path)?;
        // Before SQLite does it, so that nobody else may read what is in it; the log gets the mode of the file.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|_| File::open(folder)?.sync_all())
            .map_err(io("make", &path))?;

        let aside = folder.join("reserve");
        let mut reserve =
            reserve::Reserve::open(&aside, settings.reserve.0).map_err(io("set space aside in", &aside))?;
        let conn = match connect(&path) {
            // Even opening takes a little room, and the runs that are open must be able to end.
            Err(StoreError::DiskFull) if reserve.release() => connect(&path)?,
            opened => opened?,
        };

        let gauges = Arc::new(Gauges::default());
        gauges
            .reserved
            .store(reserve.held(), std::sync::atomic::Ordering::Relaxed);
        gauges.full.store(
            reserve.held() < settings.reserve.0,
            std::sync::atomic::Ordering::Relaxed,
        );
        let queue = Arc::new(queue::Queue::new());
        let writer = writer::Writer {
            conn,
            path: path.clone(),
            queue: Arc::clone(&queue),
            gauges: Arc::clone(&gauges),
            reserve,
            memory: apply::Memory::default(),
            unlooked: 0,
        };
        let log = folder.join("journal.db-wal");
        let writer = std::thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || {
                // Here, so that whatever else starts need not wait for it.
                prepare_log(&log);
                writer.run();
                drop(engine);
            })
            .map_err(io("start the writer of", &path))?;
        let readers = Arc::new(read::Readers::new(&path));
        Ok(Self {
            path,
            keep: settings.keep,
            queue,
            readers,
            gauges,
            writer: Mutex::new(Some(writer)),
        })
    }

    async fn ask(
        &self,
        chore: impl FnOnce(queue::Reply<Collected>) -> queue::Chore,
    ) -> Result<Collected, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.ask(chore(reply))?;
        answer.await.map_err(collect::gone)?
    }

    /// Lets the writer finish; who calls it waits for it.
    fn finish(&self) -> Option<JoinHandle<()>> {
        self.readers.close();
        self.queue.close();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Waits for the writer.
fn join(writer: JoinHandle<()>) {
    if writer.join().is_err() {
        tracing::error!("the journal's writer ended with a panic");
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Some(writer) = self.finish() {
            join(writer);
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, batch: Append) -> Result<(), StoreError> {
        match self.queue.push(batch).await? {
            Some(answer) => answer.await.map_err(|_| StoreError::Closed)?,
            None => Ok(()),
        }
    }

    async fn events(&self, run: &RunId, from: u64) -> Result<Vec<EventRow>, StoreError> {
        let run = run.clone();
        self.readers
            .read(move |conn| read::events(conn, &run, from))
            .await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let run = run.clone();
        self.readers.read(move |conn| read::run(conn, &run)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |conn| read::runs(conn, &filter)).await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRecord>, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |conn| read::alerts(conn, &filter)).await
    }

    async fn content(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let name = *digest;
        let found = self.readers.read(move |conn| read::content(conn, &name)).await?;
        match found {
            Some(bytes) if Digest::of(&bytes) != *digest => Err(StoreError::Damaged {
                path: self.path.clone(),
                why: format!("content `{digest}` is `{}`", Digest::of(&bytes)),
            }),
            found => Ok(found),
        }
    }

    async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let name = name.to_owned();
        Ok(self
            .readers
            .read(move |conn| read::values(conn, &name, true))
            .await?
            .into_iter()
            .next())
    }

    async fn values(&self, prefix: &str) -> Result<Vec<Value>, StoreError> {
        let prefix = prefix.to_owned();
        self.readers
            .read(move |conn| read::values(conn, &prefix, false))
            .await
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<AuditPage, StoreError> {
        self.readers
            .read(move |conn| audit::page(conn, after, limit))
            .await
    }

    async fn collect(&self, now: Timestamp) -> Result<Collected, StoreError> {
        let before = collect::cutoff(now, self.keep);
        let runs = self
            .readers
            .read(move |conn| collect::old_runs(conn, before))
            .await?;
        let mut all = Collected::default();
        for step in runs.chunks(collect::RUNS) {
            all += self
                .ask(|reply| queue::Chore::DropRuns(step.to_vec(), reply))
                .await?;
        }
        loop {
            let step = self.ask(|reply| queue::Chore::DropLoose(before, reply)).await?;
            all += step;
            if !collect::may_be_more(&step) {
                return Ok(all);
            }
        }
    }

    async fn verify(&self) -> Result<(), StoreError> {
        let wrong = self
            .readers
            .read(|conn| match read::check(conn)? {
                Some(wrong) => Ok(Some(wrong)),
                None => read::wrong_content(conn),
            })
            .await?;
        match wrong {
            Some(why) => Err(StoreError::Damaged {
                path: self.path.clone(),
                why,
            }),
            None => Ok(()),
        }
    }

    fn health(&self) -> Health {
        self.gauges.health()
    }

    fn counters(&self) -> Counters {
        let length = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let bytes = length(&self.path) + length(&self.path.with_extension("db-wal"));
        self.gauges
            .counters(u64::try_from(self.queue.len()).unwrap_or(u64::MAX), bytes)
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self.finish() {
            Some(writer) => tokio::task::spawn_blocking(|| join(writer))
                .await
                .map_err(|_| StoreError::Closed),
            None => Ok(()),
        }
    }
}

/// The connection that writes.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| failure("open", path, &error);
    let mut conn = Connection::open(path).map_err(failed)?;
    conn.busy_timeout(PATIENCE).map_err(failed)?;
    conn.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut conn, path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
         PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY; BEGIN IMMEDIATE; ROLLBACK",
    )
    .map_err(failed)?;
    Ok(conn)
}

/// Makes the log as long as it will get, so that no flush has to record that it grew. Where that fails, it grows.
fn prepare_log(path: &Path) {
    let prepared = OpenOptions::new().write(true).open(path).and_then(|mut log| {
        let disk = rustix::fs::fstatvfs(&log)?;
        let length = log.seek(SeekFrom::End(0))?;
        if length >= LOG || disk.f_bavail.saturating_mul(disk.f_frsize) < LOG.saturating_mul(32) {
            return Ok(());
        }
        let zeros = vec![0; 1 << 20];
        let mut left = LOG - length;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            log.write_all(zeros.get(..part).unwrap_or(&zeros))?;
            left -= u64::try_from(part).unwrap_or(left);
        }
        log.sync_data()
    });
    if let Err(error) = prepared {
        tracing::debug!(path = %path.display(), %error, "the log of the journal is not prepared");
    }
}

/// Whether SQLite means that the disk is full. The index of the log says so in a way of its own.
fn is_full(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(said, _) => {
            said.code == rusqlite::ErrorCode::DiskFull
                || said.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        }
        _ => false,
    }
}

/// What SQLite said, as the error of a store.
fn failure(doing: &'static str, path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        error if is_full(error) => StoreError::DiskFull,
        rusqlite::Error::SqliteFailure(said, _) if said.code == NotADatabase => StoreError::Foreign {
            path: path.to_owned(),
        },
        rusqlite::Error::SqliteFailure(said, _) if said.code == DatabaseCorrupt => StoreError::Damaged {
            path: path.to_owned(),
            why: error.to_string(),
        },
        error => StoreError::Io {
            doing,
            path: path.to_owned(),
            why: error.to_string(),
        },
    }
}
