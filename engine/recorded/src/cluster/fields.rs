//! Field selectors: which fields of a kind can be selected by, and which objects one means.

use serde_json::Value;

use super::answer::{Reply, bad_request};
use super::kinds::{Kind, text};

/// A field selector: which text a field has, or has not.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, bool, String)>);

/// The fields of a kind that can be selected by, besides name and namespace.
const SELECTABLE: &[(&str, &str, &[&str])] = &[
    (
        "",
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
    ),
    (
        "",
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "involvedObject.fieldPath",
            "reason",
            "type",
        ],
    ),
    ("", "nodes", &["spec.unschedulable"]),
    ("", "secrets", &["type"]),
    ("", "namespaces", &["status.phase"]),
    ("batch", "jobs", &["status.successful"]),
];

impl Fields {
    /// Reads it; a field that cannot be selected by where there is one.
    pub(super) fn read(kind: &Kind, text: &str) -> Result<Self, String> {
        let own = SELECTABLE
            .iter()
            .find(|(group, plural, _)| (*group, *plural) == (kind.group.as_str(), kind.plural.as_str()));
        let mut all = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, equal, value) = match (part.split_once("!="), part.split_once('=')) {
                (Some((name, value)), _) => (name, false, value),
                (None, Some((name, value))) => (name, true, value.trim_start_matches('=')),
                (None, None) => return Err(part.to_owned()),
            };
            let is_known = matches!(name, "metadata.name" | "metadata.namespace")
                || own.is_some_and(|(_, _, fields)| fields.contains(&name));
            if !is_known {
                return Err(name.to_owned());
            }
            all.push((format!("/{}", name.replace('.', "/")), equal, value.to_owned()));
        }
        Ok(Self(all))
    }

    pub(super) fn fit(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|(pointer, equal, value)| (text(object, pointer) == value) == *equal)
    }
}

/// What a server says to a field that cannot be selected by.
pub(super) fn unknown_field(kind: &Kind, unknown: &str) -> Reply {
    let has_own = SELECTABLE
        .iter()
        .any(|(group, plural, _)| (*group, *plural) == (kind.group.as_str(), kind.plural.as_str()));
    bad_request(match has_own {
        true => format!("field label not supported: {unknown}"),
        false => {
            format!(
                "{unknown:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )
        }
    })
}
