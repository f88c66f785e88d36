//! `pod-logs`: keeps the end of pods' logs, current and previous, as data and evidence of the run, without what should not be
//! kept.
//!
//! It is a diagnosis, because keeping a log changes nothing. The question that it answers is «are the logs kept?», and a runbook
//! asks it before it recycles. What is replaced is the operator's to say (`settings.redact`); a runbook can only add to it.

mod detect;
mod keep;
mod say;

use std::collections::BTreeMap;

use detect::Detector;
use keep::Kept;
use stanch_plugin::kubernetes::{Container, Pod, PodName, Run, Selector, Which};
use stanch_plugin::prelude::*;

/// Pods whose logs are kept.
const MOST_PODS: usize = 20;
/// What is left of the call's time when no other log is begun, in milliseconds.
const RESERVE: u128 = 3_000;

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
    /// Only these containers; all where none is named.
    #[serde(default)]
    containers: Vec<String>,
    /// Also of the instance before the last restart, where there was one.
    #[serde(default = "yes")]
    previous: bool,
    /// So many lines of the end of each.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000))]
    tail: u32,
    /// So much of all of them together. More than the default needs more of `limits.output`.
    #[serde(default = "usual")]
    max_bytes: Bytes,
    /// What is replaced besides what the operator says.
    #[serde(default)]
    redact: Vec<Detector>,
}

fn yes() -> bool {
    true
}

fn thousand() -> u32 {
    1000
}

fn usual() -> Bytes {
    Bytes::from(128 << 10)
}

/// The operator's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What is replaced in every log.
    #[serde(default = "usual_detectors")]
    redact: Vec<Detector>,
}

fn usual_detectors() -> Vec<Detector> {
    detect::USUAL.to_vec()
}

/// The logs.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// Each that was kept, the previous one of a container before its current one.
    logs: Vec<Log>,
    /// Those that were not, and pods that have none to keep.
    missing: Vec<Missing>,
    /// How much was replaced, by what it was.
    replaced: BTreeMap<&'static str, usize>,
}

/// One log.
#[derive(Serialize, JsonSchema)]
struct Log {
    pod: String,
    uid: String,
    container: String,
    /// Whether it is of the instance before the last restart.
    previous: bool,
    /// Lines that are kept.
    lines: usize,
    /// Lines before them that were read and are not kept.
    cut_lines: usize,
    /// How much was replaced in it.
    replaced: usize,
    text: String,
}

/// A log that was not kept.
#[derive(Serialize, JsonSchema)]
struct Missing {
    pod: String,
    /// None where it is the whole pod.
    container: Option<String>,
    previous: bool,
    why: String,
    /// Whether there is a log that should have been kept: what makes the answer a no.
    lost: bool,
}

struct PodLogs;

impl Diagnosis for PodLogs {
    type Params = Params;
    type Data = Data;
    const ABOUT: About =
        about!("Keeps the end of pods' logs, current and previous, without what should not be kept");

    fn asks() -> Value {
        json!({ "kubernetes": [
            { "clusters": ["eu"], "verbs": ["get", "list", "logs"], "resources": ["pods"], "namespaces": ["inference"] },
        ] })
    }

    fn diagnose(ctx: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        let mut detectors = host::settings::<Settings>()?.redact;
        detectors.extend(&params.redact);
        let which = Which {
            namespace: &params.namespace,
            pods: &params.pods,
            selector: params.selector.as_ref(),
            alerts: &ctx.alerts,
        };
        let found = which.find()?;
        let mut data = Data::default();
        for left in &found.left {
            data.missing
                .push(Missing::pod(&left.name, left.why.clone(), false));
        }
        for pod in found.pods.iter().skip(MOST_PODS) {
            let why = format!("logs of at most {MOST_PODS} pods are kept");
            data.missing.push(Missing::pod(pod.name(), why, true));
        }
        let mut wanted = Vec::new();
        for pod in found.pods.iter().take(MOST_PODS) {
            for container in pod.containers() {
                want(&params, pod, &container, &mut wanted, &mut data.missing);
            }
        }
        let failed = keep_all(&params, &detectors, &wanted, &mut data);
        match failed {
            // Nothing at all: what stands in the way is all that there is to say.
            Some(failure) if data.logs.is_empty() => Err(failure),
            _ => Ok(say::finding(&which, data)),
        }
    }
}

