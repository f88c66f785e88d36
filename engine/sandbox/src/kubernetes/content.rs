//! What a change does, exactly: the content of a plan's action and of the call that carries it out, in one canonical form.
//!
//! A plan says it as JSON, a call as arguments; both become a [`Content`], whose text is what is decided on and compared.
//! What a body may touch is judged here too, without looking at any cluster. A body changes what an object is meant to be:
//! its spec, data, labels and annotations. It never touches what says whose the object is, what keeps it alive or what the
//! cluster found out about it (owner references, finalizers, identity, status).

use serde_json::{Map, Value, json};
use stanch_contract::canonical;

/// Operations of a JSON patch beyond this are refused.
const MOST_OPERATIONS: usize = 100;

/// How a patch's body is read (Kubernetes API concepts, «Updates to existing resources»).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// RFC 7386.
    Merge,
    /// As merge, with lists of known kinds joined by their keys.
    Strategic,
    /// RFC 6902.
    Json,
    /// Server-side apply, never forced.
    Apply,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// `delete`, with this much time where it is given.
    Delete { grace: Option<u32> },
    /// `evict`.
    Evict { grace: Option<u32> },
    /// `scale` to so many.
    Scale { replicas: u32 },
    /// `patch`.
    Patch { kind: PatchKind, body: Value },
    /// `create`.
    Create { body: Value },
}

/// What a body is about: it must not say that it is about something else.
pub(crate) struct About<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: &'a str,
}

impl About<'_> {
    fn is_secret(&self) -> bool {
        (self.api_version, self.kind) == ("v1", "Secret")
    }
}

impl PatchKind {
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "merge" => Ok(Self::Merge),
            "strategic" => Ok(Self::Strategic),
            "json" => Ok(Self::Json),
            "apply" => Ok(Self::Apply),
            other => Err(format!(
                "`{}` is not a kind of patch: write `merge`, `strategic`, `json` or `apply`",
                stanch_contract::text::clean_line_to(other, 40)
            )),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Strategic => "strategic",
            Self::Json => "json",
            Self::Apply => "apply",
        }
    }
}

impl Content {
    /// From an action's `content`.
    pub(crate) fn of_plan(verb: &str, content: Option<&str>) -> Result<Self, String> {
        let members = match content {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(members)) => members,
                Ok(_) => return Err("its content is not a JSON object".to_owned()),
                Err(error) => return Err(format!("its content is not JSON: {error}")),
            },
        };
        let known: &[&str] = match verb {
            "delete" | "evict" => &["graceSeconds"],
            "scale" => &["replicas"],
            "patch" => &["kind", "body"],
            "create" => &["body"],
            other => return Err(not_a_verb(other)),
        };
        if let Some(other) = members.keys().find(|name| !known.contains(&name.as_str())) {
            let other = stanch_contract::text::clean_line_to(other, 40);
            return Err(format!(
                "its content has `{other}`, and a `{verb}` has only {}",
                known.join(" and ")
            ));
        }
        let whole = |name: &str| {
            let wrong = || {
                format!(
                    "`{name}` of its content is not a whole number from 0 to {}",
                    u32::MAX
                )
            };
            // JSON has one kind of number: 30.0 is 30.
            let number = |value: &Value| {
                value
                    .as_f64()
                    .filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n))
            };
            let read = |value| number(value).map(|n| n as u32).ok_or_else(wrong);
            members.get(name).map(read).transpose()
        };
        let needed = |name: &str| {
            members
                .get(name)
                .ok_or_else(|| format!("a `{verb}` needs `{name}` in its content"))
        };
        Ok(match verb {
            "delete" => Self::Delete {
                grace: whole("graceSeconds")?,
            },
            "evict" => Self::Evict {
                grace: whole("graceSeconds")?,
            },
            "scale" => Self::Scale {
                replicas: whole("replicas")?.ok_or("a `scale` needs `replicas` in its content")?,
            },
            "patch" => Self::Patch {
                kind: PatchKind::parse(needed("kind")?.as_str().unwrap_or_default())?,
                body: needed("body")?.clone(),
            },
            _ => Self::Create {
                body: needed("body")?.clone(),
            },
        })
    }

    /// The apiVersion that its body names.
    pub(crate) fn api_version(&self) -> Option<&str> {
        match self {
            Self::Patch { body, .. } | Self::Create { body } => {
                body.get("apiVersion").and_then(Value::as_str)
            }
            _ => None,
        }
    }

    /// Checks the body, and fills in what it is about where it has to say it.
    pub(crate) fn about(mut self, about: &About<'_>) -> Result<Self, String> {
        match &mut self {
            Self::Delete { .. } | Self::Evict { .. } | Self::Scale { .. } => {}
            Self::Patch { kind, body } if about.is_secret() => {
                takes_away(*kind, body)?;
                members(body, about)?;
            }
            Self::Patch {
                kind: PatchKind::Json,
                body,
            } => operations(body)?,
            Self::Patch { kind, body } => {
                members(body, about)?;
                if *kind == PatchKind::Apply {
                    fill(body, about);
                }
            }
            Self::Create { body } => {
                members(body, about)?;
                fill(body, about);
            }
        }
        Ok(self)
    }

    /// In the form that is decided on and compared; `None` where there is nothing to say.
    pub(crate) fn to_text(&self) -> Option<String> {
        let value = match self {
            Self::Delete { grace } | Self::Evict { grace } => json!({ "graceSeconds": (*grace)? }),
            Self::Scale { replicas } => json!({ "replicas": replicas }),
            Self::Patch { kind, body } => json!({ "kind": kind.as_str(), "body": body }),
            Self::Create { body } => json!({ "body": body }),
        };
        Some(canonical::to_string(&value))
    }

    /// The labels that a created object would have.
    pub(crate) fn labels(&self) -> Option<std::collections::BTreeMap<String, String>> {
        match self {
            Self::Create { body } => Some(super::object::labels(body)),
            _ => None,
        }
    }
}

