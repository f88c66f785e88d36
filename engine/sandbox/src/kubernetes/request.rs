//! The requests that reach a cluster, one function for each.
//!
//! Built here and not with kube's own builders: of an eviction those send `delete_options`, which no server reads, so that
//! its precondition would be lost; and of JSON patches they need one more crate. Parts of paths were checked when targets
//! were read ([`super::target`]); queries are encoded.

use std::fmt;

use http::{Method, Request};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::content::{Content, PatchKind};
use super::discovery::Kind;
use super::target::{ObjectTarget, Place};

/// Who changes a field, as managedFields and server-side apply name it.
pub(crate) const FIELD_MANAGER: &str = "stanch";

/// What must still hold of the object that is changed; the server looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It is this very object.
    Uid(String),
    /// It is this very version of it.
    Version(String),
    /// It is this very object, and is still asked for so many replicas: of a `scale` only. Its version would say too much,
    /// because a controller writes its status all the time.
    Replicas { uid: String, from: u32 },
}

impl Expect {
    /// Reads `uid:…`, `version:…` or `uid:…,replicas:…`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fits = |value: &str| {
            !value.is_empty()
                && value.len() <= 128
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.')
        };
        if let Some((object, from)) = text.split_once(",replicas:")
            && let (Ok(Self::Uid(uid)), Ok(from)) = (Self::parse(object), from.parse())
        {
            return Ok(Self::Replicas { uid, from });
        }
        match text.split_once(':') {
            Some(("uid", uid)) if fits(uid) => Ok(Self::Uid(uid.to_owned())),
            Some(("version", version)) if fits(version) => Ok(Self::Version(version.to_owned())),
            _ => Err(format!(
                "`{}` is not what an object can expect: write `uid:…` or `version:…` as the object has it in its metadata, and for a `scale` `uid:…,replicas:…`",
                stanch_contract::text::clean_line_to(text, 80)
            )),
        }
    }

    /// The object that is meant, where it is meant by its uid.
    pub(crate) fn uid(&self) -> Option<&str> {
        match self {
            Self::Uid(uid) | Self::Replicas { uid, .. } => Some(uid),
            Self::Version(_) => None,
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Version(version) => write!(f, "version:{version}"),
            Self::Replicas { uid, from } => write!(f, "uid:{uid},replicas:{from}"),
        }
    }
}

/// What a list is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListQuery<'a> {
    pub(crate) labels: Option<String>,
    pub(crate) fields: Option<&'a str>,
    pub(crate) limit: u32,
    pub(crate) continue_from: Option<&'a str>,
}

/// What a log is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogQuery<'a> {
    pub(crate) container: Option<&'a str>,
    pub(crate) previous: bool,
    pub(crate) tail_lines: u32,
}

pub(crate) fn get(kind: &Kind, target: &ObjectTarget) -> Request<Vec<u8>> {
    plain(&path(kind, target, None))
}

/// A path as it is, with nothing asked.
pub(crate) fn plain(path: &str) -> Request<Vec<u8>> {
    build(Method::GET, path, &[], None)
}

/// A question about oneself: it is posted, and keeps nothing.
pub(super) fn review(path: &str, body: &Value) -> Request<Vec<u8>> {
    build(Method::POST, path, &[], Some(("application/json", body)))
}

pub(crate) fn list(kind: &Kind, place: &Place, query: &ListQuery<'_>) -> Request<Vec<u8>> {
    let limit = query.limit.to_string();
    let mut pairs = vec![("limit", limit.as_str())];
    pairs.extend(query.labels.as_deref().map(|labels| ("labelSelector", labels)));
    pairs.extend(query.fields.map(|fields| ("fieldSelector", fields)));
    pairs.extend(query.continue_from.map(|token| ("continue", token)));
    build(Method::GET, &collection(kind, place), &pairs, None)
}

pub(crate) fn logs(kind: &Kind, target: &ObjectTarget, query: LogQuery<'_>) -> Request<Vec<u8>> {
    let tail = query.tail_lines.to_string();
    let mut pairs = vec![("tailLines", tail.as_str())];
    pairs.extend(query.container.map(|container| ("container", container)));
    pairs.extend(query.previous.then_some(("previous", "true")));
    build(Method::GET, &path(kind, target, Some("log")), &pairs, None)
}

