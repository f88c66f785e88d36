//! What a target's answer says of an action, and the form in which it is kept for a repeat.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use stanch_contract::plan::{CanonicalAction, Capability};
use stanch_contract::{ActionState, Failure, FailureCode};

use crate::files::Removed;
use crate::http::Response;

/// A body beyond this is cut in the journal; a repeat gets what was kept.
const MOST_KEPT: usize = 64 * 1024;

/// What an HTTP status says of a change that was sent whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It took effect.
    Done,
    /// It took none.
    Refused,
    /// It took none, and may be sent again later.
    NotNow,
    /// Nobody can tell.
    Unknown,
}

/// The table. 2xx is success and 3xx an answer to be read elsewhere: both come from a server that handled the request. 4xx is
/// the server's refusal, with two exceptions: 425 and 429 turn the request away before it is handled, for now; 408 is also
/// what servers and proxies say that gave up in the middle of their own work. 5xx and what is left may come after the effect.
pub(crate) fn effect(status: u16) -> Effect {
    match status {
        200..=399 => Effect::Done,
        425 | 429 => Effect::NotNow,
        408 | 499 => Effect::Unknown,
        400..=498 => Effect::Refused,
        _ => Effect::Unknown,
    }
}

/// What a plugin gets for a changing call, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// `http.send`.
    Http {
        /// The status.
        status: u16,
        /// The headers, secrets removed.
        headers: Vec<(String, String)>,
        /// The body in base64, secrets removed.
        body: String,
    },
    /// `files.write`.
    Written,
    /// `files.remove`.
    Removed(Removed),
    /// A change of a cluster, with the object as it is after it where the contract hands it over: JSON, secrets removed.
    Object {
        /// The object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        json: Option<String>,
    },
    /// The call failed.
    Failed {
        /// How.
        failure: Failure,
    },
}

impl Reply {
    /// Of an HTTP answer.
    pub(crate) fn http(response: &Response) -> Self {
        Self::Http {
            status: response.status,
            headers: response.headers.clone(),
            body: STANDARD.encode(&response.body),
        }
    }

    /// As bytes for the journal, at most some 100 KiB.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let kept = match self {
            Self::Http {
                status,
                headers,
                body,
            } if body.len() > MOST_KEPT => {
                // A multiple of four characters is whole base64.
                let body = body.get(..MOST_KEPT).unwrap_or_default().to_owned();
                &Self::Http {
                    status: *status,
                    headers: headers.clone(),
                    body,
                }
            }
            // A part of an object is none.
            Self::Object { json: Some(json) } if json.len() > MOST_KEPT => &Self::Object { json: None },
            other => other,
        };
        serde_json::to_vec(kept).ok()
    }

    /// From the journal's bytes; `None` where they are not one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What stands in for an answer that was not kept, as where a person settled the doubt.
    pub(crate) fn of_state(state: &ActionState, action: &CanonicalAction) -> Self {
        match (state, action.capability) {
            (ActionState::Done { .. }, Capability::Kubernetes) => Self::Object { json: None },
            (ActionState::Done { .. }, Capability::Files) if action.verb == "write" => Self::Written,
            (ActionState::Done { .. }, Capability::Files) => {
                let paths = action
                    .items
                    .iter()
                    .filter_map(|item| item.rsplit_once('@'))
                    .map(|(path, _)| path.to_owned());
                Self::Removed(Removed {
                    paths: paths.collect(),
                    bytes: 0.0,
                    refused: Vec::new(),
                })
            }
            (ActionState::Done { .. }, Capability::Http) => Self::Http {
                status: 200,
                headers: Vec::new(),
                body: String::new(),
            },
            (state, _) => {
                let message = format!("it was refused before: {}", state.detail());
                Self::Failed {
                    failure: Failure::new(FailureCode::Denied, message),
                }
            }
        }
    }

    /// As the answer of `http.send`.
    pub(crate) fn into_http(self) -> Result<Response, Failure> {
        match self {
            Self::Http {
                status,
                headers,
                body,
            } => Ok(Response {
                status,
                headers,
                body: STANDARD.decode(body).unwrap_or_default(),
            }),
            Self::Failed { failure } => Err(failure),
            Self::Written | Self::Removed(_) | Self::Object { .. } => Err(mismatch()),
        }
    }

    /// As the answer of `files.write`.
    pub(crate) fn into_written(self) -> Result<(), Failure> {
        match self {
            Self::Written => Ok(()),
            Self::Failed { failure } => Err(failure),
            Self::Http { .. } | Self::Removed(_) | Self::Object { .. } => Err(mismatch()),
        }
    }

    /// As the answer of `files.remove`.
    pub(crate) fn into_removed(self) -> Result<Removed, Failure> {
        match self {
            Self::Removed(removed) => Ok(removed),
            Self::Failed { failure } => Err(failure),
            Self::Http { .. } | Self::Written | Self::Object { .. } => Err(mismatch()),
        }
    }

    /// As the answer of a change of a cluster: the object, and `{}` where it is not known.
    pub(crate) fn into_object(self) -> Result<String, Failure> {
        match self {
            Self::Object { json } => Ok(json.unwrap_or_else(|| "{}".to_owned())),
            Self::Failed { failure } => Err(failure),
            Self::Http { .. } | Self::Written | Self::Removed(_) => Err(mismatch()),
        }
    }
}

