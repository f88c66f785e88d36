//! Reading: on connections of its own, a few at a time, beside the writer and never in its way.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params, params_from_iter};
use stanch_contract::{AlertStatus, Digest, RunId, Timestamp};
use tokio::sync::Semaphore;

use super::apply::{first_seq, number};
use super::failure;
use super::schema::EVENT_BITS;
use crate::{AlertFilter, AlertRecord, EventRow, RunFilter, RunRecord, StoreError, Value};

/// Reads at the same time.
const READERS: usize = 4;

/// The connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    turns: Semaphore,
    resting: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            turns: Semaphore::new(READERS),
            resting: Mutex::new(Vec::new()),
        }
    }

    /// Runs a read where it may block.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let conn = readers.connection()?;
            let result = read(&conn).map_err(|error| failure("read", &readers.path, &error));
            readers
                .resting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(conn);
            result
        });
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// No more reads; the connections go, so that the file can be given up.
    pub(super) fn close(&self) {
        self.turns.close();
        self.resting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        if let Some(conn) = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(conn);
        }
        let failed = |error| failure("open", &self.path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        conn.busy_timeout(super::PATIENCE).map_err(failed)?;
        conn.execute_batch("PRAGMA query_only = on; PRAGMA cache_size = -2000")
            .map_err(failed)?;
        Ok(conn)
    }
}

const RUN_COLUMNS: &str = "id, runbook, group_key, episode, generation, opened_at, state, closed_at, ending, escalated, \
                           settled, detail";

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId(row.get(0)?),
        runbook: row.get(1)?,
        group_key: row.get(2)?,
        episode: unsigned(row, 3)?,
        generation: unsigned(row, 4)?,
        opened_at: Timestamp(row.get(5)?),
        state: row.get(6)?,
        closed_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        ending: row.get(8)?,
        escalated: row.get(9)?,
        settled: row.get(10)?,
        detail: row.get(11)?,
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(Bytes::from(row.get::<_, Vec<u8>>(column)?))
}

fn limit(asked: usize) -> Sql {
    Sql::Integer(match asked {
        0 => 100,
        some => i64::try_from(some.min(1_000)).unwrap_or(1_000),
    })
}

/// Conditions that are given, and their values.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Sql>,
}

impl Conditions {
    fn and(&mut self, condition: &str, value: Option<Sql>) {
        self.text
            .push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(condition);
        self.values.extend(value);
    }

    fn text(&mut self, condition: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.and(condition, Some(Sql::Text(value.clone())));
        }
    }
}

pub(super) fn run(conn: &Connection, run: &RunId) -> rusqlite::Result<Option<RunRecord>> {
    conn.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?"))?
        .query_row([run.as_str()], run_record)
        .optional()
}

pub(super) fn runs(conn: &Connection, filter: &RunFilter) -> rusqlite::Result<Vec<RunRecord>> {
    let mut conditions = Conditions::default();
    conditions.text("runbook = ?", filter.runbook.as_ref());
    conditions.text("group_key = ?", filter.group_key.as_ref());
    conditions.text("ending = ?", filter.ending.as_ref());
    if let Some(open) = filter.open {
        conditions.and(
            if open {
                "closed_at IS NULL"
            } else {
                "closed_at IS NOT NULL"
            },
            None,
        );
    }
    if let Some(escalated) = filter.escalated {
        conditions.and(
            if escalated {
                "escalated = 1"
            } else {
                "escalated = 0"
            },
            None,
        );
    }
    if let Some(settled) = filter.settled {
        conditions.and(if settled { "settled = 1" } else { "settled = 0" }, None);
    }
    if let Some(since) = filter.closed_since {
        conditions.and(
            "(closed_at IS NULL OR closed_at >= ?)",
            Some(Sql::Integer(since.0)),
        );
    }
    if let Some(before) = &filter.before {
        conditions.and(
            "no < (SELECT no FROM runs WHERE id = ?)",
            Some(Sql::Text(before.0.clone())),
        );
    }
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM runs{} ORDER BY no DESC LIMIT ?",
        conditions.text
    );
    conditions.values.push(limit(filter.limit));
    conn.prepare_cached(&sql)?
        .query_map(params_from_iter(conditions.values), run_record)?
        .collect()
}

