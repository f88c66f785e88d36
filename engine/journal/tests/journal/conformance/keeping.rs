//! Contents, named values, and what is dropped when its time has passed.

use bytes::Bytes;
use stanch_contract::{Digest, Timestamp};
use stanch_journal::{AlertFilter, Append, Collected, RunFilter, RunRecord, StoreError, Write};

use super::{Place, barrier, ids, names, seqs};
use crate::{KEEP, NOW, alert, closed, events, id, run};

fn content(text: &str) -> (Digest, Write) {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let digest = Digest::of(&bytes);
    (digest, Write::Content { digest, bytes })
}

pub(crate) async fn a_content_is_kept_once_under_its_digest(place: &dyn Place) {
    let store = place.open();
    let (digest, write) = content("a runbook");
    for _ in 0..2 {
        barrier(&*store, write.clone()).await.unwrap();
    }
    drop(store);
    let store = place.open();
    barrier(&*store, write).await.unwrap();
    assert_eq!(
        store.content(&digest).await.unwrap(),
        Some(Bytes::from_static(b"a runbook"))
    );
    assert_eq!(store.content(&Digest::of(b"another")).await.unwrap(), None);
}

pub(crate) async fn a_pin_of_a_content_that_is_not_there_is_refused(place: &dyn Place) {
    let store = place.open();
    let (here, write) = content("here");
    let missing = Digest::of(b"missing");
    let pins = |digests: &[Digest]| Write::Pins {
        run: id(1),
        digests: digests.to_vec(),
    };

    let refused = store.append(Append::barrier(
        NOW,
        vec![Write::Run(run(1)), write.clone(), pins(&[here, missing])],
    ));
    assert_eq!(refused.await, Err(StoreError::NoSuchContent(missing)));
    assert_eq!(store.run(&id(1)).await.unwrap(), None);
    assert_eq!(
        store.content(&here).await.unwrap(),
        None,
        "nothing of the batch is kept"
    );

    store
        .append(Append::barrier(
            NOW,
            vec![Write::Run(run(1)), write, pins(&[here])],
        ))
        .await
        .unwrap();
    assert!(store.content(&here).await.unwrap().is_some());
}

fn value(name: &str, expected: Option<u64>, value: Option<&'static str>) -> Write {
    Write::Value {
        name: name.to_owned(),
        expected,
        value: value.map(Bytes::from),
    }
}

pub(crate) async fn named_values_are_replaced_only_at_the_revision_expected(place: &dyn Place) {
    let store = place.open();
    barrier(&*store, value("pause/all", Some(0), Some("deploy")))
        .await
        .unwrap();
    let refused = barrier(&*store, value("pause/all", Some(0), Some("mine"))).await;
    assert_eq!(
        refused,
        Err(StoreError::Changed {
            name: "pause/all".to_owned(),
            expected: 0,
            stored: 1
        })
    );
    barrier(&*store, value("pause/all", Some(1), Some("incident")))
        .await
        .unwrap();
    barrier(&*store, value("pause/plugin/x", None, Some("odd")))
        .await
        .unwrap();
    barrier(&*store, value("pausf", None, Some("other")))
        .await
        .unwrap();

    let all = store.value("pause/all").await.unwrap().unwrap();
    assert_eq!((all.revision, all.value), (2, Bytes::from_static(b"incident")));
    let pauses = store.values("pause/").await.unwrap();
    assert_eq!(
        pauses.iter().map(|value| value.name.as_str()).collect::<Vec<_>>(),
        ["pause/all", "pause/plugin/x"]
    );
    assert_eq!(store.value("pause/").await.unwrap(), None);
}

pub(crate) async fn a_removed_value_is_gone_and_its_revision_never_comes_back(place: &dyn Place) {
    let store = place.open();
    barrier(&*store, value("pause/all", None, Some("deploy")))
        .await
        .unwrap();
    barrier(&*store, value("pause/all", Some(1), None)).await.unwrap();
    assert_eq!(store.value("pause/all").await.unwrap(), None);
    assert_eq!(store.values("").await.unwrap(), []);
    barrier(&*store, value("pause/all", Some(0), Some("again")))
        .await
        .unwrap();
    assert_eq!(store.value("pause/all").await.unwrap().unwrap().revision, 3);
}

