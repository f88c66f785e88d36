//! Sends what the gate let through and says exactly how far it came.
//!
//! Reads go through one pool of connections for each installation and grant, never shared: a pooled connection was filtered
//! under that grant's addresses only. A change goes over a connection of its own, so that «not sent» and «sent, no answer» can
//! be told apart: a pooled one may turn out to be closed just after the request was written. Redirects are not followed, and
//! nothing is decompressed: the gate asks for uncompressed answers, and withholds what comes compressed all the same, because
//! secrets cannot be taken out of it.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use stanch_contract::{Digest, FailureCode, PluginKey};
use tokio::time::{Instant, timeout_at};

use super::address::AddressPolicy;
use super::connector::{ConnectError, Connector, Resolver, Stream, SystemResolver, Trust, host, permitted};
use super::given::{GivenHttp, NoAnswer, Sent};
use super::roots::Roots;
use super::target::HttpTarget;
use crate::time::Until;

/// A connection that was not used for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// This many idle connections to one host are kept.
const MOST_IDLE: usize = 4;
/// Pools beyond this many are dropped, the least recently used first. Grants change rarely; plugins are tens.
const MOST_POOLS: usize = 256;
/// Response headers beyond this are an error.
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// How the engine reaches the world.
pub struct HttpSettings {
    /// How names become addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Certificates (PEM) that are trusted besides the system's.
    pub extra_ca_pem: Vec<u8>,
    /// Whether the system's certificates are trusted.
    pub system_roots: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            extra_ca_pem: Vec::new(),
            system_roots: true,
        }
    }
}

/// How all installations reach servers.
pub struct HttpClients(Via);

enum Via {
    Connections(Connections),
    Given(Arc<dyn GivenHttp>),
}

/// The pools of all installations.
struct Connections {
    resolver: Arc<dyn Resolver>,
    roots: Arc<Roots>,
    pools: Mutex<Pools>,
}

#[derive(Default)]
struct Pools {
    by_key: HashMap<PoolKey, (u64, Pool)>,
    uses: u64,
}

/// Whose pool it is: an installation, under one entry of one grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey(pub(crate) PluginKey, pub(crate) Digest);

#[derive(Clone)]
struct Pool {
    reads: Reads,
    connector: Connector,
}

/// A pool of connections for reads.
pub(crate) type Reads = Client<Connector, Full<Bytes>>;

/// An empty pool over this connector.
pub(crate) fn pooled(connector: Connector) -> Reads {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .http1_max_buf_size(MOST_HEADER_BYTES)
        .build(connector)
}

/// A request that passed the gate.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) target: HttpTarget,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Why the body is not whole.
    pub(crate) missing: Option<Missing>,
}

/// Why an answer's body is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is larger than the grant allows.
    TooLarge,
    /// The server compressed it although it was asked not to.
    Compressed(String),
    /// The connection broke, or time was up.
    Broken(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Nothing of the request was written.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// Some of the request was written, or all of it.
    #[error("{why}")]
    Lost { code: FailureCode, why: String },
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// The connector refused or failed.
    #[error(transparent)]
    Connect(ConnectError),
    /// Time was up before there was a connection.
    #[error("no connection in time")]
    TooLate,
    /// The connection was closed before the request was written.
    #[error("{0}")]
    Closed(String),
}

