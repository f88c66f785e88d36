//! One call: a fresh store and instance, its limits, and the name of what ended it.
//!
//! The wall clock runs around making the instance and calling it, because code runs in both. Processor time is what the
//! thread used while the call was polled ([`Meter`]); at each tick of the epoch the guest gives way, so a spinner holds up nobody,
//! and is ended when its time is spent. Nothing of a call outlives it: an instance is never used twice.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use stanch_contract::{Failure, FailureCode, Span, text};
use tokio_util::sync::CancellationToken;
use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace};

use crate::bindings::{common, notify, remedy};
use crate::clock;
use crate::convert;
use crate::error::{CallFault, LimitHit};
use crate::gate::{Decision, Ledger, Session};
use crate::host::{State, StateParts};
use crate::limits::{Limit, Limits, RESOURCES, TRANSFER};
use crate::notebook::{LogLevel, LogLine, Readings};
use crate::plugin::Code;
use crate::redact;
use crate::time::CallTime;

/// How a call went: its result, and everything that was seen of it.
#[derive(Debug)]
pub struct CallReport<T> {
    /// What the plugin answered, judged; or why there is nothing.
    pub result: Result<T, CallFault>,
    /// What the gate recorded: calls, contents, and for an apply what became of each action.
    pub ledger: Ledger,
    /// What the plugin logged and printed.
    pub logs: Vec<LogLine>,
    /// What it read of clocks and chance.
    pub readings: Readings,
    /// From the start of the instance to the answer.
    pub took: Duration,
    /// Processor time.
    pub cpu: Duration,
}

impl<T> CallReport<T> {
    /// The same call with its result judged further.
    pub(crate) fn and_then<U>(self, judge: impl FnOnce(T) -> Result<U, CallFault>) -> CallReport<U> {
        let Self {
            result,
            ledger,
            logs,
            readings,
            took,
            cpu,
        } = self;
        CallReport {
            result: result.and_then(judge),
            ledger,
            logs,
            readings,
            took,
            cpu,
        }
    }

    /// A call that was never made.
    pub(crate) fn not_made(fault: CallFault) -> Self {
        Self {
            result: Err(fault),
            ledger: Ledger::default(),
            logs: Vec::new(),
            readings: Readings::default(),
            took: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }
}

/// What a plugin is asked.
pub(crate) enum Ask {
    Describe,
    Diagnose {
        context: common::Context,
        params: String,
    },
    Plan {
        context: common::Context,
        params: String,
    },
    Apply {
        context: common::Context,
        params: String,
        plan: remedy::ChangePlan,
    },
    Verify {
        context: common::Context,
        params: String,
        made: remedy::AttemptMade,
    },
    PlanUndo {
        context: common::Context,
        params: String,
        made: remedy::AttemptMade,
    },
    Notify {
        context: common::Context,
        params: String,
        message: notify::Message,
    },
}

/// What it answered, unjudged.
pub(crate) enum Answer {
    Text(String),
    Finding(common::Finding),
    Plan(remedy::ChangePlan),
    Outcome(remedy::Outcome),
    Told,
}

/// What a call is made with.
pub(crate) struct CallParts<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) code: &'a Code,
    pub(crate) limits: &'a Limits,
    pub(crate) settings: Arc<str>,
    pub(crate) session: Option<Session>,
    pub(crate) cancel: CancellationToken,
    /// When it began; the wall clock's limit counts from there.
    pub(crate) time: CallTime,
}

