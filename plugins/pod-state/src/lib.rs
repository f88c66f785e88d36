//! `pod-state`: which pods hang, crash-loop, are stuck in Terminating or are not Ready? And what did the cluster note of them?
//!
//! What hangs is told from the API alone: its containers run, and it is not Ready, for so long. A pod that is Ready and answers
//! nothing cannot be told from there; a metric tells it, and the pod is named. Without `what` the answer is only whether the named
//! pods are still there, and are the ones that were meant.
//!
//! A selector that fits nothing is unknown and not no: it looks the same as one that is misspelt.

mod say;

use say::Shown;
use stanch_plugin::kubernetes::{Looping, Owner, Pod, PodName, Selector, Sick, Trouble, Which};
use stanch_plugin::prelude::*;

/// Pods that the data names.
const MOST_NAMED: usize = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where the pods are.
    #[schemars(length(min = 1))]
    namespace: String,
    /// Which pods, by name: `NAME`, or `NAME@UID` for exactly one.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pods: Vec<PodName>,
    /// Which pods, by their labels; with `pods`, those that both mean.
    selector: Option<Selector>,
    /// What is asked about them: yes where one of them is in one of these. Without it: whether they are there.
    #[serde(default)]
    what: Vec<Trouble>,
    /// Only what lasts at least this long. Not asked of a crash loop.
    #[serde(default = "a_minute", rename = "for")]
    lasting: Span,
    /// A crash loop is also where one container was started again so often,
    #[serde(default = "three")]
    #[schemars(range(min = 1))]
    restarts: u32,
    /// and crashed last no longer ago than this.
    #[serde(default = "ten_minutes")]
    within: Span,
    /// How many events to show.
    #[serde(default = "ten")]
    #[schemars(range(max = 40))]
    events: usize,
}

fn a_minute() -> Span {
    Span::from_millis(60_000)
}

fn ten_minutes() -> Span {
    Span::from_millis(600_000)
}

fn three() -> u32 {
    3
}

fn ten() -> usize {
    10
}

/// What was found.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// How many are in trouble; without `what`, how many are there.
    count: usize,
    /// How many were looked at, those that have run to their end not among them.
    looked_at: usize,
    /// How many of these are Ready.
    ready: usize,
    /// Those that `count` counts, by name; at most 100.
    pods: Vec<PodData>,
    /// The same as `NAME@UID`: what the parameter `pods` of pod-recycle and pod-logs takes.
    ids: Vec<String>,
    /// Those that were named and are not meant any more.
    left: Vec<LeftData>,
}

/// One pod.
#[derive(Serialize, JsonSchema)]
struct PodData {
    name: String,
    uid: String,
    namespace: String,
    /// None where it is on none yet.
    node: Option<String>,
    /// What made it, such as `ReplicaSet/worker-7d4f`; none where nothing would make it again.
    owner: Option<String>,
    ready: bool,
    restarts: i64,
    /// `hung`, `crash-looping`, `terminating`, `not-ready`.
    trouble: Option<Trouble>,
    /// Since when, as RFC 3339. Of a crash loop: when it crashed last.
    since: Option<String>,
    /// Why, in the kubelet's words.
    reason: Option<String>,
}

/// One that was named and is not meant any more.
#[derive(Serialize, JsonSchema)]
struct LeftData {
    name: String,
    why: String,
}

struct PodState;

impl Diagnosis for PodState {
    type Params = Params;
    type Data = Data;
    const ABOUT: About =
        about!("Says which pods hang, crash-loop, are stuck in Terminating or are not Ready");

    fn asks() -> Value {
        let what = |verbs: Value, resource: &str| json!({ "clusters": ["eu"], "verbs": verbs, "resources": [resource], "namespaces": ["inference"] });
        json!({ "kubernetes": [what(json!(["get", "list"]), "pods"), what(json!(["list"]), "events")] })
    }

    fn diagnose(ctx: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        let which = Which {
            namespace: &params.namespace,
            pods: &params.pods,
            selector: params.selector.as_ref(),
            alerts: &ctx.alerts,
        };
        let found = which.find()?;
        let now = host::now();
        let alive: Vec<&Pod> = found.pods.iter().filter(|pod| !pod.is_finished()).collect();
        let shown: Vec<Shown<'_>> = alive
            .iter()
            .filter_map(|pod| match params.what.as_slice() {
                [] => Some(Shown { pod, sick: None }),
                _ => Some(Shown {
                    pod,
                    sick: Some(sick(&params, pod, now)?),
                }),
            })
            .collect();

        let verdict = match (shown.is_empty(), params.what.is_empty()) {
            (false, _) => Verdict::Yes,
            (true, false) if !found.whole || (alive.is_empty() && params.pods.is_empty()) => Verdict::Unknown,
            (true, true) if params.pods.is_empty() => Verdict::Unknown,
            (true, _) => Verdict::No,
        };
        let data = Data {
            count: shown.len(),
            looked_at: alive.len(),
            ready: alive.iter().filter(|pod| pod.ready().is).count(),
            pods: shown.iter().take(MOST_NAMED).map(PodData::from).collect(),
            ids: shown.iter().take(MOST_NAMED).map(|shown| shown.id()).collect(),
            left: found
                .left
                .iter()
                .map(|left| LeftData {
                    name: left.name.clone(),
                    why: left.why.clone(),
                })
                .collect(),
        };
        let summary = say::summary(&which, &params.what, &shown, &data, &found, now);
        Ok(Finding::new(verdict, summary)
            .evidences(say::pods(&shown, now))
            .evidences(say::left(&found))
            .evidences(say::events(&shown, params.events, now))
            .data(data))
    }
}

/// The first trouble that is asked about and that it is in for so long.
fn sick(params: &Params, pod: &Pod, now: Timestamp) -> Option<Sick> {
    let looping = Looping {
        restarts: params.restarts.into(),
        within_ms: params.within.as_millis(),
    };
    let long =
        |sick: &Sick| sick.trouble == Trouble::CrashLooping || sick.lasts(now) >= params.lasting.as_millis();
    params
        .what
        .iter()
        .filter_map(|what| pod.sick(*what, now, looping))
        .find(long)
}

impl From<&Shown<'_>> for PodData {
    fn from(Shown { pod, sick }: &Shown<'_>) -> Self {
        Self {
            name: pod.name().to_owned(),
            uid: pod.uid().to_owned(),
            namespace: pod.namespace().unwrap_or_default().to_owned(),
            node: pod.node().map(str::to_owned),
            owner: pod.controller().as_ref().map(Owner::to_string),
            ready: pod.ready().is,
            restarts: pod.restarts(),
            trouble: sick.as_ref().map(|sick| sick.trouble),
            since: sick.as_ref().and_then(|sick| Some(sick.since?.to_string())),
            reason: sick.as_ref().map(|sick| sick.why.clone()),
        }
    }
}

stanch_plugin::export!(PodState as diagnosis);

#[cfg(test)]
mod tests;
