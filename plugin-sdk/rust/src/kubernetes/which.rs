//! Which pods a runbook means: by name, by selector, or by both.
//!
//! A name alone is not a pod: a StatefulSet gives the next one the same name. So a name may carry the uid that was seen
//! (`worker-0@UID`), and a pod that is younger than the alert which names it is not the one that the alert is about.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use stanch_contract::{Alert, Timestamp};

use super::{POD, Pod, Selector, find, look};
use crate::Failure;

/// Pods that are looked at; beyond these a list is not whole.
const MOST: usize = 1000;

/// A pod's name, or `NAME@UID` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// The name.
    pub name: String,
    /// Which one of that name.
    pub uid: Option<String>,
}

impl<'de> Deserialize<'de> for PodName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (name, uid) = match text.split_once('@') {
            Some((name, uid)) => (name, Some(uid)),
            None => (text.as_str(), None),
        };
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_name = (1..=253).contains(&name.len())
            && name.bytes().all(|b| inner(b) || b == b'-' || b == b'.')
            && name.bytes().next().is_some_and(inner)
            && name.bytes().last().is_some_and(inner);
        let is_uid =
            |uid: &str| !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_name || !uid.is_none_or(is_uid) {
            return Err(D::Error::custom(format!(
                "`{text}` is not a pod's name: write `NAME` or `NAME@UID`"
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            uid: uid.map(str::to_owned),
        })
    }
}

impl JsonSchema for PodName {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PodName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(@[-A-Za-z0-9]+)?$", "examples": ["worker-0", "worker-0@9b1c7c52-7a5e-4f2f-8f0e-2b6d1f8c3a10"] })
    }
}

/// The pods that a runbook means.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// Where they are.
    pub namespace: &'a str,
    /// By name.
    pub pods: &'a [PodName],
    /// By label. With names: only those that both mean.
    pub selector: Option<&'a Selector>,
    /// The run's alerts: whom they name, and since when.
    pub alerts: &'a [Alert],
}

/// What was found of them.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that are there, [lean](Pod::lean), in the order of their names as the API server lists them.
    pub pods: Vec<Pod>,
    /// Those that were named and are not meant any more.
    pub left: Vec<Left>,
    /// Whether that is all of them: not where a selector fits more than a thousand.
    pub whole: bool,
}

/// One that was named and is not meant any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

impl Which<'_> {
    /// Looks for them. Names that are not there any more are no failure; a selector that fits nothing is for the plugin to judge.
    pub fn find(&self) -> Result<Found, Failure> {
        let mut found = Found {
            whole: true,
            ..Found::default()
        };
        match self.selector {
            None if self.pods.is_empty() => {
                return Err(Failure::invalid_params(
                    "Say which pods: give `pods` (names) or `selector` (labels)",
                ));
            }
            None => {
                for name in self.names() {
                    match look(&POD.named(self.namespace, name))? {
                        Some(object) => self.take(Pod::from(object), &mut found),
                        None => found.leave(name, "it is gone"),
                    }
                }
            }
            Some(selector) => {
                let mut seen = BTreeSet::new();
                for object in find(POD.within(self.namespace).labels(selector)) {
                    let pod = Pod::from(object?);
                    if !self.pods.is_empty() && !self.pods.iter().any(|named| named.name == pod.name()) {
                        continue;
                    }
                    if seen.len() == MOST {
                        found.whole = false;
                        break;
                    }
                    seen.insert(pod.name().to_owned());
                    self.take(pod, &mut found);
                }
                for name in self.names().into_iter().filter(|name| !seen.contains(*name)) {
                    found.leave(name, &format!("no pod of that name has the labels `{selector}`"));
                }
            }
        }
        Ok(found)
    }

    fn take(&self, pod: Pod, found: &mut Found) {
        let uids: Vec<&str> = self
            .pods
            .iter()
            .filter(|named| named.name == pod.name())
            .filter_map(|named| named.uid.as_deref())
            .collect();
        let known = uids.contains(&pod.uid());
        if !uids.is_empty() && !known {
            return found.leave(pod.name(), "another pod has taken its name");
        }
        if let (false, Some(begun), Some(created)) = (known, self.begun(pod.name()), pod.created())
            && created > begun
        {
            return found.leave(
                pod.name(),
                "it was created after its alert began: it is another one by now",
            );
        }
        found.pods.push(pod.lean());
    }

    /// So many of them, for people: ``4 pods with `app=worker` in `inference` ``.
    pub fn said(&self, count: usize) -> String {
        let pods = if count == 1 { "pod" } else { "pods" };
        match (self.pods, self.selector) {
            ([], Some(selector)) => format!("{count} {pods} with `{selector}` in `{}`", self.namespace),
            _ => format!("{count} named {pods} in `{}`", self.namespace),
        }
    }

    /// The names, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        names.extend(self.pods.iter().map(|pod| pod.name.as_str()));
        names
    }

    /// The latest time at which an alert began that names this pod.
    fn begun(&self, name: &str) -> Option<Timestamp> {
        let about = self.alerts.iter().filter(|alert| self.is_about(alert, name));
        about
            .filter_map(|alert| Timestamp::parse_rfc3339(&alert.starts_at))
            .max()
    }

    /// The alerts that name this pod, by the labels that Kubernetes' own exporters give.
    pub fn is_about(&self, alert: &Alert, name: &str) -> bool {
        let is = |label: &str| alert.labels.get(label).map(String::as_str);
        is("pod") == Some(name) && is("namespace").is_none_or(|namespace| namespace == self.namespace)
    }
}

impl Found {
    fn leave(&mut self, name: &str, why: &str) {
        self.left.push(Left {
            name: name.to_owned(),
            why: why.to_owned(),
        });
    }
}
