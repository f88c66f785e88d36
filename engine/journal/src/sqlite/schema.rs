//! The tables, and how a file of an older format becomes one of this format. Forward only; each step is one transaction.
//!
//! A row of events is found by its rowid: the run's number and the number of the row's first event. So a run's rows lie
//! together, an append touches one leaf, and no index is needed. The contents that a run pins are a set that runs share,
//! because thousands of runs pin the same runbook and plugins.

use std::path::Path;

use rusqlite::Connection;

use super::failure;
use crate::StoreError;

/// "stnc", in the header of the file.
const APPLICATION: i64 = 0x73_74_6e_63;

/// How far a run's number is shifted to make room for the number of an event.
pub(super) const EVENT_BITS: u32 = 24;

/// Step `n` makes format `n + 1` of format `n`.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE runs (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        runbook TEXT NOT NULL,
        group_key TEXT NOT NULL,
        episode INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        opened_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        closed_at INTEGER,
        ending TEXT,
        escalated INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_of_a_key ON runs (runbook, group_key);
    CREATE INDEX runs_unsettled ON runs (no) WHERE settled = 0;

    CREATE TABLE events (
        at_seq INTEGER PRIMARY KEY,
        count INTEGER NOT NULL,
        at INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;

    CREATE TABLE alerts (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        firing INTEGER NOT NULL,
        fate TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE TABLE alert_runs (
        run INTEGER NOT NULL,
        alert INTEGER NOT NULL,
        PRIMARY KEY (run, alert)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_of_an_alert ON alert_runs (alert);

    CREATE TABLE contents (
        no INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        at INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE pin_sets (
        no INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE pin_set_members (
        pin_set INTEGER NOT NULL,
        content INTEGER NOT NULL,
        PRIMARY KEY (pin_set, content)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE run_pins (
        run INTEGER NOT NULL,
        pin_set INTEGER NOT NULL,
        PRIMARY KEY (run, pin_set)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE named (
        name TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        value BLOB
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE audit (
        no INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        previous BLOB NOT NULL,
        digest BLOB NOT NULL,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit_ends (
        which TEXT PRIMARY KEY,
        no INTEGER NOT NULL,
        digest BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// Brings the file to the newest format.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    migrate_by(conn, path, &STEPS)
}

fn migrate_by(conn: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let failed = |error| failure("open", path, &error);
    let number = |conn: &Connection, pragma: &str| -> rusqlite::Result<i64> {
        conn.query_row(pragma, [], |row| row.get(0))
    };
    let application = number(conn, "PRAGMA application_id").map_err(failed)?;
    let format = number(conn, "PRAGMA user_version").map_err(failed)?;
    let tables = number(conn, "SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    if application != APPLICATION && (application != 0 || format != 0 || tables != 0) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let done = usize::try_from(format).ok().filter(|done| *done <= steps.len());
    let Some(done) = done else {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: format,
            known,
        });
    };
    for (format, step) in (1_i64..).zip(steps).skip(done) {
        let change = conn.transaction().map_err(failed)?;
        change.execute_batch(step).map_err(failed)?;
        change
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        change
            .pragma_update(None, "user_version", format)
            .map_err(failed)?;
        change.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(conn: &Connection) -> i64 {
        conn.query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn an_older_file_goes_through_the_steps_it_lacks_and_keeps_its_rows() {
        let path = Path::new("journal.db");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate_by(&mut conn, path, &["CREATE TABLE a (x)"]).unwrap();
        conn.execute_batch("INSERT INTO a VALUES (7)").unwrap();

        migrate_by(
            &mut conn,
            path,
            &[
                "CREATE TABLE a (x)",
                "ALTER TABLE a ADD COLUMN y",
                "UPDATE a SET y = x",
            ],
        )
        .unwrap();

        assert_eq!(format(&conn), 3);
        assert_eq!(
            conn.query_row("SELECT y FROM a", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            7
        );
    }

    #[test]
    fn a_step_that_fails_leaves_the_format_before_it() {
        let path = Path::new("journal.db");
        let mut conn = Connection::open_in_memory().unwrap();
        let steps = [
            "CREATE TABLE a (x)",
            "CREATE TABLE b (x); INSERT INTO nothing VALUES (1)",
        ];

        assert!(migrate_by(&mut conn, path, &steps).is_err());

        assert_eq!(format(&conn), 1);
        assert!(conn.prepare("SELECT x FROM b").is_err());
    }

    #[test]
    fn a_newer_file_is_refused() {
        let path = Path::new("journal.db");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();

        let refused = migrate(&mut conn, path).unwrap_err();

        assert_eq!(
            refused,
            StoreError::Newer {
                path: path.to_owned(),
                found: 99,
                known: 2
            }
        );
        assert!(refused.to_string().contains("run the newer engine"));
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let path = Path::new("journal.db");
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE bookmarks (url)").unwrap();
        assert_eq!(
            migrate(&mut conn, path),
            Err(StoreError::Foreign {
                path: path.to_owned()
            })
        );
    }
}
