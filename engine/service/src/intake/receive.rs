//! The way of a request, top to bottom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::alertmanager::Notification;
use super::answer::{Refusal, Taken};
use super::auth::{self, Denied};
use super::expects::Heard;
use super::form::Unreadable;
use super::health::Health;
use super::read;
use super::sink::AlertSink;
use crate::clock;
use crate::config::settings::Intake;
use crate::door::{self, Unread};
use crate::secrets::Secrets;
use crate::snapshot::Current;
use crate::telemetry::Metrics;

/// Bodies that are in memory at the same time, in KiB.
const BUDGET: u32 = 64 << 10;
/// How long a request waits for its part of the budget.
const WAIT: Duration = Duration::from_secs(2);

/// What the routes need.
#[derive(Debug)]
pub struct Front {
    current: Arc<Current>,
    secrets: Arc<Secrets>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    sink: Sink,
    budget: Semaphore,
    heard: Arc<Heard>,
}

struct Sink(Arc<dyn AlertSink>);

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AlertSink")
    }
}

impl Front {
    /// In front of this engine.
    pub fn new(
        current: Arc<Current>,
        secrets: Arc<Secrets>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        sink: Arc<dyn AlertSink>,
    ) -> Self {
        Self {
            current,
            secrets,
            metrics,
            health,
            sink: Sink(sink),
            budget: Semaphore::new(BUDGET as usize),
            heard: Arc::default(),
        }
    }

    /// When the alerts that are expected were heard.
    pub(crate) fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }
}

/// The routes that are listened on: every intake of the loaded settings, health, readiness and metrics.
pub fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(receive)
        .with_state(front)
}

async fn ready(State(front): State<Arc<Front>>) -> Response {
    match front.health.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

async fn metrics(State(front): State<Arc<Front>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], front.metrics.encode()).into_response()
}

async fn receive(State(front): State<Arc<Front>>, request: Request<Body>) -> Response {
    let began = Instant::now();
    // One snapshot for the whole request; which intakes there are changes with a reload.
    let settings = Arc::clone(&front.current.load().settings);
    let Some(intake) = settings
        .intakes
        .iter()
        .find(|intake| intake.path == request.uri().path())
    else {
        return Refusal::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "no intake of stanch.toml has this path",
        )
        .into_response();
    };
    let response = match take(&front, intake, request).await {
        Ok(response) => response,
        Err(refusal) => {
            front.metrics.intake_refused(&intake.path, refusal.code);
            tracing::debug!(intake = %intake.path, code = refusal.code, "a sender's request was refused");
            refusal.into_response()
        }
    };
    front.metrics.intake_took(began.elapsed());
    response
}

async fn take(front: &Front, intake: &Arc<Intake>, request: Request<Body>) -> Result<Response, Refusal> {
    if request.method() != Method::POST {
        let detail = format!("an intake takes POST, not {}", request.method());
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
            .header(header::ALLOW, HeaderValue::from_static("POST")));
    }
    auth::check(intake, request.headers(), &front.secrets).map_err(|denied| refusal(intake, denied))?;
    if front.health.is_draining() {
        return Err(Refusal::later(
            "draining",
            "the engine is ending; its next start takes the alerts",
            5,
        ));
    }
    let headers = request.headers().clone();
    let (_part, body) = whole(front, request).await?;
    auth::signed(intake, &headers, &body, &front.secrets, clock::now())
        .map_err(|denied| refusal(intake, denied))?;
    let Notification { alerts, truncated } = understood(intake, headers, body).await?;
    front.heard.came(intake, &alerts, clock::now());
    front
        .metrics
        .alerts_received(&intake.path, alerts.len(), truncated);
    if truncated > 0 {
        tracing::warn!(intake = %intake.path, truncated, "alerts were left out by the sender: raise `max_alerts` of its receiver");
    }
    let accepted = front
        .sink
        .0
        .accept(alerts, &intake.path)
        .await
        .map_err(|refused| {
            tracing::error!(intake = %intake.path, reason = %refused.reason, "alerts were not recorded");
            Refusal::later("not-durable", refused.reason, refused.retry_after.as_secs())
        })?;
    front
        .metrics
        .alerts_accepted(&intake.path, accepted.alerts, accepted.unmatched);
    let warning = (truncated > 0).then_some("the sender left alerts out: raise `max_alerts` of its receiver");
    let taken = Taken {
        accepted: &accepted,
        truncated,
        warning,
    };
    Ok((StatusCode::ACCEPTED, axum::Json(taken)).into_response())
}

