//! Installed plugins.

use std::path::Path;

use serde_json::Value;
use stanch_contract::Manifest;
use stanch_plugin_tools::{Difference, Report, Weight};
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

/// What a check found.
pub fn plugin_check(path: &Path, report: &Report, width: usize) -> Page {
    let mut page = Page::new(width);
    let plugin = &report.plugin;
    page.line([
        Piece::new(path.display().to_string(), Style::Strong),
        Piece::plain(format!(
            "  {} {}, {}: an engine would install it",
            plugin.manifest().name,
            plugin.manifest().version,
            plugin.kind().as_str()
        )),
    ]);
    for note in &report.notes {
        let (word, style) = match note.weight {
            Weight::Good => ("ok", Style::State(Tone::Good)),
            Weight::Mend => ("mend", Style::State(Tone::Attention)),
        };
        let said = format!("{}: {}", note.about, note.said);
        page.beside(2, Piece::new(word, style), 6, &said, Style::Plain);
    }
    page
}

/// What differs between two plugins.
pub fn plugin_diff(old: &Plugin, new: &Plugin, found: &Difference, width: usize) -> Page {
    let mut page = Page::new(width);
    let named = |plugin: &Plugin| {
        let manifest = plugin.manifest();
        format!(
            "{} {} ({})",
            manifest.name,
            manifest.version,
            plugin.digest().short()
        )
    };
    page.line([
        Piece::plain(named(old)),
        Piece::plain(" → "),
        Piece::new(named(new), Style::Strong),
    ]);
    if found.is_nothing() {
        page.text(2, "it asks for, promises and takes the same", Style::Plain);
        return page;
    }
    let attention = Style::State(Tone::Attention);
    lines(&mut page, "Asks for now", &found.asks_more, "", attention);
    lines(&mut page, "Could call now", &found.imports_more, "", attention);
    lines(&mut page, "Promises", &found.promises, "", attention);
    lines(&mut page, "Parameters", &found.params, "", Style::Plain);
    lines(&mut page, "Data", &found.data, "", Style::Plain);
    lines(
        &mut page,
        "No longer asks for",
        &found.asks_less,
        "",
        Style::Plain,
    );
    lines(
        &mut page,
        "Can no longer call",
        &found.imports_less,
        "",
        Style::Plain,
    );
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
        (manifest.verifies_undo, "verifies its undo"),
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
