//! Whether the servers that a grant names can be reached from here, under its own addresses and with the engine's own TLS.
//!
//! A connection is opened and closed, and no request is sent: of no URL can the engine know that a request to it, be it a HEAD,
//! changes nothing. So this does not say that a path is there or that a credential is good.

use futures_util::future::join_all;
use http::Uri;
use tokio::time::Instant;

use super::grant::Grant;
use crate::http::HttpClients;

/// A server of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Scheme, host and port.
    pub server: String,
    /// `grant.http` or `grant.notify`, and which of them: the first that names it.
    pub line: String,
    /// Why there is no connection; `None` where there is one.
    pub why: Option<String>,
}

/// Tries each server of `grant.http` and `grant.notify` once for each list of addresses, all at the same time.
pub async fn reach(grant: &Grant, clients: &HttpClients, until: Instant) -> Vec<Reached> {
    let mut tried = Vec::new();
    for entry in grant.http_entries() {
        let (server, addresses) = (entry.pattern.server(), &entry.addresses);
        let is_it = |(other, of, _): &(String, _, _)| *other == server && *of == addresses;
        if !tried.iter().any(is_it) {
            tried.push((server, addresses, entry.line(grant.plugin())));
        }
    }
    let asked = tried.into_iter().map(async |(server, addresses, line)| {
        let why = match server.parse::<Uri>() {
            Ok(uri) => clients
                .connects(addresses, &uri, until)
                .await?
                .err()
                .map(|why| why.to_string()),
            Err(error) => Some(error.to_string()),
        };
        Some(Reached { server, line, why })
    });
    join_all(asked).await.into_iter().flatten().collect()
}
