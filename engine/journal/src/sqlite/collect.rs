//! Dropping what is older than the time to keep, in steps short enough that nobody notices.

use std::path::Path;

use rusqlite::{Connection, Transaction, params};

use super::failure;
use super::queue::{Chore, Reply};
use super::schema::EVENT_BITS;
use crate::{Collected, StoreError};

/// Runs in one step.
pub(super) const RUNS: usize = 100;
/// Alerts in one step.
pub(super) const ALERTS: u64 = 1_000;

/// Does one step and answers.
pub(super) fn run(conn: &mut Connection, path: &Path, chore: Chore) {
    let (result, reply): (_, Reply<Collected>) = match chore {
        Chore::DropRuns(runs, reply) => (step(conn, |change| drop_runs(change, &runs)), reply),
        Chore::DropLoose(before, reply) => (step(conn, |change| drop_loose(change, before)), reply),
    };
    let _ = reply.send(result.map_err(|error| failure("drop what is old from", path, &error)));
}

/// The settled runs that were closed before this time, oldest first.
pub(super) fn old_runs(conn: &Connection, before: i64) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached("SELECT no FROM runs WHERE settled = 1 AND closed_at < ?1 ORDER BY no")?
        .query_map([before], |row| row.get(0))?
        .collect()
}

fn step(
    conn: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Collected>,
) -> rusqlite::Result<Collected> {
    let transaction = conn.transaction()?;
    let collected = change(&transaction)?;
    transaction.commit()?;
    Ok(collected)
}

/// A run that was opened again since it was chosen stays.
fn drop_runs(change: &Transaction<'_>, runs: &[i64]) -> rusqlite::Result<Collected> {
    let mut dropped = 0;
    for run in runs {
        let gone = change
            .prepare_cached("DELETE FROM runs WHERE no = ?1 AND settled = 1")?
            .execute([run])?;
        if gone == 0 {
            continue;
        }
        dropped += 1;
        change
            .prepare_cached("DELETE FROM events WHERE at_seq >= ?1 AND at_seq < ?2")?
            .execute([run << EVENT_BITS, (run + 1) << EVENT_BITS])?;
        change
            .prepare_cached("DELETE FROM alert_runs WHERE run = ?1")?
            .execute([run])?;
        change
            .prepare_cached("DELETE FROM run_pins WHERE run = ?1")?
            .execute([run])?;
    }
    Ok(Collected {
        runs: dropped,
        ..Collected::default()
    })
}

/// Alerts of no run; when none of those is left, contents that no run pins and entries of the audit.
fn drop_loose(change: &Transaction<'_>, before: i64) -> rusqlite::Result<Collected> {
    let alerts = change
        .prepare_cached(
            "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE at < ?1 AND NOT EXISTS \
             (SELECT 1 FROM alert_runs WHERE alert = alerts.id) ORDER BY id LIMIT ?2)",
        )?
        .execute(params![before, super::apply::number(ALERTS)])?;
    let alerts = u64::try_from(alerts).unwrap_or(0);
    if alerts == ALERTS {
        return Ok(Collected {
            alerts,
            ..Collected::default()
        });
    }
    change.execute(
        "DELETE FROM pin_sets WHERE no NOT IN (SELECT pin_set FROM run_pins)",
        [],
    )?;
    change.execute(
        "DELETE FROM pin_set_members WHERE pin_set NOT IN (SELECT no FROM pin_sets)",
        [],
    )?;
    let contents = change.execute(
        "DELETE FROM contents WHERE at < ?1 AND no NOT IN (SELECT content FROM pin_set_members)",
        [before],
    )?;
    Ok(Collected {
        alerts,
        contents: u64::try_from(contents).unwrap_or(0),
        entries: super::audit::forget(change, before)?,
        ..Collected::default()
    })
}

impl std::ops::AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.alerts += other.alerts;
        self.contents += other.contents;
        self.entries += other.entries;
    }
}

/// Whether a step dropped as much as a step may, so that there may be more.
pub(super) fn may_be_more(step: &Collected) -> bool {
    step.alerts == ALERTS
}

/// What is older than this is dropped.
pub(super) fn cutoff(now: stanch_contract::Timestamp, keep: stanch_contract::Span) -> i64 {
    now.0.saturating_sub(keep.as_millis())
}

/// The answer to a chore, where the writer is gone.
pub(super) fn gone<E>(_: E) -> StoreError {
    StoreError::Closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_something_is_expected_of_again_stays_though_it_was_chosen() {
        let mut conn = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut conn, Path::new("journal.db")).unwrap();
        for (no, settled) in [(1, 1), (2, 1)] {
            let run = "INSERT INTO runs VALUES (?1, ?1, 'a', 'b', 1, 1, 0, 'closed', 5, 'healed', 0, ?2, '')";
            conn.execute(run, params![no, settled]).unwrap();
        }
        let chosen = old_runs(&conn, 10).unwrap();
        assert_eq!(chosen, [1, 2]);
        conn.execute("UPDATE runs SET settled = 0 WHERE no = 2", [])
            .unwrap();

        let dropped = step(&mut conn, |change| drop_runs(change, &chosen)).unwrap();

        assert_eq!(dropped.runs, 1);
        assert_eq!(
            conn.query_row("SELECT no FROM runs", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            2
        );
    }
}