/// A change, with its precondition where the server takes it; `dry_run` has the server do everything but keep it.
pub(crate) fn change(
    kind: &Kind,
    target: &ObjectTarget,
    content: &Content,
    expect: Option<&Expect>,
    dry_run: bool,
) -> Request<Vec<u8>> {
    let mut pairs = vec![("fieldManager", FIELD_MANAGER)];
    pairs.extend(dry_run.then_some(("dryRun", "All")));
    match content {
        Content::Delete { grace } => {
            let body = delete_options(*grace, expect, dry_run);
            build(
                Method::DELETE,
                &path(kind, target, None),
                &[],
                Some(("application/json", &body)),
            )
        }
        Content::Evict { grace } => {
            let body = json!({
                "apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": { "name": target.name, "namespace": target.place.namespace },
                "deleteOptions": delete_options(*grace, expect, dry_run),
            });
            let path = path(kind, target, Some("eviction"));
            build(
                Method::POST,
                &path,
                pairs.get(1..).unwrap_or_default(),
                Some(("application/json", &body)),
            )
        }
        Content::Scale { replicas } => {
            let path = path(kind, target, Some("scale"));
            let (mut body, how) = match expect {
                // A merge can compare a uid and a version, and nothing else.
                Some(Expect::Replicas { from, .. }) => {
                    let was = match from {
                        // A server leaves the number out where it is none, and a test of what is not there fails.
                        0 => json!({ "op": "test", "path": "/spec", "value": {} }),
                        from => json!({ "op": "test", "path": "/spec/replicas", "value": from }),
                    };
                    let will_be = json!({ "op": "add", "path": "/spec/replicas", "value": replicas });
                    (json!([was, will_be]), PatchKind::Json)
                }
                _ => (json!({ "spec": { "replicas": replicas } }), PatchKind::Merge),
            };
            pin(&mut body, expect);
            build(Method::PATCH, &path, &pairs, Some((mime(how), &body)))
        }
        Content::Patch { kind: how, body } => {
            // A field that the server does not know is a misspelt one: it is told, not dropped.
            pairs.push(("fieldValidation", "Strict"));
            let (mut body, mime) = (body.clone(), mime(*how));
            pin(&mut body, expect);
            build(
                Method::PATCH,
                &path(kind, target, None),
                &pairs,
                Some((mime, &body)),
            )
        }
        Content::Create { body } => {
            pairs.push(("fieldValidation", "Strict"));
            build(
                Method::POST,
                &collection(kind, &target.place),
                &pairs,
                Some(("application/json", body)),
            )
        }
    }
}

fn mime(kind: PatchKind) -> &'static str {
    match kind {
        PatchKind::Merge => "application/merge-patch+json",
        PatchKind::Strategic => "application/strategic-merge-patch+json",
        PatchKind::Json => "application/json-patch+json",
        PatchKind::Apply => "application/apply-patch+yaml",
    }
}

fn delete_options(grace: Option<u32>, expect: Option<&Expect>, dry_run: bool) -> Value {
    let mut options = Map::from_iter([
        ("apiVersion".to_owned(), json!("v1")),
        ("kind".to_owned(), json!("DeleteOptions")),
    ]);
    if let Some(seconds) = grace {
        options.insert("gracePeriodSeconds".to_owned(), json!(seconds));
    }
    let precondition = expect.map(|expect| match expect {
        Expect::Uid(uid) | Expect::Replicas { uid, .. } => json!({ "uid": uid }),
        Expect::Version(version) => json!({ "resourceVersion": version }),
    });
    options.extend(precondition.map(|precondition| ("preconditions".to_owned(), precondition)));
    if dry_run {
        options.insert("dryRun".to_owned(), json!(["All"]));
    }
    options.into()
}

/// Puts the precondition into a patch. A server compares the version and the uid that the patched object would have with
/// those that it has, and answers 409 where they differ: that is unambiguous, as the 422 of a JSON patch's `test` is not.
fn pin(body: &mut Value, expect: Option<&Expect>) {
    let (name, value) = match expect {
        Some(Expect::Uid(uid) | Expect::Replicas { uid, .. }) => ("uid", uid),
        Some(Expect::Version(version)) => ("resourceVersion", version),
        None => return,
    };
    match body {
        Value::Array(operations) => {
            let path = format!("/metadata/{name}");
            operations.insert(0, json!({ "op": "replace", "path": path, "value": value }));
        }
        Value::Object(members) => {
            let metadata = members.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert(name.to_owned(), value.as_str().into());
            }
        }
        _ => {}
    }
}

