//! Order, fences, whole batches, and what is still there afterwards.

use std::sync::Arc;

use bytes::Bytes;
use stanch_contract::Timestamp;
use stanch_journal::{AlertFilter, Append, Durability, NewEvents, RunRecord, StoreError, Write};

use super::{Place, barrier, opened, seqs};
use crate::{NOW, alert, events, id, run};

pub(crate) async fn what_is_appended_is_read_back_in_order(place: &dyn Place) {
    let store = place.open();
    store
        .append(Append::barrier(
            NOW,
            vec![
                Write::Run(run(1)),
                events(1, 0, 2),
                Write::Run(run(2)),
                events(2, 0, 1),
            ],
        ))
        .await
        .unwrap();
    store
        .append(Append::barrier(Timestamp(NOW.0 + 5), vec![events(1, 2, 3)]))
        .await
        .unwrap();

    let rows = store.events(&id(1), 0).await.unwrap();
    assert_eq!(
        rows.iter()
            .map(|row| (row.first_seq, row.count, row.at.0 - NOW.0))
            .collect::<Vec<_>>(),
        [(0, 2, 0), (2, 3, 5)]
    );
    assert_eq!(rows[1].payload, Bytes::from("events 2 and 3 of 1"));
    assert_eq!(seqs(&*store, 2).await, [(0, 1)]);
    let run = id(1);
    let from = |seq| store.events(&run, seq);
    assert_eq!(
        from(1).await.unwrap().len(),
        2,
        "the row that holds event 1, and the one after"
    );
    assert_eq!(from(2).await.unwrap().len(), 1);
    assert_eq!(from(4).await.unwrap().len(), 1);
    assert_eq!(from(5).await.unwrap().len(), 0);
    assert_eq!(store.events(&id(9), 0).await.unwrap(), []);
}

pub(crate) async fn a_stale_writer_is_refused_and_nothing_of_its_batch_is_kept(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    barrier(&*store, events(1, 0, 3)).await.unwrap();

    let stale = vec![
        Write::Run(RunRecord {
            state: "recovery".to_owned(),
            ..run(1)
        }),
        Write::Run(run(2)),
        Write::Alert(alert("opened", &[2])),
        events(1, 2, 1),
    ];
    let refused = store.append(Append::barrier(NOW, stale)).await;

    assert_eq!(
        refused,
        Err(StoreError::Conflict {
            run: id(1),
            expected: 2,
            stored: 3
        })
    );
    assert_eq!(seqs(&*store, 1).await, [(0, 3)]);
    assert_eq!(store.run(&id(1)).await.unwrap().unwrap().state, "diagnosis");
    assert_eq!(store.run(&id(2)).await.unwrap(), None);
    assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap(), []);
    barrier(&*store, events(1, 3, 1)).await.unwrap();
    opened(&*store, 2).await;
}

pub(crate) async fn of_two_writers_with_the_same_fence_one_is_refused(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    for seq in 0..50 {
        let (one, other) = tokio::join!(
            barrier(&*store, events(1, seq, 1)),
            barrier(&*store, events(1, seq, 1))
        );
        assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    }
    assert_eq!(seqs(&*store, 1).await.len(), 50);
}

pub(crate) async fn a_refused_batch_takes_nobody_with_it(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 0).await;
    let all = (1..=40).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let writes = vec![Write::Run(run(n)), events(n, u64::from(n % 4 == 0), 1)];
            (n, store.append(Append::barrier(NOW, writes)).await)
        })
    });
    for one in all.collect::<Vec<_>>() {
        let (n, result) = one.await.unwrap();
        assert_eq!(result.is_err(), n % 4 == 0, "{n}: {result:?}");
        assert_eq!(store.run(&id(n)).await.unwrap().is_some(), n % 4 != 0, "{n}");
        assert_eq!(seqs(&*store, n).await.len(), usize::from(n % 4 != 0), "{n}");
    }
}

pub(crate) async fn a_batch_that_waited_for_nobody_is_kept_before_the_next_barrier(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    for seq in 0..20 {
        store
            .append(Append::lazy(NOW, vec![events(1, seq, 1)]))
            .await
            .unwrap();
    }
    barrier(&*store, events(1, 20, 1)).await.unwrap();
    assert_eq!(
        seqs(&*store, 1).await,
        (0..21).map(|seq| (seq, 1)).collect::<Vec<_>>()
    );
}

