//! The changes that there are, in the words of a call and of a plan.

use serde_json::{Value, json};
use stanch_contract::canonical;

use crate::{Failure, FailureContext};

/// One change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Deletes it.
    Delete {
        /// How long it may take to shut down; its own time where it is not said. 0 does not wait for the node.
        grace_seconds: Option<u32>,
    },
    /// Deletes a pod as far as its PodDisruptionBudgets allow.
    Evict {
        /// As for a deletion.
        grace_seconds: Option<u32>,
    },
    /// Changes some of its fields.
    Patch(Patch),
    /// Creates it with this body.
    Create(Value),
    /// Sets the number of its replicas.
    Scale {
        /// How many.
        replicas: u32,
    },
}

/// Fields to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What the body is.
    pub kind: PatchKind,
    /// The body.
    pub body: Value,
}

/// What the body of a patch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON merge patch (RFC 7386): members replace members, null removes one.
    Merge,
    /// Kubernetes' own, which knows how lists are merged. Not for custom resources.
    Strategic,
    /// JSON patch (RFC 6902): a list of operations.
    Json,
    /// Server-side apply: what this manager wants of the object.
    Apply,
}

impl PatchKind {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Strategic => "strategic",
            Self::Json => "json",
            Self::Apply => "apply",
        }
    }

    fn from_contract(word: &str) -> Option<Self> {
        [Self::Merge, Self::Strategic, Self::Json, Self::Apply]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl Patch {
    /// A JSON merge patch (RFC 7386).
    pub fn merge(body: Value) -> Self {
        Self {
            kind: PatchKind::Merge,
            body,
        }
    }

    /// A strategic merge patch.
    pub fn strategic(body: Value) -> Self {
        Self {
            kind: PatchKind::Strategic,
            body,
        }
    }

    /// A JSON patch (RFC 6902).
    pub fn json(operations: Value) -> Self {
        Self {
            kind: PatchKind::Json,
            body: operations,
        }
    }

    /// A server-side apply.
    pub fn apply(body: Value) -> Self {
        Self {
            kind: PatchKind::Apply,
            body,
        }
    }
}

impl Change {
    /// The contract's word.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Evict { .. } => "evict",
            Self::Patch(_) => "patch",
            Self::Create(_) => "create",
            Self::Scale { .. } => "scale",
        }
    }

    /// For people, of the change under way.
    pub(crate) fn doing(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "deleting",
            Self::Evict { .. } => "evicting",
            Self::Patch(_) => "patching",
            Self::Create(_) => "creating",
            Self::Scale { .. } => "scaling",
        }
    }

    /// For people, of the change that was made.
    pub(crate) fn done(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "Deleted",
            Self::Evict { .. } => "Evicted",
            Self::Patch(_) => "Patched",
            Self::Create(_) => "Created",
            Self::Scale { .. } => "Scaled",
        }
    }

    /// A plan's content: canonical JSON, or none where there is nothing to say.
    pub(crate) fn content(&self) -> Option<String> {
        let content = match self {
            Self::Delete { grace_seconds } | Self::Evict { grace_seconds } => {
                json!({ "graceSeconds": (*grace_seconds)? })
            }
            Self::Patch(patch) => json!({ "kind": patch.kind.as_str(), "body": patch.body }),
            Self::Create(body) => json!({ "body": body }),
            Self::Scale { replicas } => json!({ "replicas": replicas }),
        };
        Some(canonical::to_string(&content))
    }

    /// From a plan's words.
    pub(crate) fn from_plan(verb: &str, content: Option<&str>) -> Result<Self, Failure> {
        let content: Value = serde_json::from_str(content.unwrap_or("{}")).context("the plan's content")?;
        let number = |name: &str| {
            content
                .get(name)
                .and_then(Value::as_u64)
                .and_then(|number| u32::try_from(number).ok())
        };
        let body = || content.get("body").cloned();
        let missing = || format!("the plan's content of `{verb}` is not whole");
        Ok(match verb {
            "delete" => Self::Delete {
                grace_seconds: number("graceSeconds"),
            },
            "evict" => Self::Evict {
                grace_seconds: number("graceSeconds"),
            },
            "scale" => Self::Scale {
                replicas: number("replicas").context(missing())?,
            },
            "create" => Self::Create(body().context(missing())?),
            "patch" => {
                let kind = content
                    .get("kind")
                    .and_then(Value::as_str)
                    .and_then(PatchKind::from_contract);
                Self::Patch(Patch {
                    kind: kind.context(missing())?,
                    body: body().context(missing())?,
                })
            }
            other => {
                return Err(Failure::failed(format!(
                    "The kit does not know how to `{other}` an object"
                )));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_back_from_a_plan() {
        let table = [
            (Change::Evict { grace_seconds: None }, None),
            (
                Change::Delete {
                    grace_seconds: Some(0),
                },
                Some(r#"{"graceSeconds":0}"#),
            ),
            (Change::Scale { replicas: 5 }, Some(r#"{"replicas":5}"#)),
            (
                Change::Patch(Patch::merge(json!({ "data": { "b": 1, "a": null } }))),
                Some(r#"{"body":{"data":{"a":null,"b":1}},"kind":"merge"}"#),
            ),
            (
                Change::Create(json!({ "kind": "Job" })),
                Some(r#"{"body":{"kind":"Job"}}"#),
            ),
        ];
        for (change, content) in table {
            assert_eq!(change.content().as_deref(), content);
            assert_eq!(Change::from_plan(change.verb(), content).unwrap(), change);
        }
    }

    #[test]
    fn a_content_that_is_not_whole_is_refused_and_not_guessed() {
        for (verb, content) in [
            ("scale", None),
            ("patch", Some(r#"{"body":{}}"#)),
            ("patch", Some(r#"{"kind":"magic","body":{}}"#)),
            ("create", Some("{}")),
            ("restart", None),
        ] {
            assert!(Change::from_plan(verb, content).is_err(), "{verb} {content:?}");
        }
    }
}
