//! A run, folded from its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, AlertStatus, Digest, RunId, StepId, Timestamp};
use stanch_runbook::expr::StepResult;
use stanch_runbook::model::{ChangePhase, Check, Step, Worker};
use stanch_runbook::{EngineGuardrails, Runbook};

use crate::command::{Command, Slot};
use crate::diagnosis::CheckState;
use crate::escalation::Telling;
use crate::event::{Event, EventKind};
use crate::input::{Input, Refused};
use crate::opened::Opened;
use crate::posting::{Notice, Post};
use crate::step::StepState;
use crate::words::*;

/// What is true now and not in the events.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The time.
    pub at: Timestamp,
    /// The engine's guardrails of now: a run obeys the stricter of then and now.
    pub guardrails: &'a EngineGuardrails,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// For `trigger.after`, or for a place among the open runs.
    Waiting,
    /// The checks.
    Diagnosis,
    /// Stop the bleeding.
    Mitigation,
    /// Fix the root cause.
    Resolution,
    /// Until it is well, and what is to be put back is.
    Recovery,
    /// Over.
    Closed,
}

impl Phase {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Diagnosis => "diagnosis",
            Self::Mitigation => "mitigation",
            Self::Resolution => "resolution",
            Self::Recovery => "recovery",
            Self::Closed => "closed",
        }
    }
}

/// Why events are not those of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is none, or the first is not RunOpened, or RunOpened is not the first.
    #[error("the events of a run begin with RunOpened, once")]
    NotOpened,
    /// It pins another runbook.
    #[error("the run pins the runbook with the digest {pinned}, and was given {given}")]
    OtherRunbook {
        /// What it pins.
        pinned: Digest,
        /// What it was given.
        given: Digest,
    },
    /// Of a step that the runbook does not have.
    #[error("an event is about `{0}`, which the pinned runbook does not have")]
    UnknownStep(StepId),
    /// After RunClosed, or RunReopened of what is not closed.
    #[error("the run has events after RunClosed, or was opened again while it was open")]
    AfterClosed,
}

/// Who stopped the run, and what becomes of what was changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cancelled {
    pub(crate) by: String,
    pub(crate) then: OnCancel,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closed {
    pub(crate) ending: Ending,
    pub(crate) at: Timestamp,
    pub(crate) summary: String,
}

/// A run.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) book: Arc<Runbook>,
    pub(crate) opened: Arc<Opened>,
    pub(crate) opened_at: Timestamp,
    pub(crate) events: u64,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) after_over: bool,
    pub(crate) entered: bool,
    pub(crate) place_note: Option<String>,
    pub(crate) place_held: bool,
    pub(crate) checks: BTreeMap<StepId, CheckState>,
    pub(crate) results: BTreeMap<StepId, StepResult>,
    pub(crate) steps: Vec<StepState>,
    /// The step that is next, and since when.
    pub(crate) cursor: usize,
    pub(crate) cursor_since: Timestamp,
    pub(crate) recovery_since: Option<Timestamp>,
    pub(crate) holding_since: Option<Timestamp>,
    pub(crate) gave_up: bool,
    pub(crate) idle: bool,
    pub(crate) telling: Telling,
    /// What was posted of notices, and when.
    pub(crate) notices: Vec<(Timestamp, Notice, Post)>,
    pub(crate) cancelled: Option<Cancelled>,
    pub(crate) closed: Option<Closed>,
    /// It was closed so, and a person had it opened again to put changes back.
    pub(crate) reopened: Option<Ending>,
    /// When a read that is repeated is due again. Not folded: after a restart everything is asked at once.
    pub(crate) pace: BTreeMap<(StepId, Slot), Timestamp>,
}

