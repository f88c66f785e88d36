//! What every store must do. A store takes part by giving `conformance!` a way to open the same place again and again.

pub(crate) mod appending;
pub(crate) mod auditing;
pub(crate) mod keeping;
pub(crate) mod listing;

use std::sync::Arc;

use stanch_journal::{Append, RunFilter, Store, StoreError, Write};

use crate::{NOW, id, run};

/// A place where a store can be opened, closed and opened again.
pub(crate) trait Place: Send + Sync {
    fn open(&self) -> Arc<dyn Store>;
}

/// Tests that the stores opened at a [`Place`] conform; the expression makes a new place for each.
#[macro_export]
macro_rules! conformance {
    ($place:expr) => {
        $crate::conformance!($place; appending:
            what_is_appended_is_read_back_in_order,
            a_stale_writer_is_refused_and_nothing_of_its_batch_is_kept,
            of_two_writers_with_the_same_fence_one_is_refused,
            a_refused_batch_takes_nobody_with_it,
            a_batch_that_waited_for_nobody_is_kept_before_the_next_barrier,
            a_batch_that_waited_for_nobody_is_kept_soon_anyway,
            who_joins_the_next_commit_comes_after_what_waited_for_nobody_and_asks_for_none,
            a_gap_is_refused,
            events_of_a_run_that_is_not_there_are_refused,
            a_row_of_no_events_is_refused,
            what_was_confirmed_is_there_after_opening_again,
            what_waited_for_nobody_is_there_after_closing,
            the_fence_holds_after_opening_again,
            many_writers_at_once_lose_nothing,
            after_closing_nothing_is_taken,
        );
        $crate::conformance!($place; listing:
            a_run_is_listed_as_it_was_last_written,
            what_a_run_is_does_not_change,
            runs_are_listed_by_what_fits_newest_first,
            pages_join_without_gap_or_repeat,
            runs_to_resume_are_those_not_settled,
            alerts_are_listed_with_their_runs,
            a_store_that_is_well_says_so,
        );
        $crate::conformance!($place; keeping:
            a_content_is_kept_once_under_its_digest,
            a_pin_of_a_content_that_is_not_there_is_refused,
            named_values_are_replaced_only_at_the_revision_expected,
            a_removed_value_is_gone_and_its_revision_never_comes_back,
            what_is_old_and_settled_is_dropped_and_nothing_else,
            a_content_stays_as_long_as_one_run_pins_it,
        );
        $crate::conformance!($place; auditing:
            entries_of_the_audit_are_chained_in_order_over_a_restart,
            an_entry_of_a_batch_that_is_refused_is_not_in_the_audit,
            old_entries_are_dropped_and_what_is_left_still_fits,
        );
    };
    ($place:expr; $part:ident: $($case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::$part::$case(&$place).await;
        }
    )*};
}

pub(super) async fn opened(store: &dyn Store, n: usize) {
    store
        .append(Append::barrier(NOW, vec![Write::Run(run(n))]))
        .await
        .unwrap();
}

pub(super) async fn barrier(store: &dyn Store, write: Write) -> Result<(), StoreError> {
    store.append(Append::barrier(NOW, vec![write])).await
}

pub(super) async fn seqs(store: &dyn Store, n: usize) -> Vec<(u64, u32)> {
    store
        .events(&id(n), 0)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.first_seq, row.count))
        .collect()
}

pub(super) async fn ids(store: &dyn Store, filter: RunFilter) -> Vec<String> {
    store
        .runs(&filter)
        .await
        .unwrap()
        .into_iter()
        .map(|run| run.id.0)
        .collect()
}

pub(super) fn names(runs: &[usize]) -> Vec<String> {
    runs.iter().map(|n| id(*n).0).collect()
}
