//! The routes under `/api/v1`: who may, then the engine.
//!
//! Each handler names the role that it takes and hands the request on. Nothing here decides anything about a run. The
//! control socket and the network have the same routes; they differ in what says who is asking ([`Door`]).

mod engine;
mod runs;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actor::Account;
use super::once::{Answers, once};
use super::types::{Code, Problem};
use super::{Answer, Control};

/// How many may follow runs over the network at the same time. They share the port with those who send alerts, and whoever
/// follows stays connected: this leaves half of the port's places to alerts.
pub(crate) const FOLLOWERS: usize = 256;

/// The door that the routes are behind, and so what says who is asking.
#[derive(Clone)]
pub(super) enum Door {
    /// The control socket: a token, else the account at its other end. This one owns it.
    Socket(Arc<Account>),
    /// The network: a token and nothing else; so many may follow.
    Network(Arc<Semaphore>),
}

impl Door {
    /// Its name.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Socket(_) => "socket",
            Self::Network(_) => "api",
        }
    }

    /// A place among those who follow, for as long as it is held.
    pub(super) fn follow(&self) -> Answer<Option<OwnedSemaphorePermit>> {
        let Self::Network(places) = self else {
            return Ok(None);
        };
        Arc::clone(places).try_acquire_owned().map(Some).map_err(|_| {
            Problem::new(Code::Unavailable, "as many follow runs over the network as may")
                .hint("read the run without following it, or follow it on the engine's own machine")
        })
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) control: Arc<dyn Control>,
    pub(super) door: Door,
    /// Ends the streams, so that the server can end.
    pub(super) ending: CancellationToken,
    /// What was answered to requests with a key.
    pub(super) answers: Answers,
}

/// The routes, and a problem for every other path: the control socket's.
pub(super) fn router(shared: Shared) -> Router {
    routes(shared).fallback(nowhere)
}

/// The routes, and a problem for every other path under `/api/v1`.
pub(super) fn routes(shared: Shared) -> Router {
    // Both doors have the same: what each says of itself is made once.
    static API: LazyLock<Router<Shared>> = LazyLock::new(|| described().split_for_parts().0);
    let api = Router::clone(&API)
        .fallback(nowhere)
        .layer(from_fn_with_state(shared.clone(), once))
        .layer(map_response(private));
    Router::new().nest("/api/v1", api).with_state(shared)
}

/// Every route, with what is said of it: neither is without the other.
pub(super) fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(engine::status))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::follow))
        .routes(routes!(runs::suggested))
        .routes(routes!(runs::undo))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::decide))
        .routes(routes!(runs::answer))
        .routes(routes!(runs::by_hand))
        .routes(routes!(runs::settle))
        .routes(routes!(engine::taken_in, engine::alerts))
        .routes(routes!(engine::read))
        .routes(routes!(engine::runbooks))
        .routes(routes!(engine::runbook))
        .routes(routes!(engine::explain))
        .routes(routes!(engine::plan))
        .routes(routes!(engine::report))
        .routes(routes!(engine::plugins))
        .routes(routes!(engine::plugin))
        .routes(routes!(engine::pause))
        .routes(routes!(engine::resume))
        .routes(routes!(engine::reload))
        .routes(routes!(engine::rollback))
        .routes(routes!(engine::audit))
        .routes(routes!(engine::openapi))
}

/// What is answered is for the one who asked: nobody in between keeps it.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn nowhere() -> Problem {
    Problem::new(Code::NotFound, "there is no such route")
        .hint("engine and command line may be of different versions")
}
