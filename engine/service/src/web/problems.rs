//! What each problem of the API means and what to do: where the `type` of a problem leads. For anybody: they say nothing of this
//! engine.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use super::frame::{self, Frame, Tab};
use super::runbooks::of_markdown;
use crate::control::types::{Code, Problem};

/// One section for each code.
const PAGES: &str = include_str!("../../../../docs/problems.md");

/// What is said of a code.
fn section(code: &str) -> Option<&'static str> {
    PAGES
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .find(|(title, _)| *title == code)
        .map(|(_, text)| text)
}

/// All of them.
pub(super) async fn list() -> Response {
    let parts = html! { article.card.prose { (of_markdown(PAGES)) } };
    around("Problems", &parts)
}

/// One of them.
pub(super) async fn page(Path(code): Path<String>) -> Response {
    match section(&code) {
        Some(text) => {
            let parts = html! {
                article.card.prose {
                    h1 { (code) }
                    (of_markdown(text))
                    p { a href="/problems" { "All problems" } }
                }
            };
            around(&code, &parts)
        }
        None => frame::problem(None, &Problem::new(Code::NotFound, "there is no such problem")),
    }
}

fn around(title: &str, parts: &maud::Markup) -> Response {
    let frame = Frame {
        title,
        tab: Tab::None,
        who: None,
        live: None,
    };
    frame.around(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_section_that_names_its_status_and_there_is_no_other() {
        for code in Code::ALL {
            let text =
                section(code.as_str()).unwrap_or_else(|| panic!("docs/problems.md has no `## {code}`"));
            let status = format!("\n{}. ", code.status());
            assert!(
                text.starts_with(&status),
                "`## {code}` has to begin with its status:{status}"
            );
        }
        assert_eq!(PAGES.matches("\n## ").count(), Code::ALL.len());
    }
}
