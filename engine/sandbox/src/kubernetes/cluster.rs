//! One cluster as the gate reaches it: requests and their answers, its kinds, and what it is known by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use stanch_contract::{Failure, FailureCode, Timestamp, text};
use tokio::time::{Instant, timeout_at};

use super::discovery::Kinds;
use super::object;
use super::request;
use super::status::Refused;
use super::transport::Way;
use crate::clock;
use crate::http::client::{Answer, Missing, NotSent, SendError, collect, describe, too_late};
use crate::http::connector::ConnectError;

/// An object beyond this is not one: servers keep at most some 1.5 MiB of each.
pub(crate) const MOST_OBJECT: u64 = 4 << 20;

/// A log beyond this is not read to its end.
const MOST_STREAM: u64 = 64 << 20;

/// A cluster that was found in stanch.toml, ready to be asked.
pub(crate) struct Cluster {
    name: String,
    /// The server's URL, for people.
    server: String,
    client: Client,
    pub(super) kinds: Kinds,
    identity: Mutex<Option<Arc<str>>>,
    seen: Mutex<Option<Seen>>,
}

/// How the last request went.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    /// Why there was no answer; `None` where there was one, whatever it said.
    pub(super) why: Option<String>,
}

/// Why nothing could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There was no answer.
    Send(SendError),
    /// The answer is not whole.
    Missing(Missing),
    /// The server said no.
    Refused(Box<Refused>),
    /// The answer is not what it should be.
    Unfit(String),
}

impl ReadError {
    /// As the plugin gets it. `what` is the request.
    pub(crate) fn failure(&self, what: &str, cluster: &Cluster) -> Failure {
        let name = cluster.name();
        match self {
            Self::Refused(refused) => refused.failure(what, name),
            Self::Send(error) => of_send(error, what, name),
            Self::Missing(Missing::TooLarge) => Failure::new(
                FailureCode::Budget,
                format!("{what}: the answer is too large: ask for less at a time"),
            ),
            Self::Missing(Missing::Broken(why)) => Failure::new(
                FailureCode::Unavailable,
                format!("{what}: the answer of the cluster `{name}` broke off: {why}"),
            ),
            Self::Missing(Missing::Compressed(how)) => Failure::new(
                FailureCode::Failed,
                format!(
                    "{what}: the cluster `{name}` compressed its answer ({how}) although it was asked not to"
                ),
            ),
            Self::Unfit(why) => Failure::new(
                FailureCode::Failed,
                format!("{what}: the answer of the cluster `{name}` cannot be read: {why}"),
            ),
        }
    }

    /// What the server said, where it said no.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Refused(refused) => refused.message(),
            _ => String::new(),
        }
    }

    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(refused) => Some(refused.code()),
            _ => None,
        }
    }
}

/// What it says of a request that there was no answer.
pub(crate) fn of_send(error: &SendError, what: &str, cluster: &str) -> Failure {
    let code = match error {
        SendError::NotSent(NotSent::Connect(ConnectError::Tls { .. })) => FailureCode::Failed,
        SendError::NotSent(NotSent::TooLate) => FailureCode::Timeout,
        SendError::NotSent(_) => FailureCode::Unavailable,
        SendError::Lost { code, .. } => *code,
    };
    Failure::new(
        code,
        format!("{what}: the cluster `{cluster}` does not answer: {error}"),
    )
}

impl Cluster {
    pub(super) fn new(name: &str, server: String, client: Client) -> Self {
        Self {
            name: name.to_owned(),
            server,
            client,
            kinds: Kinds::default(),
            identity: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Its name in stanch.toml.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a read. `most` caps the body; `until` ends the wait.
    pub(crate) async fn read(
        &self,
        request: Request<Vec<u8>>,
        most: u64,
        until: Instant,
    ) -> Result<Answer, SendError> {
        let sent = match timeout_at(until, self.send(request, Way::Read)).await {
            Ok(sent) => sent,
            Err(_) => Err(too_late()),
        };
        self.saw(&sent);
        Ok(collect(sent?, most, until).await)
    }

    /// Sends a change, over a connection of its own. It is begun before `until` or not at all; the answer has `linger` longer.
    pub(crate) async fn change(
        &self,
        request: Request<Vec<u8>>,
        until: Instant,
        linger: Duration,
    ) -> Result<Answer, SendError> {
        let sent = self.send(request, Way::Change { until, linger }).await;
        self.saw(&sent);
        Ok(collect(sent?, MOST_OBJECT, until + linger).await)
    }

    async fn send(&self, request: Request<Vec<u8>>, way: Way) -> Result<http::Response<Body>, SendError> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(way);
        self.client.send(request).await.map_err(of_kube)
    }

    fn saw<T>(&self, sent: &Result<T, SendError>) {
        let why = sent
            .as_ref()
            .err()
            .map(|error| text::clean_line_to(&error.to_string(), 300));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen {
            at: clock::now(),
            why,
        });
    }