/// Makes one call.
pub(crate) async fn call(parts: CallParts<'_>, ask: Ask) -> CallReport<Answer> {
    let CallParts {
        engine,
        code,
        limits,
        settings,
        session,
        cancel,
        time,
    } = parts;
    let meter = Arc::new(Meter::new(limits.cpu));
    let state = State::new(StateParts {
        session: session.clone(),
        limits,
        settings,
        cancel,
        time: time.clone(),
        meter: meter.clone(),
    });
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(tick);
    store.set_hostcall_fuel(TRANSFER);
    let work = Metered {
        meter: &meter,
        work: run(code, &mut store, ask),
    };
    let ended = time.within(time.until(None), work).await;
    let took = time.elapsed();
    let state = store.into_data();
    state.printed.iter().for_each(|lines| lines.flush());
    let (mut logs, readings) = state.notebook.close(&state.seed);
    let redactor = session.as_ref().map(Session::redactor);
    if let Some(redactor) = &redactor {
        logs.iter_mut()
            .for_each(|line| line.message = redactor.text(std::mem::take(&mut line.message)));
    }
    let result = match ended {
        Some(Ok(Ok(answer))) => Ok(match &redactor {
            Some(redactor) => redact::answer(answer, redactor),
            None => answer,
        }),
        Some(Ok(Err(mut failure))) => {
            if let Some(redactor) = &redactor {
                failure.message = redactor.text(failure.message);
                failure.extra = redactor.text(failure.extra);
            }
            Err(CallFault::Guest(convert::from_guest_failure(failure)))
        }
        Some(Err(error)) => Err(explain(&error, &state, &logs)),
        None => Err(CallFault::Limit(LimitHit {
            limit: Limit::Wall,
            allowed: limits.wall.to_string(),
        })),
    };
    // Actions on their way end within a limit of their own; what became of them must not be lost with the call.
    let ledger = match session {
        Some(session) => session.finish().await,
        None => Ledger::default(),
    };
    let result = result.map_err(|fault| refused(fault, &ledger));
    CallReport {
        result,
        ledger,
        logs,
        readings,
        took,
        cpu: meter.spent(),
    }
}

/// Makes the instance and asks it.
async fn run(
    code: &Code,
    store: &mut Store<State>,
    ask: Ask,
) -> wasmtime::Result<Result<Answer, common::Failure>> {
    macro_rules! instance {
        ($pre:ident) => {{
            let instance = $pre.instantiate_async(&mut *store).await?;
            store.data_mut().instantiated = true;
            instance
        }};
    }
    Ok(match (code, ask) {
        (Code::Diagnosis(pre), Ask::Describe) => Ok(Answer::Text(
            instance!(pre)
                .runbook_plugin_manifest()
                .call_describe(store)
                .await?,
        )),
        (Code::Remediation(pre), Ask::Describe) => Ok(Answer::Text(
            instance!(pre)
                .runbook_plugin_manifest()
                .call_describe(store)
                .await?,
        )),
        (Code::Notification(pre), Ask::Describe) => Ok(Answer::Text(
            instance!(pre)
                .runbook_plugin_manifest()
                .call_describe(store)
                .await?,
        )),
        (Code::Diagnosis(pre), Ask::Diagnose { context, params }) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_diagnosis()
                .call_diagnose(store, &context, &params)
                .await?
                .map(Answer::Finding)
        }
        (Code::Remediation(pre), Ask::Plan { context, params }) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_remediation()
                .call_plan(store, &context, &params)
                .await?
                .map(Answer::Plan)
        }
        (
            Code::Remediation(pre),
            Ask::Apply {
                context,
                params,
                plan,
            },
        ) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_remediation()
                .call_apply(store, &context, &params, &plan)
                .await?
                .map(Answer::Outcome)
        }
        (
            Code::Remediation(pre),
            Ask::Verify {
                context,
                params,
                made,
            },
        ) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_remediation()
                .call_verify(store, &context, &params, &made)
                .await?
                .map(Answer::Finding)
        }
        (
            Code::Remediation(pre),
            Ask::PlanUndo {
                context,
                params,
                made,
            },
        ) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_remediation()
                .call_plan_undo(store, &context, &params, &made)
                .await?
                .map(Answer::Plan)
        }
        (
            Code::Notification(pre),
            Ask::Notify {
                context,
                params,
                message,
            },
        ) => {
            let plugin = instance!(pre);
            plugin
                .runbook_plugin_notification()
                .call_notify(store, &context, &params, &message)
                .await?
                .map(|()| Answer::Told)
        }
        (code, _) => wasmtime::bail!("it is {}", convert::kind_of(code.kind())),
    })
}

