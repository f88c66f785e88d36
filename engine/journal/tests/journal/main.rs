//! The journal, held to what it promises.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "all of this is tests"
)]

mod conformance;
mod crash;
mod full_disk;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stanch_contract::{AlertStatus, ByteSize, RunId, Span, Timestamp};
use stanch_journal::{NewAlert, NewEvents, RunRecord, Settings, SqliteStore, Store, StoreError, Write};

/// What is kept, in all these tests.
const KEEP: Span = Span::from_secs(90 * 86_400);

fn try_open(folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let settings = Settings {
        folder: folder.to_owned(),
        keep: KEEP,
        reserve: ByteSize(1 << 20),
    };
    Ok(Arc::new(SqliteStore::open(settings)?))
}

fn open(folder: &Path) -> Arc<dyn Store> {
    try_open(folder).unwrap()
}

const NOW: Timestamp = Timestamp(1_795_478_400_000);

fn id(n: usize) -> RunId {
    RunId(format!("run{n:013}"))
}

fn run(n: usize) -> RunRecord {
    RunRecord {
        id: id(n),
        runbook: "disk-full".to_owned(),
        group_key: format!("node-{}", n % 3),
        episode: 1,
        generation: 4,
        opened_at: NOW,
        state: "diagnosis".to_owned(),
        closed_at: None,
        ending: None,
        escalated: false,
        settled: false,
        detail: "{}".to_owned(),
    }
}

fn closed(n: usize, at: Timestamp) -> RunRecord {
    RunRecord {
        closed_at: Some(at),
        ending: Some("healed".to_owned()),
        settled: true,
        ..run(n)
    }
}

fn events(n: usize, first_seq: u64, count: u32) -> Write {
    let payload = Bytes::from(format!("events {first_seq} and {count} of {n}"));
    Write::Events(NewEvents {
        run: id(n),
        first_seq,
        count,
        payload,
    })
}

fn alert(fate: &str, runs: &[usize]) -> NewAlert {
    NewAlert {
        name: "DiskFull".to_owned(),
        fingerprint: format!("{fate:0>16}"),
        status: AlertStatus::Firing,
        fate: fate.to_owned(),
        runs: runs.iter().copied().map(id).collect(),
        payload: Bytes::from_static(b"{\"labels\":{}}"),
    }
}
