//! What came in and what became of it, and for one alert: each runbook's conditions with their values, and the first that
//! stopped it.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use stanch_contract::AlertStatus;
use stanch_run::Role;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::run::since;
use super::visitor::{Asked, Visitor};
use crate::clock;
use crate::control::Answer;
use crate::control::actor::must_be;
use crate::control::types::{AlertsFilter, ExplainRequest, Explanation, RunbookExplanation, TakenIn};

/// Alerts on a page.
const SHOWN: u32 = 100;

/// Where a page begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    before: Option<u64>,
}

/// The list.
pub(super) async fn list(State(web): State<Web>, wanted: Asked<Wanted>, who: Visitor) -> Response {
    let filter = AlertsFilter {
        before: wanted.ok().and_then(|Query(wanted)| wanted.before),
        limit: Some(SHOWN),
        ..AlertsFilter::default()
    };
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.taken_in(&who, &filter).await
    };
    let alerts = match found.await {
        Ok(alerts) => alerts,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let now = clock::now();
    let older = alerts
        .last()
        .filter(|_| alerts.len() == usize::try_from(SHOWN).unwrap_or_default());
    let parts = html! {
        section aria-labelledby="t" {
            h1 id="t" { "Alerts" }
            p.faint { "Each alert that came in and what became of it, newest first." }
            @if alerts.is_empty() { p.card.faint { "No alert has come in yet." } }
            @else {
                ul.runs {
                    @for alert in &alerts {
                        li { div.row {
                            span class={ "mark " (if alert.status == AlertStatus::Firing { "bad" } else { "good" }) } { (alert.status.as_str()) }
                            span.t { a href={ "/a/" (alert.fingerprint) } { (alert.name) } " " span.faint.small { (alert.labels) } }
                            span.age { (since(alert.at, now)) " ago" }
                            span.n { (fate(alert)) }
                        } }
                    }
                }
            }
            @if let Some(last) = older { p.tools { a.button.small href={ "/a?before=" (last.id) } { "Older" } } }
        }
    };
    let frame = Frame {
        title: "Alerts",
        tab: Tab::Alerts,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

/// What became of an alert, in words.
fn fate(alert: &TakenIn) -> Markup {
    let words = match alert.fate.as_str() {
        "opened" => "opened a run",
        "repeated" => "belongs to a run",
        "resolved" => "resolved in a run",
        "counted" => "counted; it takes more of them",
        "unmatched" => "fits no runbook",
        "error" => "an expression of a trigger has no value",
        "nothing" => "resolved, and no run knew it",
        other => other,
    };
    html! {
        (words)
        @for run in &alert.runs { " " a href={ "/runs/" (run) } { (run) } }
        @for error in &alert.errors { " " span.bad { (error) } }
    }
}

/// Why an alert started what it started, and why not the others.
pub(super) async fn explain(
    State(web): State<Web>,
    Path(fingerprint): Path<String>,
    who: Visitor,
) -> Response {
    let found: Answer<Explanation> = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control
            .explain(&who, ExplainRequest::Fingerprint(fingerprint))
            .await
    }
    .await;
    let explained = match found {
        Ok(explained) => explained,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let parts = html! {
        section.top aria-labelledby="t" {
            h1 id="t" { (explained.alert) }
            p.facts { span.mono { (explained.fingerprint) } }
            p.faint { "What the newest alert with this fingerprint meets in the runbooks that are loaded now." }
        }
        @for runbook in &explained.runbooks { (met(runbook)) }
        @if explained.runbooks.is_empty() { p.card.faint { "No runbook is loaded that an alert could start." } }
    };
    let frame = Frame {
        title: &explained.alert,
        tab: Tab::Alerts,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

fn met(runbook: &RunbookExplanation) -> Markup {
    html! {
        section.card {
            h2 {
                a href={ "/r/" (runbook.runbook) } { (runbook.runbook) } " "
                @if runbook.applies { span.mark.good { "applies" } } @else { span.mark.plain { "does not apply" } }
            }
            @if let Some(group) = &runbook.group { p.small.faint { "one run for " (group) } }
            ol.rows {
                @for condition in &runbook.conditions {
                    li {
                        @match condition.holds {
                            Some(true) => span.mark.good { "holds" },
                            Some(false) => span.mark.attention { "does not hold" },
                            None => span.mark.bad { "has no value" },
                        }
                        div { p.mono { (condition.condition) } p.hand { (condition.value) } }
                    }
                }
            }
        }
    }
}