pub(super) fn events(conn: &Connection, run: &RunId, from: u64) -> rusqlite::Result<Vec<EventRow>> {
    let no: Option<i64> = conn
        .prepare_cached("SELECT no FROM runs WHERE id = ?")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?;
    let Some(no) = no else { return Ok(Vec::new()) };
    conn.prepare_cached(
        "SELECT at_seq, count, at, payload FROM events \
         WHERE at_seq >= ?1 AND at_seq < ?2 AND at_seq + count > ?3 ORDER BY at_seq",
    )?
    .query_map(
        params![
            no << EVENT_BITS,
            (no + 1) << EVENT_BITS,
            (no << EVENT_BITS) + number(from).min(1 << EVENT_BITS)
        ],
        |row| {
            Ok(EventRow {
                first_seq: first_seq(row.get(0)?),
                count: row.get(1)?,
                at: Timestamp(row.get(2)?),
                payload: bytes(row, 3)?,
            })
        },
    )?
    .collect()
}

pub(super) fn alerts(conn: &Connection, filter: &AlertFilter) -> rusqlite::Result<Vec<AlertRecord>> {
    let mut conditions = Conditions::default();
    if let Some(run) = &filter.run {
        conditions.and(
            "id IN (SELECT alert FROM alert_runs WHERE run = (SELECT no FROM runs WHERE id = ?))",
            Some(Sql::Text(run.0.clone())),
        );
    }
    conditions.text("fate = ?", filter.fate.as_ref());
    conditions.text("fingerprint = ?", filter.fingerprint.as_ref());
    if let Some(before) = filter.before {
        conditions.and("id < ?", Some(Sql::Integer(number(before))));
    }
    let sql = format!(
        "SELECT id, at, name, fingerprint, firing, fate, payload FROM alerts{} ORDER BY id DESC LIMIT ?",
        conditions.text
    );
    conditions.values.push(limit(filter.limit));
    let mut alerts = conn
        .prepare_cached(&sql)?
        .query_map(params_from_iter(conditions.values), |row| {
            let firing: bool = row.get(4)?;
            Ok(AlertRecord {
                id: unsigned(row, 0)?,
                at: Timestamp(row.get(1)?),
                name: row.get(2)?,
                fingerprint: row.get(3)?,
                status: if firing {
                    AlertStatus::Firing
                } else {
                    AlertStatus::Resolved
                },
                fate: row.get(5)?,
                runs: Vec::new(),
                payload: bytes(row, 6)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut runs = conn.prepare_cached(
        "SELECT runs.id FROM alert_runs JOIN runs ON runs.no = alert_runs.run WHERE alert_runs.alert = ? \
         ORDER BY runs.no",
    )?;
    for alert in &mut alerts {
        alert.runs = runs
            .query_map([number(alert.id)], |row| Ok(RunId(row.get(0)?)))?
            .collect::<rusqlite::Result<_>>()?;
    }
    Ok(alerts)
}

pub(super) fn content(conn: &Connection, digest: &Digest) -> rusqlite::Result<Option<Bytes>> {
    conn.prepare_cached("SELECT bytes FROM contents WHERE digest = ?")?
        .query_row([digest.as_bytes()], |row| bytes(row, 0))
        .optional()
}

/// Named values from this name on; with `exact`, only this one.
pub(super) fn values(conn: &Connection, prefix: &str, exact: bool) -> rusqlite::Result<Vec<Value>> {
    conn.prepare_cached(
        "SELECT name, revision, value FROM named WHERE value IS NOT NULL AND name >= ?1 \
         AND CASE ?2 WHEN 1 THEN name = ?1 ELSE substr(name, 1, length(?1)) = ?1 END ORDER BY name",
    )?
    .query_map(params![prefix, exact], |row| {
        Ok(Value {
            name: row.get(0)?,
            revision: unsigned(row, 1)?,
            value: bytes(row, 2)?,
        })
    })?
    .collect()
}

/// What SQLite's own check says, where it is not well.
pub(super) fn check(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// A content that is not what it is called, where there is one.
pub(super) fn wrong_content(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = conn.prepare("SELECT digest, bytes FROM contents")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: [u8; 32] = row.get(0)?;
        let found = Digest::of(row.get_ref(1)?.as_blob()?);
        if found.as_bytes() != &name {
            return Ok(Some(format!(
                "content `{}` is `{found}`",
                Digest::from_bytes(name)
            )));
        }
    }
    Ok(None)
}