fn mismatch() -> Failure {
    Failure::new(
        FailureCode::Failed,
        "the journal's answer for this action is of another kind of call",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_says_done_refused_not_now_or_nothing() {
        let table = [
            (
                Effect::Done,
                vec![200, 201, 202, 204, 207, 301, 302, 303, 304, 307, 308],
            ),
            (
                Effect::Refused,
                vec![
                    400, 401, 403, 404, 405, 409, 410, 411, 412, 413, 415, 421, 422, 428, 451,
                ],
            ),
            (Effect::NotNow, vec![425, 429]),
            (
                Effect::Unknown,
                vec![
                    101, 408, 499, 500, 501, 502, 503, 504, 507, 520, 524, 599, 600, 999,
                ],
            ),
        ];
        for (expected, statuses) in table {
            for status in statuses {
                assert_eq!(effect(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_reply_is_read_back_and_a_large_body_is_cut() {
        let response = Response {
            status: 201,
            headers: vec![("a".into(), "b".into())],
            body: vec![7; 300_000],
        };
        let kept = Reply::http(&response).to_bytes().unwrap();
        assert!(kept.len() < 100_000);
        let back = Reply::from_bytes(&kept).unwrap().into_http().unwrap();
        assert_eq!((back.status, back.headers), (response.status, response.headers));
        assert_eq!(back.body, vec![7; MOST_KEPT / 4 * 3]);
        assert_eq!(Reply::from_bytes(b"nonsense"), None);
    }

    #[test]
    fn what_a_person_settled_has_an_answer_of_the_calls_kind() {
        let done = ActionState::Done {
            detail: String::new(),
        };
        let action = |capability, verb: &str, items: &[&str]| CanonicalAction {
            capability,
            verb: verb.into(),
            target: String::new(),
            identity: String::new(),
            expect: None,
            content: None,
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            bytes: None,
            repeat_safe: false,
            before: None,
            dry_run: None,
            reason: String::new(),
        };
        let (post, write) = (
            action(Capability::Http, "POST", &[]),
            action(Capability::Files, "write", &[]),
        );
        assert!(Reply::of_state(&done, &post).into_http().is_ok());
        assert!(Reply::of_state(&done, &write).into_written().is_ok());
        let remove = action(Capability::Files, "remove", &["a/b@c@5"]);
        let removed = Reply::of_state(&done, &remove).into_removed().unwrap();
        assert_eq!(removed.paths, ["a/b@c"]);
        let patch = action(Capability::Kubernetes, "patch", &[]);
        assert_eq!(Reply::of_state(&done, &patch).into_object().unwrap(), "{}");
        let refused = ActionState::refused("no");
        assert_eq!(
            Reply::of_state(&refused, &post).into_http().unwrap_err().code,
            FailureCode::Denied
        );
        assert!(Reply::of_state(&refused, &patch).into_object().is_err());
        assert!(Reply::Object { json: None }.into_http().is_err());
        assert!(Reply::Written.into_http().is_err());
    }
}
