//! The audit's chain in the file.
//!
//! The two ends are rows of their own, so that entries which are cut off at either end are missed. The lower one moves only
//! when old entries are dropped.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use stanch_contract::{Digest, Timestamp, canonical};

use super::apply::number;
use crate::{AuditEntry, AuditPage, Link};

/// The end at which entries are appended.
pub(super) const LAST: &str = "last";
/// The end from which old ones are dropped.
const FIRST: &str = "first";

/// An end of the chain.
pub(super) fn end(conn: &Connection, which: &str) -> rusqlite::Result<Link> {
    let end = conn
        .prepare_cached("SELECT no, digest FROM audit_ends WHERE which = ?1")?
        .query_row([which], |row| link(row, 0))
        .optional()?;
    Ok(end.unwrap_or_else(Link::start))
}

/// Appends an entry; gives its place.
pub(super) fn append(conn: &Connection, last: Link, at: Timestamp, is: &Value) -> rusqlite::Result<Link> {
    let entry = AuditEntry::after(last, at, is.clone());
    conn.prepare_cached("INSERT INTO audit (no, at, previous, digest, entry) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            number(entry.no),
            at.0,
            entry.previous.as_bytes(),
            entry.digest.as_bytes(),
            canonical::to_string(is)
        ])?;
    put_end(conn, LAST, entry.link())?;
    Ok(entry.link())
}

/// Drops entries that are older than this, and notes where what is left begins. Never the last one.
pub(super) fn forget(change: &Transaction<'_>, before: i64) -> rusqlite::Result<u64> {
    let last = end(change, LAST)?;
    let newest = change
        .prepare_cached("SELECT no, digest FROM audit WHERE at < ?1 AND no < ?2 ORDER BY no DESC LIMIT 1")?
        .query_row(params![before, number(last.no)], |row| link(row, 0))
        .optional()?;
    let Some(newest) = newest else { return Ok(0) };
    let gone = change
        .prepare_cached("DELETE FROM audit WHERE no <= ?1")?
        .execute([number(newest.no)])?;
    put_end(change, FIRST, newest)?;
    Ok(u64::try_from(gone).unwrap_or(0))
}

/// Entries after this number. An entry that is no JSON any more is `null`, and so not what was written.
pub(super) fn page(conn: &Connection, after: u64, limit: usize) -> rusqlite::Result<AuditPage> {
    // One transaction, so that the ends fit the entries.
    let conn = conn.unchecked_transaction()?;
    let (first, last) = (end(&conn, FIRST)?, end(&conn, LAST)?);
    let limit = match limit {
        0 => 100,
        limit => limit.min(1_000),
    };
    let mut statement = conn.prepare_cached(
        "SELECT no, digest, at, previous, entry FROM audit WHERE no > ?1 ORDER BY no LIMIT ?2",
    )?;
    let rows = statement.query_map(
        params![number(after), i64::try_from(limit).unwrap_or(100)],
        |row| {
            let Link { no, digest } = link(row, 0)?;
            let is: String = row.get(4)?;
            Ok(AuditEntry {
                no,
                at: Timestamp(row.get(2)?),
                previous: Digest::from_bytes(row.get(3)?),
                is: serde_json::from_str(&is).unwrap_or_default(),
                digest,
            })
        },
    )?;
    let entries = rows.collect::<rusqlite::Result<_>>()?;
    drop(statement);
    Ok(AuditPage { first, last, entries })
}

fn put_end(conn: &Connection, which: &str, end: Link) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO audit_ends (which, no, digest) VALUES (?1, ?2, ?3)")?
        .execute(params![which, number(end.no), end.digest.as_bytes()])?;
    Ok(())
}

fn link(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Link> {
    let no: i64 = row.get(at)?;
    Ok(Link {
        no: u64::try_from(no).unwrap_or(0),
        digest: Digest::from_bytes(row.get(at + 1)?),
    })
}
