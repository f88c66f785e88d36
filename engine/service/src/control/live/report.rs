//! The report on runbooks, from the journal.

use stanch_contract::{Span, Timestamp};
use stanch_journal::RunFilter as StoreFilter;

use super::reach::Reach;
use super::refusals::journal;
use crate::clock;
use crate::control::Answer;
use crate::control::types::{Code, Problem, Report, ReportFilter};
use crate::report::ready::Readinesses;

/// Runs in one page of the journal.
const PAGE: usize = 200;
/// Pages that are looked at: the newest 20,000 runs, each read whole and let go again.
const PAGES: usize = 100;
/// How far back, where nothing is said.
const WITHIN: Span = Span::from_secs(30 * 86_400);

/// Folds the runs that were open within the time, one after the other.
pub(super) async fn report(reach: &Reach<'_>, filter: &ReportFilter) -> Answer<Report> {
    let (now, engine) = (clock::now(), reach.engine);
    let within = filter.within.map_or(WITHIN, Span::from_millis);
    let since = Timestamp(now.0.saturating_sub(within.as_millis()));
    let mut store = StoreFilter {
        runbook: filter.runbook.clone(),
        closed_since: Some(since),
        limit: PAGE,
        ..StoreFilter::default()
    };
    let mut seen = Readinesses::default();
    let mut left_out = true;
    for _ in 0..PAGES {
        let page = engine
            .store()
            .runs(&store)
            .await
            .map_err(|error| journal(&error))?;
        let Some(last) = page.last() else {
            left_out = false;
            break;
        };
        store.before = Some(last.id.clone());
        for record in page.iter().filter(|record| reach.sees_run(record)) {
            let events = engine.events(&record.id).await.map_err(|why| {
                Problem::new(
                    Code::Internal,
                    format!("run `{}` cannot be read: {why}", record.id),
                )
            })?;
            seen.add(&record.runbook, &events);
        }
    }
    Ok(Report {
        since,
        now,
        runbooks: seen.told(),
        left_out,
    })
}