impl State {
    /// A run from its first event.
    ///
    /// # Errors
    /// Where this is not RunOpened, or pins another runbook than this one.
    pub fn open(book: Arc<Runbook>, event: &Event) -> Result<Self, FoldError> {
        let EventKind::RunOpened(opened) = &event.kind else {
            return Err(FoldError::NotOpened);
        };
        if opened.digest != book.digest {
            return Err(FoldError::OtherRunbook {
                pinned: opened.digest,
                given: book.digest,
            });
        }
        let steps = |steps: &[Step], phase| -> Vec<StepState> {
            steps
                .iter()
                .map(|step| StepState::new(step.id.clone(), phase))
                .collect()
        };
        let mut all = steps(&book.mitigation, ChangePhase::Mitigation);
        all.extend(steps(&book.resolution, ChangePhase::Resolution));
        let checks = book.diagnosis.iter().chain(&book.recovery.checks);
        let checks = checks
            .map(|check| (check.id.clone(), CheckState::new(check)))
            .collect();
        let by_alert = opened.by.is_none();
        let after = book.trigger.as_ref().and_then(|trigger| trigger.after).is_some();
        let mut state = Self {
            opened: Arc::new((**opened).clone()),
            opened_at: event.at,
            events: 1,
            alerts: opened.alerts.clone(),
            after_over: !(after && by_alert),
            entered: false,
            place_note: None,
            place_held: false,
            checks,
            results: BTreeMap::new(),
            steps: all,
            cursor: 0,
            cursor_since: event.at,
            recovery_since: None,
            holding_since: None,
            gave_up: false,
            idle: false,
            telling: Telling::default(),
            notices: Vec::new(),
            cancelled: None,
            closed: None,
            reopened: None,
            pace: BTreeMap::new(),
            book,
        };
        state.raise_faults(event.at);
        Ok(state)
    }

