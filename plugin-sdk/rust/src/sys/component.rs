//! The host's functions in a component, and the contract's words to and from the generated types.

use std::time::Duration;

use serde_json::Value;
use stanch_contract::plan::{Action, ActionState, ChangePlan};
use stanch_contract::{Alert, AlertStatus, FailureCode, Point, Verdict, canonical};

use super::bindings::imports::runbook::plugin::{
    common, files as wit_files, host as wit_host, http as wit_http, kubernetes as wit_kubernetes,
};
use super::bindings::notification::exports::runbook::plugin::notification as wit_notification;
use super::bindings::remediation::exports::runbook::plugin::remediation as wit;
use crate::call::value;
use crate::context::WireAttempt;
use crate::files::{Entry, EntryKind, Page, Removed, Space};
use crate::host::Level;
use crate::http::{Request, Response};
use crate::kubernetes::{Change, Named, Query};
use crate::{Context, Failure, FailureContext, Message};

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => wit_host::Level::Debug,
        Level::Info => wit_host::Level::Info,
        Level::Warn => wit_host::Level::Warn,
        Level::Error => wit_host::Level::Error,
    };
    wit_host::log(level, message);
}

pub(crate) fn now_ms() -> f64 {
    wit_host::now_ms()
}

pub(crate) fn remaining_ms() -> u32 {
    wit_host::remaining_ms()
}

pub(crate) fn is_cancelled() -> bool {
    wit_host::is_cancelled()
}

