//! HTTP in a world that is given: what a test says that names and servers answer.
//!
//! It stands where the connector opens a connection. Everything before it is the gate's own: the grant, the headers that it
//! adds and takes away, the filter of addresses, and after it the bounds of the answer and the removal of secrets.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use http::{HeaderMap, Method};
use stanch_contract::Timestamp;

/// A request that passed the gate, as a server would see it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URL in canonical form, with its query.
    pub url: &'a str,
    /// The headers, with what the gate added: credentials are among them.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// Whether it changes something, as the grant has it.
    pub change: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The host's name has no address; nothing was sent.
    Unresolved(String),
    /// There was no connection; nothing was sent.
    Refused(String),
    /// Time was over before an answer came.
    TimedOut,
    /// It was sent, and the connection broke before an answer came.
    Lost(String),
}

/// Names and servers that are given.
#[async_trait]
pub trait GivenHttp: Send + Sync {
    /// The addresses of a name. What the grant does not open is not reached.
    ///
    /// # Errors
    /// Where the name has none.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// What a server answers. Takes the time that it takes, on the world's clock, and no longer than until `ends`.
    ///
    /// # Errors
    /// Where there is no answer.
    async fn exchange(
        &self,
        sent: Sent<'_>,
        ends: Timestamp,
    ) -> Result<http::Response<bytes::Bytes>, NoAnswer>;
}