pub(crate) fn not_a_verb(verb: &str) -> String {
    format!(
        "`{}` is not what can be done to an object: write `delete`, `evict`, `patch`, `create` or `scale`",
        stanch_contract::text::clean_line_to(verb, 40)
    )
}

/// The members of an object, or of a patch that looks like one.
fn members(body: &mut Value, about: &About<'_>) -> Result<(), String> {
    let Some(members) = body.as_object() else {
        return Err("its body is not a JSON object".to_owned());
    };
    for (name, value) in members {
        match name.as_str() {
            "apiVersion" => same("apiVersion", value, about.api_version)?,
            "kind" => same("kind", value, about.kind)?,
            "metadata" => metadata(value, about)?,
            "status" => return Err(kept("status")),
            name if name.starts_with('$') => return Err(kept(name)),
            _ => {}
        }
    }
    Ok(())
}

/// A patch of a Secret takes keys away and does nothing else: what it says is shown to people and kept, and what it tests (as a JSON
/// patch can) would be a way to guess a value.
fn takes_away(kind: PatchKind, body: &Value) -> Result<(), String> {
    const ALL: &str = "a patch of a Secret takes keys away and does nothing else: kind `merge`, and a body of `data` with `null` for each key";
    let only_data = body.as_object().is_some_and(|members| {
        members
            .keys()
            .all(|name| matches!(name.as_str(), "apiVersion" | "kind" | "data"))
    });
    let data = body.get("data").and_then(Value::as_object);
    let only_null = data.is_some_and(|data| !data.is_empty() && data.values().all(Value::is_null));
    if kind == PatchKind::Merge && only_data && only_null {
        Ok(())
    } else {
        Err(ALL.to_owned())
    }
}

fn metadata(value: &Value, about: &About<'_>) -> Result<(), String> {
    let Some(members) = value.as_object() else {
        return Err("`metadata` of its body is not an object".to_owned());
    };
    for (name, value) in members {
        match name.as_str() {
            "name" => same("metadata.name", value, about.name)?,
            "namespace" => same("metadata.namespace", value, about.namespace.unwrap_or_default())?,
            "labels" | "annotations" => {
                let fits = value.as_object().is_some_and(|members| {
                    members
                        .iter()
                        .all(|(key, value)| !key.starts_with('$') && (value.is_string() || value.is_null()))
                });
                if !fits {
                    return Err(format!(
                        "`metadata.{name}` of its body is not an object of texts (or `null`, to take one away)"
                    ));
                }
            }
            other => return Err(kept(&format!("metadata.{other}"))),
        }
    }
    Ok(())
}

fn same(name: &str, value: &Value, right: &str) -> Result<(), String> {
    if value.as_str() == Some(right) {
        return Ok(());
    }
    let value = stanch_contract::text::clean_line_to(&value.to_string(), 80);
    Err(format!(
        "`{name}` of its body is {value}, and the target says `{right}`"
    ))
}

fn kept(name: &str) -> String {
    let name = stanch_contract::text::clean_line_to(name, 80);
    format!(
        "its body touches `{name}`, which no plugin changes: a body has labels, annotations, and what is beside `metadata` and `status`"
    )
}

fn fill(body: &mut Value, about: &About<'_>) {
    let Some(members) = body.as_object_mut() else {
        return;
    };
    members.insert("apiVersion".to_owned(), about.api_version.into());
    members.insert("kind".to_owned(), about.kind.into());
    let metadata = members.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("name".to_owned(), about.name.into());
        if let Some(namespace) = about.namespace {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }
}

