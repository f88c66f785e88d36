//! One batch, as statements inside a transaction that the writer has begun.
//!
//! What is in the file is remembered where the next batch would ask for it again: each run's number and next event, which
//! contents and pin sets are there. There is one writer, so memory is right as long as every transaction commits; after
//! one that does not, everything is forgotten.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use stanch_contract::{AlertStatus, Digest, RunId, Timestamp};

use super::audit;
use super::schema::EVENT_BITS;
use crate::{Append, Link, NewAlert, NewEvents, RunRecord, StoreError, Write};

/// More than this is not remembered.
const REMEMBERED: usize = 16_384;

/// Why a batch was not applied.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is the batch's own doing; others go on.
    Refused(StoreError),
    /// It is the database's.
    Database(rusqlite::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    no: i64,
    events: u64,
}

/// What the writer remembers of the file.
#[derive(Debug, Default)]
pub(super) struct Memory {
    runs: HashMap<RunId, Slot>,
    contents: HashSet<Digest>,
    pin_sets: HashMap<Digest, i64>,
    /// The last entry of the audit.
    audited: Option<Link>,
}

impl Memory {
    /// After a transaction that did not commit, or that dropped something.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Writes a batch.
    pub(super) fn apply(&mut self, conn: &Connection, batch: &Append) -> Result<(), Fault> {
        for (remembered, most) in [
            (self.runs.len(), REMEMBERED),
            (self.contents.len(), REMEMBERED),
            (self.pin_sets.len(), REMEMBERED),
        ] {
            if remembered > most {
                self.forget();
            }
        }
        for write in &batch.writes {
            match write {
                Write::Run(run) => self.run(conn, run)?,
                Write::Events(events) => self.events(conn, batch.at, events)?,
                Write::Alert(alert) => self.alert(conn, batch.at, alert)?,
                Write::Content { digest, bytes } => self.content(conn, batch.at, digest, bytes)?,
                Write::Pins { run, digests } => self.pins(conn, run, digests)?,
                Write::Value {
                    name,
                    expected,
                    value,
                } => named(conn, name, *expected, value.as_deref())?,
                Write::Audit(entry) => {
                    let last = match self.audited {
                        Some(last) => last,
                        None => audit::end(conn, audit::LAST)?,
                    };
                    self.audited = Some(audit::append(conn, last, batch.at, entry)?);
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, conn: &Connection, run: &RunRecord) -> Result<(), Fault> {
        match self.slot(conn, &run.id) {
            Ok(slot) => {
                conn.prepare_cached(
                    "UPDATE runs SET state = ?2, closed_at = ?3, ending = ?4, escalated = ?5, settled = ?6, \
                     detail = ?7 WHERE no = ?1",
                )?
                .execute(params![
                    slot.no,
                    run.state,
                    run.closed_at.map(|at| at.0),
                    run.ending,
                    run.escalated,
                    run.settled,
                    run.detail
                ])?;
            }
            Err(Fault::Refused(_)) => {
                conn.prepare_cached(
                    "INSERT INTO runs (id, runbook, group_key, episode, generation, opened_at, state, closed_at, \
                     ending, escalated, settled, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    run.id.as_str(),
                    run.runbook,
                    run.group_key,
                    number(run.episode),
                    number(run.generation),
                    run.opened_at.0,
                    run.state,
                    run.closed_at.map(|at| at.0),
                    run.ending,
                    run.escalated,
                    run.settled,
                    run.detail
                ])?;
                self.runs.insert(
                    run.id.clone(),
                    Slot {
                        no: conn.last_insert_rowid(),
                        events: 0,
                    },
                );
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn events(&mut self, conn: &Connection, at: Timestamp, events: &NewEvents) -> Result<(), Fault> {
        let slot = self.slot(conn, &events.run)?;
        if slot.events != events.first_seq {
            return Err(StoreError::Conflict {
                run: events.run.clone(),
                expected: events.first_seq,
                stored: slot.events,
            }
            .into());
        }
        let after = slot.events + u64::from(events.count);
        if events.count == 0 {
            return Err(StoreError::Unfit("a row of no events".to_owned()).into());
        }
        if after >= 1 << EVENT_BITS {
            return Err(StoreError::Unfit(format!(
                "run `{}` has as many events as a run can have, {}",
                events.run, slot.events
            ))
            .into());
        }
        conn.prepare_cached("INSERT INTO events (at_seq, count, at, payload) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                (slot.no << EVENT_BITS) | number(slot.events),
                events.count,
                at.0,
                &events.payload[..]
            ])?;
        self.runs.insert(
            events.run.clone(),
            Slot {
                no: slot.no,
                events: after,
            },
        );
        Ok(())
    }

    fn alert(&mut self, conn: &Connection, at: Timestamp, alert: &NewAlert) -> Result<(), Fault> {
        conn.prepare_cached(
            "INSERT INTO alerts (at, name, fingerprint, firing, fate, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            at.0,
            alert.name,
            alert.fingerprint,
            alert.status == AlertStatus::Firing,
            alert.fate,
            &alert.payload[..]
        ])?;
        let id = conn.last_insert_rowid();
        for run in &alert.runs {
            let no = self.slot(conn, run)?.no;
            conn.prepare_cached("INSERT OR IGNORE INTO alert_runs (run, alert) VALUES (?1, ?2)")?
                .execute(params![no, id])?;
        }
        Ok(())
    }

    fn content(
        &mut self,
        conn: &Connection,
        at: Timestamp,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        if self.contents.insert(*digest) {
            conn.prepare_cached("INSERT OR IGNORE INTO contents (digest, at, bytes) VALUES (?1, ?2, ?3)")?
                .execute(params![digest.as_bytes(), at.0, bytes])?;
        }
        Ok(())
    }

    fn pins(&mut self, conn: &Connection, run: &RunId, digests: &[Digest]) -> Result<(), Fault> {
        let run = self.slot(conn, run)?.no;
        let mut digests = digests.to_vec();
        digests.sort_unstable();
        digests.dedup();
        let name = Digest::of(
            &digests
                .iter()
                .flat_map(|digest| *digest.as_bytes())
                .collect::<Vec<u8>>(),
        );
        let set = match self.pin_sets.get(&name) {
            Some(set) => *set,
            None => {
                let set = pin_set(conn, &name, &digests)?;
                self.pin_sets.insert(name, set);
                set
            }
        };
        conn.prepare_cached("INSERT OR IGNORE INTO run_pins (run, pin_set) VALUES (?1, ?2)")?
            .execute(params![run, set])?;
        Ok(())
    }

    /// Where a run is; refused where it is not.
    fn slot(&mut self, conn: &Connection, run: &RunId) -> Result<Slot, Fault> {
        if let Some(slot) = self.runs.get(run) {
            return Ok(*slot);
        }
        let no: Option<i64> = conn
            .prepare_cached("SELECT no FROM runs WHERE id = ?1")?
            .query_row([run.as_str()], |row| row.get(0))
            .optional()?;
        let no = no.ok_or_else(|| StoreError::NoSuchRun(run.clone()))?;
        let last: Option<(i64, u32)> = conn
            .prepare_cached(
                "SELECT at_seq, count FROM events WHERE at_seq >= ?1 AND at_seq < ?2 ORDER BY at_seq DESC LIMIT 1",
            )?
            .query_row([no << EVENT_BITS, (no + 1) << EVENT_BITS], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let events = last.map_or(0, |(at_seq, count)| first_seq(at_seq) + u64::from(count));
        let slot = Slot { no, events };
        self.runs.insert(run.clone(), slot);
        Ok(slot)
    }
}

/// The number of the first event of a row, from where the row stands.
pub(super) fn first_seq(at_seq: i64) -> u64 {
    u64::try_from(at_seq & ((1 << EVENT_BITS) - 1)).unwrap_or(0)
}

/// SQLite's integers are signed.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn pin_set(conn: &Connection, name: &Digest, digests: &[Digest]) -> Result<i64, Fault> {
    let there: Option<i64> = conn
        .prepare_cached("SELECT no FROM pin_sets WHERE digest = ?1")?
        .query_row([name.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(set) = there {
        return Ok(set);
    }
    conn.prepare_cached("INSERT INTO pin_sets (digest) VALUES (?1)")?
        .execute([name.as_bytes()])?;
    let set = conn.last_insert_rowid();
    for digest in digests {
        let content: Option<i64> = conn
            .prepare_cached("SELECT no FROM contents WHERE digest = ?1")?
            .query_row([digest.as_bytes()], |row| row.get(0))
            .optional()?;
        let content = content.ok_or(StoreError::NoSuchContent(*digest))?;
        conn.prepare_cached("INSERT INTO pin_set_members (pin_set, content) VALUES (?1, ?2)")?
            .execute([set, content])?;
    }
    Ok(set)
}

fn named(conn: &Connection, name: &str, expected: Option<u64>, value: Option<&[u8]>) -> Result<(), Fault> {
    let there: Option<(i64, bool)> = conn
        .prepare_cached("SELECT revision, value IS NULL FROM named WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let revision = there.map_or(0, |(revision, _)| revision);
    let stored = there
        .filter(|(_, removed)| !removed)
        .map_or(0, |(revision, _)| revision);
    if let Some(expected) = expected
        && number(expected) != stored
    {
        let stored = u64::try_from(stored).unwrap_or(0);
        return Err(StoreError::Changed {
            name: name.to_owned(),
            expected,
            stored,
        }
        .into());
    }
    conn.prepare_cached("INSERT OR REPLACE INTO named (name, revision, value) VALUES (?1, ?2, ?3)")?
        .execute(params![name, revision + 1, value])?;
    Ok(())
}
