//! Telling people: notification plugins at the version loaded now, exempt from locks, budgets and pauses.

use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, Failure, FailureCode, IdempotencyKey, RunId, StepId};
use stanch_run::command::Notify;
use stanch_run::{Input, State};
use stanch_runbook::model::Severity;
use stanch_sandbox::{CallContext, Installation, Message};
use tokio_util::sync::CancellationToken;

use super::calls;
use super::engine::{Engine, Observer};
use super::hidden::Veil;
use super::mail::{Letter, Mailbox};

/// Begins telling people; whether it was delivered comes to `mail`.
pub(super) fn begin(
    engine: &Engine,
    state: &State,
    notice: Notify,
    alerts: Arc<[Alert]>,
    mail: Mailbox,
    cancel: CancellationToken,
) {
    let context = context(state.id(), &notice, alerts, cancel);
    let engine = engine.clone();
    tokio::spawn(async move {
        let (notice_no, reasons) = (notice.notice, notice.reasons);
        let snapshot = engine.inner.current.load();
        let result = match snapshot.plugins.get(&notice.plugin) {
            Some(installed) => {
                let observer = engine.inner.observer.as_ref();
                // Where people can look, as it is configured now.
                let link = snapshot.settings.server.page_of(&context.run);
                tell(observer, &installed.installation, &context, notice, link).await
            }
            None => {
                let why = format!("the plugin `{}` is not installed", notice.plugin);
                Err(Failure::new(FailureCode::Denied, why))
            }
        };
        if let Err(failure) = &result {
            tracing::warn!(run = %context.run, notice = notice_no, %failure, "people could not be told this way");
        }
        let input = Input::Told {
            notice: notice_no,
            reasons,
            result,
        };
        let _ = mail.send(Letter::Happened(Box::new(input), Vec::new()));
    });
}

impl Engine {
    /// Has a notification plugin tell people, and counts it.
    ///
    /// # Errors
    /// Where they were not told.
    pub(crate) async fn notify(
        &self,
        installation: &Installation,
        context: &CallContext,
        params: &Value,
        message: &Message,
    ) -> Result<(), Failure> {
        let report = installation.notify(context, params, message).await;
        // Not counted with the escalations.
        calls::told(
            self.inner.observer.as_ref(),
            installation,
            "question",
            report,
            &Veil::default(),
        )
        .0
    }
}

/// What the plugin is handed of the run.
pub(crate) fn context(
    run: &RunId,
    notice: &Notify,
    alerts: Arc<[Alert]>,
    cancel: CancellationToken,
) -> CallContext {
    CallContext {
        step: StepId(format!("escalation_{}", notice.notice + 1)),
        attempt: notice.attempt,
        idempotency_key: IdempotencyKey(format!("{run}.escalation.{}", notice.reasons)),
        alerts,
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel,
        run: run.clone(),
    }
}

/// Tells people.
pub(crate) async fn tell(
    observer: &dyn Observer,
    installation: &Installation,
    context: &CallContext,
    notice: Notify,
    link: Option<String>,
) -> Result<(), Failure> {
    let params = notice
        .params
        .map_err(|why| Failure::new(FailureCode::InvalidParams, why))?;
    let message = Message {
        kind: "escalation".to_owned(),
        severity: notice.severity,
        title: notice.title,
        text: notice.text,
        link,
        report: notice.report,
        thread: context.run.to_string(),
        extra: Value::Null,
    };
    let report = installation.notify(context, &params, &message).await;
    calls::told(observer, installation, "notify", report, &Veil::default()).0
}

/// The word of a severity.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
