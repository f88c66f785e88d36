//! One object, with small views of what most plugins read.

use serde_json::Value;
use stanch_contract::Timestamp;

use super::{Kind, Named};

/// An object as the API server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    kind: Kind,
    value: Value,
}

/// What made an object and puts another in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// `apps/v1`.
    pub api_version: String,
    /// `ReplicaSet`.
    pub kind: String,
    /// Its name, in the same namespace.
    pub name: String,
    /// Which one it is.
    pub uid: String,
}

impl std::fmt::Display for Owner {
    /// `ReplicaSet/worker-7d4f`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Object {
    /// An object of this kind.
    pub fn new(kind: Kind, value: Value) -> Self {
        Self { kind, value }
    }

    /// Its kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// All of it.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What is at a JSON pointer (RFC 6901): `/spec/replicas`. Null where nothing is.
    pub fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text there; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The whole number there.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).as_i64()
    }

    /// The time there.
    pub fn time(&self, pointer: &str) -> Option<Timestamp> {
        time(self.at(pointer))
    }

    /// What it is called.
    pub fn named(&self) -> Named {
        Named {
            kind: self.kind.clone(),
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Its namespace.
    pub fn namespace(&self) -> Option<&str> {
        self.at("/metadata/namespace").as_str()
    }

    /// Which one it is: another object of the same name has another.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// Which state of it this is.
    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// When it was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.time("/metadata/creationTimestamp")
    }

    /// By when it was to be gone: set where it is being deleted.
    pub fn gone_by(&self) -> Option<Timestamp> {
        self.time("/metadata/deletionTimestamp")
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.at("/metadata/labels").get(name)?.as_str()
    }

    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.at("/metadata/annotations").get(name)?.as_str()
    }

    /// The controller that made it.
    pub fn controller(&self) -> Option<Owner> {
        let owners = self.at("/metadata/ownerReferences").as_array()?;
        let owner = owners
            .iter()
            .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
        let text = |name: &str| {
            owner
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Some(Owner {
            api_version: text("apiVersion"),
            kind: text("kind"),
            name: text("name"),
            uid: text("uid"),
        })
    }
}

/// A time as Kubernetes writes it: RFC 3339, with or without a fraction.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::POD;
    use serde_json::json;

    #[test]
    fn what_is_not_there_is_empty_and_nothing_is_guessed() {
        let bare = Object::new(POD, json!({ "metadata": { "name": "a" } }));
        assert_eq!((bare.name(), bare.uid(), bare.namespace()), ("a", "", None));
        assert_eq!(
            (bare.created(), bare.controller(), bare.label("app")),
            (None, None, None)
        );
        assert_eq!(bare.number("/spec/replicas"), None);
    }

    #[test]
    fn the_owner_is_the_controller_and_not_whoever_else_holds_a_reference() {
        let owner = |kind: &str, controller: Option<bool>| json!({ "apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "u", "controller": controller });
        let owned = |owners: Value| {
            Object::new(POD, json!({ "metadata": { "ownerReferences": owners } })).controller()
        };
        let found = owned(json!([owner("Other", None), owner("ReplicaSet", Some(true))])).unwrap();
        assert_eq!(found.to_string(), "ReplicaSet/x");
        assert_eq!(owned(json!([owner("Other", Some(false))])), None);
    }

    #[test]
    fn times_are_read_with_and_without_a_fraction() {
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"] {
            assert_eq!(time(&json!(text)), Some(Timestamp(1_767_225_600_000)), "{text}");
        }
    }
}
