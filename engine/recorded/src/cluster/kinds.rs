//! The kinds that a recorded cluster has: the common ones, and what its CustomResourceDefinitions say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// A kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    pub(super) scales: bool,
    /// Whether the patches of built-in kinds, strategic ones, are for it.
    pub(super) built_in: bool,
}

/// Group, version, kind, plural, in a namespace, scales.
type Row = (&'static str, &'static str, &'static str, &'static str, bool, bool);

const COMMON: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", true, false),
    ("", "v1", "Endpoints", "endpoints", true, false),
    ("", "v1", "Event", "events", true, false),
    ("", "v1", "LimitRange", "limitranges", true, false),
    ("", "v1", "Namespace", "namespaces", false, false),
    ("", "v1", "Node", "nodes", false, false),
    ("", "v1", "PersistentVolume", "persistentvolumes", false, false),
    (
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
        false,
    ),
    ("", "v1", "Pod", "pods", true, false),
    (
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        true,
        true,
    ),
    ("", "v1", "ResourceQuota", "resourcequotas", true, false),
    ("", "v1", "Secret", "secrets", true, false),
    ("", "v1", "Service", "services", true, false),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        false,
    ),
    (
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        true,
        false,
    ),
    ("apps", "v1", "DaemonSet", "daemonsets", true, false),
    ("apps", "v1", "Deployment", "deployments", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, true),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
        false,
    ),
    ("batch", "v1", "CronJob", "cronjobs", true, false),
    ("batch", "v1", "Job", "jobs", true, false),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    (
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        true,
        false,
    ),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", true, false),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        true,
        false,
    ),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
        false,
    ),
];

/// All kinds of a cluster that has these objects from the beginning or later.
pub(super) fn of<'o>(objects: impl Iterator<Item = &'o Value>) -> Vec<Kind> {
    let common = COMMON
        .iter()
        .map(|(group, version, kind, plural, namespaced, scales)| Kind {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            namespaced: *namespaced,
            scales: *scales,
            built_in: true,
        });
    let defined = objects
        .filter(|object| text(object, "/kind") == "CustomResourceDefinition")
        .flat_map(custom);
    common.chain(defined).collect()
}

/// The kinds of a CustomResourceDefinition, one for each version that is served.
fn custom(definition: &Value) -> Vec<Kind> {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let served = versions
        .into_iter()
        .flatten()
        .filter(|version| version.get("served").and_then(Value::as_bool) != Some(false));
    served
        .map(|version| Kind {
            group: text(definition, "/spec/group").to_owned(),
            version: text(version, "/name").to_owned(),
            kind: text(definition, "/spec/names/kind").to_owned(),
            plural: text(definition, "/spec/names/plural").to_owned(),
            namespaced: text(definition, "/spec/scope") != "Cluster",
            scales: version.pointer("/subresources/scale").is_some(),
            built_in: false,
        })
        .collect()
}

impl Kind {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods`, `deployments.apps`: as messages of an API server name it.
    pub(super) fn shown(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// `/api`, `/apis`, `/api/v1`, `/apis/GROUP/VERSION`; nothing where it is none of them or not served.
pub(super) fn discovery(kinds: &[Kind], path: &[&str]) -> Option<Value> {
    match path {
        ["version"] => Some(json!({ "major": "1", "minor": "0", "gitVersion": "recorded" })),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["apis"] => Some(groups(kinds)),
        ["api", version] => resources(kinds, "", version),
        ["apis", group, version] => resources(kinds, group, version),
        _ => None,
    }
}

fn groups(kinds: &[Kind]) -> Value {
    let mut by_group: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = by_group.entry(&kind.group).or_default();
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    let groups = by_group.into_iter().map(|(group, versions)| {
        let named =
            |version: &&str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
        let all: Vec<Value> = versions.iter().map(named).collect();
        json!({ "name": group, "preferredVersion": all.first(), "versions": all })
    });
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>() })
}

fn resources(kinds: &[Kind], group: &str, version: &str) -> Option<Value> {
    let of: Vec<&Kind> = kinds
        .iter()
        .filter(|kind| kind.group == group && kind.version == version)
        .collect();
    let first = of.first()?;
    let mut seen = BTreeSet::new();
    let mut resources = Vec::new();
    for kind in of.iter().filter(|kind| seen.insert(&kind.plural)) {
        let singular = kind.kind.to_ascii_lowercase();
        resources.push(json!({
            "name": kind.plural, "singularName": singular, "namespaced": kind.namespaced, "kind": kind.kind,
        }));
        if kind.scales {
            let name = format!("{}/scale", kind.plural);
            resources.push(json!({
                "name": name, "singularName": "", "namespaced": kind.namespaced, "kind": "Scale",
                "group": "autoscaling", "version": "v1",
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": resources,
    }))
}

/// A text at a JSON pointer; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