/// A log to read.
struct Wanted<'a> {
    pod: &'a Pod,
    container: String,
    previous: bool,
}

/// The logs that a container has, and those that it does not have yet.
fn want<'a>(
    params: &Params,
    pod: &'a Pod,
    container: &Container<'_>,
    wanted: &mut Vec<Wanted<'a>>,
    missing: &mut Vec<Missing>,
) {
    let named = params.containers.is_empty() || params.containers.iter().any(|name| name == container.name);
    // What ran before the others and ended well is of no interest.
    let over = container.init && matches!(&container.run, Run::Exited(exit) if exit.code == 0);
    if !named || (over && params.containers.is_empty()) {
        return;
    }
    let log = |previous: bool| Wanted {
        pod,
        container: container.name.to_owned(),
        previous,
    };
    let restarted = container.restarts > 0;
    if params.previous && restarted {
        wanted.push(log(true));
    }
    if matches!(container.run, Run::Waiting { .. } | Run::Unknown) && !restarted {
        missing.push(log(false).missing("it has not started", false));
    } else {
        wanted.push(log(false));
    }
}

/// Reads each and keeps its share of what may be kept; gives the first failure.
fn keep_all(
    params: &Params,
    detectors: &[Detector],
    wanted: &[Wanted<'_>],
    data: &mut Data,
) -> Option<Failure> {
    let (mut rest, mut failed) = (params.max_bytes.get(), None);
    for (index, wanted_log) in wanted.iter().enumerate() {
        if host::is_cancelled() || host::remaining().as_millis() < RESERVE {
            data.missing
                .push(wanted_log.missing("the time of the call was over", true));
            continue;
        }
        let read = kubernetes::logs(&wanted_log.pod.named())
            .container(&wanted_log.container)
            .previous(wanted_log.previous)
            .tail(params.tail)
            .read();
        match read {
            Ok(text) => {
                // What a short log does not need the others have.
                let share = rest / (wanted.len() - index) as u64;
                let kept = keep::keep(&text, share, detectors);
                rest = rest.saturating_sub(kept.cost);
                for (detector, count) in &kept.replaced {
                    *data.replaced.entry(detector.as_str()).or_default() += count;
                }
                data.logs.push(wanted_log.log(kept));
            }
            Err(failure) if wanted_log.previous && is_thrown_away(&failure) => {
                data.missing
                    .push(wanted_log.missing("it is not there any more", false));
            }
            Err(failure) => {
                data.missing.push(wanted_log.missing(&failure.message, true));
                failed.get_or_insert(failure);
            }
        }
    }
    failed
}

/// The node throws a previous log away after a while, and says so with 404 or, as the kubelet does, with 400.
fn is_thrown_away(failure: &Failure) -> bool {
    failure.code == FailureCode::NotFound || failure.message.contains("previous terminated container")
}

impl Wanted<'_> {
    fn missing(&self, why: &str, lost: bool) -> Missing {
        Missing {
            container: Some(self.container.clone()),
            previous: self.previous,
            ..Missing::pod(self.pod.name(), why.to_owned(), lost)
        }
    }

    fn log(&self, kept: Kept) -> Log {
        Log {
            pod: self.pod.name().to_owned(),
            uid: self.pod.uid().to_owned(),
            container: self.container.clone(),
            previous: self.previous,
            lines: kept.lines,
            cut_lines: kept.cut_lines,
            replaced: kept.replaced.values().sum(),
            text: kept.text,
        }
    }
}

impl Missing {
    fn pod(pod: &str, why: String, lost: bool) -> Self {
        Self {
            pod: pod.to_owned(),
            container: None,
            previous: false,
            why,
            lost,
        }
    }
}

stanch_plugin::export!(PodLogs as diagnosis);

#[cfg(test)]
mod tests;
