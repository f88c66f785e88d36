//! A pod: what its status says, in the words that decisions are made of.

use std::ops::Deref;

use serde_json::{Map, Value};
use stanch_contract::Timestamp;

use super::object::time;
use super::{Object, POD};

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod(Object);

/// The condition Ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Whether it is.
    pub is: bool,
    /// Since when it is so; from its creation where it says nothing yet.
    pub since: Option<Timestamp>,
    /// The kubelet's words, where it is not.
    pub why: String,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it runs before the others.
    pub init: bool,
    /// How often it was started again.
    pub restarts: i64,
    /// What it does now.
    pub run: Run<'a>,
    /// How the instance before this one ended.
    pub last: Option<Exit<'a>>,
}

/// What a container does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run<'a> {
    /// It runs.
    Running {
        /// Since then.
        since: Option<Timestamp>,
    },
    /// It is not started.
    Waiting {
        /// `CrashLoopBackOff`, `ImagePullBackOff`.
        reason: &'a str,
        /// More of it.
        message: &'a str,
    },
    /// It ended.
    Exited(Exit<'a>),
    /// It does not say.
    Unknown,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit<'a> {
    /// `OOMKilled`, `Error`, `Completed`.
    pub reason: &'a str,
    /// Its exit code.
    pub code: i64,
    /// When.
    pub at: Option<Timestamp>,
}

impl std::fmt::Display for Exit<'_> {
    /// `OOMKilled (137)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = if self.reason.is_empty() {
            "exit"
        } else {
            self.reason
        };
        write!(f, "{reason} ({})", self.code)
    }
}

impl From<Object> for Pod {
    fn from(object: Object) -> Self {
        Self(object)
    }
}

impl Deref for Pod {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl Pod {
    /// Only what this module reads of it: a list of a thousand whole pods does not fit a plugin's memory.
    pub fn lean(self) -> Self {
        let keep = |from: &Value, names: &[&str]| -> Value {
            let mut members = Map::new();
            for name in names {
                if let Some(value) = from.get(*name) {
                    members.insert((*name).to_owned(), value.clone());
                }
            }
            Value::Object(members)
        };
        let mut lean = Map::new();
        let mut metadata = keep(
            self.at("/metadata"),
            &[
                "name",
                "namespace",
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "deletionTimestamp",
                "labels",
                "ownerReferences",
                "finalizers",
            ],
        );
        if self.is_static()
            && let Some(metadata) = metadata.as_object_mut()
        {
            metadata.insert("annotations".to_owned(), serde_json::json!({ MIRROR: "" }));
        }
        lean.insert("metadata".to_owned(), metadata);
        let mut spec = keep(self.at("/spec"), &["nodeName"]);
        let names = self.at("/spec/containers").as_array().into_iter().flatten();
        let names = names.map(|container| keep(container, &["name"])).collect();
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("containers".to_owned(), Value::Array(names));
        }
        lean.insert("spec".to_owned(), spec);
        let status = [
            "phase",
            "reason",
            "message",
            "conditions",
            "containerStatuses",
            "initContainerStatuses",
        ];
        lean.insert("status".to_owned(), keep(self.at("/status"), &status));
        Self(Object::new(POD, Value::Object(lean)))
    }

    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub fn phase(&self) -> &str {
        self.text("/status/phase")
    }

