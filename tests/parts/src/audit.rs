//! The API server's audit log: what was asked for, by whom, and how it was answered.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::PartError;
use crate::control_plane::ControlPlane;
use crate::people::User;
use crate::wait::until;

/// A request that the API server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `get`, `list`, `create`, `patch`, `delete`, …
    pub verb: String,
    /// The path with the query.
    pub path: String,
    /// `NAMESPACE/RESOURCE/NAME/SUBRESOURCE`, without what is not there; none where the path is of no resource.
    pub object: Option<String>,
    /// The status of the answer.
    pub status: u64,
    /// What was sent, as the API server understood it.
    pub sent: Value,
    /// Whether it was sent as a dry run.
    pub dry_run: bool,
}

impl Call {
    /// Whether it was to change something.
    pub fn is_change(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && !self.dry_run && self.object.is_some()
    }

    fn of(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let path = text("/requestURI").unwrap_or_default().to_owned();
        let object = event.get("objectRef").map(|object| {
            let parts = ["namespace", "resource", "name", "subresource"];
            let parts = parts.iter().filter_map(|part| object.get(*part)?.as_str());
            parts.collect::<Vec<_>>().join("/")
        });
        // Evictions say it in the options of the deletion, deletions in what they send.
        let asks_only = ["/requestObject/dryRun", "/requestObject/deleteOptions/dryRun"]
            .map(|pointer| event.pointer(pointer).filter(|value| !value.is_null()));
        Self {
            verb: text("/verb").unwrap_or_default().to_owned(),
            dry_run: path.contains("dryRun=All") || asks_only.into_iter().flatten().next().is_some(),
            path,
            // What a user asks about his own rights is about no object.
            object: object.filter(|object| !object.contains("subjectaccessreviews")),
            status: event
                .pointer("/responseStatus/code")
                .and_then(Value::as_u64)
                .unwrap_or(0),
            sent: event.get("requestObject").cloned().unwrap_or(Value::Null),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object.as_ref().unwrap_or(&self.path);
        write!(f, "{} {object} → {}", self.verb, self.status)
    }
}

/// What somebody asked for until now. A request is written down only once it is answered, so another one is made, and
/// waited for in the log: those before it are there then.
pub(crate) fn calls(plane: &ControlPlane, log: &Path, user: User) -> Result<Vec<Call>, PartError> {
    static MARKS: AtomicU32 = AtomicU32::new(0);
    let mark = format!("/version?mark={}", MARKS.fetch_add(1, Ordering::Relaxed));
    plane.api(User::Stranger)?.get(&mark)?.good()?;
    let text = until("the audit log", || {
        let text = std::fs::read_to_string(log).ok()?;
        text.contains(&format!("{mark}\"")).then_some(text)
    })?;
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = events.filter(|event| {
        event.pointer("/user/username").and_then(Value::as_str) == Some(user.name())
            && event.get("stage").and_then(Value::as_str) == Some("ResponseComplete")
    });
    let calls = own.map(|event| Call::of(&event));
    Ok(calls
        .filter(|call| !call.path.starts_with("/version?mark="))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(verb: &str, path: &str, object: Value) -> Value {
        json!({ "verb": verb, "requestURI": path, "objectRef": object, "responseStatus": { "code": 201 } })
    }

    #[test]
    fn a_call_is_named_by_its_verb_and_the_object_it_was_about() {
        let object =
            json!({ "resource": "pods", "namespace": "shop", "name": "a", "subresource": "eviction" });
        let path = "/api/v1/namespaces/shop/pods/a/eviction";
        let call = Call::of(&event("create", path, object));
        assert_eq!(call.to_string(), "create shop/pods/a/eviction → 201");
        assert!(call.is_change());
    }

    #[test]
    fn what_only_looks_or_only_asks_what_would_be_is_no_change() {
        let pods = json!({ "resource": "pods", "namespace": "shop" });
        let path = "/api/v1/namespaces/shop/pods";
        assert!(!Call::of(&event("list", path, pods.clone())).is_change());
        assert!(!Call::of(&event("delete", &format!("{path}/a?dryRun=All"), pods.clone())).is_change());
        let mut evicts = event("create", &format!("{path}/a/eviction"), pods);
        evicts["requestObject"] = json!({ "deleteOptions": { "dryRun": ["All"] } });
        assert!(!Call::of(&evicts).is_change());
        evicts["requestObject"] = json!({ "deleteOptions": { "preconditions": { "uid": "a" } } });
        assert!(Call::of(&evicts).is_change());
        let may = json!({ "resource": "selfsubjectaccessreviews", "apiGroup": "authorization.k8s.io" });
        assert!(!Call::of(&event("create", "/apis/authorization.k8s.io", may)).is_change());
    }
}