/// The alerts of a body. A mapping is somebody's program: it runs where it keeps no other request waiting.
async fn understood(intake: &Arc<Intake>, headers: HeaderMap, body: Bytes) -> Result<Notification, Refusal> {
    let now = clock::now();
    let understood = if intake.kind.needs_mapping() {
        let intake = Arc::clone(intake);
        let reading = move || read::of_request(&intake, &headers, &body, now);
        tokio::task::spawn_blocking(reading).await.map_err(|_| {
            let detail = "the engine could not read this; its log says why";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        })?
    } else {
        read::of_request(intake, &headers, &body, now)
    };
    understood.map_err(|unreadable| match unreadable {
        Unreadable::Malformed(malformed) => {
            tracing::warn!(intake = %intake.path, at = %malformed.at, reason = %malformed.reason, "a body cannot be read");
            Refusal::new(StatusCode::BAD_REQUEST, "malformed", malformed.reason).at(malformed.at)
        }
        Unreadable::Kind(why) => {
            tracing::warn!(intake = %intake.path, %why, "a body is of another type");
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", why)
        }
    })
}

fn refusal(intake: &Intake, denied: Denied) -> Refusal {
    match denied {
        Denied::Wrong => {
            tracing::warn!(intake = %intake.path, "a request without the right credential was refused");
            let challenge = HeaderValue::from_static(auth::challenge(intake.auth.as_ref()));
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "credentials",
                "this is not the intake's credential",
            )
            .header(header::WWW_AUTHENTICATE, challenge)
        }
        // Only who has the secret gets here, so it may be told what is wrong.
        Denied::Stale => {
            tracing::warn!(intake = %intake.path, "a request that was signed too long ago was refused: somebody repeats it, or a clock is wrong");
            let challenge = HeaderValue::from_static(auth::challenge(intake.auth.as_ref()));
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "stale",
                "this was signed more than five minutes from now; compare the clocks",
            )
            .header(header::WWW_AUTHENTICATE, challenge)
        }
        // The sender cannot do anything about it, and loses nothing by trying again.
        Denied::NoValue(why) => {
            tracing::error!(intake = %intake.path, %why, "an intake cannot tell who sends");
            Refusal::later(
                "no-credential",
                "this intake's own credential has no value now; the engine's log says why",
                30,
            )
        }
    }
}

/// The body, and the part of the budget that it has.
async fn whole(front: &Front, request: Request<Body>) -> Result<(SemaphorePermit<'_>, Bytes), Refusal> {
    if request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        let detail = "send the body as it is, without Content-Encoding";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "encoding",
            detail,
        ));
    }
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let length: usize = length.unwrap_or(door::MOST_BODY);
    if length > door::MOST_BODY {
        return Err(unread(Unread::TooLarge));
    }
    let kib = u32::try_from(length / 1024).unwrap_or(u32::MAX).saturating_add(1);
    let part = match tokio::time::timeout(WAIT, front.budget.acquire_many(kib)).await {
        Ok(Ok(part)) => part,
        _ => return Err(Refusal::later("busy", "too many alerts at the same time", 1)),
    };
    let body = door::read(request.into_body()).await.map_err(unread)?;
    Ok((part, body))
}

fn unread(why: Unread) -> Refusal {
    let (status, code) = match why {
        Unread::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        Unread::Broken => (StatusCode::BAD_REQUEST, "malformed"),
        Unread::Slow => (StatusCode::REQUEST_TIMEOUT, "slow"),
    };
    Refusal::new(status, code, why.to_string())
}
