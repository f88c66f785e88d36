//! How a step follows from its events.

use serde_json::Value;
use stanch_contract::plan::Comparison;
use stanch_contract::{ActionState, FailureCode, Span, Timestamp, Verdict};
use stanch_runbook::expr::{Answer, StepResult};
use stanch_runbook::model::StepKind;

use super::{Decision, End, Planned, Stage, StepState, Waits, Work};
use crate::event::EventKind;
use crate::ledger::{Budget, Guard};
use crate::state::State;
use crate::words::*;

/// How long a held step waits before it is planned again.
const HOLD_EVERY: Span = Span::from_secs(60);

impl State {
    pub(crate) fn fold_step(&mut self, index: usize, kind: &EventKind, at: Timestamp) {
        let shadow = self.opened.shadow;
        let verify = self.verify_parts(index);
        let (verifies, verifies_undo) = (verify.0, self.undo_is_verified(index));
        let (batch, ramp) = self
            .change(index)
            .map_or((None, None), |change| (change.batch, change.ramp));
        let until = self.person_until(index, at);
        let (is_look, by_person) = match self.step_model(index).map(|step| &step.kind) {
            Some(StepKind::Look { worker, .. }) => {
                (true, matches!(worker, stanch_runbook::model::Worker::Person))
            }
            Some(StepKind::ByHand { .. }) => (false, true),
            _ => (false, false),
        };
        let Some(step) = self.steps.get_mut(index) else {
            return;
        };
        match kind {
            EventKind::StepStarted { params, .. } => {
                step.work.params.clone_from(params);
                step.work.stages = ramp.map_or(0, |ramp| ramp.stages);
                if step.end.is_some() {
                    step.looking_again = true;
                    step.work.turn += 1;
                    return;
                }
                step.work.go(match (is_look, by_person) {
                    (_, true) => Stage::AwaitingPerson { until },
                    (true, false) => Stage::Looking,
                    (false, false) => Stage::Planning,
                });
            }
            EventKind::StepAnswered { finding, .. } => {
                step.looking_again = false;
                let end = if is_look { End::Answered } else { End::Done };
                let answer = answer_of(finding.verdict);
                self.end_step(index, at, end, answer, &finding.summary, finding.data.clone());
            }
            EventKind::StepSkipped { why, summary, .. } => {
                let data = step
                    .work
                    .planned
                    .as_ref()
                    .map(|p| p.plan.offered.data.clone())
                    .unwrap_or_default();
                if step.work.batches > 0 {
                    // What was done was verified; what is skipped is the rest.
                    return self.end_step(index, at, End::Done, Answer::Yes, summary, data);
                }
                self.end_step(index, at, End::Skipped(*why), Answer::Skipped, summary, data);
            }
            EventKind::StepFailed { why, message, .. } => {
                let outcome = step
                    .work
                    .outcome
                    .as_ref()
                    .map(|outcome| outcome.data.clone())
                    .unwrap_or_default();
                self.end_step(index, at, End::Failed(*why), Answer::Failed, message, outcome);
                if *why != Failing::Cancelled {
                    self.raise_step(at, index, message);
                }
            }
            EventKind::StepPlanned {
                plan,
                params,
                digest,
                fresh,
                ..
            } => {
                let planned = Planned {
                    plan: (**plan).clone(),
                    params: params.clone(),
                    digest: *digest,
                };
                let work = &mut step.work;
                let empty = planned.plan.actions.is_empty();
                if work.stages > 0 && fresh.is_none() {
                    if !work.draft(planned) {
                        return;
                    }
                    work.take_drafts();
                    work.go(Stage::Weighing);
                } else if shadow && !empty {
                    work.planned = Some(planned);
                } else {
                    work.replace_plan(planned, *fresh, empty, batch.map(|batch| batch.size));
                }
                let only = work.planned.as_ref().filter(|_| shadow);
                if let Some(Planned { plan, .. }) = only.filter(|only| !only.plan.actions.is_empty()) {
                    let (summary, data) = (plan.summary.clone(), plan.offered.data.clone());
                    self.end_step(index, at, End::Planned, Answer::Planned, &summary, data);
                }
            }
            EventKind::UndoPlanned {
                plan,
                digest,
                fresh,
                covered,
                ..
            } => {
                let Some(undo) = step.undo.as_mut() else { return };
                let planned = Planned {
                    plan: (**plan).clone(),
                    params: undo.params.clone(),
                    digest: *digest,
                };
                let empty = planned.plan.actions.is_empty();
                // What a decision covers by its targets may be another plan than the first.
                let fresh = fresh.map(|fresh| if *covered { Comparison::Same } else { fresh });
                undo.covered = *covered;
                undo.replace_plan(planned, fresh, empty, None);
            }
            EventKind::GuardrailBlocked {
                side, guard, message, ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                if guard.holds() {
                    work.held_since.get_or_insert(at);
                    work.go(Stage::Held {
                        next: at.plus(HOLD_EVERY),
                    });
                } else {
                    // Waiting for one lock after the other is one wait.
                    let before = work
                        .waits
                        .take()
                        .filter(|w| w.guard == *guard && *guard == Guard::Lock);
                    let (since, told) = before.map_or((at, false), |waits| (waits.since, waits.told));
                    work.waits = Some(Waits {
                        guard: *guard,
                        message: message.clone(),
                        since,
                        told,
                    });
                }
                work.note.clone_from(message);
            }
            EventKind::DecisionAsked { question, .. } => {
                let Some(work) = step.side_mut(question.side) else {
                    return;
                };
                work.question = Some((**question).clone());
                work.given.clear();
                work.decision = None;
                work.asked += 1;
                work.asked_at = at;
                work.held_since = None;
                work.go(Stage::Asking);
            }
            EventKind::DecisionPosted { post, .. } => step.posts.push((at, (**post).clone())),
            EventKind::DecisionGiven {
                side,
                by,
                alone,
                reason,
                ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                work.given.push(by.clone());
                let Some(question) = &work.question else { return };
                if *alone || u32::try_from(work.given.len()).unwrap_or(u32::MAX) >= question.quorum {
                    let by = std::mem::take(&mut work.given);
                    work.decision = Some(Decision {
                        digest: question.digest,
                        by,
                        at,
                        lock_wait: 0,
                    });
                    work.question = None;
                    work.acted = false;
                    work.go(Stage::Weighing);
                }
                if *alone {
                    let why = if reason.is_empty() { "" } else { ": " };
                    self.raise_step(at, index, &format!("`{by}` decided alone{why}{reason}"));
                }
            }
            EventKind::DecisionRefused { side, by, reason, .. } => {
                let why = if reason.is_empty() {
                    String::new()
                } else {
                    format!(": {reason}")
                };
                self.fold_no(index, *side, at, End::Refused, &format!("`{by}` said no{why}"));
            }
            EventKind::DecisionExpired {
                side,
                why: Lapse::Unanswered,
                ..
            } => {
                self.fold_no(
                    index,
                    *side,
                    at,
                    End::Expired,
                    "nobody answered in time, which is a no",
                );
            }
            EventKind::DecisionExpired { side, .. } => {
                let Some(work) = step.side_mut(*side) else { return };
                work.question = None;
                work.given.clear();
                work.decision = None;
                work.rejoin();
                work.go(Stage::Weighing);
            }
            EventKind::LockTaken { side, locks, .. } => {
                for lock in locks {
                    if !step.locks.contains(lock) {
                        step.locks.push(lock.clone());
                    }
                }
                let Some(work) = step.side_mut(*side) else { return };
                if let (Some(decision), Some(waits)) = (work.decision.as_mut(), &work.waits)
                    && waits.guard == Guard::Lock
                {
                    decision.lock_wait += at.since(waits.since.max(decision.at)).as_millis();
                }
                work.held_since = None;
                if work.stage == Stage::Interrupted {
                    work.attempt += 1;
                    work.outcome = None;
                    work.go(Stage::Applying);
                } else {
                    work.go(Stage::Refreshing { since: at });
                }
            }
            EventKind::LockReleased { locks, .. } => step.locks.retain(|lock| !locks.contains(lock)),
            EventKind::BudgetReserved {
                budget: Budget::Change { actions, .. },
                ..
            } => step.work.reserved += actions,
            EventKind::BudgetReturned {
                budget: Budget::Change { actions, .. },
                ..
            } => {
                step.work.reserved = step.work.reserved.saturating_sub(*actions);
            }
            EventKind::ActionStarted { side, action, .. } => {
                let Some(work) = step.side_mut(*side) else { return };
                let detail = "it was about to be sent; no answer is known".to_owned();
                work.progress.insert(*action, ActionState::Unknown { detail });
                work.started += 1;
                work.acted = true;
            }
            EventKind::ActionEnded {
                side,
                action,
                state,
                answer,
                ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                work.progress.insert(*action, state.clone());
                if *state == ActionState::NotSent {
                    work.progress.remove(action);
                }
                // It may be sent again, under the same share of the budget.
                if matches!(state, ActionState::Refused { for_now: true, .. }) {
                    work.started = work.started.saturating_sub(1);
                }
                if let Some(answer) = answer {
                    work.answers.insert(*action, answer.clone());
                }
            }
            EventKind::StepApplied { side, outcome, .. } => {
                let Some(work) = step.side_mut(*side) else { return };
                if let Some(outcome) = outcome {
                    work.note.clone_from(&outcome.summary);
                    work.outcome = Some((**outcome).clone());
                }
                // What verify said before this was applied counts only where it ended a doubt.
                work.own = work.own.filter(|verdict| *verdict == Verdict::Yes);
                let held = ramp.filter(|ramp| *side == Side::Do && ramp.hold > Span::ZERO);
                work.go(match (side, held) {
                    (Side::Undo, _) if !verifies_undo => Stage::Applied,
                    (_, Some(ramp)) => Stage::Holding {
                        until: at.plus(ramp.hold),
                    },
                    _ => Stage::Verifying { since: at },
                });
            }
            EventKind::StepVerified {
                side, own, finding, ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                work.note.clone_from(&finding.summary);
                let slot = if *own { &mut work.own } else { &mut work.also };
                *slot = Some(finding.verdict);
                match work.stage {
                    Stage::Doubting { since, .. } if finding.verdict != Verdict::Yes => {
                        work.go(Stage::Doubting {
                            since,
                            verify_over: true,
                        });
                    }
                    Stage::Verifying { .. } if *side == Side::Do => {
                        let holds =
                            |wanted: bool, verdict: Option<Verdict>| !wanted || verdict == Some(Verdict::Yes);
                        let none = !verify.0 && !verify.1;
                        let over = none || work.nothing_left();
                        if over || (holds(verify.0, work.own) && holds(verify.1, work.also)) {
                            if let (true, Some(batch)) = (work.rest.is_some(), batch) {
                                return work.next_batch(at.plus(batch.hold));
                            }
                            if !work.ahead.is_empty() {
                                return work.next_stage(at);
                            }
                            let data = work.outcome.as_ref().map(|o| o.data.clone()).unwrap_or_default();
                            let note = work.note.clone();
                            self.end_step(index, at, End::Done, Answer::Yes, &note, data);
                        }
                    }
                    _ => {}
                }
            }
            EventKind::AttemptFailed {
                side,
                part,
                failure,
                then,
                again,
                counts,
                ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                work.note.clone_from(&failure.message);
                work.failures += u32::from(*counts);
                if let Stage::Doubting { since, .. } = work.stage {
                    match (part, then) {
                        (Part::Apply, Then::SamePlan) if work.died => work.deaths += 1,
                        (Part::Apply, Then::SamePlan) => work.resends += 1,
                        _ => {
                            work.go(Stage::Doubting {
                                since,
                                verify_over: true,
                            });
                            return;
                        }
                    }
                }
                if *part == Part::Apply && *then == Then::Fresh {
                    work.set_aside_done();
                }
                if failure.code == FailureCode::Conflict && !counts {
                    work.replans += 1;
                }
                if *again > at {
                    work.go(Stage::Waiting {
                        until: *again,
                        then: *then,
                    });
                } else {
                    work.begin(*then, at);
                }
            }
            EventKind::TimerDue { timer, side, .. } => {
                let Some(work) = step.side_mut(*side) else { return };
                match (timer, work.stage.clone()) {
                    (Timer::Retry, Stage::Waiting { then, .. }) => work.begin(then, at),
                    (Timer::Batch, Stage::Between { .. }) => work.go(Stage::Weighing),
                    (Timer::Stage, Stage::Holding { .. }) => {
                        work.own = None;
                        work.also = None;
                        work.go(Stage::Verifying { since: at });
                    }
                    (Timer::Stale, _) => work.back_to_verify(at),
                    (Timer::Hold, _) => work.go(Stage::Planning),
                    (Timer::LockWait, _) => {
                        let message = work.note.clone();
                        if let Some(waits) = work.waits.as_mut() {
                            waits.told = true;
                        }
                        self.raise_step(at, index, &message);
                    }
                    _ => {}
                }
            }
            EventKind::InDoubt {
                side,
                actions,
                cause,
                died,
                outcome,
                ..
            } => {
                let count = actions.len();
                let Some(work) = step.side_mut(*side) else { return };
                work.died = *died;
                if let Some(outcome) = outcome {
                    work.outcome = Some((**outcome).clone());
                }
                work.note.clone_from(cause);
                let verify_over = match side {
                    Side::Do => !verifies,
                    Side::Undo => !verifies_undo,
                };
                work.go(Stage::Doubting {
                    since: at,
                    verify_over,
                });
                let noun = if count == 1 { "an action is" } else { "actions are" };
                self.raise_step(at, index, &format!("{noun} in doubt: {cause}"));
            }
            EventKind::DoubtSettled {
                side,
                settler,
                happened,
                go_on,
                ..
            } => {
                let Some(work) = step.side_mut(*side) else { return };
                if *settler != Settler::Answer {
                    work.settle(*happened);
                }
                if *settler == Settler::Verify {
                    work.own = Some(Verdict::Yes);
                }
                work.go(Stage::Settled {
                    happened: *happened,
                    go_on: *go_on,
                });
            }
            EventKind::UndoStarted { reason, .. } => {
                let mut undo = Work::new(Stage::Planning);
                undo.params.clone_from(&step.work.params);
                if let Some(planned) = &step.work.planned {
                    undo.params.clone_from(&planned.params);
                }
                step.undo = Some(undo);
                step.undo_reason = Some(reason.clone());
                step.undo_failed = false;
            }
            EventKind::StepUndone { .. } => {
                step.undone = true;
                let unseen = |undo: &&mut Work| undo.touched() && undo.own != Some(Verdict::Yes);
                if let Some(undo) = step.undo.as_mut().filter(unseen) {
                    undo.note
                        .push_str("; not looked at afterwards: the plugin cannot tell");
                }
                self.end_undo(index, at);
            }
            EventKind::UndoFailed { message, again, .. } => {
                step.undo_failed = !again;
                if let Some(undo) = step.undo.as_mut() {
                    undo.note.clone_from(message);
                }
                self.end_undo(index, at);
                let wanted = self
                    .cancelled
                    .as_ref()
                    .is_some_and(|cancelled| cancelled.then == OnCancel::Leave);
                if !again && !wanted {
                    self.raise_step(at, index, &format!("not put back: {message}"));
                }
            }
            _ => {}
        }
    }

