//! What an API server says besides objects: its `Status`, in its words.

use serde_json::{Value, json};

use super::kinds::Kind;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Json(u16, Value),
    Text(String),
}

pub(super) fn status(code: u16, reason: &str, message: String, details: Value) -> Reply {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    if let (false, Some(members)) = (details.is_null(), body.as_object_mut()) {
        members.insert("details".to_owned(), details);
    }
    Reply::Json(code, body)
}

fn details(kind: &Kind, name: &str) -> Value {
    let mut details = json!({ "name": name, "kind": kind.plural });
    if let (false, Some(details)) = (kind.group.is_empty(), details.as_object_mut()) {
        details.insert("group".to_owned(), kind.group.as_str().into());
    }
    details
}

/// A success that has no object to show.
pub(super) fn done(code: u16, of: Option<(&Kind, &str, &str)>) -> Reply {
    let mut body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    if let (Some((kind, name, uid)), Some(members)) = (of, body.as_object_mut()) {
        let mut details = details(kind, name);
        if let Some(details) = details.as_object_mut() {
            details.insert("uid".to_owned(), uid.into());
        }
        members.insert("details".to_owned(), details);
    }
    if of.is_none() && code == 201 {
        body.as_object_mut()
            .map(|body| body.insert("code".to_owned(), code.into()));
    }
    Reply::Json(code, body)
}

pub(super) fn no_path() -> Reply {
    let message = "the server could not find the requested resource".to_owned();
    status(404, "NotFound", message, json!({}))
}

pub(super) fn not_found(kind: &Kind, name: &str) -> Reply {
    let message = format!("{} {name:?} not found", kind.shown());
    status(404, "NotFound", message, details(kind, name))
}

pub(super) fn already_exists(kind: &Kind, name: &str) -> Reply {
    let message = format!("{} {name:?} already exists", kind.shown());
    status(409, "AlreadyExists", message, details(kind, name))
}

/// `what` is what the server calls it there, which is not the same everywhere.
pub(super) fn conflict(kind: &Kind, what: &str, name: &str, why: &str) -> Reply {
    let shown = match kind.group.as_str() {
        "" => what.to_owned(),
        group => format!("{what}.{group}"),
    };
    let message = format!("Operation cannot be fulfilled on {shown} {name:?}: {why}");
    let mut details = details(kind, name);
    if let Some(details) = details.as_object_mut() {
        details.insert("kind".to_owned(), what.into());
    }
    status(409, "Conflict", message, details)
}

pub(super) fn bad_request(why: String) -> Reply {
    status(400, "BadRequest", why, Value::Null)
}

/// An eviction that a budget forbids for now.
pub(super) fn over_budget(budget: &str, wanted: i64, healthy: i64) -> Reply {
    let cause =
        format!("The disruption budget {budget} needs {wanted} healthy pods and has {healthy} currently");
    let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
    let details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
    status(429, "TooManyRequests", message, details)
}

/// What a test has the server say. `reason` follows from the code.
pub(super) fn given(code: u16, message: &str) -> Reply {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        500 => "InternalError",
        _ => "BadRequest",
    };
    let message = if message.is_empty() {
        "as the test says"
    } else {
        message
    };
    status(code, reason, message.to_owned(), Value::Null)
}

/// A field of an object that may not be this.
pub(super) fn invalid(kind: &Kind, name: &str, field: &str, value: &str) -> Reply {
    let why = format!("Invalid value: {value:?}: field is immutable");
    let shown = if kind.group.is_empty() {
        kind.kind.clone()
    } else {
        format!("{}.{}", kind.kind, kind.group)
    };
    let message = format!("{shown} {name:?} is invalid: {field}: {why}");
    let mut details = details(kind, name);
    if let Some(details) = details.as_object_mut() {
        details.insert("kind".to_owned(), kind.kind.as_str().into());
        let cause = json!({ "reason": "FieldValueInvalid", "message": why, "field": field });
        details.insert("causes".to_owned(), json!([cause]));
    }
    status(422, "Invalid", message, details)
}
