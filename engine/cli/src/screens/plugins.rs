//! Installed plugins.

use std::path::Path;

use serde_json::Value;
use stanch_contract::Manifest;
use stanch_sandbox::Plugin;
use stanch_service::control::types::{PluginView, Tone};
use stanch_service::report::{Page, Piece, Style, words};

/// The list of plugins.
pub fn plugins(plugins: &[PluginView], width: usize) -> Page {
    let mut page = Page::new(width);
    if plugins.is_empty() {
        page.text(0, "no plugins", Style::Plain);
        return page;
    }
    let rows = plugins.iter().map(|plugin| {
        let missing = match plugin.missing.len() {
            0 => Piece::plain(&plugin.manifest.summary),
            n => Piece::new(
                format!("asks for {n} it was not given"),
                Style::State(Tone::Attention),
            ),
        };
        vec![
            Piece::plain(plugin.key.as_str()),
            Piece::plain(plugin.kind.as_str()),
            Piece::plain(format!("{} {}", plugin.manifest.name, plugin.manifest.version)),
            Piece::plain(plugin.digest.short()),
            missing,
        ]
    });
    page.table(&["key", "kind", "plugin", "digest", ""], rows.collect());
    page
}

/// One plugin: what it is, what it may do, what it asks for.
pub fn plugin(plugin: &PluginView, width: usize) -> Page {
    let mut page = Page::new(width);
    page.line([
        Piece::new(plugin.key.as_str(), Style::Strong),
        Piece::plain(format!("  {}  {}", plugin.kind.as_str(), plugin.source)),
    ]);
    manifest(&mut page, &plugin.manifest);
    row(
        &mut page,
        "digest",
        &format!("{}, {}", plugin.digest, words::bytes(plugin.bytes)),
    );
    row(&mut page, "limits", &plugin.limits.to_string());
    let used_by = if plugin.used_by.is_empty() {
        "no runbook".to_owned()
    } else {
        plugin.used_by.join(", ")
    };
    row(&mut page, "used by", &used_by);
    lines(&mut page, "May do", &plugin.grants, "nothing", Style::Plain);
    lines(
        &mut page,
        "Asks for and was not given",
        &plugin.missing,
        "",
        Style::State(Tone::Attention),
    );
    page
}

/// A plugin that is not installed: what it is and what it asks for.
pub fn plugin_file(path: &Path, plugin: &Plugin, width: usize) -> Page {
    let mut page = Page::new(width);
    page.line([
        Piece::new(path.display().to_string(), Style::Strong),
        Piece::plain(format!("  {}", plugin.kind().as_str())),
    ]);
    manifest(&mut page, plugin.manifest());
    row(
        &mut page,
        "digest",
        &format!("{}, {}", plugin.digest(), words::bytes(plugin.bytes())),
    );
    row(&mut page, "imports", &plugin.imports().join(", "));
    page
}

/// What a plugin says of itself.
fn manifest(page: &mut Page, manifest: &Manifest) {
    row(page, "plugin", &format!("{} {}", manifest.name, manifest.version));
    row(page, "says", &manifest.summary);
    let promises = [
        (manifest.idempotent, "idempotent"),
        (manifest.reversible, "reversible"),
        (manifest.verifies, "verifies"),
    ];
    let promises: Vec<&str> = promises
        .iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, word)| *word)
        .collect();
    if !promises.is_empty() {
        row(page, "promises", &promises.join(", "));
    }
    row(page, "asks", &manifest.asks.to_string());
    params(page, &manifest.params);
}

/// The parameters, a line each; `--json` has the whole schema.
fn params(page: &mut Page, schema: &Value) {
    let needed: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    page.heading("Parameters");
    for (name, property) in properties {
        let says = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .replace('\n', " ");
        let default = property.get("default").filter(|default| !default.is_null());
        let default = default
            .map(|default| format!(" (default {default})"))
            .unwrap_or_default();
        let must = if needed.contains(&name.as_str()) {
            " (needed)"
        } else {
            ""
        };
        page.beside(
            2,
            Piece::plain(name),
            18,
            &format!("{says}{must}{default}"),
            Style::Plain,
        );
    }
}

fn row(page: &mut Page, label: &str, text: &str) {
    page.beside(2, Piece::new(label, Style::Faint), 10, text, Style::Plain);
}

fn lines(page: &mut Page, heading: &str, lines: &[String], none: &str, style: Style) {
    if lines.is_empty() && none.is_empty() {
        return;
    }
    page.heading(heading);
    for line in lines {
        page.text(2, line, style);
    }
    if lines.is_empty() {
        page.text(2, none, Style::Plain);
    }
}
