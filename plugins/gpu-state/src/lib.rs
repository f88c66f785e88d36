//! `gpu-state`: is the memory of a pod's GPU full, does the GPU do nothing, did its driver tell of an error, and is a pod a zombie:
//! requests in, none out?
//!
//! It asks Prometheus for what NVIDIA's DCGM exporter says of each GPU with the pod that uses it, and for the pods' own counters of
//! requests. A metric that is not there is unknown and not no: a pod whose exporter died looks like one without a GPU.

mod ask;

use std::collections::{BTreeMap, BTreeSet};

use crate::ask::{Prometheus, Sample};
use stanch_plugin::prelude::*;

/// GPUs and troubles that have evidence of their own.
const SHOWN: usize = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where the pods are.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    namespace: String,
    /// Which pods, by name; all of the namespace where none is named.
    #[serde(default)]
    #[schemars(length(max = 100), inner(regex(pattern = "^[a-z0-9][-.a-z0-9]{0,252}$")))]
    pods: Vec<String>,
    /// What is asked about them: yes where one of them is in one of these.
    #[schemars(length(min = 1))]
    what: Vec<What>,
    /// Full is more than this share of a GPU's memory.
    #[serde(default = "nearly_all")]
    #[schemars(range(min = 0.0, max = 1.0))]
    memory_above: f64,
    /// Idle is never more than this percentage of use.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 100.0))]
    idle_below: f64,
    /// Over which time use and requests are looked at.
    #[serde(default = "five_minutes")]
    within: Span,
}

fn nearly_all() -> f64 {
    0.95
}

fn one() -> f64 {
    1.0
}

fn five_minutes() -> Span {
    Span::from_millis(300_000)
}

/// What a pod or its GPU can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// Its memory is full.
    MemoryFull,
    /// It does nothing.
    Idle,
    /// The driver told of an error (XID).
    Errors,
    /// The pod takes requests and answers none.
    Zombie,
}

/// The operator's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where Prometheus is.
    url: String,
    /// The counter of requests that a pod took.
    #[serde(default = "started")]
    started: String,
    /// The counter of requests that a pod answered.
    #[serde(default = "finished")]
    finished: String,
}

fn started() -> String {
    "inference_requests_started_total".to_owned()
}

fn finished() -> String {
    "inference_requests_finished_total".to_owned()
}

/// What was found.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// The pods in trouble, by name: what the parameter `pods` of pod-logs and pod-recycle takes.
    pods: Vec<String>,
    /// Each trouble.
    troubles: Vec<Trouble>,
    /// The GPUs that were looked at.
    gpus: usize,
}

/// One trouble of one pod.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Trouble {
    pod: String,
    what: What,
    why: String,
}

/// One GPU of a pod.
#[derive(Debug, Default, PartialEq)]
struct Gpu {
    memory: Option<f64>,
    used: Option<f64>,
    xid: Option<f64>,
}

struct GpuState;

impl Diagnosis for GpuState {
    type Params = Params;
    type Data = Data;
    const ABOUT: About =
        about!("Says which GPUs are full, idle or in error, and which pods take requests and answer none");

    fn asks() -> Value {
        json!({ "http": [{ "url": "http://prometheus:9090/api/v1/query", "read": ["GET"], "addresses": ["10.0.0.0/8"] }] })
    }

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let prometheus = Prometheus::new(&settings.url);
        let of = selector(&params)?;
        let asked: BTreeSet<What> = params.what.iter().copied().collect();
        let gpus = gpus(&prometheus, &of, &params)?;
        let mut troubles = in_trouble(&gpus, &params, &asked);
        let mut unknown: Vec<&str> = Vec::new();
        // What of a GPU is asked, and known of none.
        let known = |of: fn(&Gpu) -> Option<f64>| gpus.values().any(|gpu| of(gpu).is_some());
        for (what, is_known, metric) in [
            (What::MemoryFull, known(|gpu| gpu.memory), "DCGM_FI_DEV_FB_USED"),
            (What::Idle, known(|gpu| gpu.used), "DCGM_FI_DEV_GPU_UTIL"),
            (What::Errors, known(|gpu| gpu.xid), "DCGM_FI_DEV_XID_ERRORS"),
        ] {
            if asked.contains(&what) && !is_known {
                unknown.push(metric);
            }
        }
        if asked.contains(&What::Zombie) {
            match zombies(&prometheus, &settings, &of, &params)? {
                Some(found) => troubles.extend(found),
                None => unknown.push(&settings.started),
            }
        }
        let pods: BTreeSet<&str> = troubles.iter().map(|trouble| trouble.pod.as_str()).collect();
        let (verdict, summary) = match (troubles.as_slice(), unknown.as_slice()) {
            ([], []) => (
                Verdict::No,
                format!(
                    "None of these pods in `{}` is in trouble; {} GPUs were looked at",
                    params.namespace,
                    gpus.len()
                ),
            ),
            ([], missing) => (
                Verdict::Unknown,
                format!("Prometheus has no `{}` of these pods", missing.join("`, `")),
            ),
            ([first, ..], _) => {
                let more = pods.len().saturating_sub(1);
                let others = if more > 0 {
                    format!("; {more} more pods")
                } else {
                    String::new()
                };
                (Verdict::Yes, format!("{}: {}{others}", first.pod, first.why))
            }
        };
        let shown = troubles.iter().take(SHOWN);
        let shown: Vec<Evidence> = shown
            .map(|trouble| Evidence::value(&trouble.pod, &trouble.why))
            .collect();
        let each = gpus
            .iter()
            .take(SHOWN)
            .map(|((pod, gpu), state)| Evidence::value(format!("GPU {gpu} of {pod}"), state.told()));
        let data = Data {
            pods: pods.into_iter().map(str::to_owned).collect(),
            gpus: gpus.len(),
            troubles: troubles.clone(),
        };
        Ok(Finding::new(verdict, summary)
            .evidences(shown)
            .evidences(each)
            .data(data))
    }
}