    /// Until when a person may answer this step.
    fn person_until(&self, index: usize, at: Timestamp) -> Timestamp {
        at.plus(self.answer_time(index))
    }

    fn fold_no(&mut self, index: usize, side: Side, at: Timestamp, end: End, message: &str) {
        let Some(work) = self.steps.get_mut(index).and_then(|step| step.side_mut(side)) else {
            return;
        };
        work.question = None;
        work.given.clear();
        work.note = message.to_owned();
        match side {
            Side::Do => self.end_step(index, at, end, Answer::Failed, message, Value::Null),
            Side::Undo => {
                if let Some(step) = self.steps.get_mut(index) {
                    step.undo_failed = true;
                }
                self.end_undo(index, at);
            }
        }
        self.raise_step(at, index, message);
    }

    fn end_step(
        &mut self,
        index: usize,
        at: Timestamp,
        end: End,
        answer: Answer,
        summary: &str,
        data: Value,
    ) {
        let Some(step) = self.steps.get_mut(index) else {
            return;
        };
        step.work.question = None;
        step.work.go(Stage::Ended);
        step.end = Some(end);
        step.ended_at = Some(at);
        step.summary = summary.to_owned();
        self.results.insert(
            step.id.clone(),
            StepResult {
                answer,
                summary: summary.to_owned(),
                data,
            },
        );
    }

    fn end_undo(&mut self, index: usize, at: Timestamp) {
        if let Some(undo) = self.steps.get_mut(index).and_then(|step| step.undo.as_mut()) {
            undo.question = None;
            undo.go(Stage::Ended);
        }
        // What waited for the undo looks at the world as it is after it.
        for step in &mut self.steps {
            if let Stage::Refreshing { since } = &mut step.work.stage {
                *since = at;
            }
        }
    }

    fn raise_step(&mut self, at: Timestamp, index: usize, message: &str) {
        let Some(step) = self.steps.get(index) else { return };
        let text = format!("{}.{}: {message}", phase_word(step), step.id);
        self.raise(at, text);
    }
}

fn phase_word(step: &StepState) -> &'static str {
    match step.phase {
        stanch_runbook::model::ChangePhase::Mitigation => "mitigation",
        stanch_runbook::model::ChangePhase::Resolution => "resolution",
    }
}

pub(crate) fn answer_of(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Yes => Answer::Yes,
        Verdict::No => Answer::No,
        Verdict::Unknown => Answer::Unknown,
    }
}