    /// A run from all of its events.
    ///
    /// # Errors
    /// Where they are not those of a run of this runbook.
    pub fn fold<'a>(
        book: Arc<Runbook>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, FoldError> {
        let mut events = events.into_iter();
        let mut state = Self::open(book, events.next().ok_or(FoldError::NotOpened)?)?;
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// A run after the engine was started again: folded, and told that nothing is under way any more. What follows goes
    /// into the journal.
    ///
    /// # Errors
    /// As [`State::fold`].
    pub fn recover(
        book: Arc<Runbook>,
        events: &[Event],
        now: Now<'_>,
    ) -> Result<(Self, Vec<Event>), FoldError> {
        let mut state = Self::fold(book, events)?;
        let follows = if state.closed.is_some() {
            Vec::new()
        } else {
            state.handle(Input::Restarted, now).unwrap_or_default()
        };
        Ok((state, follows))
    }

    /// Folds one more event.
    ///
    /// # Errors
    /// Where it cannot be one of this run. The state is then as before.
    pub fn apply(&mut self, event: &Event) -> Result<(), FoldError> {
        if let Some(step) = event.kind.step()
            && !self.checks.contains_key(step)
            && !self.steps.iter().any(|known| known.id == *step)
        {
            return Err(FoldError::UnknownStep(step.clone()));
        }
        let of_episode = matches!(
            event.kind,
            EventKind::AlertRepeated { .. } | EventKind::AlertResolved { .. }
        );
        let reopens = matches!(event.kind, EventKind::RunReopened { .. });
        if self.closed.is_some() != reopens && !of_episode {
            return Err(FoldError::AfterClosed);
        }
        if matches!(event.kind, EventKind::RunOpened(_)) {
            return Err(FoldError::NotOpened);
        }
        self.fold_in(event);
        Ok(())
    }

    /// Makes events of what happened and folds them. The caller journals them in this order before it acts on them; where
    /// that fails, this state is worth nothing and the run is folded again from the journal.
    ///
    /// # Errors
    /// [`Refused`] where a person or the gate asked for something that cannot be. Then nothing happened.
    pub fn handle(&mut self, input: Input, now: Now<'_>) -> Result<Vec<Event>, Refused> {
        let mut out = Vec::new();
        self.take(input, now, &mut out)?;
        while self.closed.is_none() && self.advance(now, &mut out) {}
        Ok(out)
    }

    pub(crate) fn emit(&mut self, now: Now<'_>, out: &mut Vec<Event>, kind: EventKind) {
        self.emit_with(now, out, kind, Value::Null);
    }

    pub(crate) fn emit_with(&mut self, now: Now<'_>, out: &mut Vec<Event>, kind: EventKind, calls: Value) {
        let event = Event {
            at: now.at,
            kind,
            calls,
        };
        self.fold_in(&event);
        out.push(event);
    }

    /// The next thing that follows from the state and the time alone. `false`: nothing does.
    fn advance(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if self.tell(now, out) {
            return true;
        }
        if !self.entered {
            return self.wait_for_start(now, out) || self.finish(now, out);
        }
        if !self.is_withdrawn() && self.reopened.is_none() && self.drive_diagnosis(now, out) {
            return true;
        }
        self.drive_steps(now, out) || self.drive_recovery(now, out) || self.finish(now, out)
    }

    fn fold_in(&mut self, event: &Event) {
        self.events += 1;
        let at = event.at;
        match &event.kind {
            EventKind::RunOpened(_) => {}
            EventKind::AlertRepeated { alert } => self.fold_alert(alert, at),
            EventKind::AlertResolved { alert } => self.fold_alert(alert, at),
            EventKind::GuardrailBlocked {
                step: None, message, ..
            } => self.place_note = Some(message.clone()),
            EventKind::BudgetReserved { step: None, .. } => {
                self.entered = true;
                self.place_held = true;
                self.place_note = None;
            }
            EventKind::BudgetReturned { step: None, .. } => self.place_held = false,
            EventKind::TimerDue {
                step: None, timer, ..
            } => match timer {
                Timer::After => {
                    self.after_over = true;
                    self.raise_faults(at);
                }
                Timer::GiveUp => {
                    self.gave_up = true;
                    self.raise(
                        at,
                        format!("did not recover within {}", self.book.recovery.give_up_after),
                    );
                }
                Timer::Idle => {
                    self.idle = true;
                    self.raise(at, "nothing could be done, and the alert still fires".to_owned());
                }
                Timer::Untold => self.telling.give_up(),
                _ => {}
            },
            EventKind::EscalationSent { reasons, .. } => self.telling.sent(*reasons),
            EventKind::EscalationFailed { .. } => {
                let notices = u32::try_from(self.book.escalation.len()).unwrap_or(u32::MAX);
                self.telling.failed(at, notices);
            }
            EventKind::NoticePosted { notice, post } => {
                self.notices.push((at, notice.clone(), (**post).clone()));
            }
            EventKind::RunCancelled { by, then, .. } => {
                self.cancelled = Some(Cancelled {
                    by: by.clone(),
                    then: *then,
                });
            }
            EventKind::RunClosed { ending, summary } => {
                self.closed = Some(Closed {
                    ending: *ending,
                    at,
                    summary: summary.clone(),
                });
            }
            EventKind::RunReopened { .. } => {
                self.reopened = self.closed.take().map(|closed| closed.ending);
                self.cancelled = None;
                self.gave_up = false;
                self.steps.iter_mut().for_each(|step| step.undo_failed = false);
            }
            kind => {
                if let Some(id) = kind.step() {
                    if self.checks.contains_key(id) {
                        self.fold_check(&id.clone(), kind, at);
                    } else if let Some(index) = self.steps.iter().position(|step| step.id == *id) {
                        self.fold_step(index, kind, at);
                    }
                }
            }
        }
        self.note_position(at);
    }

    fn fold_alert(&mut self, alert: &Alert, at: Timestamp) {
        let known = self
            .alerts
            .iter_mut()
            .find(|known| known.fingerprint == alert.fingerprint);
        let again = known.as_ref().is_some_and(|known| {
            known.status == AlertStatus::Resolved && alert.status == AlertStatus::Firing
        });
        match known {
            Some(known) => known.clone_from(alert),
            None => self.alerts.push(alert.clone()),
        }
        if again && self.closed.is_none() && self.steps.iter().any(StepState::stands) {
            self.raise(
                at,
                format!("`{}` fires again although a change was applied", alert.name),
            );
        }
    }

    /// What the events so far say about where the run is.
    fn note_position(&mut self, at: Timestamp) {
        let next = self
            .steps
            .iter()
            .position(|step| step.end.is_none())
            .unwrap_or(self.steps.len());
        let diagnosing = !self.entered || (!self.diagnosis_is_over() && !self.is_withdrawn());
        if diagnosing || next != self.cursor {
            self.cursor = next;
            self.cursor_since = at;
        }
        let over = self.entered && !diagnosing && next == self.steps.len() && !self.opened.shadow;
        if over && self.recovery_since.is_none() && !self.steps.iter().any(StepState::undoing) {
            self.recovery_since = Some(at);
        }
        let holds = self.recovery_since.is_some() && self.is_quiet() && self.recovery_checks_hold();
        self.holding_since = if holds {
            self.holding_since.or(Some(at))
        } else {
            None
        };
    }

    /// Where the run is.
    pub fn phase(&self) -> Phase {
        if self.closed.is_some() {
            Phase::Closed
        } else if !self.entered {
            Phase::Waiting
        } else if !self.diagnosis_is_over() && !self.is_withdrawn() {
            Phase::Diagnosis
        } else {
            match self.steps.get(self.cursor).map(|step| step.phase) {
                Some(ChangePhase::Mitigation) => Phase::Mitigation,
                Some(ChangePhase::Resolution) => Phase::Resolution,
                None => Phase::Recovery,
            }
        }
    }

    /// The alerts are all resolved; never so where there are none.
    pub(crate) fn is_resolved(&self) -> bool {
        !self.alerts.is_empty() && self.is_quiet()
    }

    /// No alert fires.
    pub(crate) fn is_quiet(&self) -> bool {
        self.alerts
            .iter()
            .all(|alert| alert.status == AlertStatus::Resolved)
    }

    /// What was not started will not be.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.cancelled.is_some() || self.is_resolved()
    }

