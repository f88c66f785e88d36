//! What the host reads of a live object, and what it takes away before anybody else reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// `kubectl apply` keeps the whole object once more in this annotation, of a Secret its values too.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes away what says who wrote which field, and the copy that `kubectl apply` leaves.
pub(crate) fn tidy(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.remove("managedFields");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}

/// What stands where a value of a Secret is not handed over.
const WITHHELD: &str = "[withheld]";

/// A Secret as its keys: no value of it, and nothing that somebody may have written a value into. Annotations are such a place.
pub(crate) fn keys_only(secret: &Value) -> Value {
    const OF_METADATA: [&str; 7] = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
    ];
    let some = |of: &Value, names: &[&str]| -> Map<String, Value> {
        let kept = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), of.get(name)?.clone())));
        kept.collect()
    };
    let mut keys = some(secret, &["apiVersion", "kind", "type", "immutable"]);
    if let Some(metadata) = secret.get("metadata") {
        keys.insert("metadata".to_owned(), some(metadata, &OF_METADATA).into());
    }
    if let Some(data) = secret.get("data").and_then(Value::as_object) {
        let data: Map<String, Value> = data.keys().map(|key| (key.clone(), WITHHELD.into())).collect();
        keys.insert("data".to_owned(), data.into());
    }
    keys.into()
}

/// A text at a JSON pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A whole number at a JSON pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// How many replicas it is asked for, where it says so.
pub(crate) fn replicas(object: &Value) -> Option<u32> {
    u32::try_from(number(object, "/spec/replicas")?).ok()
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

pub(crate) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Whether it is on its way out: deleted, and not gone yet.
pub(crate) fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The condition of this type.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

/// Whether an object of this resource does its work now: what [`stanch_contract::Population`] counts as Ready.
///
/// A pod: its condition Ready. What keeps replicas: all that it wants, and at least one. Anything else: its condition Ready
/// where it has one, as custom resources by custom do; else that it is there. Never what is being deleted.
pub(crate) fn is_ready(group: &str, resource: &str, object: &Value) -> bool {
    if is_going(object) {
        return false;
    }
    let condition = |kind| condition(object, kind).map(|condition| text(condition, "/status") == "True");
    let replicas = |wanted: &str, ready: &str| {
        let wanted = number(object, wanted).unwrap_or(1);
        let seen = number(object, "/status/observedGeneration") >= number(object, "/metadata/generation");
        seen && wanted > 0 && number(object, ready).unwrap_or(0) >= wanted
    };
    match (group, resource) {
        ("", "pods") => condition("Ready").unwrap_or(false),
        ("apps", "deployments" | "statefulsets" | "replicasets") | ("", "replicationcontrollers") => {
            replicas("/spec/replicas", "/status/readyReplicas")
        }
        ("apps", "daemonsets") => replicas("/status/desiredNumberScheduled", "/status/numberReady"),
        _ => condition("Ready").unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_as_its_keys_has_no_value_wherever_it_was_written() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": { "a": "hunter2" },
            "metadata": { "name": "keys", "uid": "u", "resourceVersion": "7", "labels": { "app": "gateway" },
                          "annotations": { "note": "hunter2" }, "managedFields": [{}] },
            "data": { "a": "aHVudGVyMg==", "b": "" },
        });
        assert_eq!(
            keys_only(&secret),
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": { "name": "keys", "uid": "u", "resourceVersion": "7", "labels": { "app": "gateway" } },
                "data": { "a": "[withheld]", "b": "[withheld]" },
            })
        );
        assert_eq!(
            keys_only(&json!({ "kind": "Secret" })),
            json!({ "kind": "Secret" })
        );
    }

    #[test]
    fn what_nobody_needs_to_see_is_taken_away() {
        let mut object = json!({ "metadata": {
            "name": "a", "managedFields": [{}],
            "annotations": { LAST_APPLIED: "{\"data\":{\"password\":\"aHVudGVyMg==\"}}" },
        } });
        tidy(&mut object);
        assert_eq!(object, json!({ "metadata": { "name": "a" } }));
        let mut other = json!({ "metadata": { "annotations": { "a": "b", LAST_APPLIED: "x" } } });
        tidy(&mut other);
        assert_eq!(other, json!({ "metadata": { "annotations": { "a": "b" } } }));
        tidy(&mut json!("no object"));
    }

    #[test]
    fn ready_means_what_each_kind_says_of_itself() {
        let pod = |status: &str| json!({ "status": { "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": status }] } });
        let mut going = pod("True");
        going["metadata"]["deletionTimestamp"] = json!("2026-11-24T00:00:00Z");
        let replicas = |wanted: i64, ready: i64, seen: i64| {
            json!({ "metadata": { "generation": 2 }, "spec": { "replicas": wanted },
                    "status": { "readyReplicas": ready, "observedGeneration": seen } })
        };
        let daemons = json!({ "status": { "desiredNumberScheduled": 2, "numberReady": 2 } });
        let custom =
            |status: &str| json!({ "status": { "conditions": [{ "type": "Ready", "status": status }] } });
        let table = [
            ("", "pods", pod("True"), true),
            ("", "pods", pod("False"), false),
            ("", "pods", pod("Unknown"), false),
            ("", "pods", json!({}), false),
            ("", "pods", going.clone(), false),
            ("apps", "deployments", replicas(3, 3, 2), true),
            ("apps", "deployments", replicas(3, 2, 2), false),
            // What it says is about an older wish.
            ("apps", "deployments", replicas(3, 3, 1), false),
            ("apps", "statefulsets", replicas(0, 0, 2), false),
            ("apps", "daemonsets", daemons, true),
            ("", "nodes", custom("True"), true),
            ("", "nodes", custom("Unknown"), false),
            ("example.com", "caches", custom("False"), false),
            ("", "configmaps", json!({ "data": {} }), true),
            (
                "",
                "configmaps",
                json!({ "metadata": { "deletionTimestamp": "x" } }),
                false,
            ),
        ];
        for (group, resource, object, ready) in table {
            assert_eq!(
                is_ready(group, resource, &object),
                ready,
                "{group} {resource} {object}"
            );
        }
    }
}
