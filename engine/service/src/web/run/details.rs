//! What happened, every call, and what can be done with the run as a whole.

use maud::{Markup, html};
use stanch_run::{Phase, Role};

use super::class;
use crate::control::types::{RunView, TimelineEntry};
use crate::report::words;
use crate::web::frame::csrf;
use crate::web::visitor::Visitor;

/// Entries that are shown before one asks for the others.
const NEWEST: usize = 12;

/// What happened, newest first: who looks at a run that goes on looks at its end.
pub(super) fn happened(run: &RunView) -> Markup {
    let newest: Vec<&TimelineEntry> = run.timeline.iter().rev().collect();
    let (shown, more) = newest.split_at(newest.len().min(NEWEST));
    html! {
        section.card id="happened" aria-labelledby="h" {
            h2 id="h" { "What happened" }
            ol.time { @for entry in shown { (line(entry)) } }
            @if !more.is_empty() {
                details id="earlier" {
                    summary { (more.len()) " earlier" }
                    ol.time { @for entry in more { (line(entry)) } }
                }
            }
            (calls(run))
            (logs(run))
        }
    }
}

fn line(entry: &TimelineEntry) -> Markup {
    html! {
        li {
            time datetime=(entry.at) { (words::clock(entry.at)) }
            span class=(class(entry.tone)) { (entry.text) }
        }
    }
}

fn calls(run: &RunView) -> Markup {
    html! {
        @if !run.calls.is_empty() {
            details id="calls" {
                summary { (words::count(run.calls.len() as u64, "call")) " out of the sandbox" }
                div.wide tabindex="0" role="region" aria-label="Calls out of the sandbox" {
                    table {
                        thead { tr { th scope="col" { "Time" } th scope="col" { "Step" } th scope="col" { "Plugin" } th scope="col" { "Request" } th scope="col" { "Answer" } th scope="col" { "Took" } } }
                        tbody {
                            @for call in &run.calls {
                                tr {
                                    td { (words::clock(call.at)) }
                                    td { (call.step) }
                                    td { (call.plugin) " " span.faint { (call.function) } }
                                    td.mono { (call.request) }
                                    td {
                                        @match &call.refused {
                                            Some(why) => span.bad { "refused: " (why) },
                                            None => (call.answer),
                                        }
                                    }
                                    td { (call.took_ms) " ms" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn logs(run: &RunView) -> Markup {
    html! {
        @if !run.logs.is_empty() {
            details id="logs" {
                summary { (words::count(run.logs.len() as u64, "line")) " that plugins logged" }
                ol.time {
                    @for log in &run.logs {
                        li {
                            time datetime=(log.at) { (words::clock(log.at)) }
                            span { (log.step) " " span.faint { (log.plugin) } " " (log.message) }
                        }
                    }
                }
            }
        }
    }
}

/// Export and cancel, and what the run was pinned to.
pub(super) fn more(run: &RunView, who: &Visitor) -> Markup {
    let id = &run.summary.id;
    let open = run.summary.phase != Phase::Closed;
    html! {
        section.card id="more" aria-labelledby="m" {
            h2 id="m" { "This run" }
            dl.pins {
                div { dt { "Run" } dd.mono { (id) } }
                div { dt { "Opened" } dd { (words::date(run.summary.opened_at)) } }
                div { dt { "Mode" } dd { (words::mode(run.mode)) } }
                @if !run.inputs.is_empty() {
                    div { dt { "Inputs" } dd.mono { @for (name, value) in &run.inputs { p { (name) " = " (value) } } } }
                }
            }
            details id="pins" {
                summary { "What it was pinned to" }
                p.small { "Generation " (run.pins.generation) }
                p.small.mono { (run.summary.runbook) " " (run.pins.runbook) }
                @for (plugin, digest) in &run.pins.plugins { p.small.mono { (plugin) " " (digest) } }
            }
            p.tools {
                a.button.small href={ "/runs/" (id) "/export.md" } { "Export as Markdown" }
                a.button.small href={ "/runs/" (id) "/export.json" } { "Export as JSON" }
            }
            @if open && who.role >= Role::Operator {
                details id="cancel" {
                    summary { "Cancel this run" }
                    form.stack method="post" action={ "/runs/" (id) "/cancel" } {
                        (csrf(who))
                        label { "Why" input name="reason" maxlength="500"; }
                        fieldset {
                            legend { "What becomes of what was changed?" }
                            label { input type="radio" name="then" value="undo" required; " Put it back" }
                            label { input type="radio" name="then" value="leave" required; " Leave it as it is" }
                        }
                        button.danger type="submit" { "Cancel the run" }
                    }
                }
            }
        }
    }
}
