//! `[[kubernetes]]`: what is in a cluster, what a container logged, and where an API server answers otherwise than it would.

use serde_json::Value;
use stanch_contract::Span;

use super::{ClusterIs, Kubernetes, NoAnswer, at, moment};
use crate::load::fields::{self, Fields};
use crate::load::node::{Data, Node};
use crate::problem::{At, Problems};

/// Objects of one table.
const MOST_OBJECTS: usize = 10_000;

pub(super) fn kubernetes(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Kubernetes> {
    let mut fields = Fields::of(node, "what a cluster has", problems)?;
    let at = at(&mut fields, problems);
    let cluster = fields.text("cluster", problems).map(|got| got.value.to_owned());
    let since = fields.text("since", problems).map(|got| {
        checked_call(got.value, &got.at, problems);
        got.value.to_owned()
    });
    let after = fields.parsed::<Span>("after", problems);
    if let (Some(after), None) = (&after, &since) {
        let help = "add `since = \"evict kubernetes:NAMESPACE/_/pods/NAME\"`, or write `at`".to_owned();
        problems.add(
            &after.at,
            "`after` counts from a call that `since` names",
            "after what?",
            help,
        );
    }
    let what = what(&mut fields, problems);
    if let (Some(since), Some(ClusterIs::Answer { .. } | ClusterIs::Log { .. })) = (&since, &what) {
        let message = format!("`since` is for objects that come and go (`{since}`)");
        problems.add(fields.at(), message, "not here", None);
    }
    fields.finish(problems);
    Some(Kubernetes {
        at,
        cluster,
        since,
        after: after.map_or(Span::ZERO, |got| got.value),
        what: what?,
    })
}

fn what(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Option<ClusterIs> {
    let objects = fields.node("objects");
    let gone = fields.texts("gone", problems);
    let log = fields.text("log", problems);
    let call = fields.text("call", problems);
    let kinds = [objects.is_some() || gone.is_some(), log.is_some(), call.is_some()];
    if kinds.iter().filter(|said| **said).count() != 1 {
        let message = "a table says one thing of a cluster: `objects` and `gone`, `log`, or `call`";
        let help = "add `objects = '''` with objects as `kubectl get -o yaml` shows them".to_owned();
        problems.add(fields.at(), message, "which?", help);
        return None;
    }
    if let Some(pod) = log {
        let container = fields.text("container", problems).map(|got| got.value.to_owned());
        let previous = fields.truth("previous", problems).is_some_and(|got| got.value);
        let text = fields.needed_text("text", "text = \"it started\\n\"", problems);
        return Some(ClusterIs::Log {
            pod: pod.value.to_owned(),
            container,
            previous,
            text: text?.value.to_owned(),
        });
    }
    if let Some(call) = call {
        if call.value != "*" {
            checked_call(call.value, &call.at, problems);
        }
        let times = fields.count("times", 1, 1_000_000, problems).map(|got| got.value);
        let words = [("refused", NoAnswer::Refused), ("lost", NoAnswer::Lost)];
        let error = fields.word("error", &words, problems);
        let status = fields.count("status", 400, 599, problems);
        let message = fields.text("message", problems).map(|got| got.value.to_owned());
        let answer = match (error, status) {
            (Some(error), None) => Err(error.value),
            (None, Some(status)) => Ok(u16::try_from(status.value).ok()?),
            _ => {
                let message = "an answer is an `error`, or has a `status`";
                let help = "add `status = 403`, or `error = \"lost\"`".to_owned();
                problems.add(&call.at, message, "which?", help);
                return None;
            }
        };
        return Some(ClusterIs::Answer {
            call: call.value.to_owned(),
            times,
            answer,
            message: message.unwrap_or_default(),
        });
    }
    let gone = gone.unwrap_or_default();
    Some(ClusterIs::Objects {
        objects: objects.map_or_else(Vec::new, |node| self::objects(node, problems)),
        gone: gone.into_iter().map(|got| got.value.to_owned()).collect(),
    })
}

/// `VERB kubernetes:…`, as cases and plans name calls.
fn checked_call(text: &str, at: &At, problems: &mut Problems<'_>) {
    if text
        .split_once(' ')
        .is_none_or(|(_, target)| !target.starts_with(['k', '*']))
    {
        let help = "write the verb and the target, as in `evict kubernetes:shop/_/pods/*`".to_owned();
        problems.add(at, format!("`{text}` is not a call"), "verb or target?", help);
    }
}

/// Objects in YAML, a `List` of them too; or one or several as tables.
fn objects(node: &Node<'_>, problems: &mut Problems<'_>) -> Vec<Value> {
    let read = match &node.data {
        Data::Text(text) => match serde_saphyr::from_multiple::<Value>(text) {
            Ok(documents) => documents,
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default();
                let help = "write objects as `kubectl get -o yaml` shows them, `---` between them".to_owned();
                problems.add(&node.at, format!("`objects` is not YAML: {why}"), "in here", help);
                return Vec::new();
            }
        },
        Data::List(items) => items.iter().map(|item| item.to_json(problems)).collect(),
        Data::Table(_) => vec![node.to_json(problems)],
        _ => {
            fields::wrong_type::<()>(node, "`objects`", "objects in YAML, or tables", problems);
            return Vec::new();
        }
    };
    let mut objects = Vec::new();
    for document in read {
        match document {
            Value::Null => {}
            Value::Object(mut list) if list.get("items").is_some_and(Value::is_array) => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    objects.extend(items);
                }
            }
            other => objects.push(other),
        }
    }
    if objects.len() > MOST_OBJECTS {
        let message = format!("{} objects are more than {MOST_OBJECTS}", objects.len());
        problems.add(&node.at, message, "too many", None);
    }
    for object in &objects {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let named = ["/apiVersion", "/kind", "/metadata/name"];
        if let Some(missing) = named.iter().find(|pointer| text(pointer).is_none()) {
            let missing = missing.trim_start_matches('/').replace('/', ".");
            let name = text("/metadata/name").or(text("/kind")).unwrap_or("an object");
            let help = "write it as `kubectl get -o yaml` shows it".to_owned();
            problems.add(&node.at, format!("`{name}` has no `{missing}`"), "in here", help);
        }
        if let Err(why) = moment::check_json(object) {
            problems.add(&node.at, why, "in here", None);
        }
    }
    objects
}
