//! The other end of the control socket, or of the address that an engine listens on: one connection for each request.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stanch_service::control::types::{Problem, RunView};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::error::CliError;

/// How long an answer is waited for. A dry run or a reload takes its time; a stream's first answer does not.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine, at this control socket.
    Socket(PathBuf),
    /// At an address that it listens on.
    Server(Server),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

/// `--server`: an engine's address, by TLS, or in the clear on loopback alone: a token in the clear is everybody's who sees the
/// wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: Host,
    port: u16,
    tls: bool,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "write it as `https://stanch.example:9440`, or `http://127.0.0.1:9440` on this machine";
        let url = Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("`{other}` is neither http nor https; {FORM}")),
        };
        let host = match url.host() {
            // Looked at as written: a name may lead elsewhere tomorrow.
            Some(Host::Domain("localhost")) if !tls => Host::Ipv4(Ipv4Addr::LOCALHOST),
            Some(host) => host.to_owned(),
            None => return Err(format!("it names no host; {FORM}")),
        };
        let loopback = match &host {
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.to_canonical().is_loopback(),
            Host::Domain(_) => false,
        };
        if !tls && !loopback {
            return Err(format!(
                "a token is sent in the clear to loopback alone: use `https://`, or a tunnel, as in `ssh -L 9440:127.0.0.1:9440 HOST`; {FORM}"
            ));
        }
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "it is an address and nothing more; {FORM}, and the token in STANCH_TOKEN"
            ));
        }
        let port = url.port_or_known_default().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, tls })
    }
}

/// Where the engine is, and who is asking.
pub struct Client {
    place: Place,
    token: Option<String>,
    /// Authorities to trust besides the system's, as PEM.
    ca: Option<PathBuf>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Of the engine there. With a token the actor is its user, else, on a socket, the peer's account.
    /// Where it is spoken to by TLS, the authorities of the file are trusted besides the system's.
    pub fn new(place: Place, token: Option<String>, ca: Option<PathBuf>) -> Self {
        Self { place, token, ca }
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(self.send(Method::GET, path, None).await?).await
    }

    /// Asks for something.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        read(self.send(Method::POST, path, Some(json(body)?)).await?).await
    }

    /// Asks for something that has no answer but that it was done.
    pub async fn act(&self, path: &str, body: &impl Serialize) -> Result<(), CliError> {
        self.send(Method::POST, path, Some(json(body)?)).await.map(drop)
    }

    /// Takes something away.
    pub async fn delete(&self, path: &str) -> Result<(), CliError> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    /// A run, each time that it changes, until it is closed.
    pub async fn follow(&self, run: &str) -> Result<Following, CliError> {
        let response = self
            .send(Method::GET, &format!("/runs/{}/events", segment(run)), None)
            .await?;
        Ok(Following {
            body: response.into_body(),
            buffer: Vec::new(),
        })
    }

    fn host(&self) -> String {
        match &self.place {
            Place::Socket(_) => "stanch".to_owned(),
            Place::Server(Server { host, port, .. }) => format!("{host}:{port}"),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Response<Incoming>, CliError> {
        let unreachable = |why: String| CliError::NoEngine {
            place: self.place.clone(),
            why,
        };
        let stream = connect(&self.place, self.ca.as_deref())
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(HOST, self.host());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|_| CliError::Usage {
                message: "STANCH_TOKEN has characters that no token has".to_owned(),
                hint: "set it to the token that `stanch user token` printed".to_owned(),
            })?;
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request))
            .await
            .map_err(|_| unreachable(format!("no answer within {} seconds", PATIENCE.as_secs())))?
            .map_err(|error| unreachable(error.to_string()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = collect(response).await?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => Err(CliError::Answer(format!("status {status}"))),
        }
    }
}

/// What carries bytes to an engine.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

