//! The audit: who decided, stopped, loaded and was let in, newest first.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;
use serde::Deserialize;
use stanch_run::Role;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::run::class;
use super::visitor::{Asked, Visitor};
use crate::audit::Told;
use crate::control::Answer;
use crate::control::actor::must_be;
use crate::control::types::{AuditPage, AuditPart};
use crate::report::words;

/// Entries on a page.
const SHOWN: u64 = 100;

/// Where a page begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    before: Option<u64>,
}

/// The newest entries, or those before a number.
pub(super) async fn list(State(web): State<Web>, wanted: Asked<Wanted>, who: Visitor) -> Response {
    let before = wanted.ok().and_then(|Query(wanted)| wanted.before);
    let found = async {
        must_be(&who, Role::Operator, "read the audit")?;
        read(&web, &who, before).await
    };
    let page = match found.await {
        Ok(page) => page,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let older = page.entries.first().filter(|first| first.no > page.first.no + 1);
    let parts = html! {
        section.top aria-labelledby="t" {
            h1 id="t" { "Audit" }
            p.faint {
                "Each entry holds the digest of the one before it: " code { "stanch audit verify" }
                " finds any that was changed, removed or put in. Keep the last digest elsewhere to find also an end that was cut off."
            }
            @if page.last.no > 0 { p.small { "The last entry is " (page.last.no) ", with digest " span.mono { (page.last.digest) } } }
        }
        @if page.entries.is_empty() { p.card.faint { "Nothing was audited yet." } }
        @else {
            div.card.wide tabindex="0" role="region" aria-label="Entries" {
                table {
                    thead { tr { th scope="col" { "No" } th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } } }
                    tbody {
                        @for entry in page.entries.iter().rev() {
                            @let Told { who, what, tone } = Told::of(entry);
                            tr {
                                td.faint { (entry.no) }
                                td { (words::date(entry.at)) }
                                td { (who) }
                                td class=(class(tone)) { (what) }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(first) = older { p.tools { a.button.small href={ "/audit?before=" (first.no) } { "Older" } } }
    };
    let frame = Frame {
        title: "Audit",
        tab: Tab::None,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

/// The chain is read from its beginning on: its end says where the newest are.
async fn read(web: &Web, who: &Visitor, before: Option<u64>) -> Answer<AuditPage> {
    let before = match before {
        Some(before) => before,
        None => {
            let end = AuditPart { after: 0, limit: 1 };
            web.control.audit(who, end).await?.last.no.saturating_add(1)
        }
    };
    let after = before.saturating_sub(SHOWN + 1);
    let limit = usize::try_from(before.saturating_sub(after + 1)).unwrap_or_default();
    let mut page = web
        .control
        .audit(
            who,
            AuditPart {
                after,
                limit: limit.max(1),
            },
        )
        .await?;
    page.entries.retain(|entry| entry.no < before);
    Ok(page)
}
