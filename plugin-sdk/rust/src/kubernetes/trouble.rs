//! What is wrong with a pod.
//!
//! Kubernetes does not say «hung»: a pod that runs and is not Ready may be starting, and one that is Ready may answer nothing.
//! What can be told from the API is how long it runs without being Ready, and that is what is called hung here; a pod that
//! a metric calls hung is named to a plugin by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stanch_contract::Timestamp;

use super::{Pod, Run};

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Its containers run, and it is not Ready.
    Hung,
    /// A container is started again and again.
    CrashLooping,
    /// It is being deleted, and its time to shut down is over.
    Terminating,
    /// It is not Ready, for whatever reason, and neither finished nor being deleted.
    NotReady,
}

impl Trouble {
    /// As parameters and data have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hung => "hung",
            Self::CrashLooping => "crash-looping",
            Self::Terminating => "terminating",
            Self::NotReady => "not-ready",
        }
    }

    /// In a sentence about pods: `2 pods hang`.
    pub fn verb(self, one: bool) -> &'static str {
        match (self, one) {
            (Self::Hung, true) => "hangs",
            (Self::Hung, false) => "hang",
            (Self::CrashLooping, true) => "crash-loops",
            (Self::CrashLooping, false) => "crash-loop",
            (Self::Terminating, true) => "is stuck in Terminating",
            (Self::Terminating, false) => "are stuck in Terminating",
            (Self::NotReady, true) => "is not Ready",
            (Self::NotReady, false) => "are not Ready",
        }
    }
}

/// When restarts are a loop, where the kubelet does not call them one at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looping {
    /// At least so many restarts of one container,
    pub restarts: i64,
    /// and the last one no longer ago than this, in milliseconds.
    pub within_ms: i64,
}

impl Default for Looping {
    /// Three, the last within ten minutes.
    fn default() -> Self {
        Self {
            restarts: 3,
            within_ms: 600_000,
        }
    }
}

/// A trouble that a pod is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sick {
    /// Which.
    pub trouble: Trouble,
    /// Since when. For a crash loop: when it crashed last.
    pub since: Option<Timestamp>,
    /// Why, in words that stay the same while it lasts.
    pub why: String,
}

impl Sick {
    /// How long it lasts by now, in milliseconds.
    pub fn lasts(&self, now: Timestamp) -> i64 {
        self.since.map_or(0, |since| now.since(since).as_millis())
    }
}

impl Pod {
    /// Whether it is in this trouble.
    pub fn sick(&self, of: Trouble, now: Timestamp, looping: Looping) -> Option<Sick> {
        let sick = |since, why| {
            Some(Sick {
                trouble: of,
                since,
                why,
            })
        };
        match of {
            Trouble::Terminating => {
                let gone_by = self.gone_by().filter(|gone_by| *gone_by < now)?;
                sick(Some(gone_by), self.what_holds_it())
            }
            _ if self.gone_by().is_some() || self.is_finished() => None,
            Trouble::CrashLooping => {
                let (at, why) = self.loops(now, looping)?;
                sick(at, why)
            }
            Trouble::Hung => {
                let since = self.runs_unready()?;
                sick(since, format!("it runs and is not Ready: {}", self.ready().why))
            }
            Trouble::NotReady => {
                let ready = self.ready();
                if ready.is {
                    return None;
                }
                sick(ready.since, self.what_it_waits_for().unwrap_or(ready.why))
            }
        }
    }

    fn what_holds_it(&self) -> String {
        let finalizers: Vec<&str> = self.finalizers().collect();
        if !finalizers.is_empty() {
            return format!("it is held by the finalizer `{}`", finalizers.join("`, `"));
        }
        match self.node() {
            Some(node) => format!("the node `{node}` has not said that it is gone"),
            None => "nothing has said that it is gone".to_owned(),
        }
    }

    fn loops(&self, now: Timestamp, looping: Looping) -> Option<(Option<Timestamp>, String)> {
        self.containers().find_map(|container| {
            let last = match &container.run {
                Run::Exited(exit) => Some(exit),
                _ => container.last.as_ref(),
            };
            let at = last.and_then(|exit| exit.at);
            let backs_off = matches!(
                container.run,
                Run::Waiting {
                    reason: "CrashLoopBackOff",
                    ..
                }
            );
            let lately = at.is_some_and(|at| now.since(at).as_millis() <= looping.within_ms);
            if !(backs_off || (container.restarts >= looping.restarts && lately)) {
                return None;
            }
            let how = last.map_or_else(String::new, |exit| format!(", the last time with {exit}"));
            let why = format!(
                "`{}` was started again {} times{how}",
                container.name, container.restarts
            );
            Some((at, why))
        })
    }