impl HttpClients {
    /// No pools yet.
    ///
    /// # Errors
    /// Where `extra_ca_pem` is not PEM.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        let roots = Arc::new(Roots::new(&settings.extra_ca_pem, settings.system_roots)?);
        Ok(Self(Via::Connections(Connections {
            resolver: settings.resolver,
            roots,
            pools: Mutex::default(),
        })))
    }

    /// No connections at all: what passes the gate is answered by a world that is given.
    pub fn given(world: Arc<dyn GivenHttp>) -> Self {
        Self(Via::Given(world))
    }

    /// A connection to the host of this URL, for who upgrades it.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn connect(
        &self,
        policy: &AddressPolicy,
        target: &HttpTarget,
    ) -> Result<Stream, SendError> {
        let unfit = |why: String| SendError::NotSent(NotSent::Closed(why));
        let Via::Connections(connections) = &self.0 else {
            return Err(unfit("a given world has no connections".to_owned()));
        };
        let uri: Uri = target
            .as_str()
            .parse()
            .map_err(|error| unfit(format!("{error}")))?;
        let (resolver, roots) = (connections.resolver.clone(), connections.roots.clone());
        let connector = Connector::new(policy.clone(), resolver, Trust::Roots(roots)).only_http1();
        let stream = connector.connect(&uri).await;
        stream.map_err(|error| SendError::NotSent(NotSent::Connect(error)))
    }

    /// Opens a connection to the host of `server`, with TLS where it is https, and closes it; no request is sent. `None` where
    /// there are no connections, but a given world.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn connects(
        &self,
        policy: &AddressPolicy,
        server: &Uri,
        until: Instant,
    ) -> Option<Result<(), NotSent>> {
        let Via::Connections(Connections { resolver, roots, .. }) = &self.0 else {
            return None;
        };
        let connector = Connector::new(policy.clone(), resolver.clone(), Trust::Roots(roots.clone()));
        Some(match timeout_at(until, connector.connect(server)).await {
            Ok(connected) => connected.map(drop).map_err(NotSent::Connect),
            Err(_) => Err(NotSent::TooLate),
        })
    }

    /// Sends a read. `most` caps the body; `until` ends the wait.
    pub(crate) async fn read(
        &self,
        key: &PoolKey,
        policy: &AddressPolicy,
        request: Outgoing,
        most: u64,
        until: Until,
    ) -> Result<Answer, SendError> {
        match &self.0 {
            Via::Connections(connections) => connections.read(key, policy, request, most, until).await,
            Via::Given(world) => given(world.as_ref(), policy, request, false, most, until).await,
        }
    }

    /// Sends a change, over a connection of its own. It is begun before `until` or not at all; the answer has `linger` longer.
    pub(crate) async fn change(
        &self,
        key: &PoolKey,
        policy: &AddressPolicy,
        request: Outgoing,
        most: u64,
        until: Until,
        linger: Duration,
    ) -> Result<Answer, SendError> {
        match &self.0 {
            Via::Connections(connections) => {
                connections
                    .change(key, policy, request, most, until, linger)
                    .await
            }
            // What is not answered in time is lost there: nobody lingers.
            Via::Given(world) => given(world.as_ref(), policy, request, true, most, until).await,
        }
    }
}

impl Connections {
    fn pool(&self, key: &PoolKey, policy: &AddressPolicy) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.uses += 1;
        let now = pools.uses;
        if let Some((used, pool)) = pools.by_key.get_mut(key) {
            *used = now;
            return pool.clone();
        }
        let connector = Connector::new(
            policy.clone(),
            self.resolver.clone(),
            Trust::Roots(self.roots.clone()),
        );
        let pool = Pool {
            reads: pooled(connector.clone()),
            connector,
        };
        if pools.by_key.len() >= MOST_POOLS
            && let Some(oldest) = pools
                .by_key
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| key.clone())
        {
            pools.by_key.remove(&oldest);
        }
        pools.by_key.insert(key.clone(), (now, pool.clone()));
        pool
    }

    async fn read(
        &self,
        key: &PoolKey,
        policy: &AddressPolicy,
        request: Outgoing,
        most: u64,
        until: Until,
    ) -> Result<Answer, SendError> {
        let pool = self.pool(key, policy);
        let request = build(request)?;
        let answer = match timeout_at(until.instant, pool.reads.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(of_pool(error)),
            Err(_) => return Err(too_late()),
        };
        Ok(collect(answer, most, until.instant).await)
    }

    async fn change(
        &self,
        key: &PoolKey,
        policy: &AddressPolicy,
        request: Outgoing,
        most: u64,
        until: Until,
        linger: Duration,
    ) -> Result<Answer, SendError> {
        let connector = self.pool(key, policy).connector;
        let answer = send_alone(&connector, build(request)?, until.instant, linger).await?;
        Ok(collect(answer, most, until.instant + linger).await)
    }
}

/// What a given world answers. What comes before and after a connection is the same as with one.
async fn given(
    world: &dyn GivenHttp,
    policy: &AddressPolicy,
    request: Outgoing,
    change: bool,
    most: u64,
    until: Until,
) -> Result<Answer, SendError> {
    let target = request.target.clone();
    let (parts, body) = build(request)?.into_parts();
    let body = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    let host = host(&parts.uri);
    let resolved = match host.parse() {
        Ok(literal) => Ok(vec![literal]),
        Err(_) => world.resolve(&host),
    };
    permitted(policy, &host, resolved).map_err(|error| SendError::NotSent(NotSent::Connect(error)))?;
    let sent = Sent {
        method: &parts.method,
        url: target.as_str(),
        headers: &parts.headers,
        body: &body,
        change,
    };
    match world.exchange(sent, until.at).await {
        Ok(answer) => Ok(collect(answer.map(Full::new), most, until.instant).await),
        Err(NoAnswer::Unresolved(why)) => {
            Err(SendError::NotSent(NotSent::Connect(ConnectError::Unresolved {
                host,
                why,
            })))
        }
        Err(NoAnswer::Refused(why)) => Err(SendError::NotSent(NotSent::Connect(ConnectError::Unreachable {
            host,
            why,
        }))),
        Err(NoAnswer::TimedOut) => Err(too_late()),
        Err(NoAnswer::Lost(why)) => Err(SendError::Lost {
            code: FailureCode::Unavailable,
            why,
        }),
    }
}