/// At each tick: ended where its processor time is spent, else it gives way to others.
fn tick(store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    store.data().meter.check()?;
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

/// Processor time of one call.
///
/// The thread's own clock is a call of the system, several for each call of a plugin, and costs more than a short call computes.
/// So the first [`ROUGH`] are taken from the wall clock, which can only be more than what was used; from there on it is exact, and
/// from the beginning where the limit is so low that this could matter.
#[derive(Debug)]
pub(crate) struct Meter {
    most: Span,
    /// Nanoseconds used by polls that are over.
    before: AtomicU64,
    /// The clock when the poll under way began.
    began: AtomicU64,
    /// Whether that is the thread's clock.
    exact: AtomicBool,
}

/// So much processor time is taken from the wall clock.
const ROUGH: u64 = 5_000_000;
/// Where less than this is allowed, nothing is.
const ROUGH_FROM: Duration = Duration::from_secs(1);

impl Meter {
    fn new(most: Span) -> Self {
        Self {
            most,
            before: AtomicU64::new(0),
            began: AtomicU64::new(0),
            exact: AtomicBool::new(most.to_std() < ROUGH_FROM),
        }
    }

    fn clock(&self) -> u64 {
        if self.exact.load(Ordering::Relaxed) {
            clock::thread_cpu()
        } else {
            clock::monotonic()
        }
    }

    fn begin(&self) {
        if self.before.load(Ordering::Relaxed) >= ROUGH {
            self.exact.store(true, Ordering::Relaxed);
        }
        self.began.store(self.clock(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.before.store(self.so_far(), Ordering::Relaxed);
    }

    /// Within a poll: what was used until now.
    fn so_far(&self) -> u64 {
        let now = self.clock().saturating_sub(self.began.load(Ordering::Relaxed));
        self.before.load(Ordering::Relaxed).saturating_add(now)
    }

    fn check(&self) -> wasmtime::Result<()> {
        if Duration::from_nanos(self.so_far()) < self.most.to_std() {
            return Ok(());
        }
        Err(wasmtime::Error::new(LimitHit {
            limit: Limit::Cpu,
            allowed: self.most.to_string(),
        }))
    }

    fn spent(&self) -> Duration {
        Duration::from_nanos(self.before.load(Ordering::Relaxed))
    }
}

pin_project_lite::pin_project! {
    /// A future whose polls are metered.
    struct Metered<'a, F> {
        meter: &'a Meter,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.meter.begin();
        let polled = this.work.poll(context);
        this.meter.end();
        polled
    }
}

/// The name of what ended a call.
fn explain(error: &wasmtime::Error, state: &State, logs: &[LogLine]) -> CallFault {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return CallFault::Limit(hit.clone());
    }
    if matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) {
        return limit(Limit::Resources, format!("{RESOURCES} open resources"));
    }
    let in_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    let cause = error.root_cause().to_string();
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        let allowed = stanch_contract::ByteSize(TRANSFER as u64).to_string();
        // With no guest code on the stack it was the answer itself that was too large.
        return limit(
            if in_guest {
                Limit::HostcallFuel
            } else {
                Limit::Output
            },
            allowed,
        );
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return trap(format!("it exited with code {}", exit.0), logs);
    }
    if let Some(cause) = error.downcast_ref::<Trap>() {
        return trap(
            cause.to_string().trim_start_matches("wasm trap: ").to_owned(),
            logs,
        );
    }
    match (in_guest, state.instantiated) {
        (true, _) => trap(cause, logs),
        (false, true) => CallFault::Output {
            message: text::clean_line_to(&cause, 400),
        },
        (false, false) => CallFault::Host {
            message: text::clean_line_to(&format!("{error:#}"), 400),
        },
    }
}

fn limit(limit: Limit, allowed: String) -> CallFault {
    CallFault::Limit(LimitHit { limit, allowed })
}

/// A trap, with what the guest last said in anger: a panic says why on standard error, or through the kit in the log.
fn trap(cause: String, logs: &[LogLine]) -> CallFault {
    let words: Vec<&str> = logs
        .iter()
        .rev()
        .filter(|line| line.level >= LogLevel::Warn)
        .take(3)
        .map(|line| line.message.as_str())
        .collect();
    let words: Vec<&str> = words
        .into_iter()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let cause = text::clean_line_to(&cause, 400);
    if words.is_empty() {
        return CallFault::Trap { message: cause };
    }
    let message = format!(
        "{cause}; its last words: {}",
        text::clean_line_to(&words.join(" "), 600)
    );
    CallFault::Trap { message }
}

/// A guest that gives up because it was refused something was refused.
fn refused(fault: CallFault, ledger: &Ledger) -> CallFault {
    match fault {
        CallFault::Guest(failure)
            if failure.code == FailureCode::Denied
                && ledger
                    .calls
                    .iter()
                    .any(|call| matches!(call.decision, Decision::Refused(_))) =>
        {
            CallFault::Refused(failure)
        }
        fault => fault,
    }
}

/// Something that the engine itself asked wrongly.
pub(crate) fn not_input(limit: Limit, what: &str, bytes: usize, most: usize) -> CallFault {
    let size = |bytes: usize| stanch_contract::ByteSize(bytes as u64);
    let message = format!(
        "{what} has {}, and the limit `{limit}` is {}",
        size(bytes),
        size(most)
    );
    CallFault::Refused(Failure::new(FailureCode::InvalidParams, message))
}