    pub(crate) fn check_model(&self, id: &StepId) -> Option<&Check> {
        self.book
            .diagnosis
            .iter()
            .chain(&self.book.recovery.checks)
            .find(|check| check.id == *id)
    }

    pub(crate) fn step_model(&self, index: usize) -> Option<&Step> {
        let first = self.book.mitigation.len();
        self.book.mitigation.get(index).or_else(|| {
            index
                .checked_sub(first)
                .and_then(|at| self.book.resolution.get(at))
        })
    }

    pub(crate) fn is_by_hand(check: &Check) -> bool {
        matches!(check.worker, Worker::Person)
    }

    /// The stricter of the pinned guardrails and those of now.
    pub(crate) fn guardrails(&self, now: Now<'_>) -> EngineGuardrails {
        self.opened.guardrails.stricter(now.guardrails)
    }

    /// The run.
    pub fn id(&self) -> &RunId {
        &self.opened.run
    }

    /// What it was opened with.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The pinned runbook.
    pub fn runbook(&self) -> &Runbook {
        &self.book
    }

    /// Lets go of everything but what the alerts of its episode still need: for a closed run that is kept in mind. What
    /// people look at is read from the journal then.
    pub fn retire(&mut self) {
        self.checks.clear();
        self.results.clear();
        self.steps.clear();
        self.telling = Telling::default();
        self.pace.clear();
        self.alerts
            .iter_mut()
            .for_each(|alert| alert.payload = Value::Null);
    }

    /// How many events it has: the number of the next one.
    pub fn seq(&self) -> u64 {
        self.events
    }

    /// Whether it was closed before, and opened again to put changes back.
    pub fn is_reopened(&self) -> bool {
        self.reopened.is_some()
    }

    /// How it ended.
    pub fn ending(&self) -> Option<Ending> {
        self.closed.as_ref().map(|closed| closed.ending)
    }

    /// When it ended.
    pub fn closed_at(&self) -> Option<Timestamp> {
        self.closed.as_ref().map(|closed| closed.at)
    }

    /// When it was opened.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The alerts of its episode, the first first.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// The results so far, as expressions read them.
    pub fn results(&self) -> &BTreeMap<StepId, StepResult> {
        &self.results
    }
}

/// What is to be done next.
impl State {
    /// What the executor must do, or be doing, now: from the state alone.
    pub fn commands(&self, now: Now<'_>) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.closed.is_some() {
            return commands;
        }
        if self.entered {
            if self.reopened.is_none() {
                self.want_checks(&mut commands);
            }
            self.want_step(now, &mut commands);
            self.want_looks_again(&mut commands);
            self.want_recovery(now, &mut commands);
        } else if self.after_over && !self.is_withdrawn() && self.opened.faults.is_empty() {
            commands.push(Command::Enter);
        }
        self.want_notify(now, &mut commands);
        commands
    }

    /// When [`Input::Tick`], or another look at the commands, makes something follow at the latest, where nothing happens
    /// before. It may be past: then at once, unless that was tried and what is due is under way.
    pub fn due(&self, now: Now<'_>) -> Option<Timestamp> {
        if self.closed.is_some() {
            return None;
        }
        let mut due = Vec::new();
        due.extend(self.after_due());
        due.extend(self.telling_due());
        if self.entered {
            self.step_due(now, &mut due);
            self.recovery_due(now, &mut due);
        } else if self.verdict(now.at).is_some() && !self.is_telling() {
            // It ends as it began, with nobody to wait for.
            due.push(self.opened_at);
        }
        due.into_iter().min()
    }
}
