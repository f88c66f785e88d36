//! The store in one file: conformance, and what only a file can get wrong.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stanch_contract::Digest;
use stanch_journal::{Append, NewEvents, Store, StoreError, Write};

use crate::conformance::Place;
use crate::{NOW, events, id, open, run, try_open};

struct Folder(tempfile::TempDir);

impl Place for Folder {
    fn open(&self) -> Arc<dyn Store> {
        open(self.0.path())
    }
}

crate::conformance!(Folder(tempfile::tempdir().unwrap()));

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

async fn filled(folder: &Path) {
    let store = open(folder);
    for n in 0..200 {
        store
            .append(Append::lazy(NOW, vec![Write::Run(run(n)), events(n, 0, 1)]))
            .await
            .unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_second_engine_is_refused_and_told_who_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());

    let refused = try_open(folder.path()).err().unwrap();

    let path = folder.path().join("journal.db");
    assert_eq!(
        refused,
        StoreError::InUse {
            path,
            holder: format!("process {}", std::process::id())
        }
    );
    store
        .append(Append::barrier(NOW, vec![Write::Run(run(1))]))
        .await
        .unwrap();
    drop(store);
    assert!(open(folder.path()).run(&id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    overwrite(
        &folder.path().join("journal.db"),
        0,
        &b"My dear diary, ".repeat(1_000),
    );
    let refused = try_open(folder.path()).err().unwrap();
    assert_eq!(
        refused,
        StoreError::Foreign {
            path: folder.path().join("journal.db")
        }
    );
}

#[tokio::test]
async fn damage_is_found_and_said() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let path = folder.path().join("journal.db");
    let length = path.metadata().unwrap().len();
    for page in 2..length / 4_096 {
        overwrite(&path, page * 4_096, &[0xff; 64]);
    }

    let found = match try_open(folder.path()) {
        Ok(store) => store.verify().await.unwrap_err(),
        Err(error) => error,
    };

    assert!(matches!(found, StoreError::Damaged { .. }), "{found:?}");
    assert!(found.to_string().contains("restore a copy"), "{found}");
}

#[tokio::test]
async fn a_content_that_is_not_what_its_name_says_is_not_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = Bytes::from_static(b"delete nothing");
    let digest = Digest::of(&bytes);
    store
        .append(Append::barrier(NOW, vec![Write::Content { digest, bytes }]))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop(store);
    let file = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    file.execute("UPDATE contents SET bytes = ?1", [b"delete everything"])
        .unwrap();
    drop(file);

    let store = open(folder.path());

    assert!(matches!(
        store.content(&digest).await,
        Err(StoreError::Damaged { .. })
    ));
    assert!(matches!(store.verify().await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_log_that_ends_in_the_middle_of_a_commit_is_read_up_to_the_commit_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .append(Append::barrier(NOW, vec![Write::Run(run(1)), events(1, 0, 1)]))
        .await
        .unwrap();
    store
        .append(Append::barrier(NOW, vec![events(1, 1, 1)]))
        .await
        .unwrap();
    let torn = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal"] {
        std::fs::copy(folder.path().join(name), torn.path().join(name)).unwrap();
    }
    let log = torn.path().join("journal.db-wal");
    let bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    overwrite(&log, end as u64 - 40, &[0x55; 8]);

    let reopened = open(torn.path());

    let rows = reopened.events(&id(1), 0).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.first_seq).collect::<Vec<_>>(), [0]);
    reopened.verify().await.unwrap();
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let _store = open(&folder);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in [
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
        "journal.lock",
        "reserve",
    ] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_reserve_is_really_set_aside() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let reserve = folder.path().join("reserve").metadata().unwrap();
    assert_eq!((reserve.len(), store.health().reserved), (1 << 20, 1 << 20));
    assert!(reserve.blocks() * 512 >= 1 << 20, "{} blocks", reserve.blocks());
}

#[tokio::test]
async fn the_log_does_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .append(Append::barrier(NOW, vec![Write::Run(run(1))]))
        .await
        .unwrap();
    let payload = Bytes::from(vec![0x55; 60_000]);
    for first_seq in 0..400 {
        let row = NewEvents {
            run: id(1),
            first_seq,
            count: 1,
            payload: payload.clone(),
        };
        store
            .append(Append::barrier(NOW, vec![Write::Events(row)]))
            .await
            .unwrap();
    }
    let length = |name| folder.path().join(name).metadata().unwrap().len();
    assert!(
        length("journal.db-wal") <= 10 << 20,
        "{} bytes of log",
        length("journal.db-wal")
    );
    assert!(
        length("journal.db") >= 16 << 20,
        "{} bytes were moved to the file",
        length("journal.db")
    );
    assert!(store.counters().flushes > 401, "checkpoints are counted");
}

#[tokio::test]
async fn what_is_done_to_the_audit_behind_the_engines_back_is_found() {
    use stanch_journal::audit::{Broken, verify};
    let table: [(&str, Broken); 7] = [
        (
            "UPDATE audit SET entry = '{\"n\":7}' WHERE no = 2",
            Broken::Changed { no: 2 },
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE no = 3",
            Broken::Changed { no: 3 },
        ),
        (
            "UPDATE audit SET entry = 'no JSON' WHERE no = 4",
            Broken::Changed { no: 4 },
        ),
        (
            "DELETE FROM audit WHERE no = 2",
            Broken::Order {
                expected: 2,
                found: 3,
            },
        ),
        (
            "DELETE FROM audit WHERE no = 1",
            Broken::Order {
                expected: 1,
                found: 2,
            },
        ),
        (
            "DELETE FROM audit WHERE no = 4",
            Broken::End {
                expected: 4,
                found: 3,
            },
        ),
        (
            "UPDATE audit SET digest = zeroblob(32) WHERE no = 3",
            Broken::Changed { no: 3 },
        ),
    ];
    for (harm, expected) in table {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        for n in 1..=4 {
            let entry = Write::Audit(serde_json::json!({ "n": n }));
            store.append(Append::barrier(NOW, vec![entry])).await.unwrap();
        }
        store.close().await.unwrap();
        drop(store);
        let conn = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
        assert_eq!(conn.execute(harm, []).unwrap(), 1, "{harm}");
        drop(conn);

        let page = open(folder.path()).audit(0, 0).await.unwrap();

        assert_eq!(
            verify(page.first, &page.entries, page.last, None),
            Err(expected),
            "{harm}"
        );
    }
}
