//! The routes under `/api/v1`: who may, then the engine.
//!
//! Each handler names the role that it takes and hands the request on. Nothing here decides anything about a run. The
//! control socket and the network have the same routes; they differ in what says who is asking ([`Door`]).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{Response, Sse};
use axum::routing::{delete, get, post};
use futures_util::stream::{self, Stream, StreamExt as _};
use stanch_contract::{Alert, PluginKey, RunId, StepId};
use stanch_run::{Phase, Role};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::actor::{Account, must_be};
use super::extract::{Body, Caller};
use super::once::{Answers, once};
use super::types::{
    Accepted, AlertsFilter, AnswerCheck, AuditPage, AuditPart, ByHand, CancelRun, Code, Decide, DryRun,
    ExplainRequest, Explanation, PauseRequest, PlanRequest, PluginView, Problem, ReadAlerts, Reloaded,
    Report, ReportFilter, RollbackRequest, RunFilter, RunSummary, RunView, RunbookPage, RunbookView, Settle,
    StartRun, Status, Suggested, TakenIn, UndoRun,
};
use super::{Answer, Control};

/// How many may follow runs over the network at the same time. They share the port with those who send alerts, and whoever
/// follows stays connected: this leaves half of the port's places to alerts.
pub(super) const FOLLOWERS: usize = 256;

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
    let runs = Router::new()
        .route("/", get(list).post(start))
        .route("/{run}", get(show))
        .route("/{run}/events", get(follow))
        .route("/{run}/suggested/{plugin}", get(suggested))
        .route("/{run}/undo", post(undo))
        .route("/{run}/cancel", post(cancel))
        .route("/{run}/steps/{step}/decision", post(decide))
        .route("/{run}/steps/{step}/answer", post(answer))
        .route("/{run}/steps/{step}/by-hand", post(by_hand))
        .route("/{run}/steps/{step}/settle", post(settle));
    let api = Router::new()
        .route("/status", get(status))
        .nest("/runs", runs)
        .route("/alerts", get(taken_in).post(alerts))
        .route("/alerts/read", post(read))
        .route("/runbooks", get(runbooks))
        .route("/runbooks/{name}", get(runbook))
        .route("/explain", post(explain))
        .route("/plan", post(plan))
        .route("/report", get(report))
        .route("/plugins", get(plugins))
        .route("/plugins/{key}", get(plugin))
        .route("/pauses", post(pause))
        .route("/pauses/{scope}", delete(resume))
        .route("/reload", post(reload))
        .route("/rollback", post(rollback))
        .route("/audit", get(audit))
        .fallback(nowhere)
        .layer(from_fn_with_state(shared.clone(), once))
        .layer(map_response(private));
    Router::new().nest("/api/v1", api).with_state(shared)
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

async fn status(who: Caller, State(shared): State<Shared>) -> Answer<Json<Status>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.status().await.map(Json)
}

async fn list(
    who: Caller,
    State(shared): State<Shared>,
    filter: Result<Query<RunFilter>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Vec<RunSummary>>> {
    must_be(&who, Role::Viewer, "read")?;
    let Query(filter) = filter.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    shared.control.runs(&filter).await.map(Json)
}

async fn report(
    who: Caller,
    State(shared): State<Shared>,
    filter: Result<Query<ReportFilter>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Report>> {
    must_be(&who, Role::Viewer, "read")?;
    let Query(filter) = filter.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    shared.control.report(&filter).await.map(Json)
}

async fn show(who: Caller, State(shared): State<Shared>, Path(run): Path<String>) -> Answer<Json<RunView>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&run).await?;
    shared.control.run_for(&who, &run).await.map(Json)
}

