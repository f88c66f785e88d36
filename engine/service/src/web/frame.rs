//! What is around every page: head, bar, and the headers that keep a browser from doing anything else with it.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{SCRIPT, STYLE};
use super::visitor::{Visitor, status};
use crate::clock;
use crate::config::settings::Server;
use crate::control::types::Problem;

/// Only our own files, no script in a page, no form to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors";

/// What every answer says to the browser. No page elsewhere shows one of ours in a frame, where somebody could be led to click on what
/// they do not see, but for those that the operator names.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    policy: HeaderValue,
    framed: bool,
}

impl Guard {
    pub(super) fn of(server: &Server) -> Self {
        let ancestors = server.frame_ancestors.join(" ");
        let with = |ancestors: &str| HeaderValue::from_str(&format!("{POLICY} {ancestors}"));
        match with(&ancestors) {
            Ok(policy) if !ancestors.is_empty() => Self { policy, framed: true },
            _ => Self {
                policy: with("'none'").unwrap_or(HeaderValue::from_static("default-src 'none'")),
                framed: false,
            },
        }
    }
}

/// The pages that the bar leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Now,
    Runs,
    Alerts,
    Runbooks,
    Plugins,
    /// A page that the bar does not lead to.
    None,
}

const TABS: [(Tab, &str, &str); 5] = [
    (Tab::Now, "/", "Now"),
    (Tab::Runs, "/runs", "Runs"),
    (Tab::Alerts, "/a", "Alerts"),
    (Tab::Runbooks, "/r", "Runbooks"),
    (Tab::Plugins, "/plugins", "Plugins"),
];

/// A page.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) tab: Tab,
    pub(super) who: Option<&'a Visitor>,
    /// Where changes of this page are told; absent where it does not change by itself.
    pub(super) live: Option<String>,
}

impl Frame<'_> {
    /// The whole page around its parts.
    pub(super) fn around(&self, parts: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · stanch" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(STYLE.path);
                    @if self.live.is_some() { script defer src=(SCRIPT.path) {} }
                }
                body data-live=[&self.live] {
                    a.skip href="#main" { "To the page" }
                    (self.bar())
                    (main(parts))
                }
            }
        };
        Html(page.into_string()).into_response()
    }

    fn bar(&self) -> Markup {
        html! {
            header.bar {
                a.name href="/" { "stanch" }
                @if let Some(who) = self.who {
                    nav aria-label="Main" {
                        @for (tab, href, name) in TABS {
                            a.tab href=(href) aria-current=[(tab == self.tab).then_some("page")] { (name) }
                        }
                    }
                    form.who action="/logout" method="post" {
                        (csrf(who))
                        button.quiet type="submit" title="Log out" { (who.name) span.vh { ", log out" } }
                    }
                }
                @if self.live.is_some() {
                    p.stale hidden role="status" id="stale" { "Not up to date: the engine does not answer. Trying again." }
                }
            }
        }
    }
}

/// What changes on a page while it is open. The engine's time is with it, for what counts down.
pub(super) fn main(parts: &Markup) -> Markup {
    html! { main id="main" tabindex="-1" data-now=(clock::now().0) { (parts) } }
}

/// What every form of a session carries.
pub(super) fn csrf(who: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(who.csrf); }
}

/// Something that was not done, why, and what to do.
pub(super) fn problem(who: Option<&Visitor>, problem: &Problem) -> Response {
    let parts = html! {
        section.card.problem aria-labelledby="t" {
            h1 id="t" { (capital(&problem.title)) }
            p { (capital(&problem.detail)) "." }
            @if let Some(hint) = &problem.hint { p.faint { (capital(hint)) "." } }
            p.tools {
                @if who.is_some() { a.button href="/" { "What is going on now" } }
                @else { a.button href="/login" { "Log in" } }
            }
        }
    };
    let frame = Frame {
        title: &problem.title,
        tab: Tab::None,
        who,
        live: None,
    };
    let mut response = frame.around(&parts);
    *response.status_mut() = status(problem);
    response
}

/// With a capital letter: problems are written to stand after a colon.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What every answer says to the browser, if it does not say otherwise itself.
pub(super) async fn guarded(State(guard): State<Guard>, mut response: Response) -> Response {
    let fallen = response.status() == StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, guard.policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // It has no way to name anybody.
    if !guard.framed {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    // What is shown is for the one who looked: nobody in between keeps it.
    if fallen || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
