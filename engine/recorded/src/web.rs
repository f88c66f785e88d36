//! Servers that answer what a test says.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use stanch_contract::{Timestamp, text};
use stanch_runbook::given::{Body, Exchange, NoAnswer as NotGiven, ServerAnswer, moment};
use stanch_sandbox::GivenTime;
use stanch_sandbox::http::target::HttpTarget;
use stanch_sandbox::http::{GivenHttp, NoAnswer, Sent};

use crate::clock::Visitor;
use crate::like;
use crate::missing::{Misses, Missing};
use crate::toml::{inline, quoted};

/// Where a name is that the test says nothing of: on the public internet, which every grant opens. Nothing connects to it.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
/// The longest query that is suggested as it was asked.
const SHORT_QUERY: usize = 40;

/// A request that passed the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// When.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its URL in canonical form.
    pub url: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether it changes something, as the grant has it.
    pub change: bool,
    /// Its `idempotency-key`.
    pub idempotency_key: Option<String>,
    /// It says which version it is for: on another one the server does nothing.
    pub guarded: bool,
    /// What came of it.
    pub sending: Sending,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It was answered with this status.
    Answered(u16),
    /// It was sent, and no answer came.
    Lost,
    /// It was not sent.
    NotSent,
}

/// All servers of a world.
pub(crate) struct Web {
    start: Timestamp,
    given: Vec<Given>,
    misses: Arc<Misses>,
    state: Mutex<State>,
}

struct Given {
    exchange: Exchange,
    /// The URL in canonical form where no `*` is in it.
    url: String,
}

#[derive(Default)]
struct State {
    /// How often each was used.
    used: Vec<u32>,
    passed: Vec<Passed>,
}

