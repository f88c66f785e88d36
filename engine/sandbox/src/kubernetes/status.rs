//! What an API server's answer says: of a change, whether it took effect; of any request, what went wrong in a sentence.
//!
//! The table rests on the API conventions («HTTP Status codes») and on what servers of 1.37 were seen to answer.

use kube::core::Status;
use stanch_contract::{Failure, FailureCode, text};

use crate::gate::answer::Effect;

/// The cause of a refused eviction.
const BUDGET: &str = "DisruptionBudget";
/// What a message quotes beyond this is an object.
const LONGEST_QUOTE: usize = 120;
/// The cause of a refused server-side apply: another manager has the field.
const FIELD_MANAGER: &str = "FieldManagerConflict";

/// An answer that is not a success, as far as it could be read.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    code: u16,
    status: Option<Status>,
}

impl Refused {
    /// From the answer's status and body.
    pub(crate) fn new(code: u16, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body).ok();
        Self {
            code,
            status: status.filter(|status| !status.message.is_empty() || !status.reason.is_empty()),
        }
    }

    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// What the server said, else the number.
    pub(crate) fn message(&self) -> String {
        match &self.status {
            Some(status) if !status.message.is_empty() => {
                text::clean_line_to(&without_objects(&status.message), 400)
            }
            Some(status) => format!("{} ({})", self.code, text::clean_line_to(&status.reason, 80)),
            None => self.code.to_string(),
        }
    }

    fn causes(&self) -> impl Iterator<Item = (&str, &str)> {
        let details = self.status.as_ref().and_then(|status| status.details.as_ref());
        details
            .into_iter()
            .flat_map(|details| &details.causes)
            .map(|cause| (cause.reason.as_str(), cause.message.as_str()))
    }

    /// What a disruption budget says that refused an eviction; `None` where it was none.
    pub(crate) fn budget(&self) -> Option<String> {
        let said: Vec<&str> = self
            .causes()
            .filter(|(reason, _)| *reason == BUDGET)
            .map(|(_, message)| message)
            .collect();
        if said.is_empty() {
            return None;
        }
        Some(text::clean_line_to(&said.join("; "), 300))
    }

    /// An eviction that no disruption budget can be asked about, because more than one covers the pod: the server answers 500
    /// and has done nothing.
    fn has_two_budgets(&self) -> bool {
        self.message().contains("more than one PodDisruptionBudget")
    }

    /// Whether an admission webhook cannot be asked without an effect, so that there is no dry run.
    pub(crate) fn has_no_dry_run(&self) -> bool {
        self.message().contains("does not support dry run")
    }

    /// Whether the server says that what it was sent does not fit, without always saying what of it.
    pub(crate) fn is_invalid(&self) -> bool {
        self.code == 422
    }

    /// Whether the object is another one now, or was changed, or is gone: what was planned is overtaken.
    pub(crate) fn is_overtaken(&self) -> bool {
        match self.code {
            404 | 410 => true,
            409 => !self.is_owned_by_others(),
            // A merge of a uid that is not the object's own is refused as an unchangeable field.
            422 => self.details_field("metadata.uid"),
            _ => false,
        }
    }

    fn is_owned_by_others(&self) -> bool {
        self.causes().any(|(reason, _)| reason == FIELD_MANAGER)
    }

    fn details_field(&self, field: &str) -> bool {
        let details = self.status.as_ref().and_then(|status| status.details.as_ref());
        details.is_some_and(|details| details.causes.iter().any(|cause| cause.field == field))
    }

    /// What it says of a change that was sent whole.
    pub(crate) fn effect(&self) -> Effect {
        match self.code {
            429 => Effect::NotNow,
            500 if self.has_two_budgets() => Effect::Refused,
            408 | 499 => Effect::Unknown,
            400..=498 => Effect::Refused,
            // An API server leads nobody elsewhere, so this is not its answer. 5xx may come after the effect.
            _ => Effect::Unknown,
        }
    }

    /// As the plugin gets it. `what` is the request, `cluster` its cluster's name.
    pub(crate) fn failure(&self, what: &str, cluster: &str) -> Failure {
        let said = self.message();
        let (code, message) = match self.code {
            401 => (
                FailureCode::Denied,
                format!("{what}: the cluster `{cluster}` does not accept the engine's credentials: {said}"),
            ),
            403 => (
                FailureCode::Denied,
                format!("{what}: the cluster `{cluster}` refused it: {said}"),
            ),
            404 => (FailureCode::NotFound, format!("{what}: {said}")),
            409 if self.is_owned_by_others() => (
                FailureCode::Denied,
                format!("{what}: fields of it belong to others, and an apply is never forced: {said}"),
            ),
            _ if self.is_overtaken() => (FailureCode::Conflict, format!("{what}: {said}")),
            429 => match self.budget() {
                Some(budget) => (
                    FailureCode::Denied,
                    format!("{what}: refused for now by its disruption budget: {budget}"),
                ),
                None => (
                    FailureCode::Unavailable,
                    format!("{what}: turned away for now: {said}"),
                ),
            },
            500 if self.has_two_budgets() => (FailureCode::Denied, format!("{what}: {said}")),
            408 | 504 => (FailureCode::Timeout, format!("{what}: {said}")),
            500..=599 => (FailureCode::Unavailable, format!("{what}: {said}")),
            300..=399 => (
                FailureCode::Failed,
                format!(
                    "{what}: answered with a redirect ({}), as an API server does not",
                    self.code
                ),
            ),
            _ => (FailureCode::Failed, format!("{what}: {said}")),
        };
        let mut failure = Failure::new(code, message);
        failure.retry_after_ms = self.retry_after();
        failure
    }

    fn retry_after(&self) -> Option<u32> {
        let details = self.status.as_ref().and_then(|status| status.details.as_ref())?;
        (details.retry_after_seconds > 0).then(|| details.retry_after_seconds.saturating_mul(1000))
    }
}

