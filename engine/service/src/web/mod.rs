//! The pages: what is wrong, what would be done about it, and a yes or no, on a phone at 3 AM.
//!
//! HTML that the engine writes itself (maud, checked when the engine is compiled) from the views that the API gives, so a
//! page, the terminal and an export cannot disagree. One style sheet and a few lines of script are compiled in; nothing is
//! built by whoever runs the engine, and nothing comes from elsewhere. Every page can be read and every decision be made
//! without script: it only keeps a page that is open up to date ([`live`]).
//!
//! Who looks is who opened the session, with a token or by the provider of `[oidc]` ([`session`], [`provider`]). What may be done is decided where it is for the API:
//! by role here, by the run there. A page only leaves out what would be refused.

mod acts;
mod alerts;
mod assets;
mod audit;
mod chart;
mod frame;
mod live;
mod login;
mod now;
mod plugins;
mod problems;
mod provider;
mod report;
mod run;
mod runbooks;
mod session;
#[cfg(test)]
mod tests;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::session::Sessions;
use crate::control::Control;

/// The first parts of the paths that pages have, which no intake may have.
pub(crate) const PLACES: [&str; 14] = [
    "", "a", "assets", "audit", "live", "login", "logout", "pause", "plugins", "problems", "r", "report",
    "resume", "runs",
];

/// Where the provider of `[oidc]` sends people back to.
pub(crate) const CALLBACK: &str = "/login/callback";

/// What the pages share.
#[derive(Clone)]
struct Web {
    control: Arc<dyn Control>,
    sessions: Arc<Sessions>,
    /// Whether browsers reach the engine by TLS: then a cookie never travels without it.
    secure: bool,
    /// Places for those who keep a page open.
    viewers: Arc<Semaphore>,
    /// What *Now* shows.
    seen: now::LastSeen,
    /// Ends the streams, so that the server can end.
    ending: CancellationToken,
}

/// The pages, for the address that the engine listens on. `viewers` are the places of those who follow, here and by the API.
pub(crate) fn router(
    control: Arc<dyn Control>,
    viewers: Arc<Semaphore>,
    ending: CancellationToken,
) -> Router {
    let settings = control.settings();
    let (secure, guard) = (settings.server.is_secure(), frame::Guard::of(&settings.server));
    let web = Web {
        control,
        sessions: Arc::new(Sessions::default()),
        secure,
        viewers,
        seen: now::LastSeen::default(),
        ending,
    };
    Router::new()
        .route("/", get(now::page))
        .route("/live", get(live::now))
        .route("/login", get(login::page).post(login::enter))
        .route("/login/provider", get(provider::go))
        .route(CALLBACK, get(provider::back))
        .route("/logout", post(login::leave))
        .route("/runs", get(now::all))
        .route("/runs/{run}", get(run::page))
        .route("/runs/{run}/live", get(live::run))
        .route("/runs/{run}/export.md", get(run::markdown))
        .route("/runs/{run}/export.json", get(run::json))
        .route("/runs/{run}/undo", post(acts::undo))
        .route("/runs/{run}/cancel", post(acts::cancel))
        .route("/runs/{run}/steps/{step}/decision", post(acts::decide))
        .route("/runs/{run}/steps/{step}/answer", post(acts::answer))
        .route("/runs/{run}/steps/{step}/by-hand", post(acts::by_hand))
        .route("/runs/{run}/steps/{step}/settle", post(acts::settle))
        .route("/pause", post(acts::pause))
        .route("/resume", post(acts::resume))
        .route("/r", get(runbooks::list))
        .route("/r/{name}", get(runbooks::page))
        .route("/a", get(alerts::list))
        .route("/a/{fingerprint}", get(alerts::explain))
        .route("/plugins", get(plugins::list))
        .route("/report", get(report::page))
        .route("/audit", get(audit::list))
        .route("/problems", get(problems::list))
        .route("/problems/{code}", get(problems::page))
        .route("/assets/{file}", get(assets::serve))
        .layer(map_response_with_state(guard, frame::guarded))
        .with_state(web)
}