pub(crate) async fn a_batch_that_waited_for_nobody_is_kept_soon_anyway(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    store
        .append(Append::lazy(NOW, vec![events(1, 0, 1)]))
        .await
        .unwrap();
    for _ in 0..1_000 {
        if !seqs(&*store, 1).await.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("still not kept after ten seconds");
}

pub(crate) async fn who_joins_the_next_commit_comes_after_what_waited_for_nobody_and_asks_for_none(
    place: &dyn Place,
) {
    let store = place.open();
    opened(&*store, 1).await;
    for seq in 0..20 {
        let barriers = store.counters().barriers;
        store
            .append(Append::lazy(NOW, vec![events(1, seq, 1)]))
            .await
            .unwrap();
        store.append(Append::joined(NOW)).await.unwrap();
        let kept = seqs(&*store, 1).await.len();
        assert_eq!(
            (kept, store.counters().barriers),
            (usize::try_from(seq).unwrap() + 1, barriers)
        );
    }
    // Where nothing was appended there is nothing to wait for, nor to commit.
    let before = store.counters().commits;
    for _ in 0..200 {
        store.append(Append::joined(NOW)).await.unwrap();
    }
    assert_eq!(store.counters().commits, before);
    // What is joined with writes is kept, and refused, as any other.
    let joined = |seq| Append {
        durability: Durability::Joined,
        ..Append::lazy(NOW, vec![events(1, seq, 1)])
    };
    store.append(joined(20)).await.unwrap();
    assert_eq!(seqs(&*store, 1).await.len(), 21);
    assert!(matches!(
        store.append(joined(20)).await,
        Err(StoreError::Conflict { .. })
    ));
    store.close().await.unwrap();
    assert_eq!(store.append(Append::joined(NOW)).await, Err(StoreError::Closed));
}

pub(crate) async fn a_gap_is_refused(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    // Nobody hears that this one is refused; the next barrier does.
    store
        .append(Append::lazy(NOW, vec![events(1, 1, 1)]))
        .await
        .unwrap();
    let refused = barrier(&*store, events(1, 2, 1)).await;
    assert_eq!(
        refused,
        Err(StoreError::Conflict {
            run: id(1),
            expected: 2,
            stored: 0
        })
    );
    assert_eq!(seqs(&*store, 1).await, []);
    assert_eq!(store.health().lost, 1);
}

pub(crate) async fn events_of_a_run_that_is_not_there_are_refused(place: &dyn Place) {
    let store = place.open();
    assert_eq!(
        barrier(&*store, events(1, 0, 1)).await,
        Err(StoreError::NoSuchRun(id(1)))
    );
    assert_eq!(
        barrier(&*store, Write::Alert(alert("opened", &[1]))).await,
        Err(StoreError::NoSuchRun(id(1)))
    );
    assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap(), []);
}

pub(crate) async fn a_row_of_no_events_is_refused(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    let none = NewEvents {
        run: id(1),
        first_seq: 0,
        count: 0,
        payload: Bytes::new(),
    };
    assert!(matches!(
        barrier(&*store, Write::Events(none)).await,
        Err(StoreError::Unfit(_))
    ));
    barrier(&*store, events(1, 0, 1)).await.unwrap();
}

pub(crate) async fn what_was_confirmed_is_there_after_opening_again(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    barrier(&*store, events(1, 0, 2)).await.unwrap();
    barrier(&*store, Write::Alert(alert("opened", &[1])))
        .await
        .unwrap();
    let before = (
        store.run(&id(1)).await.unwrap(),
        store.events(&id(1), 0).await.unwrap(),
    );
    let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(
        (
            store.run(&id(1)).await.unwrap(),
            store.events(&id(1), 0).await.unwrap()
        ),
        before
    );
    assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap(), alerts);
    store.verify().await.unwrap();
}

pub(crate) async fn what_waited_for_nobody_is_there_after_closing(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    store
        .append(Append::lazy(NOW, vec![events(1, 0, 2)]))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop(store);
    assert_eq!(seqs(&*place.open(), 1).await, [(0, 2)]);
}

pub(crate) async fn the_fence_holds_after_opening_again(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    barrier(&*store, events(1, 0, 3)).await.unwrap();
    drop(store);
    let store = place.open();
    let refused = barrier(&*store, events(1, 1, 1)).await;
    assert_eq!(
        refused,
        Err(StoreError::Conflict {
            run: id(1),
            expected: 1,
            stored: 3
        })
    );
    barrier(&*store, events(1, 3, 1)).await.unwrap();
}

pub(crate) async fn many_writers_at_once_lose_nothing(place: &dyn Place) {
    let store = place.open();
    let writers = (0..32).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            opened(&*store, n).await;
            for seq in 0..30 {
                let durability = if seq % 3 == 2 {
                    Durability::Barrier
                } else {
                    Durability::Lazy
                };
                let batch = Append {
                    durability,
                    ..Append::barrier(NOW, vec![events(n, seq, 1)])
                };
                store.append(batch).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    let store = place.open();
    for n in 0..32 {
        assert_eq!(
            seqs(&*store, n).await,
            (0..30).map(|seq| (seq, 1)).collect::<Vec<_>>(),
            "run {n}"
        );
    }
    store.verify().await.unwrap();
}

pub(crate) async fn after_closing_nothing_is_taken(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    store.close().await.unwrap();
    assert_eq!(barrier(&*store, events(1, 0, 1)).await, Err(StoreError::Closed));
    assert_eq!(
        store.append(Append::lazy(NOW, vec![events(1, 0, 1)])).await,
        Err(StoreError::Closed)
    );
    assert_eq!(store.collect(NOW).await, Err(StoreError::Closed));
    store.close().await.unwrap();
}
