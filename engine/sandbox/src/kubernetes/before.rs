//! What the host tells people of an object as it is before a change: what matters of its kind, never what is secret.

use serde_json::Value;
use stanch_contract::text;

use super::content::{Content, PatchKind};
use super::differences::value;
use super::object;
use super::target::ObjectTarget;

/// Touched fields that are shown.
const MOST_FIELDS: usize = 8;

/// The object in a sentence, and for a patch what its fields have now.
pub(crate) fn told(target: &ObjectTarget, content: &Content, live: &Value) -> String {
    let mut parts = vec![state(target, live)];
    if object::is_going(live) {
        let since = object::text(live, "/metadata/deletionTimestamp");
        parts.push(format!("being deleted, due {since}"));
    }
    parts.push(format!(
        "created {}",
        object::text(live, "/metadata/creationTimestamp")
    ));
    let owners = live
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    if let Some(owner) = owners.and_then(|owners| owners.first()) {
        let (kind, name) = (object::text(owner, "/kind"), object::text(owner, "/name"));
        parts.push(format!("of {kind} {name}"));
    }
    if let Content::Patch { kind, body } = content {
        match target.place.resource.as_str() {
            // Of a Secret it takes keys away: whether they are there says enough.
            "secrets" => parts.extend(fields(*kind, body, &object::keys_only(live))),
            _ => parts.extend(fields(*kind, body, live)),
        }
    }
    text::clean_line_to(&parts.join(", "), 600)
}

fn state(target: &ObjectTarget, live: &Value) -> String {
    let ready = |yes: bool| if yes { "Ready" } else { "not Ready" };
    let whole = |pointer| object::number(live, pointer).unwrap_or(0);
    let place = &target.place;
    match (place.group.as_str(), place.resource.as_str()) {
        ("", "pods") => {
            let condition = object::condition(live, "Ready");
            let is_ready = condition.is_some_and(|condition| object::text(condition, "/status") == "True");
            let since = condition.map_or("", |condition| object::text(condition, "/lastTransitionTime"));
            let restarts: i64 = live
                .pointer("/status/containerStatuses")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|status| object::number(status, "/restartCount"))
                .sum();
            let mut words = vec![object::text(live, "/status/phase").to_owned()];
            words.push(match since {
                "" => ready(is_ready).to_owned(),
                since => format!("{} since {since}", ready(is_ready)),
            });
            if restarts > 0 {
                words.push(format!("{restarts} restarts"));
            }
            let node = object::text(live, "/spec/nodeName");
            if !node.is_empty() {
                words.push(format!("on {node}"));
            }
            words.join(", ")
        }
        ("apps", "deployments" | "statefulsets" | "replicasets") => format!(
            "{} wanted, {} Ready",
            object::number(live, "/spec/replicas").unwrap_or(1),
            whole("/status/readyReplicas")
        ),
        ("apps", "daemonsets") => format!(
            "{} wanted, {} Ready",
            whole("/status/desiredNumberScheduled"),
            whole("/status/numberReady")
        ),
        ("", "secrets") => {
            let keys = live
                .get("data")
                .and_then(Value::as_object)
                .map_or(0, |data| data.len());
            format!(
                "a Secret of type {} with {keys} keys",
                object::text(live, "/type")
            )
        }
        (group, resource) => match object::condition(live, "Ready") {
            Some(_) => ready(object::is_ready(group, resource, live)).to_owned(),
            None => object::text(live, "/kind").to_owned(),
        },
    }
}

/// What the fields that a patch names have now, one text each.
fn fields(kind: PatchKind, body: &Value, live: &Value) -> Vec<String> {
    let mut pointers = Vec::new();
    if kind == PatchKind::Json {
        let operations = body.as_array().into_iter().flatten();
        let changing = operations.filter(|operation| object::text(operation, "/op") != "test");
        pointers.extend(changing.map(|operation| object::text(operation, "/path").to_owned()));
    } else {
        leaves(body, String::new(), &mut pointers);
    }
    pointers.dedup();
    let left = pointers.len().saturating_sub(MOST_FIELDS);
    let told = pointers.iter().take(MOST_FIELDS).map(|pointer| {
        let now = live
            .pointer(pointer)
            .map_or_else(|| "not there".to_owned(), value);
        let path = pointer
            .trim_start_matches('/')
            .replace('/', ".")
            .replace("~1", "/")
            .replace("~0", "~");
        format!("{path} is {now}")
    });
    let mut told: Vec<String> = told.collect();
    if left > 0 {
        told.push(format!("… and {left} fields more"));
    }
    told
}

