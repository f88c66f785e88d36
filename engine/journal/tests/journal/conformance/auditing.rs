//! The audit: a chain that grows at one end and is dropped at the other, and is whole at any time.

use serde_json::json;
use stanch_contract::Timestamp;
use stanch_journal::audit::{Broken, verify};
use stanch_journal::{Append, AuditPage, Link, Store, StoreError, Write};

use super::{Place, barrier};
use crate::{KEEP, NOW, events};

fn entry(text: &str) -> Write {
    Write::Audit(json!({ "what": text }))
}

async fn whole(store: &dyn Store) -> AuditPage {
    store.audit(0, 1_000).await.unwrap()
}

fn check(page: &AuditPage) -> Result<(), Broken> {
    verify(page.first, &page.entries, page.last, None)
}

pub(crate) async fn entries_of_the_audit_are_chained_in_order_over_a_restart(place: &dyn Place) {
    let store = place.open();
    assert_eq!(
        whole(&*store).await,
        AuditPage {
            first: Link::start(),
            last: Link::start(),
            entries: Vec::new()
        }
    );
    barrier(&*store, entry("one")).await.unwrap();
    barrier(&*store, entry("two")).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = place.open();
    store
        .append(Append::barrier(NOW, vec![entry("three"), entry("four")]))
        .await
        .unwrap();

    let page = whole(&*store).await;

    let said: Vec<_> = page
        .entries
        .iter()
        .map(|entry| (entry.no, entry.is["what"].clone()))
        .collect();
    assert_eq!(
        said,
        [
            (1, json!("one")),
            (2, json!("two")),
            (3, json!("three")),
            (4, json!("four"))
        ]
    );
    assert_eq!(page.last, page.entries[3].link());
    check(&page).unwrap();
    let part = store.audit(1, 2).await.unwrap();
    assert_eq!(part.entries, page.entries[1..3]);
    assert_eq!(part.last, page.last);
}

pub(crate) async fn an_entry_of_a_batch_that_is_refused_is_not_in_the_audit(place: &dyn Place) {
    let store = place.open();
    barrier(&*store, entry("one")).await.unwrap();
    let batch = Append::barrier(NOW, vec![entry("never"), events(9, 0, 1)]);
    assert!(matches!(store.append(batch).await, Err(StoreError::NoSuchRun(_))));
    barrier(&*store, entry("two")).await.unwrap();

    let page = whole(&*store).await;

    assert_eq!(page.entries.len(), 2);
    check(&page).unwrap();
}

pub(crate) async fn old_entries_are_dropped_and_what_is_left_still_fits(place: &dyn Place) {
    let store = place.open();
    let long_ago = Timestamp(NOW.0 - KEEP.as_millis() - 1);
    for n in 0..5 {
        let at = if n < 3 { long_ago } else { NOW };
        store
            .append(Append::barrier(at, vec![entry(&n.to_string())]))
            .await
            .unwrap();
    }
    let before = whole(&*store).await;

    assert_eq!(store.collect(NOW).await.unwrap().entries, 3);

    let page = whole(&*store).await;
    assert_eq!(page.first, before.entries[2].link());
    assert_eq!(page.entries, before.entries[3..]);
    check(&page).unwrap();
    assert_eq!(store.collect(NOW).await.unwrap().entries, 0);
    // All of it is old: the last one stays, so that the next has something to follow.
    let later = Timestamp(NOW.0 + KEEP.as_millis() + 1);
    assert_eq!(store.collect(later).await.unwrap().entries, 1);
    barrier(&*store, entry("next")).await.unwrap();
    let page = whole(&*store).await;
    assert_eq!(page.entries.len(), 2);
    check(&page).unwrap();
}