pub(crate) async fn what_is_old_and_settled_is_dropped_and_nothing_else(place: &dyn Place) {
    let store = place.open();
    let long_ago = Timestamp(NOW.0 - KEEP.as_millis() - 1);
    for n in 1..=4 {
        let writes = vec![
            Write::Run(run(n)),
            events(n, 0, 1),
            Write::Alert(alert("opened", &[n])),
        ];
        store.append(Append::barrier(long_ago, writes)).await.unwrap();
    }
    store
        .append(Append::barrier(
            long_ago,
            vec![Write::Alert(alert("unmatched", &[]))],
        ))
        .await
        .unwrap();
    store
        .append(Append::barrier(NOW, vec![Write::Alert(alert("unmatched", &[]))]))
        .await
        .unwrap();
    barrier(&*store, Write::Run(closed(1, long_ago))).await.unwrap();
    barrier(
        &*store,
        Write::Run(RunRecord {
            settled: false,
            ..closed(2, long_ago)
        }),
    )
    .await
    .unwrap();
    barrier(&*store, Write::Run(closed(3, NOW))).await.unwrap();

    let dropped = store.collect(NOW).await.unwrap();

    assert_eq!(
        dropped,
        Collected {
            runs: 1,
            alerts: 2,
            contents: 0,
            entries: 0
        }
    );
    assert_eq!(ids(&*store, RunFilter::default()).await, names(&[4, 3, 2]));
    assert_eq!(seqs(&*store, 1).await, []);
    assert_eq!(seqs(&*store, 2).await, [(0, 1)]);
    assert_eq!(
        barrier(&*store, events(1, 1, 1)).await,
        Err(StoreError::NoSuchRun(id(1)))
    );
    let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
    assert_eq!(
        alerts.iter().map(|alert| alert.runs.clone()).collect::<Vec<_>>(),
        [vec![], vec![id(4)], vec![id(3)], vec![id(2)]]
    );
    assert_eq!(store.collect(NOW).await.unwrap(), Collected::default());
}

pub(crate) async fn a_content_stays_as_long_as_one_run_pins_it(place: &dyn Place) {
    let store = place.open();
    let long_ago = Timestamp(NOW.0 - KEEP.as_millis() - 1);
    let (shared, write_shared) = content("a plugin");
    let (old, write_old) = content("an old runbook");
    let (loose, write_loose) = content("pinned by nobody");
    let pins = |n, digests: &[Digest]| Write::Pins {
        run: id(n),
        digests: digests.to_vec(),
    };
    let one = vec![
        Write::Run(run(1)),
        write_shared.clone(),
        write_old,
        write_loose,
        pins(1, &[shared, old]),
    ];
    store.append(Append::barrier(long_ago, one)).await.unwrap();
    let two = vec![Write::Run(run(2)), write_shared, pins(2, &[shared])];
    store.append(Append::barrier(long_ago, two)).await.unwrap();

    assert_eq!(
        store.collect(NOW).await.unwrap(),
        Collected {
            contents: 1,
            ..Collected::default()
        }
    );
    assert_eq!(store.content(&loose).await.unwrap(), None);
    assert!(store.content(&old).await.unwrap().is_some());

    barrier(&*store, Write::Run(closed(1, long_ago))).await.unwrap();
    assert_eq!(
        store.collect(NOW).await.unwrap(),
        Collected {
            runs: 1,
            contents: 1,
            ..Collected::default()
        }
    );
    assert_eq!(store.content(&old).await.unwrap(), None);
    assert!(store.content(&shared).await.unwrap().is_some());

    barrier(&*store, Write::Run(closed(2, long_ago))).await.unwrap();
    assert_eq!(
        store.collect(NOW).await.unwrap(),
        Collected {
            runs: 1,
            contents: 1,
            ..Collected::default()
        }
    );
    assert_eq!(store.content(&shared).await.unwrap(), None);
    // What was dropped can come back.
    let again = content("a plugin").1;
    store
        .append(Append::barrier(
            NOW,
            vec![Write::Run(run(3)), again, pins(3, &[shared])],
        ))
        .await
        .unwrap();
    assert!(store.content(&shared).await.unwrap().is_some());
}
