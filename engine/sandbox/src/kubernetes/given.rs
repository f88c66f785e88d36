//! Clusters in a world that is given: what a test says that API servers answer.
//!
//! It stands under kube's client, where the connector opens a connection. Everything before it is the gate's own: the grant,
//! the phase and the plan, the kinds, the requests that are made of calls, and after it what an answer means.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use stanch_contract::FailureCode;
use tower::{BoxError, Service};

use super::cluster::Cluster;
use crate::http::NoAnswer;
use crate::http::client::{NotSent, SendError, describe, too_late};
use crate::http::connector::ConnectError;

/// A request that passed the gate, as an API server would see it.
#[derive(Debug, Clone, Copy)]
pub struct ClusterRequest<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path with its query.
    pub path: &'a str,
    /// What the body is; empty where there is none.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Clusters that are given. There is one of every name; what is in it is the world's to say.
#[async_trait]
pub trait GivenClusters: Send + Sync {
    /// What the API server answers.
    ///
    /// # Errors
    /// Where there is no answer.
    async fn answer(&self, asked: ClusterRequest<'_>) -> Result<Response<Bytes>, NoAnswer>;
}

/// The clusters of a given world, each made when it is first asked for.
pub(super) struct Given {
    world: Arc<dyn GivenClusters>,
    made: Mutex<BTreeMap<String, Arc<Cluster>>>,
}

impl Given {
    pub(super) fn new(world: Arc<dyn GivenClusters>) -> Self {
        Self {
            world,
            made: Mutex::default(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Arc<Cluster> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = made.entry(name.to_owned()).or_insert_with(|| {
            let transport = Transport {
                cluster: name.into(),
                world: self.world.clone(),
            };
            let client = Client::new(transport, "default");
            Arc::new(Cluster::new(name, server(name), client))
        });
        cluster.clone()
    }
}

/// What stands for the server's URL. Nothing connects to it.
fn server(cluster: &str) -> String {
    format!("https://{cluster}.invalid")
}

#[derive(Clone)]
struct Transport {
    cluster: Arc<str>,
    world: Arc<dyn GivenClusters>,
}

impl Transport {
    async fn send(self, request: Request<Body>) -> Result<Response<Full<Bytes>>, SendError> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| NotSent::Closed(describe(&error)))?
            .to_bytes();
        let content_type = parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let asked = ClusterRequest {
            cluster: &self.cluster,
            method: &parts.method,
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
            content_type: content_type.unwrap_or_default(),
            body: &body,
        };
        let host = format!("{}.invalid", self.cluster);
        match self.world.answer(asked).await {
            Ok(answer) => Ok(answer.map(Full::new)),
            Err(NoAnswer::Unresolved(why)) => {
                Err(NotSent::Connect(ConnectError::Unresolved { host, why }).into())
            }
            Err(NoAnswer::Refused(why)) => {
                Err(NotSent::Connect(ConnectError::Unreachable { host, why }).into())
            }
            Err(NoAnswer::TimedOut) => Err(too_late()),
            Err(NoAnswer::Lost(why)) => Err(SendError::Lost {
                code: FailureCode::Unavailable,
                why,
            }),
        }
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move { transport.send(request).await.map_err(BoxError::from) })
    }
}
