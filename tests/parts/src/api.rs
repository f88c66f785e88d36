//! The API server, spoken to by a test: one who looks on and shares no code with the engine.
//!
//! Nothing is sent twice but what only reads.

use std::io::{BufReader, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use stanch_outside::http::{self, Connection, Message, message};

use crate::PartError;

type Tls = StreamOwned<ClientConnection, std::net::TcpStream>;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body: JSON, or a text (of logs, say) as a string.
    pub body: Value,
}

impl From<http::Answer> for Answer {
    fn from(answer: http::Answer) -> Self {
        Self {
            status: answer.status,
            body: serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)),
        }
    }
}

impl Answer {
    /// The body, where the answer is one of success.
    ///
    /// # Errors
    /// What the API server says was wrong.
    pub fn good(self) -> Result<Value, PartError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let said = self.body.get("message").unwrap_or(&self.body);
        Err(PartError::from(format!(
            "the API server says {}: {said}",
            self.status
        )))
    }
}

/// Somebody's way to an API server.
pub struct Api {
    address: SocketAddr,
    trusts: Arc<ClientConfig>,
    token: String,
    kept: Mutex<Option<Connection<Tls>>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(
        address: SocketAddr,
        root: &CertificateDer<'static>,
        token: String,
    ) -> Result<Self, PartError> {
        let failed = |why: rustls::Error| PartError::of("TLS", why);
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(failed)?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let trusts = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            trusts: Arc::new(trusts),
            token,
            kept: Mutex::new(None),
        })
    }

    /// What is at a path.
    ///
    /// # Errors
    /// Where the API server does not answer.
    pub fn get(&self, path: &str) -> Result<Answer, PartError> {
        self.looked(path).map(Answer::from)
    }

    /// The text at a path, of logs say.
    ///
    /// # Errors
    /// Where the API server does not answer, or says that something was wrong.
    pub fn text(&self, path: &str) -> Result<String, PartError> {
        let answer = self.looked(path)?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Answer::from(answer).good().map(|body| body.to_string()),
        }
    }

    /// The object at a path; none where there is none, or no answer.
    pub fn object(&self, path: &str) -> Option<Value> {
        self.get(path).ok()?.good().ok()
    }

    /// The items of the list at a path; none where there is no answer.
    pub fn items(&self, path: &str) -> Option<Vec<Value>> {
        let mut list = self.object(path)?;
        match list.get_mut("items")?.take() {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Watches the list at a path, and is given each event (`type`, `object`), until there is something. First come those
    /// that are there, as `ADDED`.
    ///
    /// # Errors
    /// Where the API server does not answer, nothing happens for half a minute, or the watch ends with nothing found.
    pub fn watch<T>(&self, path: &str, mut look: impl FnMut(&Value) -> Option<T>) -> Result<T, PartError> {
        let failed = |why: &dyn std::fmt::Display| PartError::of(&format!("the watch of {path}"), why);
        let authorization = self.authorization();
        let sign = if path.contains('?') { '&' } else { '?' };
        let found = self.connect()?.follow(
            &format!("{path}{sign}watch=true"),
            &[("authorization", &authorization), ("accept", "*/*")],
            |line| look(&serde_json::from_str(line).ok()?),
        );
        found
            .map_err(|why| failed(&why))?
            .ok_or_else(|| failed(&"it ended"))
    }

    /// Sends a change.
    ///
    /// # Errors
    /// Where the API server does not answer; it may have been done all the same.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<Answer, PartError> {
        let mut connection = self.connect()?;
        self.asked(&mut connection, method, path, kind, body)
            .map(Answer::from)
    }

    /// Creates what is in `body` in the list at a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn create(&self, path: &str, body: &Value) -> Result<Answer, PartError> {
        self.send("POST", path, "application/json", &body.to_string())
    }

    /// Merges `body` into the object at a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn merge(&self, path: &str, body: &Value) -> Result<Answer, PartError> {
        self.send("PATCH", path, "application/merge-patch+json", &body.to_string())
    }

    /// Deletes the object at a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn delete(&self, path: &str) -> Result<Answer, PartError> {
        self.send("DELETE", path, "application/json", "")
    }

    fn looked(&self, path: &str) -> Result<http::Answer, PartError> {
        let mut kept = locked(&self.kept);
        if let Some(connection) = kept.as_mut() {
            if let Ok(answer) = self.asked(connection, "GET", path, "", "") {
                return Ok(answer);
            }
            // Closed by the other side meanwhile, which says nothing about what is asked now.
            *kept = None;
        }
        let mut connection = self.connect()?;
        let answer = self.asked(&mut connection, "GET", path, "", "")?;
        *kept = Some(connection);
        Ok(answer)
    }

    /// Sends a request of somebody else as it is, and gives the answer's bytes. Its body is whole before anything is given.
    pub(crate) fn passed_on(&self, request: &Message) -> Result<Vec<u8>, PartError> {
        let failed = |why| PartError::of("the API server does not answer", why);
        let mut stream = self.stream()?;
        stream
            .write_all(&written(request))
            .and_then(|()| stream.flush())
            .map_err(failed)?;
        let answer = message(&mut BufReader::new(stream)).map_err(failed)?;
        Ok(written(&answer))
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn connect(&self) -> Result<Connection<Tls>, PartError> {
        Ok(Connection::over(self.stream()?, self.address))
    }

    fn stream(&self) -> Result<Tls, PartError> {
        let failed = |why: &dyn std::fmt::Display| PartError::of("the API server does not answer", why);
        let stream = http::connected(self.address).map_err(|why| failed(&why))?;
        let name = ServerName::from(self.address.ip());
        let tls = ClientConnection::new(Arc::clone(&self.trusts), name).map_err(|why| failed(&why))?;
        Ok(StreamOwned::new(tls, stream))
    }

    fn asked(
        &self,
        connection: &mut Connection<Tls>,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> Result<http::Answer, PartError> {
        let authorization = self.authorization();
        let mut headers = vec![("authorization", authorization.as_str()), ("accept", "*/*")];
        if !kind.is_empty() {
            headers.push(("content-type", kind));
        }
        let answer = connection.send(method, path, &headers, body);
        answer.map_err(|why| PartError::of(&format!("the API server does not answer {method} {path}"), why))
    }
}

/// A message as it goes over the wire, its body in one piece.
fn written(message: &Message) -> Vec<u8> {
    let mut head = format!("{}\r\n", message.first.trim_end());
    let of_the_hop = ["content-length", "transfer-encoding", "connection"];
    for (name, value) in &message.headers {
        if !of_the_hop.contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", message.body.len()));
    let mut bytes = head.into_bytes();
    bytes.extend(&message.body);
    bytes
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