/// The operations of a JSON patch.
fn operations(body: &Value) -> Result<(), String> {
    let Some(operations) = body.as_array() else {
        return Err("the body of a JSON patch is not a list of operations".to_owned());
    };
    if operations.is_empty() || operations.len() > MOST_OPERATIONS {
        return Err(format!("a JSON patch has from 1 to {MOST_OPERATIONS} operations"));
    }
    for operation in operations {
        let member = |name: &str| operation.get(name).and_then(Value::as_str);
        let (Some(op), Some(path)) = (member("op"), member("path")) else {
            return Err("an operation of its JSON patch has no `op` or no `path`".to_owned());
        };
        match op {
            "test" => {}
            "add" | "replace" | "remove" | "copy" => path_fits(path)?,
            "move" => {
                path_fits(path)?;
                path_fits(member("from").unwrap_or_default())?;
            }
            other => {
                return Err(format!(
                    "`{}` is not an operation of a JSON patch",
                    stanch_contract::text::clean_line_to(other, 40)
                ));
            }
        }
    }
    Ok(())
}

/// Whether a JSON pointer (RFC 6901) leads to what a body may touch.
fn path_fits(path: &str) -> Result<(), String> {
    let mut steps = path
        .split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"));
    if steps.next().as_deref() != Some("") {
        return Err(kept("the whole object"));
    }
    let (first, second, third) = (steps.next(), steps.next(), steps.next());
    match (first.as_deref(), second.as_deref(), third) {
        (None | Some(""), ..) => Err(kept("the whole object")),
        (Some("metadata"), Some("labels" | "annotations"), Some(_)) => Ok(()),
        (Some("metadata"), second, _) => Err(kept(&match second {
            Some(second) => format!("metadata.{second}"),
            None => "metadata".to_owned(),
        })),
        (Some(first @ ("status" | "apiVersion" | "kind")), ..) => Err(kept(first)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About {
        api_version: "apps/v1",
        kind: "Deployment",
        namespace: Some("shop"),
        name: "web",
    };

    fn patch(kind: &str, body: Value) -> Result<Content, String> {
        let text = json!({ "kind": kind, "body": body }).to_string();
        Content::of_plan("patch", Some(&text))?.about(&ABOUT)
    }

    #[test]
    fn a_content_has_one_form_however_it_was_written() {
        let table = [
            ("delete", None, None),
            ("delete", Some("{}"), None),
            (
                "evict",
                Some(r#"{ "graceSeconds": 30.0 }"#),
                Some(r#"{"graceSeconds":30}"#),
            ),
            (
                "evict",
                Some(r#"{"graceSeconds":0}"#),
                Some(r#"{"graceSeconds":0}"#),
            ),
            ("scale", Some(r#"{ "replicas":5 }"#), Some(r#"{"replicas":5}"#)),
            (
                "patch",
                Some(r#"{"kind":"merge","body":{"spec":{"b":1.0,"a":2}}}"#),
                Some(r#"{"body":{"spec":{"a":2,"b":1}},"kind":"merge"}"#),
            ),
            (
                "patch",
                Some(r#"{"kind":"apply","body":{"spec":{}}}"#),
                Some(
                    r#"{"body":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{}},"kind":"apply"}"#,
                ),
            ),
            (
                "create",
                Some(r#"{"body":{"kind":"Deployment","metadata":{"labels":{"a":"b"}}}}"#),
                Some(
                    r#"{"body":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"b"},"name":"web","namespace":"shop"}}}"#,
                ),
            ),
        ];
        for (verb, content, text) in table {
            let content = Content::of_plan(verb, content).unwrap().about(&ABOUT).unwrap();
            assert_eq!(content.to_text().as_deref(), text, "{verb}");
        }
    }

    #[test]
    fn a_content_that_says_nothing_or_too_much_is_refused() {
        let table = [
            ("delete", Some("[]"), "not a JSON object"),
            ("delete", Some("nonsense"), "not JSON"),
            (
                "delete",
                Some(r#"{"propagationPolicy":"Orphan"}"#),
                "`propagationPolicy`",
            ),
            ("evict", Some(r#"{"graceSeconds":-1}"#), "not a whole number"),
            ("evict", Some(r#"{"graceSeconds":1.5}"#), "not a whole number"),
            ("scale", None, "needs `replicas`"),
            ("scale", Some(r#"{"replicas":"3"}"#), "not a whole number"),
            ("patch", None, "needs `kind`"),
            ("patch", Some(r#"{"kind":"merge"}"#), "needs `body`"),
            (
                "patch",
                Some(r#"{"kind":"replace","body":{}}"#),
                "not a kind of patch",
            ),
            ("create", Some("{}"), "needs `body`"),
            ("exec", None, "not what can be done"),
            ("get", None, "not what can be done"),
        ];
        for (verb, content, part) in table {
            let error = Content::of_plan(verb, content).unwrap_err();
            assert!(error.contains(part), "{verb}: {error}");
        }
    }

    #[test]
    fn a_body_touches_labels_annotations_and_what_is_beside_metadata_and_status() {
        for kind in ["merge", "strategic", "apply"] {
            for body in [
                json!({ "spec": { "replicas": 3 }, "data": { "a": null } }),
                json!({ "metadata": { "labels": { "a": "b", "c": null }, "annotations": {} } }),
                json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" } }),
            ] {
                assert!(patch(kind, body.clone()).is_ok(), "{kind} {body}");
            }
            for (body, part) in [
                (json!([]), "not a JSON object"),
                (
                    json!({ "metadata": { "finalizers": null } }),
                    "`metadata.finalizers`",
                ),
                (
                    json!({ "metadata": { "ownerReferences": [] } }),
                    "`metadata.ownerReferences`",
                ),
                (json!({ "metadata": { "uid": "x" } }), "`metadata.uid`"),
                (
                    json!({ "metadata": { "resourceVersion": "1" } }),
                    "`metadata.resourceVersion`",
                ),
                (
                    json!({ "metadata": { "deletionTimestamp": null } }),
                    "`metadata.deletionTimestamp`",
                ),
                (
                    json!({ "metadata": { "managedFields": [] } }),
                    "`metadata.managedFields`",
                ),
                (
                    json!({ "metadata": { "generateName": "x" } }),
                    "`metadata.generateName`",
                ),
                (
                    json!({ "metadata": { "labels": null } }),
                    "not an object of texts",
                ),
                (
                    json!({ "metadata": { "labels": { "$patch": "replace" } } }),
                    "not an object of texts",
                ),
                (
                    json!({ "metadata": { "annotations": { "a": 1 } } }),
                    "not an object of texts",
                ),
                (json!({ "metadata": null }), "not an object"),
                (json!({ "metadata": { "$patch": "delete" } }), "`metadata.$patch`"),
                (
                    json!({ "metadata": { "name": "other" } }),
                    "the target says `web`",
                ),
                (
                    json!({ "metadata": { "namespace": "other" } }),
                    "the target says `shop`",
                ),
                (json!({ "kind": "Secret" }), "the target says `Deployment`"),
                (
                    json!({ "apiVersion": "apps/v1beta1" }),
                    "the target says `apps/v1`",
                ),
                (json!({ "status": {} }), "`status`"),
                (json!({ "$patch": "delete" }), "`$patch`"),
            ] {
                let error = patch(kind, body.clone()).unwrap_err();
                assert!(error.contains(part), "{kind} {body}: {error}");
            }
        }
        let create = json!({ "body": { "metadata": { "generateName": "web-" } } }).to_string();
        assert!(
            Content::of_plan("create", Some(&create))
                .unwrap()
                .about(&ABOUT)
                .is_err()
        );
    }

    #[test]
    fn a_json_patch_leads_to_no_other_place() {
        let operation = |op: &str, path: &str| json!([{ "op": op, "path": path, "value": 1 }]);
        for (op, path) in [
            ("replace", "/spec/replicas"),
            ("add", "/metadata/labels/app.kubernetes.io~1name"),
            ("remove", "/metadata/annotations/a"),
            ("add", "/spec/template/metadata/finalizers/-"),
            ("test", "/metadata/uid"),
            ("test", "/status/phase"),
            ("copy", "/data/a"),
        ] {
            assert!(patch("json", operation(op, path)).is_ok(), "{op} {path}");
        }
        for (op, path) in [
            ("replace", ""),
            ("replace", "/"),
            ("replace", "spec"),
            ("replace", "/metadata"),
            ("add", "/metadata/"),
            ("add", "/metadata/labels"),
            ("add", "/metadata/finalizers/-"),
            ("remove", "/metadata/ownerReferences/0"),
            ("replace", "/metadata/uid"),
            ("replace", "/status/phase"),
            ("replace", "/kind"),
            ("copy", "/status"),
            ("frobnicate", "/spec"),
        ] {
            assert!(patch("json", operation(op, path)).is_err(), "{op} {path}");
        }
        let from = json!([{ "op": "move", "path": "/data/a", "from": "/metadata/finalizers" }]);
        assert!(patch("json", from).is_err());
        let from = json!([{ "op": "move", "path": "/data/a", "from": "/data/b" }]);
        assert!(patch("json", from).is_ok());
        for body in [json!([]), json!({}), json!([{ "op": "add" }]), json!(["x"])] {
            assert!(patch("json", body).is_err());
        }
    }
}
