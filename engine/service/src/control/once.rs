//! `Idempotency-Key`: a request that is sent again because its answer was lost is done once.
//!
//! Who asks gives a request that changes something a key of their own. The first answer is kept under it for a day; the same request
//! with the same key gets that answer, another request with the same key is refused, and one that comes while the first is under way
//! is told to wait. An answer that says «not now» (5xx) is not kept: trying again is what it is for.
//!
//! In memory: a restart forgets. What a decision, an undo or a cancelled run would do a second time is refused by the run anyway, so the
//! key matters for what makes something new: a run that is started with `again`, and alerts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use stanch_contract::{Digest, Span, Timestamp};

use super::extract::Caller;
use super::routes::Shared;
use super::types::{Code, Problem};
use crate::{clock, door};

/// The request's header.
const KEY: &str = "idempotency-key";
/// Says that an answer is the kept one.
const REPLAYED: &str = "idempotency-replayed";
/// The longest key, in bytes.
const LONGEST: usize = 255;
/// How long an answer is kept.
const KEPT: Span = Span::from_secs(24 * 3_600);
/// Answers that are kept; the one that would be forgotten first makes room.
const MOST: usize = 10_000;
/// The largest answer that is kept. Larger ones are those of requests that change nothing.
const LARGEST: usize = 16 << 10;

/// Whose key.
type Key = (String, String);

#[derive(Debug, Clone)]
struct Answered {
    asked: Digest,
    status: StatusCode,
    kind: Option<HeaderValue>,
    body: Bytes,
    until: Timestamp,
}

#[derive(Debug, Clone)]
enum Kept {
    UnderWay(Digest),
    Answered(Answered),
}

/// The answers that are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<Mutex<BTreeMap<Key, Kept>>>);

impl Answers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key for a request, or what is known of it already.
    fn begin(&self, key: &Key, asked: Digest, now: Timestamp) -> Result<UnderWay, Known> {
        let mut kept = self.lock();
        match kept.get(key) {
            Some(Kept::Answered(answer)) if answer.until <= now => {}
            Some(Kept::Answered(answer)) if answer.asked == asked => {
                return Err(Known::Answer(answer.clone()));
            }
            Some(Kept::UnderWay(same)) if *same == asked => return Err(Known::UnderWay),
            Some(_) => return Err(Known::Another),
            None => {}
        }
        kept.insert(key.clone(), Kept::UnderWay(asked));
        Ok(UnderWay {
            answers: self.clone(),
            key: key.clone(),
        })
    }

    fn keep(&self, key: &Key, answer: Answered, now: Timestamp) {
        let mut kept = self.lock();
        kept.retain(|_, kept| !matches!(kept, Kept::Answered(answer) if answer.until <= now));
        while kept.len() > MOST {
            let ends = |kept: &Kept| match kept {
                Kept::Answered(answer) => answer.until,
                Kept::UnderWay(_) => Timestamp(i64::MAX),
            };
            let first = kept
                .iter()
                .min_by_key(|(_, kept)| ends(kept))
                .map(|(key, _)| key.clone());
            let Some(first) = first else { break };
            kept.remove(&first);
        }
        kept.insert(key.clone(), Kept::Answered(answer));
    }
}

/// What is known of a key.
enum Known {
    Answer(Answered),
    UnderWay,
    Another,
}

/// A request under way. Where it ends without an answer to keep, its key is free again.
struct UnderWay {
    answers: Answers,
    key: Key,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut kept = self.answers.lock();
        if matches!(kept.get(&self.key), Some(Kept::UnderWay(_))) {
            kept.remove(&self.key);
        }
    }
}