pub(crate) fn sleep(time: Duration) {
    wit_host::sleep(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
}

pub(crate) fn settings() -> String {
    wit_host::settings()
}

pub(crate) fn send(request: &Request) -> Result<Response, Failure> {
    let headers = request.headers.iter();
    let request = wit_http::Request {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: headers
            .map(|(name, value)| wit_http::Header {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
        body: request.body.clone(),
        timeout_ms: request.timeout_ms,
    };
    let response = wit_http::send(&request).map_err(failure_in)?;
    Ok(Response {
        status: response.status,
        headers: response
            .headers
            .into_iter()
            .map(|h| (h.name.to_ascii_lowercase(), h.value))
            .collect(),
        body: response.body,
    })
}

pub(crate) fn usage(folder: &str) -> Result<Space, Failure> {
    let space = wit_files::usage(folder).map_err(failure_in)?;
    Ok(Space {
        total_bytes: space.total_bytes as u64,
        free_bytes: space.free_bytes as u64,
    })
}

pub(crate) fn scan(folder: &str, recursive: bool, continue_from: Option<&str>) -> Result<Page, Failure> {
    let page = wit_files::scan(folder, recursive, continue_from).map_err(failure_in)?;
    let items = page.items.into_iter().map(|entry| Entry {
        kind: entry_kind(&entry.kind),
        path: entry.path,
        bytes: entry.bytes as u64,
        modified_ms: entry.modified_ms as i64,
    });
    Ok(Page {
        items: items.collect(),
        next: page.next,
    })
}

fn entry_kind(word: &str) -> EntryKind {
    match word {
        "file" => EntryKind::File,
        "directory" => EntryKind::Directory,
        "link" => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

pub(crate) fn read(path: &str, limit: u32) -> Result<Vec<u8>, Failure> {
    wit_files::read(path, limit).map_err(failure_in)
}

pub(crate) fn write(path: &str, content: &[u8]) -> Result<(), Failure> {
    wit_files::write(path, content).map_err(failure_in)
}

pub(crate) fn remove(folder: &str, files: &[Entry]) -> Result<Removed, Failure> {
    let entries: Vec<_> = files
        .iter()
        .map(|entry| wit_files::Entry {
            path: entry.path.clone(),
            kind: entry.kind.as_str().to_owned(),
            bytes: entry.bytes as f64,
            modified_ms: entry.modified_ms as f64,
        })
        .collect();
    let removed = wit_files::remove(folder, &entries).map_err(failure_in)?;
    Ok(Removed {
        paths: removed.paths,
        bytes: removed.bytes as u64,
        refused: removed.refused,
    })
}

fn object(what: &Named) -> wit_kubernetes::Object {
    wit_kubernetes::Object {
        api_version: what.kind.api_version().to_owned(),
        kind: what.kind.name().to_owned(),
        namespace: what.namespace.clone(),
        name: what.name.clone(),
    }
}

/// The host's JSON, which is one document.
fn document(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).context("the host's answer is not JSON")
}

pub(crate) fn cluster_get(what: &Named) -> Result<Value, Failure> {
    document(&wit_kubernetes::get(&object(what)).map_err(failure_in)?)
}

pub(crate) fn cluster_find(
    what: &Query,
    continue_from: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), Failure> {
    let query = wit_kubernetes::Query {
        api_version: what.kind.api_version().to_owned(),
        kind: what.kind.name().to_owned(),
        namespace: what.namespace.clone(),
        label_selector: what.labels.clone(),
        field_selector: what.fields.clone(),
        limit: what.page,
        continue_from: continue_from.map(str::to_owned),
    };
    let page = wit_kubernetes::find(&query).map_err(failure_in)?;
    let items = page.items.iter().map(|item| document(item));
    Ok((items.collect::<Result<_, _>>()?, page.next))
}

pub(crate) fn cluster_logs(
    pod: &Named,
    container: Option<&str>,
    previous: bool,
    tail: u32,
) -> Result<String, Failure> {
    wit_kubernetes::logs(&object(pod), container, previous, tail).map_err(failure_in)
}

pub(crate) fn cluster_change(what: &Named, change: &Change) -> Result<Option<Value>, Failure> {
    let what = object(what);
    let made = match change {
        Change::Delete { grace_seconds } => wit_kubernetes::delete(&what, *grace_seconds).map(|()| None),
        Change::Evict { grace_seconds } => wit_kubernetes::evict(&what, *grace_seconds).map(|()| None),
        Change::Scale { replicas } => wit_kubernetes::scale(&what, *replicas).map(|()| None),
        Change::Create(body) => wit_kubernetes::create(&what, &canonical::to_string(body)).map(Some),
        Change::Patch(patch) => {
            wit_kubernetes::patch(&what, patch.kind.as_str(), &canonical::to_string(&patch.body)).map(Some)
        }
    };
    made.map_err(failure_in)?.as_deref().map(document).transpose()
}

/// `{}` where there is nothing to say, as the contract has it.
fn json(value: &Value) -> String {
    if value.is_null() {
        "{}".to_owned()
    } else {
        canonical::to_string(value)
    }
}

fn failure_in(failure: common::Failure) -> Failure {
    Failure {
        code: FailureCode::from_contract(&failure.code),
        message: failure.message,
        retry_after_ms: failure.retry_after_ms,
        extra: value(&failure.extra),
    }
}

pub(crate) fn failure_out(failure: Failure) -> common::Failure {
    common::Failure {
        code: failure.code.as_str().to_owned(),
        message: failure.message,
        retry_after_ms: failure.retry_after_ms,
        extra: json(&failure.extra),
    }
}

pub(crate) fn context(ctx: common::Context) -> Context {
    Context {
        run: ctx.run,
        step: ctx.step,
        attempt: ctx.attempt,
        idempotency_key: ctx.idempotency_key,
        alerts: ctx.alerts.into_iter().map(alert).collect(),
        extra: value(&ctx.extra),
    }
}

fn alert(alert: common::Alert) -> Alert {
    let named = |labels: Vec<common::Label>| {
        labels
            .into_iter()
            .map(|label| (label.name, label.value))
            .collect()
    };
    Alert {
        name: alert.name,
        fingerprint: alert.fingerprint,
        status: if alert.status == "resolved" {
            AlertStatus::Resolved
        } else {
            AlertStatus::Firing
        },
        labels: named(alert.labels),
        annotations: named(alert.annotations),
        starts_at: alert.starts_at,
        payload: value(&alert.payload),
    }
}

pub(crate) fn message(message: wit_notification::Message) -> Message {
    Message {
        kind: message.kind,
        severity: message.severity,
        title: message.title,
        text: message.text,
        link: message.link,
        report: value(&message.report),
        thread: message.thread,
        extra: value(&message.extra),
    }
}

impl From<stanch_contract::Evidence> for common::Evidence {
    fn from(evidence: stanch_contract::Evidence) -> Self {
        let points = evidence.points.into_iter();
        Self {
            label: evidence.label,
            value: evidence.value,
            link: evidence.link,
            unit: evidence.unit,
            points: points
                .map(|point| common::Point {
                    at_ms: point.at_ms,
                    value: point.value,
                })
                .collect(),
            extra: json(&evidence.extra),
        }
    }
}

impl From<common::Evidence> for stanch_contract::Evidence {
    fn from(evidence: common::Evidence) -> Self {
        let points = evidence.points.into_iter();
        Self {
            label: evidence.label,
            value: evidence.value,
            link: evidence.link,
            unit: evidence.unit,
            points: points
                .map(|point| Point {
                    at_ms: point.at_ms,
                    value: point.value,
                })
                .collect(),
            extra: value(&evidence.extra),
        }
    }
}

impl From<stanch_contract::Finding> for common::Finding {
    fn from(finding: stanch_contract::Finding) -> Self {
        Self {
            verdict: match finding.verdict {
                Verdict::Yes => common::Verdict::Yes,
                Verdict::No => common::Verdict::No,
                Verdict::Unknown => common::Verdict::Unknown,
            },
            summary: finding.summary,
            evidence: finding.evidence.into_iter().map(Into::into).collect(),
            data: json(&finding.data),
            extra: json(&finding.extra),
        }
    }
}

pub(crate) fn outcome_out(outcome: stanch_contract::Outcome) -> wit::Outcome {
    wit::Outcome {
        summary: outcome.summary,
        evidence: outcome.evidence.into_iter().map(Into::into).collect(),
        data: json(&outcome.data),
        extra: json(&outcome.extra),
    }
}

impl From<ChangePlan> for wit::ChangePlan {
    fn from(plan: ChangePlan) -> Self {
        let actions = plan.actions.into_iter().map(|action| wit::Action {
            verb: action.verb,
            target: action.target,
            expect: action.expect,
            content: action.content,
            items: action.items,
            reason: action.reason,
            extra: json(&action.extra),
        });
        Self {
            summary: plan.summary,
            actions: actions.collect(),
            population: plan.population,
            data: json(&plan.data),
            extra: json(&plan.extra),
        }
    }
}

pub(crate) fn change_plan(plan: wit::ChangePlan) -> ChangePlan {
    let actions = plan.actions.into_iter().map(|action| Action {
        verb: action.verb,
        target: action.target,
        expect: action.expect,
        content: action.content,
        items: action.items,
        reason: action.reason,
        extra: value(&action.extra),
    });
    ChangePlan {
        summary: plan.summary,
        actions: actions.collect(),
        population: plan.population,
        data: value(&plan.data),
        extra: value(&plan.extra),
    }
}

pub(crate) fn attempt(made: wit::AttemptMade) -> WireAttempt {
    let progress = made.progress.into_iter().map(|progress| {
        let detail = progress.detail;
        let state = match progress.state.as_str() {
            "done" => ActionState::Done { detail },
            "refused" => ActionState::refused(detail),
            "not-sent" => ActionState::NotSent,
            // A state of a later version is no definite answer.
            _ => ActionState::Unknown { detail },
        };
        (progress.action, state)
    });
    WireAttempt {
        progress: progress.collect(),
        plan: change_plan(made.plan),
        outcome: made.outcome.map(|outcome| stanch_contract::Outcome {
            summary: outcome.summary,
            evidence: outcome.evidence.into_iter().map(Into::into).collect(),
            data: value(&outcome.data),
            extra: value(&outcome.extra),
        }),
    }
}
