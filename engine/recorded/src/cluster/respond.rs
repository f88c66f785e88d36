//! What an API server does with an object: what it answers, and what the object is then.

use serde_json::{Map, Value, json};
use stanch_contract::{Span, Timestamp};
use stanch_sandbox::kubernetes::selects;

use super::answer::{Reply, already_exists, bad_request, conflict, done, invalid, not_found, status};
use super::fields::{Fields, unknown_field};
use super::kinds::text;
use super::patch;
use super::request::{Request, Verb};
use super::state::{Key, State, seconds, set};

/// How soon a pod that is deleted with grace is gone: its containers end when they are told to.
const ENDING: Span = Span::from_secs(1);

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl State {
    /// What the server answers, and what it does.
    pub(super) fn respond(&mut self, request: &Request<'_>, now: Timestamp) -> Reply {
        let (kind, key) = (request.kind, request.key());
        if request.verb == Verb::List {
            return self.list(request);
        }
        if request.verb == Verb::Create {
            return self.create(request, key, request.body.clone(), now);
        }
        let Some(live) = self.get(&key).cloned() else {
            return match (request.verb, request.content_type) {
                (Verb::Patch, APPLY) => self.create(request, key, request.body.clone(), now),
                _ => not_found(kind, &key.name),
            };
        };
        match request.verb {
            Verb::Get => Reply::Json(200, live),
            Verb::Delete => self.delete(request, &request.body, key, live, now),
            Verb::Evict => self.evict(request, key, live, now),
            Verb::Scale => self.scale(request, key, live),
            Verb::Patch => self.patch(request, key, live),
            Verb::List | Verb::Create | Verb::Logs => bad_request("not of one object".to_owned()),
        }
    }

    fn list(&self, request: &Request<'_>) -> Reply {
        let kind = request.kind;
        let asked = |name: &str| {
            request
                .query
                .get(name)
                .map(String::as_str)
                .filter(|asked| !asked.is_empty())
        };
        let fields = match asked("fieldSelector")
            .map(|fields| Fields::read(kind, fields))
            .transpose()
        {
            Ok(fields) => fields.unwrap_or_default(),
            Err(unknown) => return unknown_field(kind, &unknown),
        };
        let mut items = Vec::new();
        for (key, object) in self.objects() {
            let is_there = key.group == kind.group
                && key.plural == kind.plural
                && (request.namespace.is_none() || key.namespace == request.namespace);
            if !is_there || !fields.fit(object) {
                continue;
            }
            match asked("labelSelector")
                .map(|labels| selects(labels, object))
                .transpose()
            {
                Ok(Some(false)) => continue,
                Ok(_) => items.push((key, object)),
                Err(why) => return bad_request(why),
            }
        }
        if let Some(from) = asked("continue") {
            let from = from.split_once('/').unwrap_or_default();
            items.retain(|(key, _)| place(key) > from);
        }
        let most = asked("limit").and_then(|most| most.parse().ok());
        let most = most.filter(|most| *most > 0).unwrap_or(usize::MAX);
        let next = (items.len() > most)
            .then(|| most.checked_sub(1).and_then(|last| items.get(last)))
            .flatten();
        let mut metadata = json!({ "resourceVersion": self.version().to_string() });
        if let (Some((key, _)), Some(metadata)) = (next, metadata.as_object_mut()) {
            let (namespace, name) = place(key);
            metadata.insert("continue".to_owned(), format!("{namespace}/{name}").into());
        }
        let items: Vec<&Value> = items.iter().take(most).map(|(_, object)| *object).collect();
        Reply::Json(
            200,
            json!({
                "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
                "metadata": metadata, "items": items,
            }),
        )
    }

    fn create(&mut self, request: &Request<'_>, key: Key, mut object: Value, now: Timestamp) -> Reply {
        let kind = request.kind;
        if self.get(&key).is_some() {
            return already_exists(kind, &key.name);
        }
        if let Some(members) = object.as_object_mut() {
            members.insert("apiVersion".to_owned(), kind.api_version().into());
            members.insert("kind".to_owned(), kind.kind.as_str().into());
            members.entry("metadata").or_insert_with(|| json!({}));
            if (kind.group.as_str(), kind.plural.as_str()) == ("", "pods") {
                members.insert("status".to_owned(), json!({ "phase": "Pending" }));
            }
        }
        set(&mut object, "name", key.name.as_str().into());
        if let Some(namespace) = &key.namespace {
            set(&mut object, "namespace", namespace.as_str().into());
        }
        let uid = self.next_uid();
        set(&mut object, "uid", uid.into());
        set(&mut object, "creationTimestamp", seconds(now).into());
        let object = if request.dry_run {
            object
        } else {
            self.put(key, object)
        };
        Reply::Json(201, object)
    }

    pub(super) fn delete(
        &mut self,
        request: &Request<'_>,
        options: &Value,
        key: Key,
        live: Value,
        now: Timestamp,
    ) -> Reply {
        let kind = request.kind;
        for (name, what, otherwise) in [
            ("uid", "UID", "deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", "modified"),
        ] {
            let expected = text(options, &format!("/preconditions/{name}"));
            let found = text(&live, &format!("/metadata/{name}"));
            if !expected.is_empty() && expected != found {
                let why = format!(
                    "the {what} in the precondition ({expected}) does not match the {what} in record ({found}). The object \
                     might have been {otherwise}"
                );
                return conflict(kind, &kind.kind, &key.name, &why);
            }
        }
        let is_pod = (kind.group.as_str(), kind.plural.as_str()) == ("", "pods");
        let own = live
            .pointer("/spec/terminationGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(30);
        let asked = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        // What no kubelet has is gone at once.
        let runs = !text(&live, "/spec/nodeName").is_empty();
        let grace = if is_pod && runs { asked.unwrap_or(own) } else { 0 };
        let is_held = live
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|held| !held.is_empty());
        let uid = text(&live, "/metadata/uid").to_owned();
        let mut going = live;
        if (is_pod || is_held) && text(&going, "/metadata/deletionTimestamp").is_empty() {
            let due = now.plus(Span::from_millis(grace.saturating_mul(1000)));
            set(&mut going, "deletionTimestamp", seconds(due).into());
            set(&mut going, "deletionGracePeriodSeconds", grace.into());
            if !request.dry_run {
                going = self.put(key.clone(), going);
            }
        }
        if grace > 0 || is_held {
            if !request.dry_run && !is_held {
                self.ends(key.clone(), now.plus(ENDING));
            }
        } else if !request.dry_run {
            self.remove(&key);
        }
        if is_pod || is_held {
            Reply::Json(200, going)
        } else {
            done(200, Some((kind, &key.name, &uid)))
        }
    }

    /// What is patched is the object's `Scale`: its number, and of its metadata what says which object it is.
    fn scale(&mut self, request: &Request<'_>, key: Key, live: Value) -> Reply {
        let mut scale = scale_of(&live);
        if let Err(refused) = patched(request, &mut scale) {
            return refused;
        }
        let (meant, found) = (text(&scale, "/metadata/uid"), text(&live, "/metadata/uid"));
        if meant != found {
            let what = format!("{}/scale", request.kind.plural);
            let why =
                format!("Precondition failed: UID in precondition: {meant}, UID in object meta: {found}");
            return conflict(request.kind, &what, &key.name, &why);
        }
        let mut next = live.clone();
        if let Some(version) = scale.pointer("/metadata/resourceVersion") {
            set(&mut next, "resourceVersion", version.clone());
        }
        let replicas = scale
            .pointer("/spec/replicas")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        patch::merge(&mut next, &json!({ "spec": { "replicas": replicas } }));
        match self.replace(request, key, &live, next) {
            Ok(kept) => Reply::Json(200, scale_of(&kept)),
            Err(refused) => refused,
        }
    }

    fn patch(&mut self, request: &Request<'_>, key: Key, live: Value) -> Reply {
        let mut next = live.clone();
        let kept = patched(request, &mut next).and_then(|()| self.replace(request, key, &live, next));
        match kept {
            Ok(kept) => Reply::Json(200, kept),
            Err(refused) => refused,
        }
    }

    /// Puts what an object was made to in its place, where what it names is this very object in this version.
    fn replace(
        &mut self,
        request: &Request<'_>,
        key: Key,
        live: &Value,
        mut next: Value,
    ) -> Result<Value, Reply> {
        let kind = request.kind;
        if text(&next, "/metadata/resourceVersion") != text(live, "/metadata/resourceVersion") {
            let why =
                "the object has been modified; please apply your changes to the latest version and try again";
            return Err(conflict(kind, &kind.plural, &key.name, why));
        }
        let uid = text(&next, "/metadata/uid");
        if uid != text(live, "/metadata/uid") {
            return Err(invalid(kind, &key.name, "metadata.uid", uid));
        }
        // What is a controller's or the server's to say stays.
        for pointer in [
            "/metadata/creationTimestamp",
            "/metadata/generation",
            "/metadata/deletionTimestamp",
        ] {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            if let Some(value) = live.pointer(pointer) {
                set(&mut next, name, value.clone());
            }
        }
        if let (Some(status), Some(next)) = (live.get("status"), next.as_object_mut()) {
            next.insert("status".to_owned(), status.clone());
        }
        if next == *live {
            return Ok(next);
        }
        if next.get("spec") != live.get("spec")
            && let Some(generation) = live.pointer("/metadata/generation").and_then(Value::as_i64)
        {
            set(&mut next, "generation", (generation + 1).into());
        }
        Ok(if request.dry_run {
            next
        } else {
            self.put(key, next)
        })
    }
}