fn collection(kind: &Kind, place: &Place) -> String {
    let root = kind.root();
    match &place.namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{}", place.resource),
        None => format!("{root}/{}", place.resource),
    }
}

fn path(kind: &Kind, target: &ObjectTarget, sub: Option<&str>) -> String {
    let mut path = format!("{}/{}", collection(kind, &target.place), target.name);
    if let Some(sub) = sub {
        path.push('/');
        path.push_str(sub);
    }
    path
}

fn build(
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<(&'static str, &Value)>,
) -> Request<Vec<u8>> {
    let uri = if query.is_empty() {
        path.to_owned()
    } else {
        form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1)
            .extend_pairs(query)
            .finish()
    };
    let mut request = Request::new(Vec::new());
    *request.method_mut() = method;
    // Paths are made of checked parts, so they are URIs; should one not be, the server's root answers with no object.
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(
        http::header::ACCEPT,
        http::HeaderValue::from_static("application/json"),
    );
    if let Some((mime, body)) = body {
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(mime));
        *request.body_mut() = stanch_contract::canonical::to_string(body).into_bytes();
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, version: &str, plural: &str) -> Kind {
        Kind {
            group: group.into(),
            version: version.into(),
            kind: "K".into(),
            plural: plural.into(),
            namespaced: true,
            scales: true,
        }
    }

    fn pod() -> (Kind, ObjectTarget) {
        (
            kind("", "v1", "pods"),
            ObjectTarget::parse("kubernetes:shop/_/pods/web-0", "evict").unwrap(),
        )
    }

    fn web() -> (Kind, ObjectTarget) {
        (
            kind("apps", "v1", "deployments"),
            ObjectTarget::parse("kubernetes:shop/apps/deployments/web", "scale").unwrap(),
        )
    }

    /// Method, path, type and body.
    fn sent(request: &Request<Vec<u8>>) -> String {
        let mime = request
            .headers()
            .get("content-type")
            .map_or("", |mime| mime.to_str().unwrap());
        let body = String::from_utf8(request.body().clone()).unwrap();
        format!("{} {} {mime} {body}", request.method(), request.uri())
    }

    #[test]
    fn reads_ask_for_what_they_name() {
        let (kind, target) = pod();
        assert_eq!(
            sent(&get(&kind, &target)),
            "GET /api/v1/namespaces/shop/pods/web-0  "
        );
        let query = ListQuery {
            labels: Some("app in (a,b)".into()),
            fields: Some("status.phase=Running"),
            limit: 100,
            continue_from: Some("a+b/="),
        };
        assert_eq!(
            sent(&list(&kind, &target.place, &query)),
            "GET /api/v1/namespaces/shop/pods?limit=100&labelSelector=app+in+%28a%2Cb%29&fieldSelector=status.phase%3DRunning&continue=a%2Bb%2F%3D  "
        );
        let query = LogQuery {
            container: Some("main"),
            previous: true,
            tail_lines: 50,
        };
        assert_eq!(
            sent(&logs(&kind, &target, query)),
            "GET /api/v1/namespaces/shop/pods/web-0/log?tailLines=50&container=main&previous=true  "
        );
    }

    #[test]
    fn a_change_carries_its_precondition_where_the_server_looks_for_it() {
        let (pods, web_0) = pod();
        let (deployments, web) = web();
        let (uid, version) = (Expect::Uid("u-1".into()), Expect::Version("7".into()));
        let from = |from| Expect::Replicas {
            uid: "u-1".into(),
            from,
        };
        let patch = |kind, body: Value| Content::Patch { kind, body };
        let at = "/apis/apps/v1/namespaces/shop/deployments/web";
        let table = [
            (
                change(&pods, &web_0, &Content::Delete { grace: Some(0) }, Some(&uid), false),
                r#"DELETE /api/v1/namespaces/shop/pods/web-0 application/json {"apiVersion":"v1","gracePeriodSeconds":0,"kind":"DeleteOptions","preconditions":{"uid":"u-1"}}"#.to_owned(),
            ),
            (
                change(&pods, &web_0, &Content::Evict { grace: None }, Some(&uid), false),
                r#"POST /api/v1/namespaces/shop/pods/web-0/eviction application/json {"apiVersion":"policy/v1","deleteOptions":{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u-1"}},"kind":"Eviction","metadata":{"name":"web-0","namespace":"shop"}}"#.to_owned(),
            ),
            (
                change(&deployments, &web, &Content::Scale { replicas: 5 }, Some(&version), false),
                format!(r#"PATCH {at}/scale?fieldManager=stanch application/merge-patch+json {{"metadata":{{"resourceVersion":"7"}},"spec":{{"replicas":5}}}}"#),
            ),
            (
                change(&deployments, &web, &Content::Scale { replicas: 5 }, Some(&from(3)), false),
                format!(r#"PATCH {at}/scale?fieldManager=stanch application/json-patch+json [{{"op":"replace","path":"/metadata/uid","value":"u-1"}},{{"op":"test","path":"/spec/replicas","value":3}},{{"op":"add","path":"/spec/replicas","value":5}}]"#),
            ),
            (
                change(&deployments, &web, &Content::Scale { replicas: 5 }, Some(&from(0)), false),
                format!(r#"PATCH {at}/scale?fieldManager=stanch application/json-patch+json [{{"op":"replace","path":"/metadata/uid","value":"u-1"}},{{"op":"test","path":"/spec","value":{{}}}},{{"op":"add","path":"/spec/replicas","value":5}}]"#),
            ),
            (
                change(&deployments, &web, &patch(PatchKind::Strategic, json!({ "metadata": { "labels": {} } })), Some(&uid), false),
                format!(r#"PATCH {at}?fieldManager=stanch&fieldValidation=Strict application/strategic-merge-patch+json {{"metadata":{{"labels":{{}},"uid":"u-1"}}}}"#),
            ),
            (
                change(&deployments, &web, &patch(PatchKind::Json, json!([{ "op": "remove", "path": "/data/a" }])), Some(&version), false),
                format!(r#"PATCH {at}?fieldManager=stanch&fieldValidation=Strict application/json-patch+json [{{"op":"replace","path":"/metadata/resourceVersion","value":"7"}},{{"op":"remove","path":"/data/a"}}]"#),
            ),
            (
                change(&deployments, &web, &patch(PatchKind::Apply, json!({})), None, false),
                format!(r#"PATCH {at}?fieldManager=stanch&fieldValidation=Strict application/apply-patch+yaml {{}}"#),
            ),
            (
                change(&deployments, &web, &Content::Create { body: json!({ "a": 1 }) }, None, false),
                r#"POST /apis/apps/v1/namespaces/shop/deployments?fieldManager=stanch&fieldValidation=Strict application/json {"a":1}"#.to_owned(),
            ),
        ];
        for (request, expected) in table {
            assert_eq!(sent(&request), expected);
        }
    }

    #[test]
    fn a_dry_run_says_so_in_every_form() {
        let (pods, web_0) = pod();
        let contents = [
            Content::Delete { grace: None },
            Content::Evict { grace: None },
            Content::Scale { replicas: 1 },
            Content::Patch {
                kind: PatchKind::Merge,
                body: json!({}),
            },
            Content::Create { body: json!({}) },
        ];
        for content in contents {
            let dry = sent(&change(&pods, &web_0, &content, None, true));
            assert!(
                dry.contains("dryRun=All") || dry.contains(r#""dryRun":["All"]"#),
                "{dry}"
            );
            let wet = sent(&change(&pods, &web_0, &content, None, false));
            assert!(!wet.contains("dryRun"), "{wet}");
        }
    }

    #[test]
    fn an_expectation_is_a_uid_or_a_version() {
        assert_eq!(Expect::parse("uid:0e5f-1"), Ok(Expect::Uid("0e5f-1".into())));
        assert_eq!(Expect::parse("version:123"), Ok(Expect::Version("123".into())));
        for text in ["", "uid:", "version:", "uid:a b", "etag:\"a\"", "uid:a\"}", "123"] {
            assert!(Expect::parse(text).is_err(), "{text}");
        }
    }
}
