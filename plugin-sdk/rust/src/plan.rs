//! Plans, built from typed actions and told in the contract's words.
//!
//! The host compares each changing call with the plan byte for byte, so a plan must name target and content exactly as the
//! call will have them. An [`Action`] is both: the plan's words are made from the very request, files or object that
//! [`carry_out`](crate::carry_out) sends. What the words cannot hold (bytes that are not JSON, sizes of files) travels in the
//! action's `extra`, which the engine hands back untouched.

mod cluster;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stanch_contract::plan::{Action as WireAction, ChangePlan};
use stanch_contract::{Digest, canonical};

use crate::files::{Entry, EntryKind};
use crate::finding::{data_from_wire, data_to_wire};
use crate::http::Request;
use crate::{Failure, FailureContext};

pub(crate) use cluster::ClusterWork;

/// What would be changed. Without actions there is nothing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<Data> {
    /// One sentence.
    pub summary: String,
    /// What would be done, in order.
    pub actions: Vec<Action>,
    /// What `apply`, `verify` and later steps can read. Not part of what is decided on.
    pub data: Option<Data>,
    pub(crate) population: Option<String>,
}

impl<Data> Plan<Data> {
    /// A plan that does nothing yet.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            actions: Vec::new(),
            data: None,
            population: None,
        }
    }

    /// With one more action.
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// With more actions.
    pub fn actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// With what `apply`, `verify` and later steps can read.
    pub fn data(mut self, data: Data) -> Self {
        self.data = Some(data);
        self
    }
}

impl<Data: Serialize + Default> Plan<Data> {
    pub(crate) fn into_wire(self) -> Result<ChangePlan, Failure> {
        Ok(ChangePlan {
            summary: self.summary,
            actions: self.actions.iter().map(Action::to_wire).collect(),
            population: self.population,
            data: data_to_wire(self.data)?,
            extra: Value::Null,
        })
    }
}

impl<Data: DeserializeOwned> Plan<Data> {
    pub(crate) fn from_wire(wire: ChangePlan) -> Result<Self, Failure> {
        let actions = wire
            .actions
            .into_iter()
            .map(Action::from_wire)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            summary: wire.summary,
            actions,
            data: data_from_wire(wire.data),
            population: wire.population,
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub(crate) work: Work,
    expect: Option<String>,
    reason: String,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    Send(Request),
    Remove { folder: String, files: Vec<Entry> },
    Write { path: String, content: Vec<u8> },
    Cluster(ClusterWork),
}

impl Action {
    pub(crate) fn new(work: Work) -> Self {
        Self {
            work,
            expect: None,
            reason: String::new(),
        }
    }

    /// Sends this request. Of its headers only the content type is part of the plan.
    pub fn send(request: Request) -> Self {
        Self::new(Work::Send(request))
    }

    /// `POST` with this value as JSON.
    pub fn post(url: impl AsRef<str>, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::send(crate::http::post(url).json(body)?))
    }

    /// `PUT` with this value as JSON.
    pub fn put(url: impl AsRef<str>, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::send(crate::http::put(url).json(body)?))
    }

    /// `PATCH` with this value as JSON.
    pub fn patch(url: impl AsRef<str>, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::send(crate::http::patch(url).json(body)?))
    }

    /// `DELETE`.
    pub fn delete(url: impl AsRef<str>) -> Self {
        Self::send(crate::http::delete(url))
    }

    /// Removes these files of a folder (at any depth below it), each only if it is still the one that was seen.
    pub fn remove(folder: impl Into<String>, files: impl IntoIterator<Item = Entry>) -> Self {
        Self::new(Work::Remove {
            folder: path(folder),
            files: files.into_iter().collect(),
        })
    }

    /// Writes a file.
    pub fn write(file: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::new(Work::Write {
            path: path(file),
            content: content.into(),
        })
    }

    /// Only if the target's entity tag is still this one; the host sends it as `If-Match`.
    pub fn expect_etag(self, etag: &str) -> Self {
        self.expect(format!("etag:{etag}"))
    }

    /// Only if the file was last changed then.
    pub fn expect_modified_ms(self, ms: i64) -> Self {
        self.expect(format!("modified-ms:{ms}"))
    }

    fn expect(mut self, what: String) -> Self {
        self.expect = Some(what);
        self
    }

    /// Why, for the person who decides.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The request, where the action is one.
    pub fn request(&self) -> Option<&Request> {
        match &self.work {
            Work::Send(request) => Some(request),
            _ => None,
        }
    }

    /// The files that would be removed; empty where the action is another.
    pub fn removes(&self) -> &[Entry] {
        match &self.work {
            Work::Remove { files, .. } => files,
            _ => &[],
        }
    }

    /// In the contract's words.
    pub(crate) fn to_wire(&self) -> WireAction {
        let mut wire = match &self.work {
            Work::Send(request) => send_to_wire(request),
            Work::Remove { folder, files } => remove_to_wire(folder, files),
            Work::Write { path, content } => write_to_wire(path, content),
            Work::Cluster(work) => cluster::to_wire(work),
        };
        wire.expect = self.expect.clone();
        wire.reason = self.reason.clone();
        wire
    }

    pub(crate) fn from_wire(wire: WireAction) -> Result<Self, Failure> {
        let work = match (wire.verb.as_str(), wire.target.strip_prefix("file:")) {
            ("remove", Some(folder)) => remove_from_wire(folder, &wire)?,
            ("write", Some(path)) => Work::Write {
                path: path.to_owned(),
                content: kept_bytes(&wire.extra).context("the plan's content")?,
            },
            _ if wire.target.starts_with("kubernetes:") => Work::Cluster(cluster::from_wire(&wire)?),
            (_, None) if wire.target.contains("://") => send_from_wire(&wire)?,
            _ => {
                return Err(Failure::failed(format!(
                    "The kit does not know how to `{}` `{}`",
                    wire.verb, wire.target
                )));
            }
        };
        Ok(Self {
            work,
            expect: wire.expect,
            reason: wire.reason,
        })
    }
}