    /// Whether it has run to its end, good or bad: nothing runs in it any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase(), "Succeeded" | "Failed")
    }

    /// The node that it is on.
    pub fn node(&self) -> Option<&str> {
        self.at("/spec/nodeName").as_str()
    }

    /// What its containers are called, those that run before the others not among them.
    pub fn container_names(&self) -> impl Iterator<Item = &str> {
        let containers = self.at("/spec/containers").as_array().into_iter().flatten();
        containers.filter_map(|container| container.get("name")?.as_str())
    }

    /// What keeps it from being removed, besides its node.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        let finalizers = self.at("/metadata/finalizers").as_array().into_iter().flatten();
        finalizers.filter_map(Value::as_str)
    }

    /// Whether it only mirrors what a node runs by itself: deleting it changes nothing.
    pub fn is_static(&self) -> bool {
        self.annotation(MIRROR).is_some()
    }

    fn condition(&self, kind: &str) -> Option<&Value> {
        let conditions = self.at("/status/conditions").as_array()?;
        conditions
            .iter()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
    }

    /// Whether a condition is `True`; none where it is not there, or nobody knows.
    pub fn has(&self, condition: &str) -> Option<bool> {
        match self.condition(condition)?.get("status")?.as_str()? {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }

    /// The condition Ready. A pod that is being deleted is not taken for Ready, whatever it still says.
    pub fn ready(&self) -> Ready {
        let condition = self.condition("Ready");
        let text = |name: &str| condition.and_then(|condition| condition.get(name)?.as_str());
        let since = condition
            .and_then(|condition| time(condition.get("lastTransitionTime")?))
            .or_else(|| self.created());
        let is = text("status") == Some("True") && self.gone_by().is_none();
        let why = match (is, text("message"), text("reason")) {
            (true, _, _) => String::new(),
            (false, Some(message), _) if !message.is_empty() => message.to_owned(),
            (false, _, reason) => reason.unwrap_or_default().to_owned(),
        };
        Ready { is, since, why }
    }

    /// Its containers, those that run before the others first.
    pub fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        let of = |pointer: &str, init: bool| {
            let statuses = self.at(pointer).as_array().into_iter().flatten();
            statuses.map(move |status| container(status, init))
        };
        of("/status/initContainerStatuses", true).chain(of("/status/containerStatuses", false))
    }

    /// How often its containers were started again.
    pub fn restarts(&self) -> i64 {
        self.containers().map(|container| container.restarts).sum()
    }
}

const MIRROR: &str = "kubernetes.io/config.mirror";

fn container(status: &Value, init: bool) -> Container<'_> {
    let state = status.get("state");
    let member = |name: &str| state.and_then(|state| state.get(name));
    let run = if let Some(running) = member("running") {
        Run::Running {
            since: running.get("startedAt").and_then(time),
        }
    } else if let Some(waiting) = member("waiting") {
        Run::Waiting {
            reason: text(waiting, "reason"),
            message: text(waiting, "message"),
        }
    } else if let Some(exited) = member("terminated") {
        Run::Exited(exit(exited))
    } else {
        Run::Unknown
    };
    Container {
        name: text(status, "name"),
        init,
        restarts: status.get("restartCount").and_then(Value::as_i64).unwrap_or(0),
        run,
        last: status.pointer("/lastState/terminated").map(exit),
    }
}

fn exit(value: &Value) -> Exit<'_> {
    Exit {
        reason: text(value, "reason"),
        code: value.get("exitCode").and_then(Value::as_i64).unwrap_or(0),
        at: value.get("finishedAt").and_then(time),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: Value) -> Pod {
        Pod::from(Object::new(POD, value))
    }

    #[test]
    fn what_a_pod_says_is_read_and_a_lean_one_says_the_same() {
        let whole = pod(json!({
            "metadata": { "name": "a", "namespace": "n", "uid": "u", "annotations": { "big": "x" }, "finalizers": ["f"] },
            "spec": { "nodeName": "node-1", "volumes": [1, 2], "containers": [{ "name": "server", "image": "x" }] },
            "status": {
                "phase": "Running",
                "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "containers with unready status: [server]" }],
                "containerStatuses": [{
                    "name": "server", "restartCount": 3, "state": { "running": { "startedAt": "2026-01-01T00:00:01Z" } },
                    "lastState": { "terminated": { "reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z" } },
                }],
            },
        }));
        let lean = whole.clone().lean();
        assert!(lean.value().to_string().len() < whole.value().to_string().len());
        for pod in [whole, lean] {
            assert_eq!(
                (pod.node(), pod.phase(), pod.restarts()),
                (Some("node-1"), "Running", 3)
            );
            let ready = pod.ready();
            assert_eq!(
                (ready.is, ready.since),
                (false, Some(Timestamp(1_767_225_600_000)))
            );
            let [server] = pod.containers().collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(server.last.unwrap().to_string(), "OOMKilled (137)");
            assert!(matches!(server.run, Run::Running { since: Some(_) }));
            assert_eq!(pod.container_names().collect::<Vec<_>>(), ["server"]);
            assert_eq!(pod.finalizers().collect::<Vec<_>>(), ["f"]);
        }
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_not_taken_for_ready() {
        let status = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        assert!(pod(json!({ "status": status })).ready().is);
        let leaving =
            json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": status });
        assert!(!pod(leaving).ready().is);
    }

    #[test]
    fn a_lean_static_pod_is_still_known_for_one() {
        let mirror = pod(json!({ "metadata": { "name": "etcd", "annotations": { MIRROR: "abc" } } }));
        assert!(mirror.lean().is_static());
    }
}
