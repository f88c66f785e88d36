//! The doors that requests come in by: how many at a time, how long each may take, and how a door closes.
//!
//! Whoever connects can be slow, or hostile. A connection has one of so many places; its requests have to come, and its
//! answers to be taken, within a time. Where every place is taken the next connection waits, and idle ones are closed to
//! make room, so that who only holds places does not keep an alert out. A door that closes lets requests under way end and
//! cuts what is left after a while: half a request cannot hold up the end of the engine.
//!
//! Each connection is served by [`connection`] on whatever carries bytes, so TLS ([`tls`]) is a step before it. HTTP/1 only, for now.

mod body;
mod stream;
pub(crate) mod tls;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) use body::{MOST as MOST_BODY, Unread, read};
use stream::Patient;
use tls::Tls;

/// How much of a connection is buffered, and so the longest head of a request.
const BUFFER: usize = 64 << 10;

/// What a door allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and how long a connection may wait for the next one.
    pub(crate) head: Duration,
    /// How long the other end may take nothing of an answer.
    pub(crate) stall: Duration,
    /// How long requests under way have when the door closes.
    pub(crate) closing: Duration,
}

impl Limits {
    /// With so many places.
    pub(crate) fn of(connections: usize) -> Self {
        Self {
            connections,
            head: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            closing: Duration::from_secs(5),
        }
    }
}

/// Serves until `ending` is cancelled and every connection is closed. `peer` says who is at the other end; handlers find it
/// as [`ConnectInfo`].
pub(crate) async fn serve<L, P>(
    mut listener: L,
    router: Router,
    peer: impl Fn(&L::Io) -> P + Send,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    ending: CancellationToken,
) where
    L: Listener,
    P: Clone + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    // Cancelled when the door is full; those who come later have another one.
    let mut room = CancellationToken::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ending.cancelled() => break,
        };
        while let Some(ended) = connections.try_join_next() {
            note(ended);
        }
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                tracing::warn!(
                    connections = limits.connections,
                    "all places of a door are taken: idle connections are closed, the next waits"
                );
                std::mem::take(&mut room).cancel();
                let place = tokio::select! {
                    place = Arc::clone(&places).acquire_owned() => place,
                    () = ending.cancelled() => break,
                };
                let Ok(place) = place else { break };
                place
            }
        };
        let (peer, router, leave) = (peer(&stream), router.clone(), [room.clone(), ending.clone()]);
        let tls = tls.clone();
        connections.spawn(async move {
            match tls {
                None => connection(stream, router, peer, limits, leave).await,
                Some(tls) => match greeted(&tls, stream, limits, &leave).await {
                    Some(stream) => connection(stream, router, peer, limits, leave).await,
                    None => tracing::debug!("a connection ended in its handshake"),
                },
            }
            drop(place);
        });
    }
    drop(listener);
    let closed = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if tokio::time::timeout(limits.closing, closed).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections that do not end are cut"
        );
        connections.shutdown().await;
    }
}

/// The handshake, within the time that the head of a request may take.
async fn greeted<S>(
    tls: &Tls,
    stream: S,
    limits: Limits,
    leave: &[CancellationToken; 2],
) -> Option<tokio_rustls::server::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let [room, ending] = leave;
    tokio::select! {
        greeted = tokio::time::timeout(limits.head, tls.accept(stream)) => greeted.ok()?.ok(),
        () = room.cancelled() => None,
        () = ending.cancelled() => None,
    }
}

/// One connection, until its other end closes it, it takes too long, or one of `leave` is cancelled and no request is under
/// way.
async fn connection<S, P>(stream: S, router: Router, peer: P, limits: Limits, leave: [CancellationToken; 2])
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + 'static,
{
    let mut protocol = Builder::new(TokioExecutor::new()).http1_only();
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER);
    let service = service_fn(|mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer.clone()));
        router.clone().oneshot(request)
    });
    let stream = TokioIo::new(Patient::new(stream, limits.stall));
    let mut served = pin!(protocol.serve_connection(stream, service));
    let [room, ending] = &leave;
    let ended = tokio::select! {
        // First what came already: a connection of which nothing was read yet would be closed without an answer.
        biased;
        ended = served.as_mut() => ended,
        () = async { tokio::select! { () = room.cancelled() => {}, () = ending.cancelled() => {} } } => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Whoever goes away, or is too slow, in the middle of a request loses nothing that was confirmed.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request could not be answered");
    }
}

#[cfg(test)]
mod tests;