    /// A success's body.
    pub(crate) async fn read_body(
        &self,
        request: Request<Vec<u8>>,
        most: u64,
        until: Instant,
    ) -> Result<Vec<u8>, ReadError> {
        let answer = self.read(request, most, until).await.map_err(ReadError::Send)?;
        success(answer)
    }

    /// The last `keep` bytes of a success's body, from the beginning of a line on, and how long the whole was.
    pub(crate) async fn read_end(
        &self,
        request: Request<Vec<u8>>,
        keep: usize,
        until: Instant,
    ) -> Result<(Vec<u8>, u64), ReadError> {
        let sent = match timeout_at(until, self.send(request, Way::Read)).await {
            Ok(sent) => sent,
            Err(_) => Err(too_late()),
        };
        self.saw(&sent);
        let answer = sent.map_err(ReadError::Send)?;
        if !answer.status().is_success() {
            return success(collect(answer, MOST_OBJECT, until).await).map(|body| (body, 0));
        }
        let mut body = answer.into_body();
        let (mut end, mut all) = (Vec::new(), 0_u64);
        loop {
            let frame = match timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(ReadError::Missing(Missing::Broken(describe(&error)))),
                Ok(None) => break,
                Err(_) => {
                    return Err(ReadError::Missing(Missing::Broken(
                        "it did not end in time".to_owned(),
                    )));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            all = all.saturating_add(data.len() as u64);
            if all > MOST_STREAM {
                return Err(ReadError::Missing(Missing::TooLarge));
            }
            end.extend_from_slice(&data);
            // Moved rarely, so that a long log is not copied again and again.
            if end.len() > 2 * keep {
                end.drain(..end.len() - keep);
            }
        }
        if end.len() > keep {
            end.drain(..end.len() - keep);
        }
        if all > end.len() as u64
            && let Some(line) = end.iter().position(|byte| *byte == b'\n')
        {
            end.drain(..=line);
        }
        Ok((end, all))
    }

    /// A success's body as JSON.
    pub(crate) async fn read_json<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
        most: u64,
        until: Instant,
    ) -> Result<T, ReadError> {
        let body = self.read_body(request, most, until).await?;
        serde_json::from_slice(&body).map_err(|error| ReadError::Unfit(error.to_string()))
    }

    /// What tells this cluster from every other, whatever it is called and by whichever address it is reached: the uid of its
    /// namespace `kube-system`, which lives as long as the cluster does. Where that may not be read, the server's URL.
    pub(crate) async fn identity(&self, until: Instant) -> Result<Arc<str>, ReadError> {
        let known = self
            .identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(identity) = known {
            return Ok(identity);
        }
        let request = request::plain("/api/v1/namespaces/kube-system");
        let identity: Arc<str> = match self
            .read_json::<serde_json::Value>(request, MOST_OBJECT, until)
            .await
        {
            Ok(namespace) => match object::uid(&namespace) {
                "" => {
                    return Err(ReadError::Unfit(
                        "the namespace `kube-system` has no uid".to_owned(),
                    ));
                }
                uid => uid.into(),
            },
            Err(ReadError::Refused(refused)) if matches!(refused.code(), 401 | 403 | 404) => {
                self.server.as_str().into()
            }
            Err(error) => return Err(error),
        };
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity.clone());
        Ok(identity)
    }
}

/// The body of a success; else what the answer says.
pub(crate) fn success(answer: Answer) -> Result<Vec<u8>, ReadError> {
    match answer.missing {
        _ if !answer.status.is_success() => Err(ReadError::Refused(Box::new(Refused::new(
            answer.status.as_u16(),
            &answer.body,
        )))),
        Some(missing) => Err(ReadError::Missing(missing)),
        None => Ok(answer.body),
    }
}

/// kube hands through what the transport said; what is its own went wrong before anything was sent.
fn of_kube(error: kube::Error) -> SendError {
    match error {
        kube::Error::Service(inner) => match inner.downcast::<SendError>() {
            Ok(own) => *own,
            Err(other) => NotSent::Closed(describe(other.as_ref())).into(),
        },
        other => NotSent::Closed(describe(&other)).into(),
    }
}
