//! How people's tools talk to a running engine: the API.
//!
//! HTTP/1 and JSON under `/api/v1`, on two doors with the same routes: a unix socket in the data folder, and the address
//! that the engine listens on, where only a user's token opens. The routes know who is
//! asking ([`actor`]) and how far that person's role reaches; everything else they hand to the [`Control`] of the engine.

mod account;
pub mod actor;
mod extract;
#[cfg(test)]
pub(crate) mod fixtures;
mod live;
mod once;
mod openapi;
mod routes;
mod server;
pub mod socket;
#[cfg(test)]
mod tests;
pub mod types;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use futures_util::stream::BoxStream;
use stanch_contract::{Alert, PluginKey, RunId, StepId};
use stanch_run::Actor;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::types::{
    AlertsFilter, AnswerCheck, AuditPage, AuditPart, ByHand, CancelRun, Decide, DryRun, ExplainRequest,
    Explanation, PauseRequest, PauseScope, PlanRequest, PluginView, Problem, ReadAlerts, Reloaded, Report,
    ReportFilter, RollbackRequest, RunFilter, RunSummary, RunView, RunbookPage, RunbookView, Settle,
    StartRun, Status, Suggested, TakenIn, UndoRun,
};

use crate::config::Settings;
use crate::intake::Accepted;
use crate::oidc::Provider;

pub(crate) use self::live::grants_of;
pub use self::live::{Live, Pulse};
pub(crate) use self::routes::FOLLOWERS;
pub use self::server::Server;

/// The routes under `/api/v1` for the address that the engine listens on: who has no user's token gets nothing. Streams end
/// when `ending` is cancelled.
pub fn network(control: Arc<dyn Control>, followers: Arc<Semaphore>, ending: CancellationToken) -> Router {
    routes::routes(routes::Shared {
        control,
        door: routes::Door::Network(followers),
        ending,
        answers: once::Answers::default(),
    })
}

/// The places of those who follow over the network, by the API and on pages.
pub fn followers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FOLLOWERS))
}

/// What an operation gives: what was asked for, or why not.
pub type Answer<T> = Result<T, Problem>;

/// What the engine does for people. That a role is high enough somewhere was checked before; that it goes as far as this runbook's team,
/// and who may decide a question (`from`, never the one who asked for the run), is checked here, because it depends on the run.
///
/// An operation that changes a run returns once that is durable.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// The settings of the loaded generation.
    fn settings(&self) -> Arc<Settings>;

    /// The provider of `[oidc]`; absent where nobody asks one.
    fn provider(&self) -> Option<Arc<Provider>> {
        None
    }

    /// This person as far as their role goes in a runbook; nobody where it does not go there.
    fn within(&self, who: &Actor, _runbook: &str) -> Option<Actor> {
        Some(who.clone())
    }

    /// What the engine is doing, as far as this person's role goes, as in all that is asked below.
    async fn status(&self, who: &Actor) -> Answer<Status>;
    /// Runs, newest first.
    async fn runs(&self, who: &Actor, filter: &RunFilter) -> Answer<Vec<RunSummary>>;
    /// The run that a text means: its id, or a beginning or end of it that no other run has.
    async fn find_run(&self, who: &Actor, text: &str) -> Answer<RunId>;
    /// A run, whole; with what only a few may see, for who is one of them.
    async fn run(&self, who: &Actor, run: &RunId) -> Answer<RunView>;
    /// What the runs of each runbook say of how far it can be trusted.
    async fn report(&self, who: &Actor, filter: &ReportFilter) -> Answer<Report>;
    /// Says each time that a run changed; ends when it is closed. Changes that follow closely may be told once.
    async fn changes(&self, run: &RunId) -> Answer<BoxStream<'static, ()>>;
    /// Says each time that something changed that lists show: a run, a pause, what is loaded. Never ends by itself.
    fn any_change(&self) -> BoxStream<'static, ()>;

    /// Starts a run by hand.
    async fn start(&self, actor: &Actor, request: StartRun) -> Answer<RunId>;
    /// Takes in alerts as a sender would.
    async fn alerts(&self, actor: &Actor, alerts: Vec<Alert>) -> Answer<Accepted>;
    /// Yes or no to a question.
    async fn decide(&self, actor: &Actor, run: &RunId, step: &StepId, request: Decide) -> Answer<()>;
    /// Notes that somebody's yes or no does not count, and why. `run` is as they named it.
    fn not_taken(&self, actor: &Actor, run: &str, step: &StepId, request: &Decide, why: &Problem);
    /// A person's answer to a check.
    async fn answer(&self, actor: &Actor, run: &RunId, check: &StepId, request: AnswerCheck) -> Answer<()>;
    /// What a person says of a step done by hand.
    async fn by_hand(&self, actor: &Actor, run: &RunId, step: &StepId, request: ByHand) -> Answer<()>;
    /// A person settles a doubt.
    async fn settle(&self, actor: &Actor, run: &RunId, step: &StepId, request: Settle) -> Answer<()>;
    /// Puts back what a run changed.
    async fn undo(&self, actor: &Actor, run: &RunId, request: UndoRun) -> Answer<()>;
    /// Ends a run.
    async fn cancel(&self, actor: &Actor, run: &RunId, request: CancelRun) -> Answer<()>;
    /// Stops changes.
    async fn pause(&self, actor: &Actor, request: PauseRequest) -> Answer<()>;
    /// Lets changes go on.
    async fn resume(&self, actor: &Actor, scope: &PauseScope) -> Answer<()>;

    /// Which alerts an intake would make of a body.
    async fn read(&self, request: ReadAlerts) -> Answer<Vec<Alert>>;
    /// Which runbooks an alert would start, and why not the others.
    async fn explain(&self, who: &Actor, request: ExplainRequest) -> Answer<Explanation>;
    /// A dry run.
    async fn plan(&self, actor: &Actor, request: PlanRequest) -> Answer<DryRun>;
    /// Alerts that came in and what became of them, newest first.
    async fn taken_in(&self, who: &Actor, filter: &AlertsFilter) -> Answer<Vec<TakenIn>>;
    /// The loaded runbooks.
    async fn runbooks(&self, who: &Actor) -> Answer<Vec<RunbookView>>;
    /// A loaded runbook, whole.
    async fn runbook(&self, who: &Actor, name: &str) -> Answer<RunbookPage>;
    /// The installed plugins.
    async fn plugins(&self, who: &Actor) -> Answer<Vec<PluginView>>;
    /// The smallest grant for what a plugin asked of the gate in a run.
    async fn suggested(&self, run: &RunId, plugin: &PluginKey) -> Answer<Suggested>;

    /// Loads runbooks, plugins and stanch.toml again.
    async fn reload(&self, actor: &Actor) -> Answer<Reloaded>;
    /// Goes back to an earlier generation.
    async fn rollback(&self, actor: &Actor, request: RollbackRequest) -> Answer<Reloaded>;

    /// A part of the audit.
    async fn audit(&self, who: &Actor, part: AuditPart) -> Answer<AuditPage>;
    /// Somebody could not prove at this door who they are.
    fn refused(&self, _via: &str) {}
    /// Somebody logs in on a page, from this address: kept before they are let in.
    async fn logged_in(&self, actor: &Actor, from: &str) -> Answer<()>;
}
