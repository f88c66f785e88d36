//! The routes of what is not a run: alerts, what is loaded, and the engine itself.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use stanch_contract::Alert;
use stanch_run::Role;

use super::Shared;
use crate::control::actor::must_be;
use crate::control::extract::{Body, Caller, Queried, asked};
use crate::control::types::{
    Accepted, AlertsFilter, AuditPage, AuditPart, Code, DryRun, ExplainRequest, Explanation, PauseRequest,
    PlanRequest, PluginView, Problem, ReadAlerts, Reloaded, Report, ReportFilter, RollbackRequest,
    RunbookPage, RunbookView, Status, TakenIn,
};
use crate::control::{Answer, openapi};

/// What the engine is doing.
#[utoipa::path(
    get, path = "/status", tag = "engine", operation_id = "showStatus",
    security(("token" = ["viewer"])),
    responses((status = OK, body = Status, description = "The engine.")),
)]
pub(super) async fn status(who: Caller, State(shared): State<Shared>) -> Answer<Json<Status>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.status(&who).await.map(Json)
}

/// How far each runbook can be trusted.
#[utoipa::path(
    get, path = "/report", tag = "runbooks", operation_id = "showReport",
    security(("token" = ["viewer"])),
    params(ReportFilter),
    responses((status = OK, body = Report, description = "Runbook by runbook.")),
)]
pub(super) async fn report(
    who: Caller,
    State(shared): State<Shared>,
    filter: Queried<ReportFilter>,
) -> Answer<Json<Report>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.report(&who, &asked(filter)?).await.map(Json)
}

/// Takes in alerts as a sender would.
#[utoipa::path(
    post, path = "/alerts", tag = "alerts", operation_id = "sendAlerts",
    security(("token" = ["operator"])),
    request_body = Vec<Alert>,
    responses((status = ACCEPTED, body = Accepted, description = "They are durable.")),
)]
pub(super) async fn alerts(
    who: Caller,
    State(shared): State<Shared>,
    Body(alerts): Body<Vec<Alert>>,
) -> Answer<(StatusCode, Json<Accepted>)> {
    must_be(&who, Role::Operator, "hand in an alert")?;
    let accepted = shared.control.alerts(&who, alerts).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// What came in and what became of it, newest first.
#[utoipa::path(
    get, path = "/alerts", tag = "alerts", operation_id = "listAlerts",
    security(("token" = ["viewer"])),
    params(AlertsFilter),
    responses((status = OK, body = Vec<TakenIn>, description = "As many as there are, and as asked for.")),
)]
pub(super) async fn taken_in(
    who: Caller,
    State(shared): State<Shared>,
    filter: Queried<AlertsFilter>,
) -> Answer<Json<Vec<TakenIn>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.taken_in(&who, &asked(filter)?).await.map(Json)
}

/// The alerts that an intake would make of a body, which is not taken in.
#[utoipa::path(
    post, path = "/alerts/read", tag = "alerts", operation_id = "readAlerts",
    security(("token" = ["viewer"])),
    request_body = ReadAlerts,
    responses((status = OK, body = Vec<Alert>, description = "As the intake's mapping gives them.")),
)]
pub(super) async fn read(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<ReadAlerts>,
) -> Answer<Json<Vec<Alert>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.read(request).await.map(Json)
}

/// The loaded runbooks.
#[utoipa::path(
    get, path = "/runbooks", tag = "runbooks", operation_id = "listRunbooks",
    security(("token" = ["viewer"])),
    responses((status = OK, body = Vec<RunbookView>, description = "All, by name.")),
)]
pub(super) async fn runbooks(who: Caller, State(shared): State<Shared>) -> Answer<Json<Vec<RunbookView>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.runbooks(&who).await.map(Json)
}

/// A runbook: its page and every setting.
#[utoipa::path(
    get, path = "/runbooks/{name}", tag = "runbooks", operation_id = "showRunbook",
    security(("token" = ["viewer"])),
    params(("name" = String, Path, description = "The runbook's name.")),
    responses((status = OK, body = RunbookPage, description = "The runbook.")),
)]
pub(super) async fn runbook(
    who: Caller,
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Answer<Json<RunbookPage>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.runbook(&who, &name).await.map(Json)
}

/// What an alert meets in each runbook.
#[utoipa::path(
    post, path = "/explain", tag = "alerts", operation_id = "explainAlert",
    security(("token" = ["viewer"])),
    request_body = ExplainRequest,
    responses((status = OK, body = Explanation, description = "Those that apply first.")),
)]
pub(super) async fn explain(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<ExplainRequest>,
) -> Answer<Json<Explanation>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.explain(&who, request).await.map(Json)
}

