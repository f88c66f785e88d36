//! Pods that accept requests and never answer: the workload, the alert, the runbook.

use std::path::PathBuf;

use serde_json::Value;
use stanch_parts::{PartError, Space, User};

use crate::setting::Setting;

/// Fires for each pod that holds requests.
pub const RULES: &str = "
groups:
- name: hangs
  rules:
  - alert: PodHangs
    expr: requests_waiting > 5
    labels: {severity: high}
    annotations: {summary: 'holds {{ $value }} requests'}
";

/// What the engine may do in the namespace of a test.
pub const MAY: &str = "[\
    {apiGroups: [''], resources: [pods, pods/log, events], verbs: [get, list]}, \
    {apiGroups: [apps], resources: [replicasets, statefulsets, deployments], verbs: [get, list]}, \
    {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [get, list]}, \
    {apiGroups: [''], resources: [pods/eviction], verbs: [create]}]";

/// How many at a time, and how many at all.
#[derive(Debug, Clone, Copy)]
pub enum Ceilings {
    /// As a runbook has them that says nothing.
    Default,
    /// Eight targets, all of a population, one at a time.
    Raised,
}

/// A Deployment and a budget that keeps so many of its pods.
///
/// # Errors
/// What the API server has against it.
pub fn workers(space: &Space<'_>, count: usize, keeps: usize) -> Result<Vec<Value>, PartError> {
    space.apply(&format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec:
  replicas: {count}
  selector: {{matchLabels: {{app: worker}}}}
  template:
    metadata: {{labels: {{app: worker}}, annotations: {{stanch.test/ready-after: 500ms}}}}
    spec: {{containers: [{{name: main, image: worker}}]}}
---
{}",
        budget(keeps)
    ))?;
    space.ready("app=worker", count)
}

/// A budget that keeps so many of the pods.
pub fn budget(keeps: usize) -> String {
    format!(
        "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: worker}}
spec: {{minAvailable: {keeps}, selector: {{matchLabels: {{app: worker}}}}}}
"
    )
}

/// The names of pods.
pub fn names(pods: &[Value]) -> Vec<String> {
    let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
    pods.iter().filter_map(name).collect()
}

/// The uids of pods.
pub fn uids(pods: &[Value]) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().map(str::to_owned);
    pods.iter().filter_map(uid).collect()
}

/// The engine with the runbook for pods that hang; `which` says which pods, in the words of pod-recycle's parameters.
pub fn setting(kubeconfig: PathBuf, which: &str, ceilings: Ceilings) -> Setting {
    let (limits, guardrails) = match ceilings {
        Ceilings::Default => ("", "hold = \"5s\""),
        Ceilings::Raised => (
            "limits = { targets = 8, share = \"100%\" }\nbatch = { size = 1, hold = \"100ms\" }",
            "hold = \"5s\"\ntargets = { kubernetes = 8 }\nshare = \"100%\"\nactions = \"100/1m\"",
        ),
    };
    Setting {
        runbook: ("pods-hang".to_owned(), runbook(which, limits)),
        guardrails: guardrails.to_owned(),
        vars: String::new(),
        kubeconfig,
    }
}

/// The pods that the alerts name.
pub const NAMED: &str = r#"pods = "${alerts.map(a, a.labels.pod)}", selector = "app=worker""#;

fn runbook(which: &str, limits: &str) -> String {
    format!(
        r#"name = "pods-hang"
title = "Pods accept requests and never answer"
owner = "tests"
[trigger]
alert = "PodHangs"
group_by = ["namespace"]
[impact]
severity = "high"
summary = "Requests to these pods wait for ever."
[[diagnosis]]
id = "zombie"
ask = "Do requests wait?"
uses = "prometheus"
with = {{ query = 'max(requests_waiting{{namespace="${{alert.labels.namespace}}"}})', above = 5 }}
[[mitigation]]
id = "recycle"
do = "Recycle the pods that hang"
when = "diagnosis.zombie.yes"
uses = "pod-recycle"
on = "test"
with = {{ namespace = "${{alert.labels.namespace}}", {which} }}
retry = {{ times = 60, every = "1s" }}
{limits}
[mitigation.approval]
ask = "Recycle them?"
expires = "10m"
[mitigation.verify]
within = "90s"
every = "200ms"
[recovery]
stable_for = "1s"
[[recovery.check]]
id = "answers"
ask = "Does no request wait any more?"
uses = "prometheus"
with = {{ query = 'max(requests_waiting{{namespace="${{alert.labels.namespace}}"}}) or vector(0)', below = 5 }}
"#
    )
}

/// Lets the engine do what the runbook needs.
///
/// # Errors
/// What the API server has against it.
pub fn allowed(space: &Space<'_>) -> Result<(), PartError> {
    space.allow(User::Engine, MAY)
}