#[expect(
    clippy::disallowed_methods,
    reason = "the way to an engine that a person named, not a plugin's way out"
)]
async fn connect(place: &Place, ca: Option<&Path>) -> std::io::Result<Box<dyn Wire>> {
    let Server { host, port, tls } = match place {
        Place::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Server(server) => server,
    };
    let (stream, name): (_, ServerName<'static>) = match host {
        Host::Ipv4(ip) => (TcpStream::connect((*ip, *port)).await?, IpAddr::from(*ip).into()),
        Host::Ipv6(ip) => (TcpStream::connect((*ip, *port)).await?, IpAddr::from(*ip).into()),
        Host::Domain(name) => (
            TcpStream::connect((name.as_str(), *port)).await?,
            ServerName::try_from(name.clone()).map_err(std::io::Error::other)?,
        ),
    };
    if !*tls {
        return Ok(Box::new(stream));
    }
    let connector = TlsConnector::from(Arc::new(trusting(ca)?));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// Trusts the system's authorities and those of the file.
fn trusting(ca: Option<&Path>) -> std::io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let wrong = |why: String| std::io::Error::other(format!("`--ca {}`: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|why| wrong(why.to_string()))?;
        let (added, _) =
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
        if added == 0 {
            return Err(wrong("no certificate is in it; it has to be PEM".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(std::io::Error::other)
}

fn json(value: &impl Serialize) -> Result<Bytes, CliError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| CliError::Answer(error.to_string()))
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, CliError> {
    let body = response.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| CliError::Answer(error.to_string()))
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, CliError> {
    serde_json::from_slice(&collect(response).await?).map_err(|error| CliError::Answer(error.to_string()))
}

/// One segment of a path: what is not a letter, a digit or `-._~:` is percent-encoded.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A run's events: each is the whole run.
#[derive(Debug)]
pub struct Following {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Following {
    /// The run as it is now; nothing once it is closed or the engine ends. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<RunView>, CliError> {
        loop {
            while let Some(event) = take_event(&mut self.buffer) {
                match event {
                    Event::Run(view) => return Ok(Some(*view)),
                    Event::Problem(problem) => return Err(problem.into()),
                    Event::Other => {}
                    Event::Broken(why) => return Err(CliError::Answer(why)),
                }
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| CliError::Answer(error.to_string()))?;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }
}

enum Event {
    Run(Box<RunView>),
    Problem(Problem),
    /// A comment that keeps the connection alive, or an event of a later version.
    Other,
    Broken(String),
}

/// The first whole event of a `text/event-stream`, taken out of the buffer.
fn take_event(buffer: &mut Vec<u8>) -> Option<Event> {
    let end = buffer.windows(2).position(|two| two == b"\n\n")? + 2;
    let block: Vec<u8> = buffer.drain(..end).collect();
    let (mut name, mut data) = (String::new(), String::new());
    for line in String::from_utf8_lossy(&block).lines() {
        if let Some(value) = line.strip_prefix("event:") {
            name = value.trim().to_owned();
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    let broken = |error: serde_json::Error| Event::Broken(error.to_string());
    Some(match name.as_str() {
        "run" => serde_json::from_str(&data).map_or_else(broken, |view| Event::Run(Box::new(view))),
        "problem" => serde_json::from_str(&data).map_or_else(broken, Event::Problem),
        _ => Event::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_become_another_path() {
        assert_eq!(segment("01hx"), "01hx");
        assert_eq!(segment("../status?x#y"), "..%2Fstatus%3Fx%23y");
        assert_eq!(segment("plugin:waf"), "plugin:waf");
    }

    #[test]
    fn a_token_is_sent_by_tls_or_to_loopback_and_nowhere_else() {
        let allowed = [
            ("http://127.0.0.1:9440", "http://127.0.0.1:9440"),
            ("http://127.8.9.10:1/", "http://127.8.9.10:1"),
            ("http://localhost:9440", "http://127.0.0.1:9440"),
            ("http://[::1]:9440", "http://[::1]:9440"),
            ("https://127.0.0.1:9440", "https://127.0.0.1:9440"),
            ("https://stanch.example", "https://stanch.example:443"),
            ("https://10.0.0.1:9440", "https://10.0.0.1:9440"),
        ];
        for (text, address) in allowed {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), address, "{text}");
        }
        let refused = [
            ("http://10.0.0.1:9440", "in the clear to loopback alone"),
            ("http://0.0.0.0:9440", "in the clear to loopback alone"),
            ("http://stanch.example:9440", "in the clear to loopback alone"),
            (
                "http://localhost.stanch.example:9440",
                "in the clear to loopback alone",
            ),
            ("ftp://127.0.0.1:9440", "neither http nor https"),
            ("http://127.0.0.1:9440/api/v1", "an address and nothing more"),
            (
                "https://dana:token@stanch.example:9440",
                "an address and nothing more",
            ),
            ("127.0.0.1:9440", "http://127.0.0.1:9440"),
            ("", "http://127.0.0.1:9440"),
        ];
        for (text, says) in refused {
            let error = text.parse::<Server>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn events_are_taken_whole_and_in_order() {
        let mut buffer =
            b":\n\nevent: problem\ndata: {\"code\":\"internal\",\"title\":\"t\",\"status\":500,".to_vec();
        assert!(matches!(take_event(&mut buffer), Some(Event::Other)));
        assert!(take_event(&mut buffer).is_none(), "the rest has not come yet");
        buffer.extend_from_slice(b"\"detail\":\"d\"}\n\nevent: later\ndata: {}\n\nevent: run\ndata: {\n\n");
        assert!(matches!(take_event(&mut buffer), Some(Event::Problem(problem)) if problem.detail == "d"));
        assert!(matches!(take_event(&mut buffer), Some(Event::Other)));
        assert!(matches!(take_event(&mut buffer), Some(Event::Broken(_))));
        assert!(buffer.is_empty());
    }
}