/// The pointers to what a merge patch sets; what it is about (names, versions) is not part of it.
fn leaves(patch: &Value, at: String, out: &mut Vec<String>) {
    const ABOUT: [&str; 4] = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
    if out.len() > 100 || ABOUT.contains(&at.as_str()) {
        return;
    }
    match patch {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(member, format!("{at}/{name}"), out);
            }
        }
        _ if at.is_empty() => {}
        _ => out.push(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(text: &str) -> ObjectTarget {
        ObjectTarget::parse(text, "patch").unwrap()
    }

    #[test]
    fn a_pod_is_told_with_what_a_person_looks_at_first() {
        let pod = json!({
            "metadata": { "creationTimestamp": "2026-11-24T01:00:00Z",
                          "ownerReferences": [{ "kind": "ReplicaSet", "name": "worker-5d9" }] },
            "spec": { "nodeName": "node-1" },
            "status": { "phase": "Running", "containerStatuses": [{ "restartCount": 4 }, { "restartCount": 1 }],
                        "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T02:00:00Z" }] },
        });
        assert_eq!(
            told(
                &target("kubernetes:a/_/pods/b"),
                &Content::Evict { grace: None },
                &pod
            ),
            "Running, not Ready since 2026-11-24T02:00:00Z, 5 restarts, on node-1, created 2026-11-24T01:00:00Z, of ReplicaSet worker-5d9"
        );
    }

    #[test]
    fn a_patch_is_told_with_what_its_fields_have_now() {
        let live = json!({
            "kind": "ConfigMap", "metadata": { "creationTimestamp": "2026-11-24T01:00:00Z", "labels": { "a.b/c": "old" } },
            "data": { "mode": "fast" },
        });
        let body =
            json!({ "metadata": { "labels": { "a.b/c": "new" } }, "data": { "mode": "slow", "more": "x" } });
        let merge = Content::Patch {
            kind: PatchKind::Merge,
            body,
        };
        assert_eq!(
            told(&target("kubernetes:a/_/configmaps/b"), &merge, &live),
            r#"ConfigMap, created 2026-11-24T01:00:00Z, data.mode is "fast", data.more is not there, metadata.labels.a.b/c is "old""#
        );
        let body = json!([{ "op": "test", "path": "/data/x", "value": 1 }, { "op": "remove", "path": "/data/mode" }]);
        let json_patch = Content::Patch {
            kind: PatchKind::Json,
            body,
        };
        assert!(
            told(&target("kubernetes:a/_/configmaps/b"), &json_patch, &live)
                .ends_with(r#"data.mode is "fast""#)
        );
    }

    #[test]
    fn a_secret_is_told_without_its_values() {
        let live = json!({ "kind": "Secret", "type": "Opaque", "metadata": { "creationTimestamp": "t" },
                           "data": { "password": "aHVudGVyMg==" } });
        let before = told(
            &target("kubernetes:a/_/secrets/b"),
            &Content::Delete { grace: None },
            &live,
        );
        assert_eq!(before, "a Secret of type Opaque with 1 keys, created t");
        let takes_away = Content::Patch {
            kind: PatchKind::Merge,
            body: json!({ "data": { "password": null, "other": null } }),
        };
        assert_eq!(
            told(&target("kubernetes:a/_/secrets/b"), &takes_away, &live),
            r#"a Secret of type Opaque with 1 keys, created t, data.other is not there, data.password is "[withheld]""#
        );
    }

    #[test]
    fn what_keeps_replicas_and_what_says_ready_is_told_so() {
        let deployment = json!({ "spec": { "replicas": 3 }, "status": { "readyReplicas": 2 },
                                 "metadata": { "creationTimestamp": "t" } });
        assert!(
            told(
                &target("kubernetes:a/apps/deployments/b"),
                &Content::Scale { replicas: 5 },
                &deployment
            )
            .starts_with("3 wanted, 2 Ready, ")
        );
        let node = json!({ "kind": "Node", "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
                           "metadata": { "creationTimestamp": "t", "deletionTimestamp": "u" } });
        assert!(
            told(
                &target("kubernetes:_/_/nodes/b"),
                &Content::Delete { grace: None },
                &node
            )
            .starts_with("not Ready, being deleted, due u, ")
        );
    }
}