/// A message without what it quotes at length. Of a field that it does not know a server says it after the whole object, as it
/// has it inside: the reason would be cut off, and what is in the object is not to be told.
fn without_objects(message: &str) -> String {
    let mut told = String::with_capacity(message.len().min(1024));
    let mut rest = message;
    while let Some((before, quoted)) = rest.split_once('"') {
        told.push_str(before);
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (inside, after) = match end {
            Some(end) => (
                quoted.get(..end).unwrap_or_default(),
                quoted.get(end + 1..).unwrap_or_default(),
            ),
            None => (quoted, ""),
        };
        told.push_str(&format!(
            "\"{}\"",
            if inside.len() > LONGEST_QUOTE {
                "…"
            } else {
                inside
            }
        ));
        rest = after;
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(code: u16, body: Value) -> Refused {
        Refused::new(code, body.to_string().as_bytes())
    }

    fn with_cause(code: u16, reason: &str, message: &str, field: &str) -> Refused {
        let causes = json!([{ "reason": reason, "message": message, "field": field }]);
        refused(
            code,
            json!({ "kind": "Status", "message": "said", "reason": "R", "code": code, "details": { "causes": causes } }),
        )
    }

    #[test]
    fn every_answer_says_refused_not_now_or_nothing() {
        let plain = |code: u16| refused(code, json!({ "message": "said" }));
        let table = [
            (
                Effect::Refused,
                vec![400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422],
            ),
            (Effect::NotNow, vec![429]),
            (
                Effect::Unknown,
                vec![101, 301, 302, 307, 408, 499, 500, 501, 502, 503, 504, 599],
            ),
        ];
        for (effect, codes) in table {
            for code in codes {
                assert_eq!(plain(code).effect(), effect, "{code}");
            }
        }
        let two = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        assert_eq!(refused(500, json!({ "message": two })).effect(), Effect::Refused);
        assert_eq!(Refused::new(503, b"<html>").effect(), Effect::Unknown);
        assert_eq!(
            with_cause(429, BUDGET, "The disruption budget web needs 2", "").effect(),
            Effect::NotNow
        );
    }

    #[test]
    fn a_message_tells_its_reason_and_not_the_whole_object() {
        let object = json!({ "data": { "password": "hunter2".repeat(40) } }).to_string();
        let message = format!(
            r#"Deployment "web" is invalid: patch: Invalid value: {object:?}: strict decoding error: unknown field "spec.replcas""#
        );
        assert_eq!(
            refused(422, json!({ "message": message })).message(),
            r#"Deployment "web" is invalid: patch: Invalid value: "…": strict decoding error: unknown field "spec.replcas""#
        );
        assert_eq!(without_objects("no quotes"), "no quotes");
        assert_eq!(without_objects(r#"an "open one"#), r#"an "open one""#);
    }

    #[test]
    fn every_answer_has_a_code_and_the_servers_words() {
        let two = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        let table = [
            (
                refused(401, json!({ "message": "Unauthorized" })),
                FailureCode::Denied,
                "does not accept the engine's credentials",
            ),
            (
                refused(
                    403,
                    json!({ "message": "pods \"a\" is forbidden: User \"engine\" cannot delete resource \"pods\"" }),
                ),
                FailureCode::Denied,
                "User \"engine\" cannot delete",
            ),
            (
                refused(404, json!({ "message": "pods \"a\" not found" })),
                FailureCode::NotFound,
                "not found",
            ),
            (
                refused(409, json!({ "message": "the UID in the precondition" })),
                FailureCode::Conflict,
                "precondition",
            ),
            (
                refused(410, json!({ "message": "too old" })),
                FailureCode::Conflict,
                "too old",
            ),
            (
                with_cause(409, FIELD_MANAGER, "conflict with \"helm\"", ".spec.replicas"),
                FailureCode::Denied,
                "belong to others",
            ),
            (
                with_cause(422, "FieldValueInvalid", "field is immutable", "metadata.uid"),
                FailureCode::Conflict,
                "said",
            ),
            (
                with_cause(422, "FieldValueInvalid", "must be less", "spec.replicas"),
                FailureCode::Failed,
                "said",
            ),
            (
                with_cause(429, BUDGET, "The disruption budget web needs 2 healthy pods", ""),
                FailureCode::Denied,
                "The disruption budget web needs 2",
            ),
            (
                refused(429, json!({ "message": "too many requests" })),
                FailureCode::Unavailable,
                "turned away for now",
            ),
            (
                refused(500, json!({ "message": two })),
                FailureCode::Denied,
                "more than one",
            ),
            (
                refused(503, json!({ "message": "shutting down" })),
                FailureCode::Unavailable,
                "shutting down",
            ),
            (
                refused(504, json!({ "message": "timeout" })),
                FailureCode::Timeout,
                "timeout",
            ),
            (Refused::new(302, b""), FailureCode::Failed, "redirect"),
            (
                Refused::new(502, b"<html>bad gateway"),
                FailureCode::Unavailable,
                "502",
            ),
            (
                refused(400, json!({ "message": "bad\u{1b}[1m request" })),
                FailureCode::Failed,
                "bad[1m request",
            ),
        ];
        for (refused, code, words) in table {
            let failure = refused.failure("evict x", "eu-b");
            assert_eq!(failure.code, code, "{failure}");
            assert!(
                failure.message.starts_with("evict x: ") && failure.message.contains(words),
                "{failure}"
            );
        }
        let later = refused(
            429,
            json!({ "message": "m", "details": { "retryAfterSeconds": 10 } }),
        );
        assert_eq!(later.failure("x", "c").retry_after_ms, Some(10_000));
    }
}