/// The labels that the metrics are asked by. Both are checked again: a schema that is not looked at keeps no quotes out.
fn selector(params: &Params) -> Result<String, Failure> {
    let fits = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    };
    if let Some(other) = params
        .pods
        .iter()
        .chain([&params.namespace])
        .find(|name| !fits(name))
    {
        return Err(Failure::invalid_params(format!("`{other}` is not a name")));
    }
    let pods: Vec<String> = params.pods.iter().map(|pod| pod.replace('.', "\\\\.")).collect();
    Ok(match pods.as_slice() {
        [] => format!("namespace=\"{}\", pod!=\"\"", params.namespace),
        some => format!("namespace=\"{}\", pod=~\"{}\"", params.namespace, some.join("|")),
    })
}

/// What DCGM says of each GPU, by pod and number.
fn gpus(
    prometheus: &Prometheus,
    of: &str,
    params: &Params,
) -> Result<BTreeMap<(String, String), Gpu>, Failure> {
    let within = format!("{}s", params.within.as_millis().max(1000) / 1000);
    let by = "by (pod, gpu)";
    let used = format!("sum {by} (DCGM_FI_DEV_FB_USED{{{of}}})");
    let memory = format!("{used} / ({used} + sum {by} (DCGM_FI_DEV_FB_FREE{{{of}}}))");
    let busy = format!("max {by} (max_over_time(DCGM_FI_DEV_GPU_UTIL{{{of}}}[{within}]))");
    let errors = format!("max {by} (DCGM_FI_DEV_XID_ERRORS{{{of}}})");
    let mut gpus: BTreeMap<(String, String), Gpu> = BTreeMap::new();
    let mut read = |query: &str, put: fn(&mut Gpu, f64)| {
        for Sample { labels, value } in prometheus.ask(query)? {
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            put(gpus.entry((label("pod"), label("gpu"))).or_default(), value);
        }
        Ok::<(), Failure>(())
    };
    read(&memory, |gpu, value| gpu.memory = Some(value))?;
    read(&busy, |gpu, value| gpu.used = Some(value))?;
    read(&errors, |gpu, value| gpu.xid = Some(value))?;
    Ok(gpus)
}

impl Gpu {
    fn told(&self) -> String {
        let said = |value: Option<f64>, unit: &str, times: f64| {
            value.map_or_else(|| "?".to_owned(), |value| format!("{:.0}{unit}", value * times))
        };
        format!(
            "{} of its memory, at most {} of use, last error (XID) {}",
            said(self.memory, " %", 100.0),
            said(self.used, " %", 1.0),
            said(self.xid.filter(|xid| *xid != 0.0), "", 1.0).replace('?', "none")
        )
    }
}

fn in_trouble(
    gpus: &BTreeMap<(String, String), Gpu>,
    params: &Params,
    asked: &BTreeSet<What>,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for ((pod, number), gpu) in gpus {
        let mut add = |what: What, why: String| {
            if asked.contains(&what) {
                let pod = pod.clone();
                troubles.push(Trouble { pod, what, why });
            }
        };
        if let Some(share) = gpu.memory.filter(|share| *share > params.memory_above) {
            add(
                What::MemoryFull,
                format!("{:.1} % of the memory of GPU {number} is used", share * 100.0),
            );
        }
        if let Some(most) = gpu.used.filter(|most| *most < params.idle_below) {
            add(
                What::Idle,
                format!("GPU {number} was never used more than {most:.0} %"),
            );
        }
        if let Some(xid) = gpu.xid.filter(|xid| *xid != 0.0) {
            add(
                What::Errors,
                format!("the driver of GPU {number} told of the error XID {xid:.0}"),
            );
        }
    }
    troubles
}

/// The pods that took requests and answered none; none known where none has the counter.
fn zombies(
    prometheus: &Prometheus,
    settings: &Settings,
    of: &str,
    params: &Params,
) -> Result<Option<Vec<Trouble>>, Failure> {
    let seconds = params.within.as_millis().max(1000) / 1000;
    let counted =
        |metric: &str| prometheus.ask(&format!("sum by (pod) (increase({metric}{{{of}}}[{seconds}s]))"));
    let pod = |sample: &Sample| sample.labels.get("pod").cloned().unwrap_or_default();
    let (taken, answered) = (counted(&settings.started)?, counted(&settings.finished)?);
    if taken.is_empty() {
        return Ok(None);
    }
    let answers: BTreeSet<String> = answered
        .iter()
        .filter(|sample| sample.value > 0.0)
        .map(pod)
        .collect();
    let silent = taken
        .iter()
        .filter(|sample| sample.value > 0.0 && !answers.contains(&pod(sample)));
    let told = silent.map(|sample| Trouble {
        pod: pod(sample),
        what: What::Zombie,
        why: format!(
            "it took {:.0} requests in {seconds} s and answered none",
            sample.value.ceil()
        ),
    });
    Ok(Some(told.collect()))
}

stanch_plugin::export!(GpuState as diagnosis);

#[cfg(test)]
mod tests;
