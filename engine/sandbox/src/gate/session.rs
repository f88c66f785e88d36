//! One plugin call at the gate: counts its calls, decides on them, and writes each down.
//!
//! The functions that a plugin calls are in `http_call`, `files_call` and `kubernetes`; how a change is carried out, whatever it is, in
//! `change`. A session outlives the plugin's store: what was sent is followed to its end when the plugin is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stanch_contract::plan::Capability;
use stanch_contract::{Digest, Failure, FailureCode, RunId, StepId, Timestamp, text};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::actions::Actions;
use super::files_call::Scans;
use super::{AnswerRecord, Decision, Facilities, Grant, Layer, Ledger, Phase, RecordedCall, Refusal, Tape};
use crate::secret::{Redactor, Secret};
use crate::time::CallTime;

/// Contents that one session keeps for the journal, in bytes: all together, and each.
const KEPT: usize = 256 * 1024;
const KEPT_EACH: usize = 64 * 1024;

/// How long the gate goes on waiting for the answer of a change after the plugin's own time is up: a late answer is better
/// than a doubt.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// What a session is made of.
pub struct SessionParts {
    /// What the operator lets this installation do.
    pub grant: Arc<Grant>,
    /// For messages and logs.
    pub run: RunId,
    /// For messages and logs.
    pub step: StepId,
    /// The cluster of stanch.toml that the step is bound to.
    pub on: Option<String>,
    /// Why something is refused stays out of the log.
    pub quiet: bool,
    /// What the phase lets through.
    pub phase: Phase,
    /// What all sessions share.
    pub facilities: Arc<Facilities>,
    /// How many calls the plugin may make; one more is refused with `budget`.
    pub max_calls: u32,
    /// The time of the plugin call: what is written down, and when it ends at the latest.
    pub time: CallTime,
}

/// One plugin call at the gate. Cheap to clone; all clones are the same session.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) parts: SessionParts,
    state: Mutex<State>,
    redactor: Mutex<Redaction>,
    pub(super) tasks: TaskTracker,
}

/// What is taken out of everything that leaves the session.
#[derive(Default)]
struct Redaction {
    /// What was learned in it, besides the secrets of the grant.
    learned: Vec<Secret>,
    built: Option<Arc<Redactor>>,
}

/// What changes during a session. Locked for moments, never over a wait.
#[derive(Default)]
pub(super) struct State {
    calls: u32,
    ledger: Ledger,
    kept: usize,
    pub(super) actions: Actions,
    pub(super) scans: Scans,
}

/// One call that was let in: which record it writes to, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    record: usize,
    /// By the call's time.
    since: Duration,
}