    /// Since when all of its containers run without the pod being Ready; none where that is not so.
    fn runs_unready(&self) -> Option<Option<Timestamp>> {
        let ready = self.ready();
        if ready.is || self.phase() != "Running" || self.has("ContainersReady") == Some(true) {
            return None;
        }
        let mut since = ready.since;
        let mut any = false;
        for container in self.containers().filter(|container| !container.init) {
            let Run::Running { since: started } = container.run else {
                return None;
            };
            any = true;
            // One that was just started again is starting and not hung.
            since = since.max(started);
        }
        any.then_some(since)
    }

    fn what_it_waits_for(&self) -> Option<String> {
        let waits = self.containers().find_map(|container| match container.run {
            Run::Waiting { reason, message } if !reason.is_empty() && reason != "PodInitializing" => {
                let more = if message.is_empty() {
                    String::new()
                } else {
                    format!(": {message}")
                };
                Some(format!("`{}` waits, {reason}{more}", container.name))
            }
            _ => None,
        });
        let unscheduled = || {
            let scheduled = self
                .at("/status/conditions")
                .as_array()?
                .iter()
                .find(|condition| {
                    condition.get("type").and_then(serde_json::Value::as_str) == Some("PodScheduled")
                })?;
            let is_not = scheduled.get("status").and_then(serde_json::Value::as_str) == Some("False");
            let message = scheduled.get("message").and_then(serde_json::Value::as_str)?;
            is_not.then(|| format!("no node takes it: {message}"))
        };
        waits.or_else(unscheduled)
    }
}

