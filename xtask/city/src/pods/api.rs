//! What the API answers: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/> and its neighbours, of
//! pods in the namespace `inference`.

use std::time::Instant;

use serde_json::{Value, json};
use stanch_outside::alertmanager::later;
use stanch_outside::http::Message;

use super::{MUST_STAY, Pod, State};

/// What the demo's kubeconfig has.
pub(crate) const TOKEN: &str = "a-token-for-the-city-only";
/// Seconds that a pod has to shut down.
const GRACE: u64 = 30;
const PODS: &str = "/api/v1/namespaces/inference/pods";

type Answer = (u16, String);

pub(super) fn answered(state: &mut State, request: &Message) -> Answer {
    let bearer = request.headers.get("authorization").map(String::as_str);
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return status(401, "Unauthorized", "Unauthorized", Value::Null);
    }
    state.settle();
    let (method, whole) = request.asked();
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    let one = path.strip_prefix(PODS).and_then(|rest| rest.strip_prefix('/'));
    let words: Vec<&str> = one.into_iter().flat_map(|rest| rest.split('/')).collect();
    match (method, path, words.as_slice()) {
        ("GET", "/api/v1", _) => (200, kinds().to_string()),
        ("GET", "/apis", _) => (200, json!({ "kind": "APIGroupList", "groups": [] }).to_string()),
        ("GET", "/api/v1/namespaces/kube-system", _) => {
            let metadata =
                json!({ "name": "kube-system", "uid": format!("{:08x}-city", std::process::id()) });
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
            (200, namespace.to_string())
        }
        ("GET", "/api/v1/namespaces/inference/events", _) => (200, list("EventList", Vec::new())),
        ("GET", PODS, _) => match selected(query) {
            Ok(true) => (200, list("PodList", state.pods.iter().map(object).collect())),
            Ok(false) => (200, list("PodList", Vec::new())),
            Err(why) => status(400, "BadRequest", &why, Value::Null),
        },
        ("GET", _, [name]) => match state.pods.iter().find(|pod| pod.name == *name) {
            Some(pod) => (200, object(pod).to_string()),
            None => not_found(name),
        },
        ("GET", _, [name, "log"]) => match state.pods.iter().find(|pod| pod.name == *name) {
            Some(_) if asks(query, "previous", "true") => {
                let why = format!("previous terminated container \"main\" in pod \"{name}\" not found");
                status(400, "BadRequest", &why, Value::Null)
            }
            Some(pod) => (200, log(pod)),
            None => not_found(name),
        },
        ("POST", _, [name, "eviction"]) => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            evicted(state, name, &body, asks(query, "dryRun", "All"))
        }
        _ => status(
            404,
            "NotFound",
            "the server could not find the requested resource",
            Value::Null,
        ),
    }
}

/// An eviction: only of the pod that is meant, and only while the budget has one to give.
fn evicted(state: &mut State, name: &str, body: &Value, dry: bool) -> Answer {
    let ready = state.ready();
    let Some(pod) = state.pods.iter_mut().find(|pod| pod.name == name) else {
        return not_found(name);
    };
    let options = body.get("deleteOptions").unwrap_or(&Value::Null);
    let wanted = options.pointer("/preconditions/uid").and_then(Value::as_str);
    if wanted.is_some_and(|uid| uid != pod.uid) {
        let why = format!(
            "Operation cannot be fulfilled on Pod \"{name}\": Precondition failed: UID in precondition: {}, UID in object meta: {}",
            wanted.unwrap_or_default(),
            pod.uid
        );
        return status(409, "Conflict", &why, Value::Null);
    }
    if pod.is_ready() && ready <= MUST_STAY {
        let causes = json!({ "causes": [{
            "reason": "DisruptionBudget",
            "message": format!("The disruption budget llm needs {MUST_STAY} healthy pods and has {ready} currently"),
        }] });
        let why = "Cannot evict pod as it would violate the pod's disruption budget.";
        return status(429, "TooManyRequests", why, causes);
    }
    let in_options = options
        .get("dryRun")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|word| word == "All"));
    if !dry && !in_options && pod.going.is_none() {
        pod.going = Some((Instant::now(), later(GRACE).unwrap_or_default()));
        state.made += 1;
        pod.version = state.made;
    }
    let success =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    (201, success.to_string())
}

fn kinds() -> Value {
    let kind = |name: &str, kind: &str, namespaced: bool| json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"] });
    json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [
        kind("pods", "Pod", true),
        kind("pods/eviction", "Eviction", true),
        kind("pods/log", "Pod", true),
        kind("events", "Event", true),
        kind("namespaces", "Namespace", false),
    ] })
}

fn object(pod: &Pod) -> Value {
    let is = if pod.is_ready() { "True" } else { "False" };
    let mut metadata = json!({
        "name": pod.name, "namespace": "inference", "uid": pod.uid, "resourceVersion": pod.version.to_string(),
        "creationTimestamp": pod.created, "labels": { "app": "llm" },
        "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "llm", "uid": "llm-of-the-city", "controller": true,
        }],
    });
    if let (Some((_, by)), Some(metadata)) = (&pod.going, metadata.as_object_mut()) {
        metadata.insert("deletionTimestamp".to_owned(), json!(by));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(GRACE));
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": { "nodeName": "city", "containers": [{ "name": "main", "image": "llm" }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": is, "lastTransitionTime": pod.ready_since }],
            "containerStatuses": [{
                "name": "main", "ready": pod.is_ready(), "restartCount": 0, "image": "llm", "imageID": "", "started": true,
                "state": { "running": { "startedAt": pod.created } },
            }],
        },
    })
}

fn log(pod: &Pod) -> String {
    let last = if pod.unanswered > 0 {
        format!("{} prompts taken, none answered\n", pod.unanswered)
    } else {
        String::new()
    };
    format!(
        "{}: the model is loaded\n{} prompts answered\n{last}",
        pod.created, pod.answered
    )
}

/// Whether the pods' labels fit: they are all `app=llm`.
fn selected(query: &str) -> Result<bool, String> {
    let selector = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="));
    let selector = selector
        .unwrap_or_default()
        .replace("%3D", "=")
        .replace("%2C", ",");
    let mut fits = true;
    for one in selector.split(',').filter(|one| !one.is_empty()) {
        match one.split_once('=') {
            Some((key, value)) if !key.ends_with('!') => {
                fits &= (key, value.trim_start_matches('=')) == ("app", "llm")
            }
            _ => return Err(format!("this city knows no selector `{one}`")),
        }
    }
    Ok(fits)
}

fn asks(query: &str, name: &str, value: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split_once('=') == Some((name, value)))
}

fn list(kind: &str, items: Vec<Value>) -> String {
    json!({ "kind": kind, "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
        .to_string()
}

fn not_found(name: &str) -> Answer {
    status(
        404,
        "NotFound",
        &format!("pods \"{name}\" not found"),
        Value::Null,
    )
}

fn status(code: u16, reason: &str, message: &str, details: Value) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code,
    });
    (code, status.to_string())
}
