//! The contract's words between host and guest.
//!
//! The engine's types are in stanch-contract, the guest's are generated from the WIT; this is the only place that knows
//! both. What comes from a guest is judged in `output`; here it only changes its type.

use serde_json::Value;
use stanch_contract::{
    Action, Alert, AttemptMade, ChangePlan, Failure, FailureCode, Outcome, PluginKind, Progress, text,
};

use crate::bindings::{common, http as wit_http, notify, remedy};
use crate::http;
use crate::installation::{CallContext, Message};

/// How long a guest's failure message may be, in characters.
const MESSAGE: usize = 2_000;

/// `{}` for nothing, as the contract says.
pub(crate) fn to_json(value: &Value) -> String {
    if value.is_null() {
        "{}".to_owned()
    } else {
        value.to_string()
    }
}

pub(crate) fn to_guest_context(context: &CallContext) -> common::Context {
    common::Context {
        run: context.run.0.clone(),
        step: context.step.0.clone(),
        attempt: context.attempt,
        idempotency_key: context.idempotency_key.0.clone(),
        alerts: context.alerts.iter().map(to_guest_alert).collect(),
        extra: to_json(&context.extra),
    }
}

fn to_guest_alert(alert: &Alert) -> common::Alert {
    let labels = |of: &std::collections::BTreeMap<String, String>| {
        of.iter()
            .map(|(name, value)| common::Label {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    };
    common::Alert {
        name: alert.name.clone(),
        fingerprint: alert.fingerprint.clone(),
        status: alert.status.as_str().to_owned(),
        labels: labels(&alert.labels),
        annotations: labels(&alert.annotations),
        starts_at: alert.starts_at.clone(),
        payload: to_json(&alert.payload),
        extra: "{}".to_owned(),
    }
}

pub(crate) fn to_guest_plan(plan: &ChangePlan) -> remedy::ChangePlan {
    remedy::ChangePlan {
        summary: plan.summary.clone(),
        actions: plan.actions.iter().map(to_guest_action).collect(),
        population: plan.population.clone(),
        data: to_json(&plan.data),
        extra: to_json(&plan.extra),
    }
}

fn to_guest_action(action: &Action) -> remedy::Action {
    remedy::Action {
        verb: action.verb.clone(),
        target: action.target.clone(),
        expect: action.expect.clone(),
        content: action.content.clone(),
        items: action.items.clone(),
        reason: action.reason.clone(),
        extra: to_json(&action.extra),
    }
}

pub(crate) fn to_guest_attempt(made: &AttemptMade) -> remedy::AttemptMade {
    remedy::AttemptMade {
        plan: to_guest_plan(&made.plan.offered),
        progress: to_guest_progress(made.plan.actions.len(), &made.progress),
        outcome: made.outcome.as_ref().map(to_guest_outcome),
    }
}

/// Every action of the plan has a state; one that nothing is known of was not sent.
fn to_guest_progress(actions: usize, progress: &Progress) -> Vec<remedy::Progress> {
    (0..u32::try_from(actions).unwrap_or(u32::MAX))
        .map(|action| match progress.get(&action) {
            Some(state) => remedy::Progress {
                action,
                state: state.as_str().to_owned(),
                detail: state.detail().to_owned(),
            },
            None => remedy::Progress {
                action,
                state: "not-sent".to_owned(),
                detail: String::new(),
            },
        })
        .collect()
}

fn to_guest_outcome(outcome: &Outcome) -> remedy::Outcome {
    remedy::Outcome {
        summary: outcome.summary.clone(),
        evidence: outcome
            .evidence
            .iter()
            .map(|evidence| common::Evidence {
                label: evidence.label.clone(),
                value: evidence.value.clone(),
                link: evidence.link.clone(),
                unit: evidence.unit.clone(),
                points: evidence
                    .points
                    .iter()
                    .map(|point| common::Point {
                        at_ms: point.at_ms,
                        value: point.value,
                    })
                    .collect(),
                extra: to_json(&evidence.extra),
            })
            .collect(),
        data: to_json(&outcome.data),
        extra: to_json(&outcome.extra),
    }
}

pub(crate) fn to_guest_message(message: &Message) -> notify::Message {
    notify::Message {
        kind: message.kind.clone(),
        severity: message.severity.clone(),
        title: message.title.clone(),
        text: message.text.clone(),
        link: message.link.clone(),
        report: to_json(&message.report),
        thread: message.thread.clone(),
        extra: to_json(&message.extra),
    }
}

pub(crate) fn to_guest_failure(failure: Failure) -> common::Failure {
    // The host's own codes beyond the contract's are `failed` to a guest.
    let code = match failure.code {
        FailureCode::Trap => FailureCode::Failed,
        code => code,
    };
    common::Failure {
        code: code.as_str().to_owned(),
        message: failure.message,
        retry_after_ms: failure.retry_after_ms,
        extra: to_json(&failure.extra),
    }
}

pub(crate) fn from_guest_failure(failure: common::Failure) -> Failure {
    Failure {
        code: FailureCode::from_contract(&failure.code),
        message: text::clean_line_to(&failure.message, MESSAGE),
        retry_after_ms: failure.retry_after_ms,
        extra: crate::output::extra(&failure.extra).unwrap_or(Value::Null),
    }
}

pub(crate) fn from_guest_request(request: wit_http::Request) -> http::Request {
    http::Request {
        method: request.method,
        url: request.url,
        headers: request
            .headers
            .into_iter()
            .map(|header| (header.name, header.value))
            .collect(),
        body: request.body,
        timeout_ms: request.timeout_ms,
    }
}

pub(crate) fn to_guest_response(response: http::Response) -> wit_http::Response {
    wit_http::Response {
        status: response.status,
        headers: response
            .headers
            .into_iter()
            .map(|(name, value)| wit_http::Header { name, value })
            .collect(),
        body: response.body,
    }
}

/// What a plugin of each kind is asked, for messages.
pub(crate) fn kind_of(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Diagnosis => "a diagnosis plugin",
        PluginKind::Remediation => "a remediation plugin",
        PluginKind::Notification => "a notification plugin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_contract::ActionState;

    #[test]
    fn an_action_that_nothing_is_known_of_was_not_sent() {
        let progress = Progress::from([(
            1,
            ActionState::Unknown {
                detail: "no answer".into(),
            },
        )]);
        let told: Vec<_> = to_guest_progress(3, &progress)
            .into_iter()
            .map(|p| (p.action, p.state, p.detail))
            .collect();
        let expected = [
            (0, "not-sent", ""),
            (1, "unknown", "no answer"),
            (2, "not-sent", ""),
        ];
        assert_eq!(
            told,
            expected.map(|(action, state, detail)| (action, state.to_owned(), detail.to_owned()))
        );
    }

    #[test]
    fn nothing_is_an_empty_object_to_a_guest() {
        assert_eq!(to_json(&Value::Null), "{}");
        assert_eq!(to_json(&serde_json::json!([1])), "[1]");
    }

    #[test]
    fn a_guest_cannot_claim_a_trap_and_its_words_are_cleaned() {
        let failure = common::Failure {
            code: "trap".into(),
            message: "a\u{1b}[1mb\nc".into(),
            retry_after_ms: None,
            extra: "not json".into(),
        };
        let failure = from_guest_failure(failure);
        assert_eq!(
            (failure.code, failure.message.as_str(), &failure.extra),
            (FailureCode::Failed, "a[1mb c", &Value::Null)
        );
    }
}
