//! `[[alert]]`.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{Alert, AlertStatus, Digest};

use super::at;
use crate::load::fields::{self, Fields};
use crate::load::node::{Data, Node};
use crate::problem::Problems;
use crate::testfile::Timed;

/// One alert, and when it comes. What is not said of its beginning is empty.
pub fn alert(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Timed<Alert>> {
    let mut fields = Fields::of(node, "an alert", problems)?;
    let at = at(&mut fields, problems);
    let words = [
        ("firing", AlertStatus::Firing),
        ("resolved", AlertStatus::Resolved),
    ];
    let status = fields
        .word("status", &words, problems)
        .map_or(AlertStatus::Firing, |got| got.value);
    let labels = texts(&mut fields, "labels", problems);
    let annotations = texts(&mut fields, "annotations", problems);
    let fingerprint = fields
        .text("fingerprint", problems)
        .map(|got| got.value.to_owned());
    let starts_at = fields
        .text("starts_at", problems)
        .map_or(String::new(), |got| got.value.to_owned());
    let payload = fields
        .node("payload")
        .map_or(Value::Null, |node| node.to_json(problems));
    let name = labels.get("alertname").cloned();
    if name.is_none() {
        let help = "add `labels = { alertname = \"…\" }`".to_owned();
        problems.add(
            fields.at(),
            "an alert needs the label `alertname`",
            "no name",
            help,
        );
    }
    fields.finish(problems);
    let fingerprint = fingerprint.unwrap_or_else(|| {
        let labels = labels
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        Digest::of_json(&Value::Object(labels)).short()
    });
    Some(Timed {
        at,
        what: Alert {
            name: name?,
            fingerprint,
            status,
            labels,
            annotations,
            starts_at,
            payload,
        },
    })
}

/// A table of texts.
fn texts(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    match fields.node(key) {
        None => {}
        Some(Node {
            data: Data::Table(table),
            ..
        }) => {
            for entry in &table.entries {
                match &entry.node.data {
                    Data::Text(text) => {
                        found.insert(entry.key.clone().into_owned(), text.clone().into_owned());
                    }
                    _ => {
                        let what = format!("`{key}.{}`", entry.key);
                        fields::wrong_type::<()>(&entry.node, &what, "text", problems);
                    }
                }
            }
        }
        Some(node) => {
            fields::wrong_type::<()>(node, &format!("`{key}`"), "a table of texts", problems);
        }
    }
    found
}
