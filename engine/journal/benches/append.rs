//! What an append costs: alone, and where many wait at once; beside a bare write and flush on the same disk.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stanch_contract::{AlertStatus, ByteSize, RunId, Span, Timestamp};
use stanch_journal::{Append, NewAlert, NewEvents, RunRecord, Settings, SqliteStore, Store, Write};
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp(1_795_478_400_000);

fn open(folder: &Path) -> Arc<SqliteStore> {
    let folder = folder.join("data");
    let settings = Settings {
        folder,
        keep: Span::from_secs(86_400),
        reserve: ByteSize(0),
    };
    Arc::new(SqliteStore::open(settings).unwrap())
}

fn run(n: u64) -> RunRecord {
    RunRecord {
        id: RunId(format!("run{n:013}")),
        runbook: "disk-full".to_owned(),
        group_key: format!("node-{n}"),
        episode: 1,
        generation: 1,
        opened_at: NOW,
        state: "diagnosis".to_owned(),
        closed_at: None,
        ending: None,
        escalated: false,
        settled: false,
        detail: String::new(),
    }
}

/// An alert that opens a run, as the intake appends it: the alert of 2 KiB, the run and its first row of events.
fn accepted(n: u64, payload: &Bytes) -> Vec<Write> {
    let run = run(n);
    let id = run.id.clone();
    vec![
        Write::Run(run),
        Write::Events(NewEvents {
            run: id.clone(),
            first_seq: 0,
            count: 1,
            payload: payload.slice(..512),
        }),
        Write::Alert(NewAlert {
            name: "DiskFull".to_owned(),
            fingerprint: format!("{n:016}"),
            status: AlertStatus::Firing,
            fate: "opened".to_owned(),
            runs: vec![id],
            payload: payload.clone(),
        }),
    ]
}

/// `count` alerts with `in_flight` senders, each waiting for its answer.
async fn accept(
    store: &Arc<SqliteStore>,
    next: &Arc<AtomicU64>,
    count: u64,
    in_flight: u64,
    payload: &Bytes,
) -> Duration {
    let until = next.load(Ordering::Relaxed) + count;
    let began = Instant::now();
    let senders = (0..in_flight).map(|_| {
        let (store, next, payload) = (Arc::clone(store), Arc::clone(next), payload.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= until {
                    return;
                }
                store
                    .append(Append::new_work(NOW, accepted(n, &payload)))
                    .await
                    .unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    began.elapsed()
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let payload = Bytes::from(vec![b'x'; 2_048]);
    let next = Arc::new(AtomicU64::new(0));
    let mut group = criterion.benchmark_group("append");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500));

    let probe = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(folder.path().join("probe"))
        .unwrap();
    probe.write_all_at(&vec![0; 1 << 22], 0).unwrap();
    probe.sync_all().unwrap();
    let mut at = 0;
    group.bench_function("probe: 4 KiB and fdatasync", |bencher| {
        bencher.iter(|| {
            at = (at + 4_096) % (1 << 22);
            probe.write_all_at(&[1; 4_096], at).unwrap();
            probe.sync_data().unwrap();
        });
    });

    let store = open(folder.path());
    group.throughput(Throughput::Elements(1));
    for in_flight in [1, 8, 64] {
        let before = store.counters();
        group.bench_function(format!("an alert accepted, {in_flight} in flight"), |bencher| {
            bencher.iter_custom(|count| runtime.block_on(accept(&store, &next, count, in_flight, &payload)));
        });
        let after = store.counters();
        let flushes =
            (after.flushes - before.flushes) as f64 / (after.batches - before.batches).max(1) as f64;
        println!(
            "{in_flight} in flight: {flushes:.3} flushes for an alert, longest commit {:?}",
            after.longest
        );
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