/// Where it is among those of its kind, and what the token of a page says.
fn place(key: &Key) -> (&str, &str) {
    (key.namespace.as_deref().unwrap_or_default(), &key.name)
}

/// Does to an object what a request's patch says, or says why it does not fit.
fn patched(request: &Request<'_>, object: &mut Value) -> Result<(), Reply> {
    let (body, built_in) = (&request.body, request.kind.built_in);
    let patched = match request.content_type {
        MERGE => {
            patch::merge(object, body);
            Ok(())
        }
        JSON => patch::json(object, body),
        STRATEGIC | APPLY if built_in => patch::strategic(object, body),
        APPLY => {
            patch::merge(object, body);
            Ok(())
        }
        _ => {
            let why = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(status(415, "UnsupportedMediaType", why.to_owned(), Value::Null));
        }
    };
    patched.map_err(|unfit| match unfit.invalid {
        true => status(422, "Invalid", unfit.why, json!({})),
        false => bad_request(unfit.why),
    })
}

/// An object as `…/scale` shows it.
fn scale_of(object: &Value) -> Value {
    let of = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let names = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: Map<String, Value> = names
        .into_iter()
        .map(|name| (name.to_owned(), of(&format!("/metadata/{name}"))))
        .collect();
    let labels = object
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let selector = pairs.collect::<Vec<_>>().join(",");
    // Of none the number is not there: it is `omitempty`.
    let spec = match of("/spec/replicas").as_i64().filter(|number| *number != 0) {
        Some(replicas) => json!({ "replicas": replicas }),
        None => json!({}),
    };
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": { "replicas": of("/status/replicas").as_i64().unwrap_or(0), "selector": selector },
    })
}
