//! A run: the runbook's page come alive. What is wrong, then what a person is asked, then what was found and done.

mod details;
mod question;
mod rows;
mod wanted;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use stanch_contract::{AlertStatus, Timestamp};
use stanch_run::{Phase, Role};

pub(super) use self::question::may_not;
use super::Web;
use super::frame::{self, Frame, Tab};
use super::visitor::Visitor;
use crate::config::Settings;
use crate::control::Answer;
use crate::control::actor::must_be;
use crate::control::types::{RunView, Tone};
use crate::report::{markdown, words};

/// The page of a run.
pub(super) async fn page(State(web): State<Web>, Path(id): Path<String>, who: Visitor) -> Response {
    let found = match look(&web, &who, &id).await {
        Ok(found) => found,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    // One address for each run, so that a link in a chat and a bookmark are the same.
    if found.summary.id.as_str() != id {
        return Redirect::to(&format!("/runs/{}", found.summary.id)).into_response();
    }
    let frame = Frame {
        title: &found.summary.title,
        tab: Tab::Runs,
        who: Some(&who),
        live: (found.summary.phase != Phase::Closed).then(|| format!("/runs/{id}/live")),
    };
    let there = who.within(&web, &found.summary.runbook);
    frame.around(&parts(&found, &there, &web.control.settings()))
}

async fn look(web: &Web, who: &Visitor, id: &str) -> Answer<RunView> {
    must_be(who, Role::Viewer, "read")?;
    let run = web.control.find_run(who, id).await?;
    web.control.run(who, &run).await
}

/// A run as Markdown, to keep.
pub(super) async fn markdown(State(web): State<Web>, Path(id): Path<String>, who: Visitor) -> Response {
    match look(&web, &who, &id).await {
        Ok(run) => file(
            &run,
            "md",
            "text/markdown; charset=utf-8",
            markdown::run_markdown(&run),
        ),
        Err(problem) => frame::problem(Some(&who), &problem),
    }
}

/// A run as JSON, to keep.
pub(super) async fn json(State(web): State<Web>, Path(id): Path<String>, who: Visitor) -> Response {
    match look(&web, &who, &id).await {
        Ok(run) => {
            let text = serde_json::to_string_pretty(&run).unwrap_or_default();
            file(&run, "json", "application/json", text)
        }
        Err(problem) => frame::problem(Some(&who), &problem),
    }
}

fn file(run: &RunView, end: &str, kind: &'static str, text: String) -> Response {
    let name = format!(
        "attachment; filename=\"{}-{}.{end}\"",
        run.summary.runbook, run.summary.id
    );
    let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response();
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The parts of the page that change while the run goes on. Each has an id of its own: a browser exchanges only those that
/// are others than before.
pub(super) fn parts(run: &RunView, who: &Visitor, settings: &Settings) -> Markup {
    html! {
        (top(run))
        (question::questions(run, who, settings.break_glass))
        (wanted::wanted(run, who))
        (rows::checklist(run))
        (rows::steps(run, who))
        (rows::recovery(run))
        (details::happened(run))
        (details::more(run, who))
    }
}

fn top(run: &RunView) -> Markup {
    let summary = &run.summary;
    let (severity, _) = words::severity(summary.severity);
    let firing = run
        .alerts
        .iter()
        .filter(|alert| alert.status == AlertStatus::Firing)
        .count();
    html! {
        section.top id="top" aria-labelledby="t" {
            p.badges {
                span class={ "sev " (severity) } { (severity) }
                @if let Some(ending) = summary.ending {
                    @let (word, tone) = words::ending(ending);
                    span class={ "ending " (class(tone)) } { (word) }
                }
                @if summary.shadow { span.sev.low { "shadow: nothing is changed" } }
            }
            h1 id="t" { (summary.title) }
            p.impact { (run.impact) }
            p.facts {
                @match summary.closed_at {
                    Some(closed) => {
                        span { "lasted " b { (words::length(words::between(summary.opened_at, closed))) } }
                    }
                    None => span { "open for " b { (since(summary.opened_at, run.now)) } },
                }
                @if let Some(alert) = run.alerts.first() {
                    span {
                        a href={ "/a/" (alert.fingerprint) } { (alert.name) }
                        @match (firing, run.alerts.len()) {
                            (0, _) => " is resolved",
                            (1, 1) => " fires",
                            (some, all) => { " fires, " (some) " of " (all) " alerts" }
                        }
                    }
                }
                @if !summary.group.is_empty() { span { (summary.group) } }
                @if let Some(by) = &run.started_by { span { "started by " (by) } }
                span { a href={ "/r/" (summary.runbook) } { (summary.runbook) } ", " (run.owner) }
            }
            @if !run.links.is_empty() {
                p.facts { @for link in &run.links { a href=(link.url) rel="noopener noreferrer" { (link.title) } } }
            }
            (way(run))
            @if !run.escalated_for.is_empty() {
                div.called role="status" {
                    strong { "People were called" }
                    ul { @for why in &run.escalated_for { li { (why) } } }
                }
            }
        }
    }
}

/// Where the run is on its way.
fn way(run: &RunView) -> Markup {
    const WAY: [(Phase, &str); 4] = [
        (Phase::Diagnosis, "Diagnosis"),
        (Phase::Mitigation, "Mitigation"),
        (Phase::Resolution, "Resolution"),
        (Phase::Recovery, "Recovery"),
    ];
    let phase = run.summary.phase;
    let at = WAY.iter().position(|(known, _)| *known == phase);
    let place = |index: usize| match at {
        _ if phase == Phase::Closed => "over",
        Some(at) if index < at => "done",
        Some(at) if index == at => "now",
        _ => "",
    };
    html! {
        ol.way aria-label="Where the run is" {
            @for (index, (_, word)) in WAY.iter().enumerate() {
                @let place = place(index);
                li class=[(!place.is_empty()).then_some(place)] aria-current=[(place == "now").then_some("step")] { (word) }
            }
        }
    }
}

/// The class that a state's colour goes by.
pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Attention => "attention",
        Tone::Bad => "bad",
    }
}

/// How long ago, counted on while the page is open.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Markup {
    html! { time data-since=(at.0) datetime=(at) { (words::length(words::between(at, now))) } }
}

/// How long until then, counted down while the page is open.
pub(super) fn until(at: Timestamp, now: Timestamp) -> Markup {
    html! { time data-until=(at.0) datetime=(at) { (words::length(words::between(now, at))) } }
}
