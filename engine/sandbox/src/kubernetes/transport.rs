//! Under kube's client: this engine's own connector in place of kube's, so that sockets and look-ups stay in one place, no
//! proxy is used, and of a change it is known whether it was sent.
//!
//! Reads share a pool of connections; a change has a connection of its own (see [`crate::http::client`]). Which it is, and
//! until when, comes with the request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kube::Client;
use kube::Config;
use kube::client::{Body, ConfigExt};
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceBuilder};

use super::access::chain;
use crate::http::address::AddressPolicy;
use crate::http::client::{NotSent, Reads, SendError, agent, of_pool, pooled, send_alone};
use crate::http::connector::{Connector, Resolver, Trust};

/// How a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// Over a pooled connection.
    Read,
    /// Over a connection of its own, begun before `until` or not at all; the answer has `linger` longer.
    Change { until: Instant, linger: Duration },
}

/// A client for this cluster.
pub(super) fn client(config: &Config, resolver: Arc<dyn Resolver>) -> Result<Client, String> {
    let tls = config
        .rustls_client_config()
        .map_err(|error| format!("its TLS cannot be set up: {}", chain(&error)))?;
    let trust = Trust::Given {
        config: Arc::new(tls),
        name: config.tls_server_name.clone(),
    };
    let connector = Connector::new(AddressPolicy::everywhere(), resolver, trust);
    let transport = Transport {
        reads: pooled(connector.clone()),
        connector,
    };
    let auth = config
        .auth_layer()
        .map_err(|error| format!("its credentials cannot be used: {}", chain(&error)))?;
    let headers = config
        .extra_headers_layer()
        .map_err(|error| format!("who is acted as cannot be said: {}", chain(&error)))?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(headers)
        .service(transport);
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[derive(Clone)]
struct Transport {
    reads: Reads,
    connector: Connector,
}

impl Transport {
    async fn send(self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        let way = request.extensions().get::<Way>().copied().unwrap_or(Way::Read);
        let (mut parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| NotSent::Closed(chain(&error)))?;
        parts
            .headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        parts.headers.insert(USER_AGENT, agent());
        let request = Request::from_parts(parts, Full::new(body.to_bytes()));
        match way {
            Way::Read => self.reads.request(request).await.map_err(of_pool),
            Way::Change { until, linger } => send_alone(&self.connector, request, until, linger).await,
        }
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move { transport.send(request).await.map_err(BoxError::from) })
    }
}
