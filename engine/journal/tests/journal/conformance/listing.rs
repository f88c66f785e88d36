//! Runs and alerts, found again.

use bytes::Bytes;
use stanch_contract::{AlertStatus, Span, Timestamp};
use stanch_journal::{AlertFilter, Append, Collected, Disk, RunFilter, RunRecord, Write};

use super::{Place, barrier, ids, names, opened};
use crate::{NOW, alert, closed, id, run};

pub(crate) async fn a_run_is_listed_as_it_was_last_written(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    let last = RunRecord {
        escalated: true,
        detail: "{\"severity\":\"high\"}".to_owned(),
        ..closed(1, NOW)
    };
    barrier(&*store, Write::Run(last.clone())).await.unwrap();
    assert_eq!(store.run(&id(1)).await.unwrap(), Some(last.clone()));
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap(), [last]);
}

pub(crate) async fn what_a_run_is_does_not_change(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    let other = RunRecord {
        runbook: "other".to_owned(),
        group_key: "x".to_owned(),
        episode: 9,
        ..run(1)
    };
    barrier(&*store, Write::Run(other)).await.unwrap();
    assert_eq!(store.run(&id(1)).await.unwrap(), Some(run(1)));
}

pub(crate) async fn runs_are_listed_by_what_fits_newest_first(place: &dyn Place) {
    let store = place.open();
    for n in 1..=6 {
        opened(&*store, n).await;
    }
    barrier(
        &*store,
        Write::Run(RunRecord {
            runbook: "provider-slow".to_owned(),
            ..run(7)
        }),
    )
    .await
    .unwrap();
    barrier(&*store, Write::Run(closed(2, NOW))).await.unwrap();
    let later = Timestamp(NOW.0 + 60_000);
    let failed = RunRecord {
        ending: Some("failed".to_owned()),
        escalated: true,
        settled: false,
        ..closed(3, later)
    };
    barrier(&*store, Write::Run(failed)).await.unwrap();

    let all = RunFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(ids(&*store, all()).await, names(&[7, 6, 5, 4, 3, 2, 1]));
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                runbook: text("provider-slow"),
                ..all()
            }
        )
        .await,
        names(&[7])
    );
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                group_key: text("node-0"),
                ..all()
            }
        )
        .await,
        names(&[6, 3])
    );
    let key = RunFilter {
        runbook: text("disk-full"),
        group_key: text("node-1"),
        limit: 1,
        ..all()
    };
    assert_eq!(ids(&*store, key).await, names(&[4]));
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                open: Some(true),
                ..all()
            }
        )
        .await,
        names(&[7, 6, 5, 4, 1])
    );
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                open: Some(false),
                ..all()
            }
        )
        .await,
        names(&[3, 2])
    );
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                ending: text("healed"),
                ..all()
            }
        )
        .await,
        names(&[2])
    );
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                escalated: Some(true),
                ..all()
            }
        )
        .await,
        names(&[3])
    );
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                settled: Some(true),
                ..all()
            }
        )
        .await,
        names(&[2])
    );
    let since = RunFilter {
        closed_since: Some(Timestamp(NOW.0 + 1)),
        open: Some(false),
        ..all()
    };
    assert_eq!(ids(&*store, since).await, names(&[3]));
    assert_eq!(
        ids(
            &*store,
            RunFilter {
                ending: text("'; DROP TABLE runs --"),
                ..all()
            }
        )
        .await,
        names(&[])
    );
}

