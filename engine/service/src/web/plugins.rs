//! The plugins: what each is for, what it may do, what it asked for and was not given, its limits, and who uses it.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stanch_run::Role;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::visitor::Visitor;
use crate::control::actor::must_be;
use crate::control::types::PluginView;
use crate::report::words;

/// Every installed plugin.
pub(super) async fn list(State(web): State<Web>, who: Visitor) -> Response {
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.plugins(&who).await
    };
    let plugins = match found.await {
        Ok(plugins) => plugins,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let parts = html! {
        section.top aria-labelledby="t" {
            h1 id="t" { "Plugins" }
            p.faint { "What each may do is what the operator granted; nothing else passes the gate." }
        }
        @if plugins.is_empty() { p.card.faint { "No plugin is installed." } }
        @for plugin in &plugins { (one(plugin)) }
    };
    let frame = Frame {
        title: "Plugins",
        tab: Tab::Plugins,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}

fn one(plugin: &PluginView) -> Markup {
    html! {
        section.card id={ "plugin-" (plugin.key) } {
            h2 { (plugin.key) " " span.faint.small { (plugin.kind.as_str()) ", version " (plugin.manifest.version) } }
            p { (plugin.manifest.summary) }
            h3 { "May" }
            @if plugin.grants.is_empty() { p.faint { "nothing: it can only compute" } }
            @else { ul { @for grant in &plugin.grants { li.mono.small { (grant) } } } }
            @if !plugin.missing.is_empty() {
                h3 { "Asks for and may not" }
                ul { @for missing in &plugin.missing { li.mono.small.attention { (missing) } } }
            }
            details {
                summary { "Limits, source and who uses it" }
                p.small { "Used by " @if plugin.used_by.is_empty() { "no runbook" } @for (at, name) in plugin.used_by.iter().enumerate() { @if at > 0 { ", " } a href={ "/r/" (name) } { (name) } } }
                p.small { "From " span.mono { (plugin.source) } ", " (words::bytes(plugin.bytes)) }
                p.small.mono { (plugin.digest) }
                div.wide tabindex="0" role="region" aria-label={ "Limits of " (plugin.key) } {
                    pre { (serde_json::to_string_pretty(&plugin.limits).unwrap_or_default()) }
                }
            }
        }
    }
}