impl Web {
    pub(crate) fn new(given: &[Exchange], start: Timestamp, misses: Arc<Misses>) -> Self {
        let canonical = |url: &str| match HttpTarget::parse(url) {
            Ok(target) if !url.contains('*') => target.as_str().to_owned(),
            _ => url.to_owned(),
        };
        Self {
            start,
            given: given
                .iter()
                .map(|exchange| Given {
                    url: canonical(&exchange.url),
                    exchange: exchange.clone(),
                })
                .collect(),
            misses,
            state: Mutex::new(State {
                used: vec![0; given.len()],
                passed: Vec::new(),
            }),
        }
    }

    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.state().passed.clone()
    }

    /// The answer that counts now, and that it was used.
    fn take(&self, sent: &Sent<'_>, now: Timestamp) -> Option<&Exchange> {
        let mut state = self.state();
        let mut best: Option<((Timestamp, usize), usize, &Given)> = None;
        for (index, given) in self.given.iter().enumerate() {
            let used = state.used.get(index).copied().unwrap_or(0);
            let is_left = given.exchange.times.is_none_or(|most| used < most);
            if !is_left || !given.is_due(self.start, now) || !given.is_for(sent) {
                continue;
            }
            let Some(since) = given.since(self.start, &state.passed) else {
                continue;
            };
            // The latest counts; of several with one time, the first.
            if best.is_none_or(|(latest, ..)| since > latest) {
                best = Some((since, index, given));
            }
        }
        let (_, index, given) = best?;
        if let Some(used) = state.used.get_mut(index) {
            *used = used.saturating_add(1);
        }
        Some(&given.exchange)
    }

    /// How often each answer was used, to be gone back to.
    pub(crate) fn used(&self) -> Vec<u32> {
        self.state().used.clone()
    }

    /// As if no answer had been used since.
    pub(crate) fn rewind(&self, used: Vec<u32>) {
        self.state().used = used;
    }

    /// Says that the test gives no answer, and how it would.
    fn miss(&self, visitor: &Visitor, sent: &Sent<'_>) {
        let asked = format!("{} asked for `{} {}`", visitor.who(), sent.method, sent.url);
        let prefix = self.misses.prefix;
        let of_url: Vec<&Given> = self.given.iter().filter(|given| given.is_at(sent.url)).collect();
        let of_method: Vec<&&Given> = of_url
            .iter()
            .filter(|given| given.exchange.method == sent.method.as_str())
            .collect();
        let of_body: Vec<_> = of_method
            .iter()
            .filter(|given| given.is_body(sent.body))
            .collect();
        let why = match (of_url.first(), of_method.first(), of_body.first()) {
            (None, ..) => "the test gives no answer to it".to_owned(),
            (Some(given), None, _) => format!(
                "the test gives answers of this URL to {} alone",
                given.exchange.method
            ),
            (_, Some(_), None) => "what the test gives is for another body".to_owned(),
            (_, _, Some(given)) if !given.is_due(self.start, visitor.now()) => {
                format!("the test gives an answer from {} on", given.exchange.at)
            }
            (_, _, Some(given)) if given.since(self.start, &self.state().passed).is_none() => {
                let since = given.exchange.since.as_deref().unwrap_or_default();
                format!("the test gives an answer since `{since}`, which was not sent")
            }
            _ => "the answers that the test gives are used up (`times`)".to_owned(),
        };
        let mut write = format!("[[{prefix}http]]\n");
        if sent.method != http::Method::GET {
            write.push_str(&format!("method = {}\n", quoted(sent.method.as_str())));
        }
        let url = match sent.url.split_once('?') {
            Some((path, query)) if query.len() > SHORT_QUERY => format!("{path}?*"),
            _ => sent.url.to_owned(),
        };
        write.push_str(&format!("url = {}\n", quoted(&url)));
        // Which body it was is worth saying where the test tells bodies apart.
        if !of_method.is_empty()
            && of_body.is_empty()
            && let Some(body) = serde_json::from_slice(sent.body).ok().as_ref().and_then(inline)
        {
            write.push_str(&format!("sent = {body}\n"));
        }
        write.push_str("status = 200\nbody = \"\"");
        self.misses.add(Missing {
            what: format!("{asked}, and {why}"),
            write,
        });
    }

    fn note(&self, sent: &Sent<'_>, at: Timestamp, sending: Sending) {
        let key = sent
            .headers
            .get("idempotency-key")
            .and_then(|key| key.to_str().ok());
        let passed = Passed {
            at,
            method: sent.method.as_str().to_owned(),
            url: sent.url.to_owned(),
            body: sent.body.to_vec(),
            change: sent.change,
            idempotency_key: key.map(str::to_owned),
            guarded: sent.headers.contains_key(http::header::IF_MATCH),
            sending,
        };
        self.state().passed.push(passed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn is_due(&self, start: Timestamp, now: Timestamp) -> bool {
        start.plus(self.exchange.at) <= now
    }

    /// Since when it counts, and what came before that counts; nothing where it does not count yet.
    fn since(&self, start: Timestamp, passed: &[Passed]) -> Option<(Timestamp, usize)> {
        let at = start.plus(self.exchange.at);
        let Some(since) = &self.exchange.since else {
            return Some((at, 0));
        };
        let last = passed.iter().rposition(|one| {
            let took = match one.sending {
                Sending::Answered(status) => status < 400,
                Sending::Lost => true,
                Sending::NotSent => false,
            };
            took && text::fits(since, &format!("{} {}", one.method, one.url))
        })?;
        Some((at.max(passed.get(last)?.at), last + 1))
    }

    fn is_at(&self, url: &str) -> bool {
        text::fits(&self.url, url)
    }

    fn is_for(&self, sent: &Sent<'_>) -> bool {
        self.exchange.method == sent.method.as_str() && self.is_at(sent.url) && self.is_body(sent.body)
    }

    fn is_body(&self, body: &[u8]) -> bool {
        match &self.exchange.sent {
            None => true,
            Some(Value::String(pattern)) => text::fits(pattern, &String::from_utf8_lossy(body)),
            Some(expected) => serde_json::from_slice::<Value>(body)
                .is_ok_and(|found| like::differences(expected, &found).is_empty()),
        }
    }
}

/// The servers, as one plugin call reaches them.
pub(crate) struct Browser {
    pub(crate) web: Arc<Web>,
    pub(crate) visitor: Arc<Visitor>,
}

#[async_trait]
impl GivenHttp for Browser {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let of_host = self.web.given.iter().filter(|given| {
            let host = given.url.split_once("://").map_or("", |(_, rest)| rest);
            let host = host.split(['/', '?']).next().unwrap_or_default();
            let (host, _) = host.split_once(':').unwrap_or((host, ""));
            host == name
        });
        let addresses: Vec<IpAddr> = of_host.filter_map(|given| given.exchange.address).collect();
        Ok(if addresses.is_empty() {
            vec![SOMEWHERE]
        } else {
            addresses
        })
    }

    async fn exchange(&self, sent: Sent<'_>, ends: Timestamp) -> Result<http::Response<Bytes>, NoAnswer> {
        let began = self.visitor.now();
        let Some(given) = self.web.take(&sent, began) else {
            self.web.miss(&self.visitor, &sent);
            self.web.note(&sent, began, Sending::NotSent);
            return Err(NoAnswer::Refused("the test gives no answer".to_owned()));
        };
        let until = match given.answer {
            ServerAnswer::Not(NotGiven::Timeout) => ends,
            _ => began.plus(given.after),
        };
        if until > began {
            self.visitor.wait(until.min(ends)).await;
        }
        match &given.answer {
            ServerAnswer::Not(NotGiven::Refused) => {
                self.web.note(&sent, began, Sending::NotSent);
                Err(NoAnswer::Refused("connection refused".to_owned()))
            }
            ServerAnswer::Not(NotGiven::UnknownHost) => {
                self.web.note(&sent, began, Sending::NotSent);
                Err(NoAnswer::Unresolved("the name has no address".to_owned()))
            }
            _ if until >= ends => {
                self.web.note(&sent, began, Sending::Lost);
                Err(NoAnswer::TimedOut)
            }
            ServerAnswer::Not(_) => {
                self.web.note(&sent, began, Sending::Lost);
                Err(NoAnswer::Lost(
                    "the connection was closed before an answer came".to_owned(),
                ))
            }
            ServerAnswer::Response {
                status,
                headers,
                body,
            } => {
                self.web.note(&sent, began, Sending::Answered(*status));
                Ok(response(*status, headers, body, self.visitor.now()))
            }
        }
    }
}

fn response(status: u16, headers: &[(String, String)], body: &Body, now: Timestamp) -> http::Response<Bytes> {
    let (bytes, kind) = match body {
        Body::Text(text) => (moment::fill(text, now), None),
        Body::Json(value) => (
            moment::fill_json(value, now).to_string(),
            Some("application/json"),
        ),
    };
    let mut response = http::Response::new(Bytes::from(bytes));
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, moment::fill(value, now).parse()) {
            response.headers_mut().append(name, value);
        }
    }
    if let Some(kind) = kind {
        response
            .headers_mut()
            .entry(CONTENT_TYPE)
            .or_insert(http::HeaderValue::from_static(kind));
    }
    response
}
