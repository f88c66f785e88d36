//! The routes of runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream, StreamExt as _};
use stanch_contract::{PluginKey, RunId, StepId};
use stanch_run::{Phase, Role};
use utoipa::IntoParams;

use super::Shared;
use crate::control::Answer;
use crate::control::actor::{must_be, to_decide};
use crate::control::extract::{Body, Caller, Follower, Queried, asked};
use crate::control::types::{
    AnswerCheck, ByHand, CancelRun, Decide, RunFilter, RunSummary, RunView, Settle, StartRun, Suggested,
    UndoRun,
};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it says what is in the path; axum takes it out of there")]
struct RunInPath {
    /// The run's id, or a beginning or end of it that no other run has.
    run: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it says what is in the path; axum takes it out of there")]
struct StepInPath {
    /// The run's id, or a beginning or end of it that no other run has.
    run: String,
    /// The id of a step or check of its runbook.
    step: String,
}

/// Runs, newest first.
#[utoipa::path(
    get, path = "/runs", tag = "runs", operation_id = "listRuns",
    security(("token" = ["viewer"])),
    params(RunFilter),
    responses((status = OK, body = Vec<RunSummary>, description = "As many as there are, and as asked for.")),
)]
pub(super) async fn list(
    who: Caller,
    State(shared): State<Shared>,
    filter: Queried<RunFilter>,
) -> Answer<Json<Vec<RunSummary>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.runs(&who, &asked(filter)?).await.map(Json)
}

/// A run, whole.
#[utoipa::path(
    get, path = "/runs/{run}", tag = "runs", operation_id = "showRun",
    security(("token" = ["viewer"])),
    params(RunInPath),
    responses((status = OK, body = RunView, description = "The run.")),
)]
pub(super) async fn show(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
) -> Answer<Json<RunView>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared.control.run(&who, &run).await.map(Json)
}

/// The run each time that it changed, as server-sent events.
///
/// Each event is the whole run as it is then, so a reader that missed one has missed nothing.
#[utoipa::path(
    get, path = "/runs/{run}/events", tag = "runs", operation_id = "followRun",
    security(("token" = ["viewer"])),
    params(RunInPath),
    responses((status = OK, content_type = "text/event-stream", body = String, description = "Events `run` with a `RunView` each, or `problem` with a `Problem`; ends with the run.")),
)]
pub(super) async fn follow(
    who: Caller,
    follower: Follower,
    State(shared): State<Shared>,
    Path(run): Path<String>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&who, &run).await?;
    let place = shared.door.follow()?;
    // Subscribed before it is read: a change in between is told.
    let changes = shared.control.changes(&run).await?;
    let (follower, ending) = (Arc::new(follower), shared.ending.clone());
    // What is told last is that nothing more is: then the run is as the journal has it.
    let looks = stream::once(async {})
        .chain(changes)
        .chain(stream::once(async {}));
    let views = looks.then(move |()| {
        let (shared, run, follower) = (shared.clone(), run.clone(), Arc::clone(&follower));
        async move {
            let who = follower.now(&shared).await?;
            must_be(&who, Role::Viewer, "read")?;
            shared.control.run(&who, &run).await
        }
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
        .take_until(ending.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

fn event(view: Answer<RunView>) -> Event {
    let (name, data) = match &view {
        Ok(view) => ("run", serde_json::to_string(view)),
        Err(problem) => ("problem", serde_json::to_string(problem)),
    };
    Event::default().event(name).data(data.unwrap_or_default())
}

/// Starts a run by hand.
#[utoipa::path(
    post, path = "/runs", tag = "runs", operation_id = "startRun",
    security(("token" = ["operator"])),
    request_body = StartRun,
    responses((status = CREATED, body = RunId, description = "It is open.")),
)]
pub(super) async fn start(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<StartRun>,
) -> Answer<(StatusCode, Json<RunId>)> {
    must_be(&who, Role::Operator, "start a run")?;
    let run = shared.control.start(&who, request).await?;
    Ok((StatusCode::CREATED, Json(run)))
}

/// Yes or no to exactly this plan.
#[utoipa::path(
    post, path = "/runs/{run}/steps/{step}/decision", tag = "runs", operation_id = "decide",
    security(("token" = ["approver"])),
    params(StepInPath),
    request_body = Decide,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn decide(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<Decide>,
) -> Answer<StatusCode> {
    let run = to_decide(shared.control.as_ref(), &who, &run, &step, &request).await?;
    shared
        .control
        .decide(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// Answers a check that a person is asked.
#[utoipa::path(
    post, path = "/runs/{run}/steps/{step}/answer", tag = "runs", operation_id = "answerCheck",
    security(("token" = ["approver"])),
    params(StepInPath),
    request_body = AnswerCheck,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn answer(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, check)): Path<(String, StepId)>,
    Body(request): Body<AnswerCheck>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Approver, "answer a check")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared
        .control
        .answer(&who, &run, &check, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// Says whether a step was done by hand.
#[utoipa::path(
    post, path = "/runs/{run}/steps/{step}/by-hand", tag = "runs", operation_id = "sayByHand",
    security(("token" = ["approver"])),
    params(StepInPath),
    request_body = ByHand,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn by_hand(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<ByHand>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Approver, "say what was done by hand")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared
        .control
        .by_hand(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// Settles a doubt: did it happen?
#[utoipa::path(
    post, path = "/runs/{run}/steps/{step}/settle", tag = "runs", operation_id = "settleDoubt",
    security(("token" = ["operator"])),
    params(StepInPath),
    request_body = Settle,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn settle(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, StepId)>,
    Body(request): Body<Settle>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "settle a doubt")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared
        .control
        .settle(&who, &run, &step, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// Puts back what a run changed.
#[utoipa::path(
    post, path = "/runs/{run}/undo", tag = "runs", operation_id = "undoRun",
    security(("token" = ["operator"])),
    params(RunInPath),
    request_body = Option<UndoRun>,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn undo(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Body(request): Body<UndoRun>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "undo")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared
        .control
        .undo(&who, &run, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// Ends a run.
#[utoipa::path(
    post, path = "/runs/{run}/cancel", tag = "runs", operation_id = "cancelRun",
    security(("token" = ["operator"])),
    params(RunInPath),
    request_body = Option<CancelRun>,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn cancel(
    who: Caller,
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Body(request): Body<CancelRun>,
) -> Answer<StatusCode> {
    must_be(&who, Role::Operator, "cancel a run")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared
        .control
        .cancel(&who, &run, request)
        .await
        .map(|()| StatusCode::NO_CONTENT)
}

/// The smallest grant for what a plugin asked of the gate in a run.
#[utoipa::path(
    get, path = "/runs/{run}/suggested/{plugin}", tag = "runs", operation_id = "suggestGrant",
    security(("token" = ["viewer"])),
    params(RunInPath, ("plugin" = String, Path, description = "The plugin's key in stanch.toml.")),
    responses((status = OK, body = Suggested, description = "The grant, as stanch.toml writes it.")),
)]
pub(super) async fn suggested(
    who: Caller,
    State(shared): State<Shared>,
    Path((run, plugin)): Path<(String, PluginKey)>,
) -> Answer<Json<Suggested>> {
    must_be(&who, Role::Viewer, "read")?;
    let run = shared.control.find_run(&who, &run).await?;
    shared.control.suggested(&run, &plugin).await.map(Json)
}
