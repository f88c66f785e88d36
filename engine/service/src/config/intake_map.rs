//! `[intake.map]`: what a body that says nothing of alerts means. Expressions over what came, checked here, so that a mistake is one
//! of the file and not of the night in which the alert comes.

use std::collections::BTreeMap;

use stanch_runbook::expr::Mapped;
use stanch_runbook::reading::{Data, Fields, Problems, text, wrong_type};

use super::settings::{IntakeKind, Mapping};

/// What messages call it.
const PLACE: &str = "an intake's mapping";

pub(super) fn mapping(
    fields: &mut Fields<'_, '_>,
    kind: Option<IntakeKind>,
    problems: &mut Problems<'_>,
) -> Option<Mapping> {
    let node = fields.node("map");
    let kind = kind?;
    if !kind.needs_mapping() {
        if let Some(node) = node {
            let help = "leave it out: what this sender's words mean is known".to_owned();
            let message = format!("`map` is not of intakes of kind `{}`", kind.as_str());
            problems.add(&node.at, message, "here", help);
        }
        return None;
    }
    let is_event = kind == IntakeKind::Cloudevents;
    let Some(node) = node else {
        let help = if is_event {
            "add `[intake.map]` with `status`, such as `status = 'event.data.state == \"open\"'`"
        } else {
            "add `[intake.map]` with `status`, `name` and `fingerprint`, such as `status = 'body.state == \"open\"'`"
        };
        let message = format!("an intake of kind `{}` needs `map`", kind.as_str());
        problems.add(fields.at(), message, "missing here", help.to_owned());
        return None;
    };
    let mut map = Fields::of(node, "`[intake.map]`", problems)?;
    let each = if is_event {
        let why = "is of intakes of kind `generic`: an event is one alert";
        map.not_here("each", why, "take it away", problems);
        None
    } else {
        map.text("each", problems)
    };
    let names: &[&str] = match (is_event, &each) {
        (true, _) => &["event"],
        (false, Some(_)) => &["item", "body"],
        (false, None) => &["body"],
    };
    let each = each.and_then(|written| Mapped::read(&written, &["body"], PLACE, problems));
    let one = |key: &'static str, map: &mut Fields<'_, '_>, problems: &mut Problems<'_>| {
        let written = map.text(key, problems)?;
        Mapped::read(&written, names, PLACE, problems)
    };
    let of = names.first().copied().unwrap_or_default();
    let of = if is_event { "event.data" } else { of };
    if !map.has("status") {
        let example = format!("status = '{of}.state == \"open\"'");
        map.missing("status", &example, problems);
    }
    // What an event has of its own is what these are by themselves; of other bodies nothing is known.
    if !is_event {
        for key in ["name", "fingerprint"] {
            if !map.has(key) {
                map.missing(key, &format!("{key} = '{of}.{key}'"), problems);
            }
        }
    }
    let when = one("when", &mut map, problems);
    let name = one("name", &mut map, problems);
    let status = one("status", &mut map, problems);
    let fingerprint = one("fingerprint", &mut map, problems);
    let starts_at = one("starts_at", &mut map, problems);
    let labels = several("labels", &mut map, names, problems);
    let annotations = several("annotations", &mut map, names, problems);
    map.finish(problems);
    Some(Mapping {
        each,
        when,
        name,
        status: status?,
        fingerprint,
        starts_at,
        labels,
        annotations,
    })
}

/// A table of expressions. Its keys are the labels' own, so none is unknown; `alertname` is the name's.
fn several(
    key: &'static str,
    map: &mut Fields<'_, '_>,
    names: &[&str],
    problems: &mut Problems<'_>,
) -> BTreeMap<String, Mapped> {
    let mut all = BTreeMap::new();
    let Some(node) = map.node(key) else { return all };
    let Data::Table(table) = &node.data else {
        wrong_type::<()>(node, &format!("`{key}`"), "a table of expressions", problems);
        return all;
    };
    for entry in &table.entries {
        if key == "labels" && entry.key == "alertname" {
            let help = "write `name` of `[intake.map]`: the label has it".to_owned();
            problems.add(&entry.key_at, "`alertname` is the alert's name", "here", help);
        }
        let mapped = text(&entry.node, &entry.key, problems)
            .and_then(|written| Mapped::read(&written, names, PLACE, problems));
        all.extend(mapped.map(|mapped| (entry.key.clone().into_owned(), mapped)));
    }
    all
}
