//! Plugin calls that a run asks for: which installation, which function, and the answer in the run's words. What only a few may see is
//! lifted for the call, and veiled in all that comes out of it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};
use stanch_contract::{Alert, ChangePlan, CheckedPlan, Failure, FailureCode};
use stanch_run::command::{ApplyCall, Call, PluginCall};
use stanch_run::input::CallResult;
use stanch_run::{Input, State};
use stanch_sandbox::gate::{self, Apply, EarlierAction, Ledger};
use stanch_sandbox::{CallContext, CallReport, Installation};
use tokio_util::sync::CancellationToken;

use super::actions::Actions;
use super::engine::{Engine, Observer};
use super::hidden::{Hidden, Veil};
use super::mail::{Content, Letter, Mailbox};
use super::pins::Use;

/// The most bytes of contents that are part of an event; larger ones are kept by digest.
const INLINE: usize = 2048;

/// Begins a call; its answer comes to `mail`.
pub(super) fn begin(
    engine: &Engine,
    state: &State,
    mut call: PluginCall,
    alerts: Arc<[Alert]>,
    mail: Mailbox,
    cancel: CancellationToken,
) {
    let hidden = Hidden::of(state);
    let context = CallContext {
        run: state.id().clone(),
        step: call.key.step.clone(),
        attempt: call.attempt,
        idempotency_key: call.idempotency.clone(),
        alerts,
        on: call.on.clone(),
        quiet: hidden.is_some(),
        extra: Value::Null,
        cancel,
    };
    let wanted = Use::of(state, &call.plugin);
    let engine = engine.clone();
    tokio::spawn(async move {
        let inner = &engine.inner;
        let called = async {
            let installation = inner.pinned.installation(&inner.current.load(), wanted).await?;
            let veil = match hidden {
                Some(hidden) => Veil::over(&engine, &hidden, &mut call).await?,
                None => Veil::default(),
            };
            let observer = inner.observer.as_ref();
            Ok(make(observer, &installation, &context, &call, (&mail, Arc::new(veil))).await)
        };
        let (result, record) = match called.await {
            Ok(made) => made,
            Err(failure) => (refused(&call.call, failure), Record::default()),
        };
        let Record { calls, contents } = record;
        let input = Input::Called {
            key: call.key,
            result,
            calls,
        };
        let _ = mail.send(Letter::Happened(Box::new(input), contents));
    });
}

/// What a call left for the journal.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) calls: Value,
    pub(crate) contents: Vec<Content>,
}

/// Makes a call. What an apply sends is told to `mail` before and after. Nothing comes out of it that the veil hides.
pub(crate) async fn make(
    observer: &dyn Observer,
    installation: &Installation,
    context: &CallContext,
    call: &PluginCall,
    (mail, veil): (&Mailbox, Arc<Veil>),
) -> (CallResult, Record) {
    let params = &call.params;
    if let Some(why) = installation.plugin().check_params(params) {
        let message = format!("the parameters do not fit `{}`: {why}", installation.key());
        let failure = veil.failure(Failure::new(FailureCode::InvalidParams, message));
        let record = Record {
            contents: veil.left(),
            ..Record::default()
        };
        return (refused(&call.call, failure), record);
    }
    let (result, mut record) = match &call.call {
        Call::Diagnose => {
            let report = installation.diagnose(context, params).await;
            let (result, record) = told(observer, installation, "diagnose", report, &veil);
            (CallResult::Finding(veil.result(result)), record)
        }
        Call::Verify(made) => {
            let report = installation.verify(context, params, made).await;
            let (result, record) = told(observer, installation, "verify", report, &veil);
            (CallResult::Finding(veil.result(result)), record)
        }
        Call::Plan => {
            let report = installation.plan(context, params).await;
            let (result, record) = told(observer, installation, "plan", report, &veil);
            let plan = checked(installation, context, result).await;
            (CallResult::Plan(veil.plan(plan)), record)
        }
        Call::PlanUndo(made) => {
            let report = installation.plan_undo(context, params, made).await;
            let (result, record) = told(observer, installation, "plan-undo", report, &veil);
            let plan = checked(installation, context, result).await;
            (CallResult::Plan(veil.plan(plan)), record)
        }
        Call::Apply(apply) => {
            let withheld = Arc::new(OnceLock::new());
            let log = Actions {
                key: call.key.clone(),
                mail: mail.clone(),
                withheld: withheld.clone(),
                veil: veil.clone(),
            };
            let report = installation.apply(context, params, at_the_gate(apply, log)).await;
            let (result, record) = told(observer, installation, "apply", report, &veil);
            let (result, withheld) = (veil.result(result), withheld.get().copied());
            (CallResult::Applied { result, withheld }, record)
        }
    };
    record.contents.extend(veil.left());
    (result, record)
}