pub(crate) async fn pages_join_without_gap_or_repeat(place: &dyn Place) {
    let store = place.open();
    for n in 1..=25 {
        let writes = vec![Write::Run(run(n)), Write::Alert(alert("opened", &[n]))];
        store.append(Append::barrier(NOW, writes)).await.unwrap();
    }
    let mut filter = RunFilter {
        limit: 10,
        ..RunFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = ids(&*store, filter.clone()).await;
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        filter.before = Some(last.as_str().into());
        seen.extend(page);
    }
    assert_eq!(seen, names(&(1..=25).rev().collect::<Vec<_>>()));

    let mut filter = AlertFilter {
        limit: 10,
        ..AlertFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = store.alerts(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        seen.extend(page.into_iter().map(|alert| alert.runs[0].0.clone()));
    }
    assert_eq!(seen, names(&(1..=25).rev().collect::<Vec<_>>()));
}

pub(crate) async fn runs_to_resume_are_those_not_settled(place: &dyn Place) {
    let store = place.open();
    for n in 1..=5 {
        opened(&*store, n).await;
    }
    barrier(&*store, Write::Run(closed(2, NOW))).await.unwrap();
    barrier(
        &*store,
        Write::Run(RunRecord {
            settled: false,
            ..closed(4, NOW)
        }),
    )
    .await
    .unwrap();
    let unsettled = store.unsettled_runs().await.unwrap();
    let unsettled: Vec<_> = unsettled.into_iter().map(|run| run.id.0).collect();
    assert_eq!(unsettled, names(&[1, 3, 4, 5]));
}

pub(crate) async fn alerts_are_listed_with_their_runs(place: &dyn Place) {
    let store = place.open();
    for n in 1..=3 {
        opened(&*store, n).await;
    }
    let resolved = stanch_journal::NewAlert {
        status: AlertStatus::Resolved,
        ..alert("repeat", &[2])
    };
    let writes = vec![
        Write::Alert(alert("opened", &[3, 2])),
        Write::Alert(alert("unmatched", &[])),
        Write::Alert(resolved),
    ];
    store.append(Append::new_work(NOW, writes)).await.unwrap();

    let all = store.alerts(&AlertFilter::default()).await.unwrap();
    assert_eq!(
        all.iter().map(|alert| alert.fate.as_str()).collect::<Vec<_>>(),
        ["repeat", "unmatched", "opened"]
    );
    assert_eq!(all[2].runs, [id(2), id(3)]);
    assert_eq!(all[1].runs, []);
    assert_eq!(
        (all[0].status, all[2].status),
        (AlertStatus::Resolved, AlertStatus::Firing)
    );
    assert_eq!(
        (all[0].at, &all[0].payload),
        (NOW, &Bytes::from_static(b"{\"labels\":{}}"))
    );
    assert!(all[0].id > all[1].id && all[1].id > all[2].id);
    let store = &store;
    let of = |filter| async move { store.alerts(&filter).await.unwrap().len() };
    assert_eq!(
        of(AlertFilter {
            run: Some(id(2)),
            ..AlertFilter::default()
        })
        .await,
        2
    );
    assert_eq!(
        of(AlertFilter {
            run: Some(id(1)),
            ..AlertFilter::default()
        })
        .await,
        0
    );
    assert_eq!(
        of(AlertFilter {
            fate: Some("unmatched".to_owned()),
            ..AlertFilter::default()
        })
        .await,
        1
    );
    let fingerprint = Some(all[2].fingerprint.clone());
    assert_eq!(
        of(AlertFilter {
            fingerprint,
            ..AlertFilter::default()
        })
        .await,
        1
    );
}

pub(crate) async fn a_store_that_is_well_says_so(place: &dyn Place) {
    let store = place.open();
    opened(&*store, 1).await;
    let health = store.health();
    assert_eq!((health.disk, health.lost, health.failing), (Disk::Well, 0, None));
    let counters = store.counters();
    assert_eq!(
        (
            counters.commits,
            counters.batches,
            counters.writes,
            counters.queued
        ),
        (1, 1, 1, 0)
    );
    assert!(counters.bytes > 0, "a store takes room");
    // Ten days hence there is still nothing to drop.
    let later = Timestamp(NOW.0 + Span::from_secs(864_000).as_millis());
    assert_eq!(store.collect(later).await.unwrap(), Collected::default());
}
