//! How far each runbook can be trusted: what it would have done and did beside what people answered, so that its team sees
//! when it is ready to ask, and when to go on without asking.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use stanch_run::Role;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::run::class;
use super::visitor::{Asked, Visitor};
use crate::control::actor::must_be;
use crate::control::types::{Readiness, ReportFilter};
use crate::report::words;

/// The times that can be looked at, in days.
const DAYS: [u16; 3] = [7, 30, 90];
/// The one where nothing is said.
const USUAL: u16 = 30;
const DAY: i64 = 86_400_000;

/// What the page is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    days: Option<u16>,
    runbook: Option<String>,
}

/// Runbook by runbook.
pub(super) async fn page(State(web): State<Web>, wanted: Asked<Wanted>, who: Visitor) -> Response {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let days = wanted.days.unwrap_or(USUAL).max(1);
    let runbook = wanted.runbook.filter(|name| !name.is_empty());
    let filter = ReportFilter {
        within: Some(i64::from(days) * DAY),
        runbook: runbook.clone(),
    };
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.report(&who, &filter).await
    };
    let report = match found.await {
        Ok(report) => report,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let named = runbook
        .as_ref()
        .map_or_else(String::new, |name| format!("&runbook={name}"));
    let parts = html! {
        section.top aria-labelledby="t" {
            h1 id="t" { "How far each runbook can be trusted" }
            p.faint { "Runs that were open since " (words::date(report.since)) ", beside what people answered. A person sets a runbook's mode; this only says what was seen." }
            @if report.left_out { p.attention { "There are more runs than are looked at; the oldest are left out." } }
            p.tools {
                @for some in DAYS {
                    a.button.small href={ "/report?days=" (some) (named) } aria-current=[(some == days).then_some("true")] { (some) " days" }
                }
                @if runbook.is_some() { a.button.small href={ "/report?days=" (days) } { "All runbooks" } }
            }
        }
        @if report.runbooks.is_empty() { p.card.faint { "No run was open in that time." } }
        @for readiness in &report.runbooks { (one(readiness)) }
    };
    let frame = Frame {
        title: "How far each runbook can be trusted",
        tab: Tab::Runbooks,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

fn one(readiness: &Readiness) -> Markup {
    let (verdict, tone) = readiness.verdict();
    html! {
        section.card {
            h2 { a href={ "/r/" (readiness.runbook) } { (readiness.runbook) } }
            p { span class={ "mark " (class(tone)) } { (verdict) } }
            dl.pins {
                @for (label, counts) in readiness.counts() { div { dt { (label) } dd { (counts) } } }
            }
            p.tools { a.button.small href={ "/runs?runbook=" (readiness.runbook) } { "Its runs" } }
        }
    }
}