impl Session {
    /// Opens the gate for one plugin call.
    pub fn new(parts: SessionParts) -> Self {
        let actions = if let Phase::Apply(apply) = &parts.phase {
            Actions::new(apply)
        } else {
            Actions::default()
        };
        let state = Mutex::new(State {
            actions,
            ..State::default()
        });
        Self {
            inner: Arc::new(Inner {
                parts,
                state,
                redactor: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Takes the values of the grant's secrets, and of those that were read in this session, out of what the plugin logs and
    /// answers.
    pub fn redactor(&self) -> Arc<Redactor> {
        let mut redaction = self.redaction();
        if let Some(built) = &redaction.built {
            return built.clone();
        }
        let parts = &self.inner.parts;
        let names = parts.grant.secret_names();
        let secrets: Vec<_> = names
            .into_iter()
            .filter_map(|name| parts.facilities.secrets.get(name))
            .collect();
        let known = secrets.iter().map(AsRef::as_ref).chain(&redaction.learned);
        let built = Arc::new(Redactor::new(known));
        redaction.built = Some(built.clone());
        built
    }

    /// More that is secret from now on.
    pub(super) fn learn(&self, secrets: Vec<Secret>) {
        let mut redaction = self.redaction();
        redaction.learned.extend(secrets);
        redaction.built = None;
    }

    fn redaction(&self) -> MutexGuard<'_, Redaction> {
        self.inner.redactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the session: waits for changes under way to end, each within its own limit, and hands over what was recorded.
    /// Called once, after the plugin call ended, however it ended.
    pub async fn finish(&self) -> Ledger {
        self.inner.tasks.close();
        // Each change ends by itself; this bound is for a journal or a file system that hangs.
        let end = self.inner.parts.time.until(None).instant;
        let bound = end.max(Instant::now()) + LINGER * 2;
        if timeout_at(bound, self.inner.tasks.wait()).await.is_err() {
            let parts = &self.inner.parts;
            tracing::error!(run = %parts.run, step = %parts.step, "an action has not ended; it is in doubt");
        }
        let mut state = self.state();
        let mut ledger = std::mem::take(&mut state.ledger);
        ledger.progress = state.actions.progress();
        ledger
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in, within the number of calls, and begins its record.
    pub(super) fn begin(&self, capability: Capability, verb: &str, target: &str) -> Result<Ticket, Failure> {
        let parts = &self.inner.parts;
        let at = parts.time.now();
        let mut state = self.state();
        state.calls = state.calls.saturating_add(1);
        if state.calls > parts.max_calls {
            let why = format!(
                "`{}` made more than {} calls of the host",
                parts.grant.plugin(),
                parts.max_calls
            );
            let hint = format!(
                "`limits = {{ calls = … }}` in `[plugins.{}]`",
                parts.grant.plugin()
            );
            let refusal = Refusal::new(Layer::Limit, why).hint(hint);
            // One record says it; a flood of refused calls is not a flood of records.
            if state.calls == parts.max_calls.saturating_add(1) {
                let decision = Decision::Refused(refusal.clone());
                state
                    .ledger
                    .calls
                    .push(record(at, capability, verb, target, decision));
            }
            return Err(refusal.to_failure());
        }
        let record_index = state.ledger.calls.len();
        state
            .ledger
            .calls
            .push(record(at, capability, verb, target, Decision::Allowed));
        Ok(Ticket {
            record: record_index,
            since: parts.time.elapsed(),
        })
    }

    /// Who hears what reads come to, where somebody does.
    pub(super) fn tape(&self) -> Option<&Arc<dyn Tape>> {
        self.inner.parts.facilities.tape.as_ref()
    }

    /// Changes the record of a call.
    pub(super) fn note(&self, ticket: Ticket, change: impl FnOnce(&mut RecordedCall)) {
        let took = self.inner.parts.time.elapsed().saturating_sub(ticket.since);
        let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        if let Some(call) = self.state().ledger.calls.get_mut(ticket.record) {
            call.took_ms = took;
            change(call);
        }
    }

    /// Writes a refusal down and gives it as the plugin gets it.
    pub(super) fn refuse(&self, ticket: Ticket, refusal: Refusal) -> Failure {
        let failure = refusal.to_failure();
        let parts = &self.inner.parts;
        let why = if parts.quiet {
            "said to a few only"
        } else {
            &refusal.why
        };
        tracing::info!(run = %parts.run, step = %parts.step, layer = refusal.layer.as_str(), %why, "refused");
        self.note(ticket, |call| call.decision = Decision::Refused(refusal));
        failure
    }

    /// Writes a failure down that is not the gate's, secrets removed.
    pub(super) fn fail(&self, ticket: Ticket, mut failure: Failure) -> Failure {
        failure.message = text::clean_line_to(&self.redactor().text(failure.message), 500);
        let answer = AnswerRecord {
            summary: failure.to_string(),
            digest: None,
            bytes: 0,
        };
        self.note(ticket, |call| call.answer = Some(answer));
        failure
    }

    /// Writes an answer down. `content` is free of secrets.
    pub(super) fn answered(&self, ticket: Ticket, summary: &str, content: Option<&[u8]>) {
        let digest = content.map(|content| self.keep(content));
        let bytes = content.map_or(0, |content| content.len() as u64);
        let answer = AnswerRecord {
            summary: text::clean_line_to(summary, 300),
            digest,
            bytes,
        };
        self.note(ticket, |call| call.answer = Some(answer));
    }

    /// Writes an answer down by its digest alone: what is in it is kept nowhere.
    pub(super) fn answered_unkept(&self, ticket: Ticket, summary: &str, content: &[u8]) {
        let answer = AnswerRecord {
            summary: text::clean_line_to(summary, 300),
            digest: Some(Digest::of(content)),
            bytes: content.len() as u64,
        };
        self.note(ticket, |call| call.answer = Some(answer));
    }

    /// Keeps a content for the journal, as far as the budget reaches.
    pub(super) fn keep(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let mut state = self.state();
        if content.len() <= KEPT_EACH
            && state.kept + content.len() <= KEPT
            && !state.ledger.contents.contains_key(&digest)
        {
            state.kept += content.len();
            state.ledger.contents.insert(digest, content.to_vec());
        }
        digest
    }
}

fn record(
    at: Timestamp,
    capability: Capability,
    verb: &str,
    target: &str,
    decision: Decision,
) -> RecordedCall {
    RecordedCall {
        at,
        capability,
        verb: text::clean_line_to(verb, 40),
        target: text::clean_line_to(target, 2000),
        request: None,
        decision,
        answer: None,
        took_ms: 0,
        action: None,
    }
}

/// The wait was over before there was an answer.
pub(super) fn timed_out(what: &str) -> Failure {
    Failure::new(FailureCode::Timeout, format!("{what}: no answer in time"))
}