/// A dry run: checks and plans for real, with the gate closed.
///
/// A dry run changes nothing, but it calls plugins with the operator's credentials.
#[utoipa::path(
    post, path = "/plan", tag = "alerts", operation_id = "planRun",
    security(("token" = ["operator"])),
    request_body = PlanRequest,
    responses((status = OK, body = DryRun, description = "The run as it would be.")),
)]
pub(super) async fn plan(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<PlanRequest>,
) -> Answer<Json<DryRun>> {
    must_be(&who, Role::Operator, "make a dry run")?;
    shared.control.plan(&who, request).await.map(Json)
}

/// What is installed and what it may do.
#[utoipa::path(
    get, path = "/plugins", tag = "plugins", operation_id = "listPlugins",
    security(("token" = ["viewer"])),
    responses((status = OK, body = Vec<PluginView>, description = "All, by key.")),
)]
pub(super) async fn plugins(who: Caller, State(shared): State<Shared>) -> Answer<Json<Vec<PluginView>>> {
    must_be(&who, Role::Viewer, "read")?;
    shared.control.plugins(&who).await.map(Json)
}

/// One plugin, and what it may do.
#[utoipa::path(
    get, path = "/plugins/{key}", tag = "plugins", operation_id = "showPlugin",
    security(("token" = ["viewer"])),
    params(("key" = String, Path, description = "The plugin's key in stanch.toml.")),
    responses((status = OK, body = PluginView, description = "The plugin.")),
)]
pub(super) async fn plugin(
    who: Caller,
    State(shared): State<Shared>,
    Path(key): Path<String>,
) -> Answer<Json<PluginView>> {
    must_be(&who, Role::Viewer, "read")?;
    let found = shared
        .control
        .plugins(&who)
        .await?
        .into_iter()
        .find(|plugin| plugin.key.as_str() == key);
    found.map(Json).ok_or_else(|| {
        let key = stanch_contract::text::clean_line_to(&key, 80);
        Problem::new(Code::PluginNotFound, format!("no plugin `{key}` is installed"))
            .hint("`stanch plugin list` shows those that are")
    })
}

/// Stops changes.
#[utoipa::path(
    post, path = "/pauses", tag = "engine", operation_id = "pause",
    security(("token" = ["operator"])),
    request_body = PauseRequest,
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn pause(
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

/// Lets changes go on.
#[utoipa::path(
    delete, path = "/pauses/{scope}", tag = "engine", operation_id = "resume",
    security(("token" = ["operator"])),
    params(("scope" = String, Path, description = "`all`, `runbook:NAME`, `plugin:KEY` or `namespace:NAME`.")),
    responses((status = NO_CONTENT, description = "It is durable.")),
)]
pub(super) async fn resume(
    who: Caller,
    State(shared): State<Shared>,
    Path(scope): Path<String>,
) -> Answer<StatusCode> {
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

/// Who did what, in its chain.
///
/// It has addresses, names and reasons: for those who run the engine.
#[utoipa::path(
    get, path = "/audit", tag = "engine", operation_id = "readAudit",
    security(("token" = ["operator"])),
    params(AuditPart),
    responses((status = OK, body = AuditPage, description = "The entries, and the ends of the chain.")),
)]
pub(super) async fn audit(
    who: Caller,
    State(shared): State<Shared>,
    part: Queried<AuditPart>,
) -> Answer<Json<AuditPage>> {
    must_be(&who, Role::Operator, "read the audit")?;
    shared.control.audit(&who, asked(part)?).await.map(Json)
}

/// Loads runbooks, plugins and stanch.toml again.
#[utoipa::path(
    post, path = "/reload", tag = "engine", operation_id = "reload",
    security(("token" = ["operator"])),
    responses((status = OK, body = Reloaded, description = "What is loaded now.")),
)]
pub(super) async fn reload(who: Caller, State(shared): State<Shared>) -> Answer<Json<Reloaded>> {
    must_be(&who, Role::Operator, "reload")?;
    shared.control.reload(&who).await.map(Json)
}

/// Goes back to an earlier generation.
#[utoipa::path(
    post, path = "/rollback", tag = "engine", operation_id = "rollback",
    security(("token" = ["operator"])),
    request_body = Option<RollbackRequest>,
    responses((status = OK, body = Reloaded, description = "What is loaded now.")),
)]
pub(super) async fn rollback(
    who: Caller,
    State(shared): State<Shared>,
    Body(request): Body<RollbackRequest>,
) -> Answer<Json<Reloaded>> {
    must_be(&who, Role::Operator, "roll back")?;
    shared.control.rollback(&who, request).await.map(Json)
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "engine", operation_id = "showOpenApi",
    security(("token" = ["viewer"])),
    responses((status = OK, body = Object, description = "OpenAPI 3.1.")),
)]
pub(super) async fn openapi(who: Caller) -> Answer<impl IntoResponse> {
    must_be(&who, Role::Viewer, "read")?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, openapi::text()))
}
