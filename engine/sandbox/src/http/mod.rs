//! Outgoing HTTP, as the gate lets it through.
//!
//! Reading order of a request: [`target`] (the URL, parsed and normalised once), [`headers`] (what a plugin may set),
//! [`content`] (the body in canonical form), [`client`] (one pool for each installation and grant), [`connector`]
//! (resolve, filter, connect: the one place with sockets and look-ups), [`address`] (which addresses are ever reached). In
//! a test's world [`GivenHttp`] stands in the connector's place.
//! Nothing here knows phases or plans; that is [`crate::gate`].

pub mod address;
pub mod client;
pub mod connector;
pub mod content;
mod given;
pub mod headers;
mod own;
pub mod pattern;
mod roots;
pub mod sign;
pub mod target;

pub use client::{HttpClients, HttpSettings};
pub use connector::{Resolver, SystemResolver};
pub use given::{GivenHttp, NoAnswer, Sent};
pub use own::{NoOwnAnswer, OwnAnswer, OwnRequest, OwnStream};

/// A request's body beyond this is refused.
pub(crate) const MOST_BODY: usize = 16 << 20;

/// One request, in the words of plugin.wit. Nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// Empty where there is none.
    pub body: Vec<u8>,
    /// How long to wait for the whole answer, in milliseconds; at most what is left of the call.
    pub timeout_ms: Option<u32>,
}

/// One answer. Redirects are handed back as they are, and the values of the grant's secrets are gone from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, 100 to 999.
    pub status: u16,
    /// Names (lower case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent, never decompressed.
    pub body: Vec<u8>,
}
