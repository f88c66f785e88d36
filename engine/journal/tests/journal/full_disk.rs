//! The disk full under the journal: a real file system of a few MiB, really full.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stanch_contract::ByteSize;
use stanch_journal::{
    AlertFilter, Append, Disk, NewEvents, RunFilter, Settings, SqliteStore, Store, StoreError, Write,
};
use stanch_test_support::disk::{SmallDisk, where_one_may_mount};

use crate::{KEEP, NOW, alert, events, id, run};

const RESERVE: u64 = 2 << 20;

fn on_a_small_disk(test: &str, work: impl AsyncFnOnce(Small)) {
    where_one_may_mount(&format!("full_disk::{test}"), || {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::over(folder.path(), 8).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work(Small(disk)));
    });
}

/// The journal's disk.
struct Small(SmallDisk);

impl Small {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) -> PathBuf {
        self.0.fill().unwrap()
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let settings = Settings {
            folder: self.path().to_owned(),
            keep: KEEP,
            reserve: ByteSize(RESERVE),
        };
        Ok(Arc::new(SqliteStore::open(settings)?))
    }
}

/// Events too large for what may still be free in the log.
fn large(n: usize, first_seq: u64) -> Write {
    Write::Events(NewEvents {
        run: id(n),
        first_seq,
        count: 1,
        payload: Bytes::from(vec![1; 100_000]),
    })
}

async fn new_work(store: &dyn Store, n: usize) -> Result<(), StoreError> {
    store
        .append(Append::new_work(
            NOW,
            vec![
                Write::Run(run(n)),
                large(n, 0),
                Write::Alert(alert("opened", &[n])),
            ],
        ))
        .await
}

async fn until_well(store: &dyn Store) {
    for _ in 0..200 {
        if store.health().disk == Disk::Well {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still full after ten seconds: {:?}", store.health());
}

#[test]
fn open_runs_go_on_in_the_reserve_and_new_work_is_refused_until_there_is_room() {
    on_a_small_disk(
        "open_runs_go_on_in_the_reserve_and_new_work_is_refused_until_there_is_room",
        async |disk| {
            let store = disk.open().unwrap();
            new_work(&*store, 1).await.unwrap();
            assert_eq!(
                (store.health().disk, store.health().reserved),
                (Disk::Well, RESERVE)
            );
            let ballast = disk.fill();

            // The first that is written finds the disk full; it is work under way, so it is kept nevertheless.
            store
                .append(Append::barrier(NOW, vec![large(1, 1)]))
                .await
                .unwrap();
            assert_eq!((store.health().disk, store.health().reserved), (Disk::Full, 0));
            assert_eq!(new_work(&*store, 2).await, Err(StoreError::DiskFull));
            for seq in 2..8 {
                store
                    .append(Append::barrier(NOW, vec![large(1, seq)]))
                    .await
                    .unwrap();
            }
            assert_eq!(new_work(&*store, 2).await, Err(StoreError::DiskFull));
            assert_eq!(
                store.run(&id(2)).await.unwrap(),
                None,
                "nothing of what was refused is kept"
            );
            assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap().len(), 1);

            std::fs::remove_file(ballast).unwrap();
            until_well(&*store).await;
            assert_eq!(store.health().reserved, RESERVE);
            new_work(&*store, 2).await.unwrap();
            drop(store);
            let store = disk.open().unwrap();
            store.verify().await.unwrap();
            assert_eq!(store.events(&id(1), 0).await.unwrap().len(), 8);
            assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 2);
        },
    );
}

#[test]
fn new_work_that_finds_the_disk_full_is_refused_and_leaves_nothing() {
    on_a_small_disk(
        "new_work_that_finds_the_disk_full_is_refused_and_leaves_nothing",
        async |disk| {
            let store = disk.open().unwrap();
            store
                .append(Append::barrier(NOW, vec![Write::Run(run(1))]))
                .await
                .unwrap();
            disk.fill();

            let under_way = store.append(Append::barrier(NOW, vec![events(1, 0, 1)]));
            let (refused, kept) = tokio::join!(new_work(&*store, 2), under_way);

            assert_eq!((refused, kept), (Err(StoreError::DiskFull), Ok(())));
            assert_eq!(store.run(&id(2)).await.unwrap(), None);
            assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap(), []);
            assert_eq!(store.health().disk, Disk::Full);
        },
    );
}

#[test]
fn when_the_reserve_is_used_up_too_nothing_is_kept_in_part_and_nothing_is_lost() {
    on_a_small_disk(
        "when_the_reserve_is_used_up_too_nothing_is_kept_in_part_and_nothing_is_lost",
        async |disk| {
            let store = disk.open().unwrap();
            store
                .append(Append::barrier(NOW, vec![Write::Run(run(1)), Write::Run(run(2))]))
                .await
                .unwrap();
            let ballast = disk.fill();

            let mut kept = 0;
            let refused = loop {
                match store
                    .append(Append::barrier(NOW, vec![large(1, kept), large(2, kept)]))
                    .await
                {
                    Ok(()) => kept += 1,
                    Err(error) => break error,
                }
                assert!(kept < 100, "the disk does not get full");
            };

            assert_eq!(refused, StoreError::DiskFull);
            assert!(kept > 2, "{kept}");
            assert_eq!(store.health().failing, Some(StoreError::DiskFull));
            std::fs::remove_file(ballast).unwrap();
            until_well(&*store).await;
            for n in [1, 2] {
                let rows = store.events(&id(n), 0).await.unwrap();
                assert_eq!(rows.len() as u64, kept, "run {n}");
                assert!(
                    rows.iter()
                        .all(|row| row.payload.len() == 100_000 && row.payload.iter().all(|byte| *byte == 1))
                );
            }
            store
                .append(Append::barrier(NOW, vec![large(1, kept), large(2, kept)]))
                .await
                .unwrap();
            assert_eq!(store.health().failing, None);
            store.verify().await.unwrap();
        },
    );
}

#[test]
fn an_engine_that_starts_on_a_full_disk_can_end_its_open_runs() {
    on_a_small_disk(
        "an_engine_that_starts_on_a_full_disk_can_end_its_open_runs",
        async |disk| {
            let store = disk.open().unwrap();
            new_work(&*store, 1).await.unwrap();
            drop(store);
            disk.fill();

            let store = disk.open().unwrap();

            assert_eq!(store.unsettled_runs().await.unwrap().len(), 1);
            store
                .append(Append::barrier(NOW, vec![large(1, 1)]))
                .await
                .unwrap();
            assert_eq!(store.health().disk, Disk::Full);
            assert_eq!(new_work(&*store, 2).await, Err(StoreError::DiskFull));
        },
    );
}

#[test]
fn where_there_is_no_room_for_the_reserve_the_store_starts_and_says_so() {
    on_a_small_disk(
        "where_there_is_no_room_for_the_reserve_the_store_starts_and_says_so",
        async |disk| {
            let settings = Settings {
                folder: disk.path().to_owned(),
                keep: KEEP,
                reserve: ByteSize(64 << 20),
            };
            let store = SqliteStore::open(settings).unwrap();
            assert_eq!((store.health().disk, store.health().reserved), (Disk::Full, 0));
            assert_eq!(new_work(&store, 1).await, Err(StoreError::DiskFull));
        },
    );
}
