//! The durable log: what happened, in the order in which it happened, and nothing that was not confirmed.
//!
//! The journal is the truth of the engine: a run, a lock, a budget is the fold of what stands here. The journal itself
//! knows none of those words. It keeps rows of events that it cannot read, each run's rows in order and fenced against a
//! second writer; a few columns about each run so that runs can be listed; the alerts that were accepted; contents by
//! digest for as long as a run needs them; small named values; and the audit, a chain of entries ([`audit`]). [`Store`] says what any store promises,
//! [`SqliteStore`] keeps it in one file. Nothing here reads a clock: each batch says when it is.

pub mod audit;
mod error;
mod health;
mod sqlite;
mod store;

pub use audit::{AuditEntry, AuditPage, Link};
pub use error::StoreError;
pub use health::{Counters, Disk, Health};
pub use sqlite::{Settings, SqliteStore};
pub use store::{
    AlertFilter, AlertRecord, Append, Collected, Durability, EventRow, NewAlert, NewEvents, RunFilter,
    RunRecord, Store, Value, Write,
};
