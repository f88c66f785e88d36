//! The one place in the engine that opens outgoing sockets and looks names up.
//!
//! A name is resolved once; the addresses are put into canonical form and filtered; one that is left is connected to. Nothing
//! resolves again between the check and the connection, so a name that changes its answer changes nothing. Proxy environment
//! variables are not read. TLS trusts the system's roots and what the operator adds, and names the host of the URL; of a
//! cluster, whom and what its kubeconfig says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, client::Resumption};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{AddressPolicy, Unreached};
use super::roots::Roots;

/// At most this many addresses of a name are tried.
const MOST_ADDRESSES: usize = 8;
/// One address gets this long before the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(5);

/// How names become addresses. A trait, so that a test can have a name that changes its answer.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of this name, the preferred first.
    ///
    /// # Errors
    /// Where the name has none, or nobody can be asked.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the connector, the one place that looks names up"
    )]
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0))
            .await?
            .map(|address| address.ip())
            .collect())
    }
}

/// Why there is no connection. Nothing was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnectError {
    /// No address that may be reached.
    #[error("`{host}` is at {addresses}, which must not be reached")]
    Filtered {
        /// The host of the URL.
        host: String,
        /// The addresses and what they are.
        addresses: String,
        /// The addresses that a grant could open.
        openable: Vec<IpAddr>,
    },
    /// The name has no addresses.
    #[error("`{host}` cannot be resolved: {why}")]
    Unresolved {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// No address answered.
    #[error("`{host}` cannot be connected to: {why}")]
    Unreachable {
        /// The host of the URL.
        host: String,
        /// What the last address answered.
        why: String,
    },
    /// The TLS handshake failed.
    #[error("no TLS connection to `{host}`: {why}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// What failed.
        why: String,
    },
}

/// Whom TLS trusts.
#[derive(Clone)]
pub(crate) enum Trust {
    /// These roots, for the host of the URL.
    Roots(Arc<Roots>),
    /// Whom this configuration does, with its client certificate; for this name, or the host of the URL.
    Given {
        config: Arc<ClientConfig>,
        name: Option<String>,
    },
}

/// Opens connections under one address policy. Cheap to clone; clones share the TLS sessions.
#[derive(Clone)]
pub(crate) struct Connector {
    policy: Arc<AddressPolicy>,
    resolver: Arc<dyn Resolver>,
    trust: Trust,
    /// Only HTTP/1.1: what upgrades a connection needs that.
    only_http1: bool,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Connector {
    pub(crate) fn new(policy: AddressPolicy, resolver: Arc<dyn Resolver>, trust: Trust) -> Self {
        Self {
            policy: Arc::new(policy),
            resolver,
            trust,
            only_http1: false,
            tls: Arc::new(OnceCell::new()),
        }
    }

    /// The same, for connections that will be upgraded.
    pub(crate) fn only_http1(mut self) -> Self {
        self.only_http1 = true;
        self
    }

    /// A connection to the host of `uri`, ready for a request.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<Stream, ConnectError> {
        let host = host(uri);
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let permitted = self.addresses(&host).await?;
        let stream = open(&host, &permitted, port).await?;
        if !https {
            return Ok(Stream::Plain(stream));
        }
        let failed = |why: String| ConnectError::Tls {
            host: host.clone(),
            why,
        };
        let config = self
            .tls
            .get_or_try_init(|| self.tls_config())
            .await
            .map_err(failed)?;
        let named = match &self.trust {
            Trust::Given { name: Some(name), .. } => name.clone(),
            _ => host.clone(),
        };
        let name = ServerName::try_from(named).map_err(|error| failed(error.to_string()))?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
        Ok(Stream::Tls(Box::new(
            stream.map_err(|error| failed(error.to_string()))?,
        )))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let resolved = match host.parse::<IpAddr>() {
            Ok(literal) => Ok(vec![literal]),
            Err(_) => self.resolver.resolve(host).await,
        };
        permitted(&self.policy, host, resolved)
    }

    /// The configuration of this connector alone: TLS sessions are not shared between installations.
    async fn tls_config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut config = match &self.trust {
            Trust::Roots(roots) => roots.config().await?,
            Trust::Given { config, .. } => ClientConfig::clone(config),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !self.only_http1 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        config.resumption = Resumption::in_memory_sessions(32);
        Ok(Arc::new(config))
    }
}

/// The host of a URL, as a name or an address.
pub(crate) fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// Of the addresses of a host, those that may be reached.
pub(crate) fn permitted(
    policy: &AddressPolicy,
    host: &str,
    resolved: io::Result<Vec<IpAddr>>,
) -> Result<Vec<IpAddr>, ConnectError> {
    let all = resolved.map_err(|error| ConnectError::Unresolved {
        host: host.to_owned(),
        why: error.to_string(),
    })?;
    let (permitted, refused): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|ip| policy.permit(ip))
        .partition(Result::is_ok);
    let permitted: Vec<IpAddr> = permitted.into_iter().flatten().take(MOST_ADDRESSES).collect();
    if !permitted.is_empty() {
        return Ok(permitted);
    }
    let refused: Vec<Unreached> = refused
        .into_iter()
        .filter_map(Result::err)
        .take(MOST_ADDRESSES)
        .collect();
    if refused.is_empty() {
        return Err(ConnectError::Unresolved {
            host: host.to_owned(),
            why: "it has no address".to_owned(),
        });
    }
    let shown: Vec<String> = refused
        .iter()
        .map(|of| format!("{} ({})", of.ip, of.what))
        .collect();
    Err(ConnectError::Filtered {
        host: host.to_owned(),
        addresses: shown.join(", "),
        openable: refused.iter().filter(|of| of.ever).map(|of| of.ip).collect(),
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the connector, the one place that opens outgoing sockets"
)]
async fn open(host: &str, addresses: &[IpAddr], port: u16) -> Result<TcpStream, ConnectError> {
    let mut why = String::new();
    for ip in addresses {
        match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(SocketAddr::new(*ip, port))).await {
            Ok(Ok(stream)) => {
                // Requests are small and wait for their answer: without this each may wait 40 ms for the last one's ACK.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => why = format!("{ip} port {port}: {error}"),
            Err(_) => why = format!("{ip} port {port}: no answer within {} s", PER_ADDRESS.as_secs()),
        }
    }
    Err(ConnectError::Unreachable {
        host: host.to_owned(),
        why,
    })
}

/// A connection with or without TLS.
pub(crate) enum Stream {
    /// http.
    Plain(TcpStream),
    /// https.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether the server chose HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A connection as a pool holds it.
pub(crate) struct Pooled(TokioIo<Stream>);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.0.inner().is_h2() {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl hyper::rt::Read for Pooled {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Pooled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

impl tower::Service<Uri> for Connector {
    type Response = Pooled;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Pooled, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            connector
                .connect(&uri)
                .await
                .map(|stream| Pooled(TokioIo::new(stream)))
        })
    }
}