/// Has a request with a key done once.
pub(super) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let changes = matches!(*request.method(), Method::POST | Method::DELETE);
    if !changes || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match keyed(&shared, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(shared: &Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let key = parts
        .headers
        .get(KEY)
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST {
        return Err(Problem::new(
            Code::BadRequest,
            format!("`Idempotency-Key` has to be 1 to {LONGEST} visible characters"),
        ));
    }
    let key = key.to_owned();
    let who = Caller::from_request_parts(&mut parts, shared).await?;
    let key = (who.name.clone(), key);
    let bytes = door::read(body)
        .await
        .map_err(|why| Problem::new(Code::BadRequest, why.to_string()))?;
    let what = format!("{} {}\n", parts.method, parts.uri);
    let asked = Digest::of(&[what.as_bytes(), &bytes].concat());
    let under_way = match shared.answers.begin(&key, asked, clock::now()) {
        Ok(under_way) => under_way,
        Err(Known::Answer(answer)) => return Ok(replayed(answer)),
        Err(Known::UnderWay) => {
            return Err(
                Problem::new(Code::UnderWay, "the same request with this key is under way")
                    .hint("ask again in a moment: the answer will be the same"),
            );
        }
        Err(Known::Another) => {
            return Err(Problem::new(
                Code::KeyReused,
                "this `Idempotency-Key` was used for another request",
            )
            .hint("give each request a key of its own, such as a random UUID"));
        }
    };
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))?
        .to_bytes();
    if !head.status.is_server_error() && body.len() <= LARGEST {
        let now = clock::now();
        let answer = Answered {
            asked,
            status: head.status,
            kind: head.headers.get(header::CONTENT_TYPE).cloned(),
            body: body.clone(),
            until: now.plus(KEPT),
        };
        under_way.answers.keep(&under_way.key, answer, now);
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replayed(answer: Answered) -> Response {
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Some(kind) = answer.kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn answer(asked: Digest, until: Timestamp) -> Answered {
        Answered {
            asked,
            status: StatusCode::NO_CONTENT,
            kind: None,
            body: Bytes::new(),
            until,
        }
    }

    fn key(name: &str) -> Key {
        ("dana".into(), name.into())
    }

    #[test]
    fn a_key_is_for_one_request_at_a_time_and_free_again_where_there_is_no_answer() {
        let (answers, asked, other) = (Answers::default(), Digest::of(b"a"), Digest::of(b"b"));
        let under_way = answers.begin(&key("k"), asked, NOW).ok().unwrap();
        assert!(matches!(
            answers.begin(&key("k"), asked, NOW),
            Err(Known::UnderWay)
        ));
        assert!(matches!(
            answers.begin(&key("k"), other, NOW),
            Err(Known::Another)
        ));
        assert!(answers.begin(&key("l"), asked, NOW).is_ok());
        assert!(
            answers.begin(&("erin".into(), "k".into()), other, NOW).is_ok(),
            "keys are each user's own"
        );
        drop(under_way);
        assert!(answers.begin(&key("k"), other, NOW).is_ok());
    }

    #[test]
    fn an_answer_is_kept_for_a_day() {
        let (answers, asked) = (Answers::default(), Digest::of(b"a"));
        answers.keep(&key("k"), answer(asked, NOW.plus(KEPT)), NOW);
        assert!(matches!(
            answers.begin(&key("k"), asked, NOW),
            Err(Known::Answer(_))
        ));
        assert!(matches!(
            answers.begin(&key("k"), Digest::of(b"b"), NOW),
            Err(Known::Another)
        ));
        assert!(answers.begin(&key("k"), Digest::of(b"b"), NOW.plus(KEPT)).is_ok());
    }

    #[test]
    fn the_answers_that_are_kept_are_bounded() {
        let (answers, asked) = (Answers::default(), Digest::of(b"a"));
        for at in 0..=MOST as i64 {
            answers.keep(
                &key(&at.to_string()),
                answer(asked, Timestamp(NOW.0 + 1 + at)),
                NOW,
            );
        }
        assert!(answers.lock().len() <= MOST + 1);
        assert!(answers.begin(&key(&MOST.to_string()), asked, NOW).is_err());
    }
}
