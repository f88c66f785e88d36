//! One value that is kept somewhere: a key of a ConfigMap, or a member of a JSON document that a service keeps.
//!
//! Wherever it is, a plugin that sets one has the same things to get right: nothing that somebody else writes meanwhile is
//! overwritten, a repeat has no second effect, and the way back puts back what was there, only while it is still what was set.
//! A ConfigMap has a version for that; a document has an entity tag (`If-Match`), or a version in its body that the service
//! compares. A document with neither is not written at all.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::{self, Response};
use crate::kubernetes::{self, Object, Patch};
use crate::{Action, Failure, FailureContext};

/// A value longer than this is a file and none that is switched.
pub const LONGEST: usize = 16 * 1024;

/// A ConfigMap, as a parameter names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigMap {
    /// Where it is.
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// What it is called.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// Where a value is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A key of a ConfigMap in the cluster that the step is bound to. Its values are text.
    ConfigMap {
        /// The namespace of the ConfigMap.
        namespace: String,
        /// Its name.
        name: String,
        /// The key of its `data`.
        key: String,
    },
    /// A member of a JSON document: read with `GET`, written whole with `PUT`.
    Document {
        /// The document.
        url: String,
        /// The member, as a JSON pointer of one step: `/enabled`.
        member: String,
        /// The member that has the version which the service compares, where it gives no entity tag.
        version: Option<String>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMap { namespace, name, key } => {
                write!(f, "`{key}` of ConfigMap `{namespace}/{name}`")
            }
            Self::Document { url, member, .. } => {
                write!(f, "`{}` of `{url}`", member.trim_start_matches('/'))
            }
        }
    }
}

/// What is at a place now.
#[derive(Debug, Clone)]
pub struct Kept {
    place: Place,
    /// The value; none where there is none, or null.
    pub value: Option<Value>,
    guard: Guard,
}

#[derive(Debug, Clone)]
enum Guard {
    Map(Object),
    Document { etag: Option<String>, whole: Value },
}

impl Place {
    /// What is there now.
    ///
    /// # Errors
    /// What does not exist is `not-found`; what cannot be written safely is said here, before it is planned.
    pub fn look(&self) -> Result<Kept, Failure> {
        match self {
            Self::ConfigMap { namespace, name, key } => {
                let map = kubernetes::config_map(namespace, name)?;
                if map.at("/binaryData").get(key).is_some() {
                    return Err(Failure::failed(format!(
                        "{self} is binary, and only text is written"
                    )));
                }
                let value = map.at("/data").get(key).cloned();
                Ok(self.kept(value, Guard::Map(map)))
            }
            Self::Document { url, member, version } => {
                let answer = http::get(url).send().and_then(Response::ok).context(self)?;
                let etag = answer.strong_etag().map(str::to_owned);
                let whole: Value = answer.json().context(self)?;
                if !whole.is_object() {
                    return Err(Failure::failed(format!(
                        "`{url}` answers no JSON object, so no member of it can be set"
                    )));
                }
                let versioned = version
                    .as_deref()
                    .is_some_and(|version| whole.get(of(version)).is_some_and(|value| !value.is_null()));
                if etag.is_none() && !versioned {
                    let why = format!(
                        "`{url}` answers without a strong ETag and without a version in the body, so a change could overwrite somebody else's: it is not written"
                    );
                    return Err(Failure::failed(why));
                }
                let value = whole.get(of(member)).cloned();
                Ok(self.kept(value, Guard::Document { etag, whole }))
            }
        }
    }

    fn kept(&self, value: Option<Value>, guard: Guard) -> Kept {
        Kept {
            place: self.clone(),
            value: value.filter(|value| !value.is_null()),
            guard,
        }
    }
}

/// The name in a JSON pointer of one step, with or without its slash.
fn of(pointer: &str) -> &str {
    pointer.trim_start_matches('/')
}

impl Kept {
    /// Which thing it is in: another ConfigMap of the same name has another uid.
    fn id(&self) -> String {
        match (&self.guard, &self.place) {
            (Guard::Map(map), _) => map.uid().to_owned(),
            (Guard::Document { .. }, Place::Document { url, .. }) => url.clone(),
            (Guard::Document { .. }, Place::ConfigMap { .. }) => String::new(),
        }
    }

    /// Sets this value, or takes it away, only while all is as it was read.
    ///
    /// # Errors
    /// `invalid-params` where the value does not fit there.
    pub fn set(&self, value: Option<&Value>) -> Result<Action, Failure> {
        let place = &self.place;
        let long = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len) > LONGEST;
        if value.is_some_and(long) || self.value.as_ref().is_some_and(long) {
            return Err(Failure::invalid_params(format!(
                "A value of {place} is longer than 16 KiB: that is a file, and files are not switched"
            )));
        }
        match (&self.guard, place) {
            (Guard::Map(map), Place::ConfigMap { key, .. }) => {
                if value.is_some_and(|value| !value.is_string()) {
                    return Err(Failure::invalid_params(format!(
                        "{place} is text, and the value is none: write it in quotes"
                    )));
                }
                let patch = Patch::merge(json!({ "data": { key: value } }));
                Ok(Action::patch_object(map, patch))
            }
            (Guard::Document { etag, whole }, Place::Document { url, member, .. }) => {
                let mut whole = whole.clone();
                let object = whole.as_object_mut().context("the document is no object")?;
                match value {
                    Some(value) => object.insert(of(member).to_owned(), value.clone()),
                    None => object.remove(of(member)),
                };
                let action = Action::put(url, &whole)?;
                Ok(match etag {
                    Some(etag) => action.expect_etag(etag),
                    None => action,
                })
            }
            _ => Err(Failure::failed(format!("{place} is not what was read"))),
        }
    }

    /// From what there is to this value; without an action where it is there already.
    ///
    /// # Errors
    /// As [`Kept::set`].
    pub fn replace(&self, value: Option<Value>) -> Result<(Replaced, Option<Action>), Failure> {
        let action = if self.value == value {
            None
        } else {
            Some(self.set(value.as_ref())?)
        };
        let replaced = Replaced {
            id: self.id(),
            before: self.value.clone(),
            after: value,
        };
        Ok((replaced, action))
    }
}