/// Without slashes at the end, which the host's canonical paths do not have either.
fn path(path: impl Into<String>) -> String {
    path.into().trim_end_matches('/').to_owned()
}

fn wire(verb: &str, target: String) -> WireAction {
    WireAction {
        verb: verb.to_owned(),
        target,
        expect: None,
        content: None,
        items: Vec::new(),
        reason: String::new(),
        extra: Value::Null,
    }
}

/// A body of a JSON content type is in the content itself; of another the content has the digest, and `extra` keeps the
/// bytes. A change without a body has the content `{}`.
fn send_to_wire(request: &Request) -> WireAction {
    let mut wire = wire(&request.method, request.url.clone());
    if request.body.is_empty() {
        let must_have = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        wire.content = must_have.then(|| "{}".to_owned());
        return wire;
    }
    let mut content = Map::new();
    let kind = request.header_value("content-type");
    content.extend(kind.map(|kind| ("contentType".to_owned(), Value::from(kind))));
    let json = if is_json(kind) {
        serde_json::from_slice::<Value>(&request.body).ok()
    } else {
        None
    };
    if json.is_none() {
        wire.extra = keep_bytes(&request.body);
    }
    content.insert(
        "body".to_owned(),
        json.unwrap_or_else(|| Value::String(digest(&request.body))),
    );
    wire.content = Some(canonical::to_string(&Value::Object(content)));
    wire
}

/// As the host has it: what the body is follows from the content type alone.
fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn send_from_wire(wire: &WireAction) -> Result<Work, Failure> {
    let request = Request::new(&wire.verb, &wire.target);
    let content = wire.content.as_deref().unwrap_or("{}");
    let content: Map<String, Value> = serde_json::from_str(content).context("the plan's content")?;
    let Some(body) = content.get("body") else {
        return Ok(Work::Send(request));
    };
    let body = kept_bytes(&wire.extra).unwrap_or_else(|| canonical::to_string(body).into_bytes());
    let request = match content.get("contentType").and_then(Value::as_str) {
        Some(content_type) => request.body(content_type, body),
        None => Request { body, ..request },
    };
    Ok(Work::Send(request))
}

fn remove_to_wire(folder: &str, files: &[Entry]) -> WireAction {
    let mut wire = wire("remove", format!("file:{folder}"));
    wire.items = files.iter().map(Entry::item).collect();
    wire.extra = json!({ "bytes": files.iter().map(|file| file.bytes).collect::<Vec<_>>() });
    wire
}

fn remove_from_wire(folder: &str, wire: &WireAction) -> Result<Work, Failure> {
    let sizes = wire
        .extra
        .get("bytes")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let files = wire.items.iter().enumerate().map(|(index, item)| {
        let (path, modified) = item.rsplit_once('@').context("an item of the plan has no `@`")?;
        Ok(Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            bytes: sizes.get(index).and_then(Value::as_u64).unwrap_or(0),
            modified_ms: modified
                .parse()
                .context("an item of the plan has no time after `@`")?,
        })
    });
    Ok(Work::Remove {
        folder: folder.to_owned(),
        files: files.collect::<Result<_, Failure>>()?,
    })
}

fn write_to_wire(path: &str, content: &[u8]) -> WireAction {
    let mut wire = wire("write", format!("file:{path}"));
    wire.content = Some(digest(content));
    wire.extra = keep_bytes(content);
    wire
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn keep_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": hex::encode(bytes) }),
    }
}

