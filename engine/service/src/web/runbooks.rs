//! The runbooks as pages: what a Prometheus rule's `runbook_url` leads to. They are there whether or not the engine is paused,
//! and say for each step how a person does it without the engine.

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, Parser, Tag};
use stanch_run::Role;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::visitor::Visitor;
use crate::control::actor::must_be;
use crate::report::words;

/// Every loaded runbook.
pub(super) async fn list(State(web): State<Web>, who: Visitor) -> Response {
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.runbooks(&who).await
    };
    let runbooks = match found.await {
        Ok(runbooks) => runbooks,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let parts = html! {
        section aria-labelledby="t" {
            h1 id="t" { "Runbooks" }
            p.tools { a.button.small href="/report" { "How far each can be trusted" } }
            @if runbooks.is_empty() { p.card.faint { "No runbook is loaded." } }
            @else {
                ul.runs {
                    @for runbook in &runbooks {
                        @let (severity, _) = words::severity(runbook.severity);
                        li { a class=(severity) href={ "/r/" (runbook.name) } {
                            span class={ "sev " (severity) } { (severity) }
                            span.t { (runbook.title) " " span.faint.small { (runbook.name) } }
                            span.age { (words::mode(runbook.mode)) }
                            span.n {
                                (runbook.owner) ", "
                                @if !runbook.alerts.is_empty() { "starts on " (runbook.alerts.join(", ")) }
                                @else if runbook.triggered { "starts on alerts by their labels" }
                                @else { "a person starts it" }
                            }
                        } }
                    }
                }
            }
        }
    };
    let frame = Frame {
        title: "Runbooks",
        tab: Tab::Runbooks,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

/// One of them.
pub(super) async fn page(State(web): State<Web>, Path(name): Path<String>, who: Visitor) -> Response {
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.runbook(&who, &name).await
    };
    let runbook = match found.await {
        Ok(runbook) => runbook,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let parts = html! {
        article.card.prose { (of_markdown(&runbook.page)) }
        section.card aria-labelledby="m" {
            h2 id="m" { "This runbook" }
            p.tools {
                a.button.small href={ "/runs?runbook=" (runbook.summary.name) } { "Its runs" }
                a.button.small href={ "/report?runbook=" (runbook.summary.name) } { "How far it can be trusted" }
            }
            p.small.faint { "Read from " span.mono { (runbook.path) } }
            details {
                summary { "Every setting and where it comes from" }
                div.wide tabindex="0" role="region" aria-label="Every setting" { pre { (runbook.resolved) } }
            }
        }
    };
    let frame = Frame {
        title: &runbook.summary.title,
        tab: Tab::Runbooks,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

/// Our own Markdown as HTML. HTML in it is text, and a link leads to a web page or nowhere.
pub(super) fn of_markdown(text: &str) -> Markup {
    let events = Parser::new(text).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let web = dest_url.starts_with("https://") || dest_url.starts_with("http://");
            Event::Start(Tag::Link {
                link_type,
                dest_url: if web { dest_url } else { "#".into() },
                title,
                id,
            })
        }
        // A picture would be loaded from elsewhere.
        Event::Start(Tag::Image { .. }) => Event::Start(Tag::Emphasis),
        Event::End(pulldown_cmark::TagEnd::Image) => Event::End(pulldown_cmark::TagEnd::Emphasis),
        other => other,
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    PreEscaped(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runbook_says_becomes_text_and_links_to_the_web_and_nothing_else() {
        let table = [
            (
                "a <script>alert(1)</script> b",
                "<p>a &lt;script&gt;alert(1)&lt;/script&gt; b</p>",
            ),
            (
                "<div onclick=x>\nhey\n</div>",
                "&lt;div onclick=x&gt;\nhey\n&lt;/div&gt;",
            ),
            ("[x](javascript:alert(1))", r##"<p><a href="#">x</a></p>"##),
            ("[x](JaVaScRiPt:alert(1))", r##"<p><a href="#">x</a></p>"##),
            (
                "<https://grafana.example/d/1>",
                r#"<p><a href="https://grafana.example/d/1">https://grafana.example/d/1</a></p>"#,
            ),
            ("![x](https://evil.example/p.png)", "<p><em>x</em></p>"),
        ];
        for (markdown, html) in table {
            assert_eq!(of_markdown(markdown).into_string().trim(), html, "{markdown}");
        }
    }
}