/// A length of time as a person says it, in its two largest units: `45s`, `12m`, `3h10m`, `2d4h`.
pub fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let two = |large: i64, unit: &str, small: i64, of: &str| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{of}")
        }
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => two(seconds / 60, "m", seconds % 60, "s"),
        600..3600 => format!("{}m", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::{Object, POD};
    use serde_json::{Value, json};

    /// 2026-01-01T01:00:00Z.
    const NOW: Timestamp = Timestamp(1_767_229_200_000);

    fn pod(metadata: Value, status: Value) -> Pod {
        Pod::from(Object::new(
            POD,
            json!({ "metadata": metadata, "spec": { "nodeName": "node-1" }, "status": status }),
        ))
    }

    fn status(ready: &str, state: Value, restarts: i64, last: Value) -> Value {
        json!({
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:30:00Z", "message": "containers with unready status: [server]" }],
            "containerStatuses": [{ "name": "server", "restartCount": restarts, "state": state, "lastState": last }],
        })
    }

    fn running(since: &str) -> Value {
        json!({ "running": { "startedAt": since } })
    }

    fn exited(at: &str) -> Value {
        json!({ "terminated": { "reason": "OOMKilled", "exitCode": 137, "finishedAt": at } })
    }

    fn troubles(pod: &Pod) -> Vec<&'static str> {
        let all = [
            Trouble::Hung,
            Trouble::CrashLooping,
            Trouble::Terminating,
            Trouble::NotReady,
        ];
        all.into_iter()
            .filter(|trouble| pod.sick(*trouble, NOW, Looping::default()).is_some())
            .map(Trouble::as_str)
            .collect()
    }

    #[test]
    fn each_state_of_a_pod_is_called_what_it_is() {
        let none = json!({});
        let old = running("2026-01-01T00:00:00Z");
        let back_off = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let table: [(&str, Value, Value, &[&str]); 11] = [
            (
                "well",
                none.clone(),
                status("True", old.clone(), 0, none.clone()),
                &[],
            ),
            (
                "runs and does not answer",
                none.clone(),
                status("False", old.clone(), 0, none.clone()),
                &["hung", "not-ready"],
            ),
            (
                "nobody knows",
                none.clone(),
                status("Unknown", old.clone(), 0, none.clone()),
                &["hung", "not-ready"],
            ),
            (
                "backs off",
                none.clone(),
                status("False", back_off, 1, exited("2026-01-01T00:59:00Z")),
                &["crash-looping", "not-ready"],
            ),
            (
                "up again between two crashes",
                none.clone(),
                status(
                    "True",
                    running("2026-01-01T00:59:30Z"),
                    3,
                    exited("2026-01-01T00:59:00Z"),
                ),
                &["crash-looping"],
            ),
            (
                "crashed long ago",
                none.clone(),
                status("True", old.clone(), 9, exited("2026-01-01T00:10:00Z")),
                &[],
            ),
            (
                "restarted twice",
                none.clone(),
                status("True", old.clone(), 2, exited("2026-01-01T00:59:00Z")),
                &[],
            ),
            (
                "no image",
                none.clone(),
                json!({ "phase": "Pending", "containerStatuses": [{ "name": "server", "restartCount": 0, "state": { "waiting": { "reason": "ImagePullBackOff" } } }] }),
                &["not-ready"],
            ),
            (
                "shutting down in time",
                json!({ "deletionTimestamp": "2026-01-01T01:00:20Z" }),
                status("False", old.clone(), 0, none.clone()),
                &[],
            ),
            (
                "should have been gone",
                json!({ "deletionTimestamp": "2026-01-01T00:50:00Z" }),
                status("False", old.clone(), 9, exited("2026-01-01T00:59:00Z")),
                &["terminating"],
            ),
            (
                "finished",
                none,
                json!({ "phase": "Succeeded", "conditions": [{ "type": "Ready", "status": "False" }] }),
                &[],
            ),
        ];
        for (what, metadata, status, expected) in table {
            assert_eq!(troubles(&pod(metadata, status)), expected, "{what}");
        }
    }

    #[test]
    fn a_container_that_was_just_started_again_hangs_from_then_on() {
        let started = pod(
            json!({}),
            status("False", running("2026-01-01T00:58:00Z"), 1, json!({})),
        );
        let sick = started.sick(Trouble::Hung, NOW, Looping::default()).unwrap();
        assert_eq!(sick.lasts(NOW), 120_000);
        let never = pod(
            json!({}),
            status("False", running("2026-01-01T00:00:00Z"), 0, json!({})),
        );
        assert_eq!(
            never
                .sick(Trouble::Hung, NOW, Looping::default())
                .unwrap()
                .lasts(NOW),
            1_800_000
        );
    }

    #[test]
    fn a_gate_of_another_system_is_not_a_hung_container() {
        let mut gated = status("False", running("2026-01-01T00:00:00Z"), 0, json!({}));
        gated["conditions"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "type": "ContainersReady", "status": "True" }));
        assert_eq!(troubles(&pod(json!({}), gated)), ["not-ready"]);
    }

    #[test]
    fn it_says_why_in_words_that_help() {
        let why = |metadata: Value, status: Value, of| {
            pod(metadata, status)
                .sick(of, NOW, Looping::default())
                .unwrap()
                .why
        };
        let late = json!({ "deletionTimestamp": "2026-01-01T00:50:00Z" });
        let held =
            json!({ "deletionTimestamp": "2026-01-01T00:50:00Z", "finalizers": ["example.com/drain"] });
        let unscheduled = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu." }] });
        let table = [
            (
                why(late, json!({}), Trouble::Terminating),
                "the node `node-1` has not said that it is gone",
            ),
            (
                why(held, json!({}), Trouble::Terminating),
                "it is held by the finalizer `example.com/drain`",
            ),
            (
                why(json!({}), unscheduled, Trouble::NotReady),
                "no node takes it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            ),
            (
                why(
                    json!({}),
                    status(
                        "False",
                        json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
                        14,
                        exited("2026-01-01T00:59:00Z"),
                    ),
                    Trouble::CrashLooping,
                ),
                "`server` was started again 14 times, the last time with OOMKilled (137)",
            ),
        ];
        for (said, expected) in table {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_length_of_time_has_at_most_two_units() {
        let table = [
            (0, "0s"),
            (45_999, "45s"),
            (90_000, "1m30s"),
            (720_000, "12m"),
            (11_400_000, "3h10m"),
            (7_200_000, "2h"),
            (187_200_000, "2d4h"),
        ];
        for (ms, said) in table {
            assert_eq!(age(ms), said);
        }
    }
}
