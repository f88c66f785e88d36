//! What came back from an HTTP server, or did not: in the plugin's words, and as the state of an action.

use http::StatusCode;
use http::header::{HeaderName, RETRY_AFTER};
use stanch_contract::plan::CanonicalAction;
use stanch_contract::{ActionState, ByteSize, Failure, FailureCode, text};

use super::answer::{Effect, Reply, effect};
use super::change::Performed;
use super::session::timed_out;
use super::{Layer, Refusal};
use crate::http::Response;
use crate::http::address::AddressPolicy;
use crate::http::client::{Answer, Missing, NotSent, PoolKey, SendError};
use crate::http::connector::ConnectError;
use crate::secret::Redactor;

/// Response headers that are not handed over: they are about the connection, or are credentials that a plugin cannot send back.
const KEPT_BACK: [&str; 12] = [
    "authorization",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where it goes and what bounds the answer.
pub(super) struct Route {
    pub(super) key: PoolKey,
    pub(super) policy: AddressPolicy,
    pub(super) max_response: u64,
    pub(super) bound: Vec<HeaderName>,
    /// The line of the grant, for messages.
    pub(super) line: String,
}

/// What an answer to a change says of the action.
pub(super) fn of_answer(
    what: &str,
    answer: Answer,
    action: &CanonicalAction,
    route: &Route,
    redactor: &Redactor,
) -> Performed {
    let (status, missing) = (answer.status, answer.missing.clone());
    let retry_after = answer
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let response = response(answer, &route.bound, redactor);
    let said = match &missing {
        Some(missing) => format!(
            "{status} (the body is not handed over whole: {})",
            missing_words(missing)
        ),
        None => status.to_string(),
    };
    let mut performed = Performed {
        state: match effect(status.as_u16()) {
            Effect::Done => ActionState::Done { detail: said.clone() },
            Effect::Refused => ActionState::refused(said.clone()),
            Effect::NotNow => ActionState::Refused {
                detail: format!("{said}: turned away for now"),
                for_now: true,
            },
            Effect::Unknown => ActionState::Unknown {
                detail: format!("{said}, which may come after the effect"),
            },
        },
        reply: Reply::http(&response),
        summary: said,
        content: Some(response.body),
    };
    if status == StatusCode::PRECONDITION_FAILED
        && let Some(expect) = &action.expect
    {
        let message = format!(
            "{what}: what is there is not `{}` any more",
            text::clean_line_to(expect, 80)
        );
        let mut failure = Failure::new(FailureCode::Conflict, message);
        failure.retry_after_ms = retry_after.map(|seconds| seconds.saturating_mul(1000));
        performed.reply = Reply::Failed { failure };
    }
    performed
}

/// What it says of a change that there was no answer.
pub(super) fn of_change_error(what: &str, route: &Route, error: SendError, redactor: &Redactor) -> Performed {
    let (state, mut failure) = match error {
        SendError::NotSent(NotSent::Connect(error @ ConnectError::Filtered { .. })) => {
            (ActionState::NotSent, filtered(what, route, &error).to_failure())
        }
        SendError::NotSent(NotSent::Connect(error)) => (ActionState::NotSent, of_connect(what, &error)),
        SendError::NotSent(NotSent::TooLate) => {
            (ActionState::NotSent, timed_out(&format!("{what} was not sent")))
        }
        SendError::NotSent(NotSent::Closed(why)) => {
            let message = format!("{what} was not sent: {why}");
            (
                ActionState::NotSent,
                Failure::new(FailureCode::Unavailable, message),
            )
        }
        SendError::Lost { code, why } => {
            let message = format!("{what} was sent and has no definite answer: {why}");
            (
                ActionState::Unknown {
                    detail: String::new(),
                },
                Failure::new(code, message),
            )
        }
    };
    failure.message = text::clean_line_to(&redactor.text(failure.message), 500);
    let state = match state {
        ActionState::Unknown { .. } => ActionState::Unknown {
            detail: failure.message.clone(),
        },
        other => other,
    };
    Performed::failed(state, failure)
}

pub(super) fn filtered(what: &str, route: &Route, error: &ConnectError) -> Refusal {
    let refusal = Refusal::new(Layer::Address, format!("{what}: {error}"));
    match error {
        ConnectError::Filtered { openable, .. } => match openable.first() {
            Some(ip) => refusal.hint(format!("`addresses = [\"{ip}\"]` in {}", route.line)),
            None => refusal,
        },
        _ => refusal,
    }
}

pub(super) fn of_connect(what: &str, error: &ConnectError) -> Failure {
    let code = if matches!(error, ConnectError::Tls { .. }) {
        FailureCode::Failed
    } else {
        FailureCode::Unavailable
    };
    Failure::new(code, format!("{what}: {error}"))
}

pub(super) fn of_missing(what: &str, missing: &Missing, route: &Route) -> Failure {
    match missing {
        Missing::TooLarge => Refusal::new(
            Layer::Limit,
            format!(
                "{what}: the answer is larger than {}",
                ByteSize(route.max_response)
            ),
        )
        .hint(format!("a larger `max_response` in {}", route.line))
        .to_failure(),
        Missing::Compressed(_) => {
            Failure::new(FailureCode::Failed, format!("{what}: {}", missing_words(missing)))
        }
        Missing::Broken(_) => Failure::new(
            FailureCode::Unavailable,
            format!("{what}: {}", missing_words(missing)),
        ),
    }
}

fn missing_words(missing: &Missing) -> String {
    match missing {
        Missing::TooLarge => "it is larger than the grant's max_response".to_owned(),
        Missing::Compressed(how) => {
            format!(
                "the answer is compressed ({}) although the gate asked for it as it is",
                text::clean_line_to(how, 40)
            )
        }
        Missing::Broken(why) => format!("the answer broke off: {why}"),
    }
}

/// The answer as the plugin gets it: without what is about the connection, and without secrets.
pub(super) fn response(answer: Answer, bound: &[HeaderName], redactor: &Redactor) -> Response {
    let is_kept = |name: &HeaderName| !KEPT_BACK.contains(&name.as_str()) && !bound.contains(name);
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (redactor.text(name.as_str().to_owned()), redactor.text(value))
        });
    Response {
        status: answer.status.as_u16(),
        headers: headers.collect(),
        body: redactor.bytes(answer.body),
    }
}