/// Each event is the whole run as it is then, so a reader that missed one has missed nothing.
async fn follow(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&run).await?;
    let place = shared.door.follow()?;
    // Subscribed before it is read: a change in between is told.
    let changes = shared.control.changes(&run).await?;
    let who = Arc::new(who);
    let control = Arc::clone(&shared.control);
    // What is told last is that nothing more is: then the run is as the journal has it.
    let looks = stream::once(async {})
        .chain(changes)
        .chain(stream::once(async {}));
    let views = looks.then(move |()| {
        let (control, run, who) = (Arc::clone(&control), run.clone(), Arc::clone(&who));
        async move { control.run_for(&who, &run).await }
    });
    // A closed run may still be told of repeats of its alerts; nobody follows for those.
    let views = views.scan(false, |over, view| {
        let before = *over;
        *over = view
            .as_ref()
            .map_or(true, |run| run.summary.phase == Phase::Closed);
        std::future::ready((!before).then_some(view))
    });
    let events = views
        .map(move |view| {
            let _held = &place;
            Ok(event(view))
        })
        .take_until(shared.ending.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

fn event(view: Answer<RunView>) -> Event {
    let (name, data) = match &view {
        Ok(view) => ("run", serde_json::to_string(view)),
        Err(problem) => ("problem", serde_json::to_string(problem)),
    };
    Event::default().event(name).data(data.unwrap_or_default())
}

async fn start(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<StartRun>,
) -> Answer<(StatusCode, Json<RunId>)> {
    must_be(&who, Role::Operator, "start a run")?;
    let run = shared.control.start(&who, request).await?;
    Ok((StatusCode::CREATED, Json(run)))
}

async fn decide(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<Decide>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Approver, "decide")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .decide(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn answer(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, check)): Path<(String, StepId)>,
    Body(request): Body<AnswerCheck>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Approver, "answer a check")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .answer(&who, &run, &check, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn by_hand(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<ByHand>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Approver, "say what was done by hand")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .by_hand(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn settle(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<Settle>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "settle a doubt")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .settle(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn undo(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Body(request): Body<UndoRun>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "undo")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .undo(&who, &run, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn cancel(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Body(request): Body<CancelRun>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "cancel a run")?;
    let run = shared.control.find_run(&run).await?;
    shared
        .control
        .cancel(&who, &run, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn alerts(
    who: Caller,
    State(shared): State<Shared>,
    Body(alerts): Body<Vec<Alert>>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    must_be(&who, Role::Operator, "hand in an alert")?;
    let accepted = shared.control.alerts(&who, alerts).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn taken_in(
    who: Caller,
    State(shared): State<Shared>,
    filter: Result<Query<AlertsFilter>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Vec<TakenIn>>> {
    must_be(&who, Role::Viewer, "read")?;
    let Query(filter) = filter.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    shared.control.taken_in(&filter).await.map(Json)
}

async fn runbooks(who: Caller, State(shared): State<Shared>) -> Answer<Json<Vec<RunbookView>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.runbooks().await.map(Json)
}

async fn runbook(
    who: Caller,
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Answer<Json<RunbookPage>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.runbook(&name).await.map(Json)
}

/// Nothing is taken in, so a reader may.
async fn read(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<ReadAlerts>,
) -> Answer<Json<Vec<Alert>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.read(request).await.map(Json)
}

async fn explain(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<ExplainRequest>,
) -> Answer<Json<Explanation>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.explain(request).await.map(Json)
}

/// A dry run changes nothing, but it calls plugins with the operator's credentials.
async fn plan(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<PlanRequest>,
) -> Answer<Json<DryRun>> {
    must_be(&who, Role::Operator, "make a dry run")?;
    shared.control.plan(&who, request).await.map(Json)
}

async fn plugins(who: Caller, State(shared): State<Shared>) -> Answer<Json<Vec<PluginView>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.plugins().await.map(Json)
}

async fn plugin(
    who: Caller,
    State(shared): State<Shared>,
    Path(key): Path<String>,
) -> Answer<Json<PluginView>> {
    must_be(&who, Role::Viewer, "read")?;
    let found = shared
        .control
        .plugins()
        .await?
        .into_iter()
        .find(|plugin| plugin.key.as_str() == key);
    found.map(Json).ok_or_else(|| {
        let key = stanch_contract::text::clean_line_to(&key, 80);
        Problem::new(Code::PluginNotFound, format!("no plugin `{key}` is installed"))
            .hint("`stanch plugin list` shows those that are")
    })
}

async fn suggested(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, plugin)): Path<(String, PluginKey)>,
) -> Answer<Json<Suggested>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&run).await?;
    shared.control.suggested(&run, &plugin).await.map(Json)
}

async fn pause(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<PauseRequest>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "pause")?;
    shared
        .control
        .pause(&who, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

async fn resume(who: Caller, State(shared): State<Shared>, Path(scope): Path<String>) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "resume")?;
    let scope = scope
        .parse()
        .map_err(|error| Problem::new(Code::BadRequest, format!("{error}")))?;
    shared
        .control
        .resume(&who, &scope)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// It has addresses, names and reasons: for those who run the engine.
async fn audit(
    who: Caller,
    State(shared): State<Shared>,
    part: Result<Query<AuditPart>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<AuditPage>> {
    must_be(&who, Role::Operator, "read the audit")?;
    let Query(part) = part.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    shared.control.audit(part).await.map(Json)
}

async fn reload(who: Caller, State(shared): State<Shared>) -> Answer<Json<Reloaded>> {
    must_be(&who, Role::Operator, "reload")?;
    shared.control.reload(&who).await.map(Json)
}

async fn rollback(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<RollbackRequest>,
) -> Answer<Json<Reloaded>> {
    must_be(&who, Role::Operator, "roll back")?;
    shared.control.rollback(&who, request).await.map(Json)
}
