//! `wasi:http`: what ordinary HTTP clients of a language ask for, for those that read.
//!
//! A request becomes one call of the gate, as `http.send` makes one: the same grant, phase, connector, limits and record. What
//! is not kept of an ordinary client is its freedom: redirects come back as they are, the answer is there whole or not at all,
//! and what changes something is refused, because only the contract's `http.send` binds a body to the plan.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http_body_util::{BodyExt, Full, Limited};
use stanch_contract::{Failure, FailureCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::State;
use crate::gate::Session;
use crate::http::{MOST_BODY, Request, Response};
use crate::time::CallTime;

/// Requests of one call that are under way at the same time. More wait for their turn.
const AT_ONCE: usize = 4;

/// The clients' way to the gate.
pub(super) struct Clients {
    session: Option<Session>,
    turns: Arc<Semaphore>,
    /// The bytes that are left for answers of which the plugin did not read the end.
    unread: Arc<Semaphore>,
}

impl Clients {
    /// With the call's gate. Unread answers have the plugin's memory as their limit, as if it had taken them.
    pub(super) fn new(session: Option<Session>, time: &CallTime, memory: usize) -> Self {
        // On a given clock a call waits for one thing at a time, so that it goes the same way each time.
        let at_once = if time.given().is_some() { 1 } else { AT_ONCE };
        Self {
            session,
            turns: Arc::new(Semaphore::new(at_once)),
            unread: Arc::new(Semaphore::new(memory.min(Semaphore::MAX_PERMITS))),
        }
    }
}

/// Links it.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.clients,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Something that goes on after an answer; here nothing does.
type After = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Clients {
    fn set_host_header(&mut self) -> bool {
        // The gate names the host.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: After,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, After), Error>> + Send> {
        let (session, turns, unread) = (self.session.clone(), self.turns.clone(), self.unread.clone());
        Box::new(async move {
            let session = session.ok_or(Error::HttpRequestDenied)?;
            let _turn = turns.acquire_owned().await;
            let request = asked(request, options).await?;
            let answer = session.http_read(request).await.map_err(refused)?;
            let after: After = Box::new(async { Ok(()) });
            Ok((answered(answer, unread)?, after))
        })
    }
}

/// The gate's words for it.
async fn asked(request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY)
        .collect()
        .await
        .map_err(|_| Error::HttpRequestBodySize(None))?;
    let headers = parts.headers.iter().filter(|(name, _)| {
        // Clients ask for what they can unpack; at the gate answers come as they are.
        *name != ACCEPT_ENCODING
    });
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: body.to_bytes().to_vec(),
        timeout_ms: options.and_then(patience),
    })
}

/// How long a client waits for the connection and the beginning of the answer together.
fn patience(options: RequestOptions) -> Option<u32> {
    let waits = [options.connect_timeout, options.first_byte_timeout];
    let waits: Vec<Duration> = waits.into_iter().flatten().collect();
    (!waits.is_empty()).then(|| {
        let all = waits.into_iter().fold(Duration::ZERO, Duration::saturating_add);
        u32::try_from(all.as_millis()).unwrap_or(u32::MAX)
    })
}

/// An answer's body for as long as the plugin has not read it.
struct Unread {
    body: Vec<u8>,
    _of: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn answered(answer: Response, unread: Arc<Semaphore>) -> Result<http::Response<WasiBody>, Error> {
    let odd = |why: http::Error| Error::InternalError(Some(why.to_string()));
    let full = |_| {
        let why = "answers that were not read to their end fill the memory that the plugin may have: read or drop them";
        Error::InternalError(Some(why.into()))
    };
    let bytes = u32::try_from(answer.body.len()).unwrap_or(u32::MAX);
    let body = Bytes::from_owner(Unread {
        _of: unread.try_acquire_many_owned(bytes).map_err(full)?,
        body: answer.body,
    });
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(body).map_err(Error::from).boxed_unsync())
        .map_err(odd)
}

/// The code that clients know; what it was refused for is in the run's record.
fn refused(failure: Failure) -> Error {
    match failure.code {
        FailureCode::Denied => Error::HttpRequestDenied,
        FailureCode::Timeout => Error::HttpResponseTimeout,
        FailureCode::Unavailable => Error::DestinationUnavailable,
        _ => Error::InternalError(Some(failure.message)),
    }
}