/// What was at a place, and what is then: what the way back needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Replaced {
    /// Which ConfigMap (its uid) or document (its URL) it was.
    pub id: String,
    /// The value before; null where there was none.
    pub before: Option<Value>,
    /// The value then; null where it was taken away.
    pub after: Option<Value>,
}

impl Replaced {
    /// Whether what was set is there, in the very thing that it was set in.
    pub fn holds(&self, now: &Kept) -> bool {
        now.id() == self.id && now.value == self.after
    }

    /// The way back; none where all is as it was before.
    ///
    /// # Errors
    /// `conflict` where something else is there by now: it is somebody's, and is left.
    pub fn undo(&self, now: &Kept) -> Result<Option<Action>, Failure> {
        let place = &now.place;
        if now.id() != self.id {
            let why = format!("What has {place} is another one by now, and is left as it is");
            return Err(Failure::conflict(why));
        }
        if now.value == self.before {
            return Ok(None);
        }
        if now.value != self.after {
            let why = format!(
                "{place} is {}, which was not set here. Somebody changed it, and it is left as it is",
                shown(now.value.as_ref())
            );
            return Err(Failure::conflict(why));
        }
        let action = now.set(self.before.as_ref())?;
        Ok(Some(action.because("It is still the value that was set here")))
    }
}

/// A value for people: one line, the beginning of it.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None => "not there".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

/// A text for people: one line, the beginning of it, in backticks.
pub fn quoted(text: &str) -> String {
    /// In characters.
    const SHOWN: usize = 120;
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN)
        .collect();
    let more = if line.len() < text.len() { "…" } else { "" };
    format!("`{line}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCode;
    use crate::testing::{Host, reply};

    const URL: &str = "https://flags.example/flags/a";

    fn document() -> Place {
        Place::Document {
            url: URL.into(),
            member: "/on".into(),
            version: Some("/version".into()),
        }
    }

    fn with(etag: Option<&str>, body: Value) -> Result<Kept, Failure> {
        let host = Host::new();
        let mut answer = reply(200, body).unwrap();
        answer
            .headers
            .extend(etag.map(|etag| ("etag".to_owned(), etag.to_owned())));
        host.answer("GET", URL, Ok(answer));
        document().look()
    }

    #[test]
    fn a_document_is_written_whole_for_its_tag_or_for_the_version_in_it() {
        let tagged = with(Some("\"7\""), json!({ "on": false, "owner": "x" })).unwrap();
        let action = tagged.set(Some(&json!(true))).unwrap().to_wire();
        assert_eq!(
            (
                action.verb.as_str(),
                action.expect.as_deref(),
                action.content.as_deref()
            ),
            (
                "PUT",
                Some("etag:\"7\""),
                Some(r#"{"body":{"on":true,"owner":"x"},"contentType":"application/json"}"#)
            )
        );
        let versioned = with(None, json!({ "on": false, "version": 3 })).unwrap();
        let action = versioned.set(None).unwrap().to_wire();
        assert_eq!(
            (action.expect, action.content.as_deref()),
            (
                None,
                Some(r#"{"body":{"version":3},"contentType":"application/json"}"#)
            )
        );
    }

    #[test]
    fn what_nothing_guards_is_not_written() {
        for (etag, body) in [
            (None, json!({ "on": false })),
            (Some("W/\"7\""), json!({ "on": false })),
            (None, json!({ "on": false, "version": null })),
            (Some("\"7\""), json!(["on"])),
        ] {
            assert_eq!(
                with(etag, body.clone()).unwrap_err().code,
                FailureCode::Failed,
                "{body}"
            );
        }
    }

    #[test]
    fn the_way_back_is_what_was_there_and_only_from_what_was_set() {
        let replaced = Replaced {
            id: URL.into(),
            before: Some(json!(false)),
            after: Some(json!(true)),
        };
        let now = |on: Value| with(Some("\"8\""), json!({ "on": on })).unwrap();
        assert!(replaced.holds(&now(json!(true))) && !replaced.holds(&now(json!("yes"))));
        let back = replaced.undo(&now(json!(true))).unwrap().unwrap().to_wire();
        assert!(back.content.unwrap().contains(r#"{"on":false}"#));
        assert_eq!(replaced.undo(&now(json!(false))).unwrap(), None);
        for theirs in [json!("yes"), Value::Null] {
            assert_eq!(
                replaced.undo(&now(theirs)).unwrap_err().code,
                FailureCode::Conflict
            );
        }
    }

    #[test]
    fn a_value_is_shown_as_one_line_and_not_at_full_length() {
        assert_eq!(shown(Some(&json!("a\nb"))), "`a b`");
        assert_eq!(shown(Some(&json!(true))), "`true`");
        assert_eq!(shown(None), "not there");
        assert_eq!(
            shown(Some(&json!("x".repeat(200)))),
            format!("`{}…`", "x".repeat(120))
        );
    }
}