fn kept_bytes(extra: &Value) -> Option<Vec<u8>> {
    if let Some(text) = extra.get("text").and_then(Value::as_str) {
        return Some(text.as_bytes().to_vec());
    }
    hex::decode(extra.get("hex")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::{DEPLOYMENT, JOB, Kind, Object, POD, Patch, Selector};
    use crate::{Nothing, http};

    fn there_and_back(action: Action) -> WireAction {
        let wire = action.to_wire();
        assert_eq!(Action::from_wire(wire.clone()).unwrap(), action);
        wire
    }

    #[test]
    fn json_is_named_by_its_canonical_text() {
        let wire = there_and_back(
            Action::put("https://h/x?y=1", &json!({"b": 1, "a": 2.0}))
                .unwrap()
                .expect_etag("\"v1\""),
        );
        assert_eq!(
            (wire.verb.as_str(), wire.target.as_str()),
            ("PUT", "https://h/x?y=1")
        );
        assert_eq!(
            wire.content.as_deref(),
            Some(r#"{"body":{"a":2,"b":1},"contentType":"application/json"}"#)
        );
        assert_eq!(wire.expect.as_deref(), Some("etag:\"v1\""));
    }

    #[test]
    fn a_body_that_is_not_json_is_named_by_its_digest_and_still_sent() {
        let wire = there_and_back(Action::send(
            http::post("https://h").body("text/plain", "not json"),
        ));
        let digest = digest(b"not json");
        assert_eq!(
            wire.content.unwrap(),
            format!(r#"{{"body":"{digest}","contentType":"text/plain"}}"#)
        );
        there_and_back(Action::send(
            http::post("https://h").body("application/octet-stream", vec![0xff, 0]),
        ));
    }

    #[test]
    fn a_change_without_a_body_is_named_too() {
        assert_eq!(
            there_and_back(Action::send(http::post("https://h/do")))
                .content
                .as_deref(),
            Some("{}")
        );
        assert_eq!(there_and_back(Action::delete("https://h/x")).content, None);
    }

    #[test]
    fn files_are_named_with_the_time_that_they_were_seen_with() {
        let file = |path: &str| Entry {
            path: path.into(),
            kind: EntryKind::File,
            bytes: 7,
            modified_ms: 1_700_000_000_123,
        };
        let wire = there_and_back(Action::remove(
            "scratch/",
            [file("scratch/a@b.log"), file("scratch/c")],
        ));
        assert_eq!(wire.target, "file:scratch");
        assert_eq!(
            wire.items,
            ["scratch/a@b.log@1700000000123", "scratch/c@1700000000123"]
        );

        let wire = there_and_back(Action::write("scratch/x", "hello").because("it is missing"));
        assert_eq!(wire.content, Some(digest(b"hello")));
        assert_eq!(wire.reason, "it is missing");
    }

    #[test]
    fn an_object_is_named_with_the_uid_or_version_that_was_read() {
        let object = |kind: Kind, metadata: Value| Object::new(kind, json!({ "metadata": metadata }));
        let pod = object(
            POD,
            json!({ "namespace": "n", "name": "p", "uid": "u1", "resourceVersion": "7" }),
        );
        let wire = there_and_back(Action::evict(&pod).grace_seconds(30).because("it hangs"));
        assert_eq!(
            (wire.verb.as_str(), wire.target.as_str(), wire.expect.as_deref()),
            ("evict", "kubernetes:n/_/pods/p", Some("uid:u1"))
        );
        assert_eq!(wire.content.as_deref(), Some(r#"{"graceSeconds":30}"#));

        let wire = there_and_back(Action::delete_object(&pod));
        assert_eq!((wire.content, wire.expect.as_deref()), (None, Some("uid:u1")));

        let deployment = object(DEPLOYMENT, json!({ "namespace": "n", "name": "d", "uid": "u2" }));
        let wire = there_and_back(Action::scale(&deployment, 5));
        assert_eq!(wire.target, "kubernetes:n/apps/deployments/d");
        assert_eq!(
            (wire.content.as_deref(), wire.expect.as_deref()),
            (Some(r#"{"replicas":5}"#), Some("uid:u2"))
        );

        let patch = Patch::merge(json!({ "data": { "mode": "safe" } }));
        let wire = there_and_back(Action::patch_object(&pod, patch));
        assert_eq!(wire.expect.as_deref(), Some("version:7"));

        let body = json!({ "metadata": { "namespace": "n", "name": "j" } });
        let wire = there_and_back(Action::create_object(&JOB, body).unwrap());
        assert_eq!(
            (wire.target.as_str(), wire.expect),
            ("kubernetes:n/batch/jobs/j", None)
        );
        assert!(Action::create_object(&JOB, json!({ "metadata": { "generateName": "j-" } })).is_err());
    }

    #[test]
    fn a_population_goes_with_the_plan_and_comes_back() {
        let labels = Selector::parse("tier=gpu,app=worker").unwrap();
        let plan = Plan::<Nothing>::new("").population(&POD, "inference", &labels);
        let wire = plan.clone().into_wire().unwrap();
        assert_eq!(
            wire.population.as_deref(),
            Some("kubernetes:inference/_/pods?app=worker,tier=gpu")
        );
        assert_eq!(
            Plan::<Nothing>::from_wire(wire).unwrap().population,
            plan.population
        );
    }

    #[test]
    fn an_action_that_the_kit_did_not_make_is_refused_and_not_guessed() {
        let mut wire = Action::delete("https://h/x").to_wire();
        wire.target = "kubernetes:ns/_/pods/p".into();
        assert!(Action::from_wire(wire).is_err());
    }
}