fn at_the_gate(apply: &ApplyCall, log: Actions) -> Apply {
    let earlier = apply.earlier.iter().map(|(action, state, answer)| {
        (
            *action,
            EarlierAction {
                state: state.clone(),
                answer: answer.clone(),
            },
        )
    });
    Apply {
        plan: apply.plan.clone(),
        earlier: earlier.collect(),
        log: Arc::new(log),
    }
}

/// The gate's check of what a plugin would do.
async fn checked(
    installation: &Installation,
    context: &CallContext,
    plan: Result<ChangePlan, Failure>,
) -> Result<CheckedPlan, Failure> {
    let idempotent = installation.plugin().manifest().idempotent;
    let grant = installation.grant();
    let on = context.on.as_deref();
    gate::check_plan(plan?, grant, installation.facilities(), on, idempotent)
        .await
        .map_err(|refusal| refusal.to_failure())
}

/// What a call came to, for the run and for who counts.
pub(super) fn told<T>(
    observer: &dyn Observer,
    installation: &Installation,
    function: &'static str,
    report: CallReport<T>,
    veil: &Veil,
) -> (Result<T, Failure>, Record) {
    let CallReport {
        result,
        ledger,
        logs,
        readings,
        took,
        cpu,
    } = report;
    let result = result.map_err(stanch_contract::Failure::from);
    let seen = result.as_ref().map(|_| ());
    observer.called(installation.key().as_str(), function, seen, &ledger.calls, took);
    let Ledger { calls, contents, .. } = ledger;
    if calls.is_empty() && logs.is_empty() && result.is_ok() {
        return (result, Record::default());
    }
    let contents = contents
        .into_iter()
        .map(|(digest, bytes)| veil.content(digest, bytes));
    let (small, large): (Vec<_>, Vec<_>) =
        contents.partition(|(_, bytes)| bytes.len() <= INLINE && std::str::from_utf8(bytes).is_ok());
    let inline = small.into_iter().map(|(digest, bytes)| {
        (
            digest.to_string(),
            Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        )
    });
    let inline: serde_json::Map<String, Value> = inline.collect();
    let record = json!({
        "function": function, "plugin": installation.key(), "took_ms": millis(took), "cpu_ms": millis(cpu),
        "calls": veil.record(json!(calls)), "logs": veil.record(json!(logs)),
        "readings": veil.record(json!(readings)), "contents": inline,
    });
    let contents = large
        .into_iter()
        .map(|(digest, bytes)| Content {
            digest,
            bytes: Bytes::from(bytes),
        })
        .collect();
    (
        result,
        Record {
            calls: record,
            contents,
        },
    )
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A call that was not made.
fn refused(call: &Call, failure: Failure) -> CallResult {
    match call {
        Call::Diagnose | Call::Verify(_) => CallResult::Finding(Err(failure)),
        Call::Plan | Call::PlanUndo(_) => CallResult::Plan(Err(failure)),
        Call::Apply(_) => CallResult::Applied {
            result: Err(failure),
            withheld: None,
        },
    }
}
