//! What the engine asks of a server for itself, such as Slack's Web API: over the same connector, so that there is one place
//! with sockets and look-ups, with its rules for addresses, proxies, redirects and TLS. No plugin gets here.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use stanch_contract::{FailureCode, Span};
use tokio::io::{AsyncRead, AsyncWrite};

use super::address::AddressPolicy;
use super::client::{HttpClients, Outgoing, PoolKey, SendError};
use super::target::HttpTarget;
use crate::time::{CallTime, Time};

/// An answer beyond this is cut off.
const MOST_ANSWER: u64 = 1 << 20;

/// A request of the engine itself.
#[derive(Debug, Clone)]
pub struct OwnRequest {
    /// For whom: what pools and messages are told apart by.
    pub client: &'static str,
    /// Networks that may be reached besides the public internet.
    pub addresses: AddressPolicy,
    /// GET, or POST.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// Headers, credentials among them.
    pub headers: HeaderMap<HeaderValue>,
    /// What is posted; empty where nothing is.
    pub body: Vec<u8>,
    /// How long all of it may take.
    pub patience: Duration,
}

/// An answer to it.
#[derive(Debug, Clone)]
pub struct OwnAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap<HeaderValue>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoOwnAnswer {
    /// Nothing of the request was sent.
    pub unsent: bool,
    /// In a sentence, without what the headers hold.
    pub why: String,
}

/// A connection of the engine itself.
pub trait OwnStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> OwnStream for T {}

impl HttpClients {
    /// A connection to the host of an `http:` or `https:` URL, for who speaks WebSocket on it.
    ///
    /// # Errors
    /// Where there is none within this time.
    pub async fn open(
        &self,
        url: &str,
        addresses: &AddressPolicy,
        patience: Duration,
    ) -> Result<Box<dyn OwnStream>, NoOwnAnswer> {
        let none = |why: String| NoOwnAnswer { unsent: true, why };
        let target = HttpTarget::parse(url).map_err(|error| none(error.to_string()))?;
        match tokio::time::timeout(patience, self.connect(addresses, &target)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(none(error.to_string())),
            Err(_) => Err(none("no connection in time".to_owned())),
        }
    }

    /// Sends, over a connection of its own: that nothing was sent and that no answer came can be told apart.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn send(&self, request: OwnRequest) -> Result<OwnAnswer, NoOwnAnswer> {
        let OwnRequest {
            client,
            addresses,
            method,
            url,
            headers,
            body,
            patience,
        } = request;
        let target = HttpTarget::parse(&url).map_err(|error| NoOwnAnswer {
            unsent: true,
            why: error.to_string(),
        })?;
        let outgoing = Outgoing {
            method,
            target,
            headers,
            body,
        };
        let span = Span::from_millis(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        let until = CallTime::begin(&Time::Machine, span).until(None);
        let key = PoolKey(client.into(), stanch_contract::Digest::of(client.as_bytes()));
        let answer = self
            .change(&key, &addresses, outgoing, MOST_ANSWER, until, Duration::ZERO)
            .await;
        match answer {
            Ok(answer) => Ok(OwnAnswer {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
            }),
            Err(SendError::NotSent(why)) => Err(NoOwnAnswer {
                unsent: true,
                why: why.to_string(),
            }),
            Err(SendError::Lost { code, why }) => Err(NoOwnAnswer {
                unsent: false,
                why: match code {
                    FailureCode::Timeout => "no answer in time".to_owned(),
                    _ => why,
                },
            }),
        }
    }
}