/// Sends a request over a connection of its own, begun before `until` or not at all; the answer has `linger` longer.
pub(crate) async fn send_alone(
    connector: &Connector,
    request: Request<Full<Bytes>>,
    until: Instant,
    linger: Duration,
) -> Result<http::Response<Incoming>, SendError> {
    let stream = match timeout_at(until, connector.connect(request.uri())).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(SendError::NotSent(NotSent::Connect(error))),
        Err(_) => return Err(SendError::NotSent(NotSent::TooLate)),
    };
    match timeout_at(until + linger, send_once(stream, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(too_late()),
    }
}

/// The header that says who sends.
pub(crate) fn agent() -> HeaderValue {
    HeaderValue::from_static(concat!("stanch/", env!("CARGO_PKG_VERSION")))
}

fn build(request: Outgoing) -> Result<Request<Full<Bytes>>, SendError> {
    let unfit = |why: String| SendError::NotSent(NotSent::Closed(why));
    let uri: Uri = request
        .target
        .as_str()
        .parse()
        .map_err(|error| unfit(format!("the URL cannot be sent: {error}")))?;
    let mut built = Request::new(Full::new(Bytes::from(request.body)));
    *built.method_mut() = request.method;
    *built.uri_mut() = uri;
    *built.headers_mut() = request.headers;
    built
        .headers_mut()
        .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    built.headers_mut().entry(USER_AGENT).or_insert(agent());
    Ok(built)
}

async fn send_once(
    stream: Stream,
    mut request: Request<Full<Bytes>>,
) -> Result<http::Response<Incoming>, SendError> {
    let closed = |error: hyper::Error| SendError::NotSent(NotSent::Closed(describe(&error)));
    if stream.is_h2() {
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(closed)?;
        tokio::spawn(connection);
        return sender.try_send_request(request).await.map_err(of_connection);
    }
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MOST_HEADER_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(closed)?;
    tokio::spawn(connection);
    // HTTP/1.1 has the host in a header and only path and query in the request line (RFC 9112 §3.2.1).
    if let Some(host) = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
    {
        request.headers_mut().insert(HOST, host);
    }
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
    sender.try_send_request(request).await.map_err(of_connection)
}

fn of_connection(error: hyper::client::conn::TrySendError<Request<Full<Bytes>>>) -> SendError {
    // hyper hands the request back exactly where it did not begin to write it.
    let written = error.message().is_none();
    let why = describe(error.error());
    if written {
        SendError::Lost {
            code: FailureCode::Unavailable,
            why,
        }
    } else {
        SendError::NotSent(NotSent::Closed(why))
    }
}

pub(crate) fn of_pool(error: hyper_util::client::legacy::Error) -> SendError {
    if error.is_connect() {
        return SendError::NotSent(
            match error
                .source()
                .and_then(|source| source.downcast_ref::<ConnectError>())
            {
                Some(known) => NotSent::Connect(known.clone()),
                None => NotSent::Closed(describe(&error)),
            },
        );
    }
    SendError::Lost {
        code: FailureCode::Unavailable,
        why: describe(&error),
    }
}

pub(crate) fn too_late() -> SendError {
    SendError::Lost {
        code: FailureCode::Timeout,
        why: "no answer in time".to_owned(),
    }
}

/// An error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The answer with its body, as far as it came and may be handed over.
pub(crate) async fn collect<B>(answer: http::Response<B>, most: u64, until: Instant) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    let (parts, mut incoming) = answer.into_parts();
    let mut body = Vec::new();
    let encoding = parts
        .headers
        .get(CONTENT_ENCODING)
        .filter(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let mut missing =
        encoding.map(|value| Missing::Compressed(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    while missing.is_none() {
        match timeout_at(until, incoming.frame()).await {
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let left = usize::try_from(most)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(body.len());
                body.extend_from_slice(data.get(..left.min(data.len())).unwrap_or_default());
                if data.len() > left {
                    missing = Some(Missing::TooLarge);
                }
            }
            Ok(Some(Err(error))) => missing = Some(Missing::Broken(describe(&error))),
            Ok(None) => break,
            Err(_) => missing = Some(Missing::Broken("it did not end in time".to_owned())),
        }
    }
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
        missing,
    }
}
