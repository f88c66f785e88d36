//! What follows from the answer to a plugin call.

use serde_json::Value;
use stanch_contract::plan::{Comparison, DecisionBasis};
use stanch_contract::{CheckedPlan, Failure, FailureCode, Finding, PlanDigest, Span, Timestamp, Verdict};

use super::{MOST_REPLANS, Stage};
use crate::command::{Key, Slot};
use crate::diagnosis::unknown;
use crate::event::{Event, EventKind};
use crate::input::CallResult;
use crate::ledger::Guard;
use crate::state::{Now, State};
use crate::words::*;

/// How long after a plan that was overtaken by the world the next is made.
const OVERTAKEN: Span = Span::from_millis(500);

impl State {
    /// Takes an answer. One that nobody waits for any more is dropped: reads are repeated.
    pub(crate) fn called(
        &mut self,
        key: &Key,
        result: CallResult,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        if self.checks.contains_key(&key.step) {
            if let CallResult::Finding(result) = result {
                self.check_answered(key, result, calls, now, out);
            }
            return;
        }
        let Some(index) = self.current(key) else { return };
        match (key.slot, result) {
            (Slot::Look, CallResult::Finding(result))
                if self.steps.get(index).is_some_and(|step| step.looking_again) =>
            {
                self.looked_again(index, result, calls, now, out);
            }
            (Slot::Look, CallResult::Finding(result)) => self.looked(index, result, calls, now, out),
            (Slot::Plan | Slot::Fresh, CallResult::Plan(result)) => {
                self.got_plan(index, key, result, calls, now, out);
            }
            (Slot::Apply, CallResult::Applied { result, withheld }) => {
                self.apply_ended(index, key.side, result, withheld, calls, now, out);
            }
            (Slot::Own | Slot::Also, CallResult::Finding(result)) => {
                let finding = result.unwrap_or_else(|failure| unknown(failure.message));
                self.verified(index, Side::Do, key.slot, finding, calls, now, out);
            }
            (Slot::Own, CallResult::Plan(result)) => self.looked_back(index, result, calls, now, out),
            _ => {}
        }
    }

    /// The step whose turn this key is of.
    pub(crate) fn current(&self, key: &Key) -> Option<usize> {
        let index = self.steps.iter().position(|step| step.id == key.step)?;
        let work = self.steps.get(index)?.side(key.side)?;
        (work.turn == key.turn).then_some(index)
    }

    fn check_answered(
        &mut self,
        key: &Key,
        result: Result<Finding, Failure>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let recovery = self.book.recovery.checks.iter().any(|check| check.id == key.step);
        let Some(check) = self.checks.get(&key.step) else {
            return;
        };
        if check.turn != key.turn || !(check.asking || recovery) {
            return;
        }
        let (finding, failure) = match result {
            Ok(finding) => (finding, None),
            Err(failure) => (unknown(failure.message.clone()), Some(failure)),
        };
        if recovery {
            self.pace
                .insert((key.step.clone(), Slot::Look), now.at.plus(self.recovery_pace()));
            // Asked over and over: recorded when the answer changes.
            if check
                .finding
                .as_ref()
                .is_some_and(|before| before.verdict == finding.verdict)
            {
                return;
            }
        }
        let step = key.step.clone();
        let kind = EventKind::StepAnswered {
            step,
            finding: Box::new(finding),
            by: None,
            failure,
        };
        self.emit_with(now, out, kind, calls);
    }

    fn looked(
        &mut self,
        index: usize,
        result: Result<Finding, Failure>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        match result {
            Ok(finding) => {
                let step = self.step_id(index);
                let kind = EventKind::StepAnswered {
                    step,
                    finding: Box::new(finding),
                    by: None,
                    failure: None,
                };
                self.emit_with(now, out, kind, calls);
            }
            Err(failure) => {
                if !self.try_again(
                    index,
                    Side::Do,
                    Part::Look,
                    Then::Look,
                    &failure,
                    &calls,
                    now,
                    out,
                ) {
                    self.fail_with(index, Side::Do, Failing::Look, failure, calls, now, out);
                }
            }
        }
    }

    fn got_plan(
        &mut self,
        index: usize,
        key: &Key,
        result: Result<CheckedPlan, Failure>,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let (side, is_fresh) = (key.side, key.slot == Slot::Fresh);
        let plan = match result {
            Ok(plan) => plan,
            Err(failure) => {
                let then = if is_fresh { Then::Fresh } else { Then::Plan };
                let replans = self
                    .steps
                    .get(index)
                    .and_then(|step| step.side(side))
                    .map_or(MOST_REPLANS, |work| work.replans);
                if failure.code == FailureCode::Conflict && replans < MOST_REPLANS {
                    // The world overtook it while it was made.
                    let again = now.at.plus(OVERTAKEN);
                    let kind = self.taken_up(index, side, Part::Plan, then, failure, again);
                    return self.emit_with(now, out, kind, calls);
                }
                if !self.try_again(index, side, Part::Plan, then, &failure, &calls, now, out) {
                    self.fail_with(index, side, Failing::Plan, failure, calls, now, out);
                }
                return;
            }
        };
        let Some((params, digest)) = self.digest(index, side, &plan) else {
            return;
        };
        let Some(step) = self.steps.get(index) else { return };
        let id = step.id.clone();
        let before = step
            .side(side)
            .and_then(|work| work.planned.as_ref())
            .filter(|_| is_fresh);
        let fresh = before.map(|before| {
            if before.params != params {
                Comparison::Different
            } else if side == Side::Do && step.work.is_later_stage() {
                before.plan.compare_after_a_stage(&plan)
            } else {
                before.plan.compare(&plan)
            }
        });
        let kind = match side {
            Side::Do => EventKind::StepPlanned {
                step: id,
                plan: Box::new(plan),
                params,
                digest,
                fresh,
            },
            Side::Undo => {
                let covered = self.covers(index, &plan);
                EventKind::UndoPlanned {
                    step: id,
                    plan: Box::new(plan),
                    digest,
                    fresh,
                    covered,
                }
            }
        };
        // A fresh plan passes the guardrails again, and is begun only under a yes that is still good.
        if fresh.is_some_and(|fresh| fresh != Comparison::Different) && self.is_too_old(index, side, now.at) {
            self.lapse(index, side, Lapse::TooOld, now, out);
            return;
        }
        let covered = fresh.is_some_and(|fresh| fresh != Comparison::Different);
        if let (true, EventKind::StepPlanned { step, plan, .. }) = (covered, &kind)
            && let Some(message) = self.over_limits(index, side, plan, now)
        {
            let kind = EventKind::GuardrailBlocked {
                step: Some(step.clone()),
                side,
                guard: Guard::Limits,
                message,
                holder: None,
            };
            return self.emit_with(now, out, kind, calls);
        }
        self.emit_with(now, out, kind, calls);
    }

    /// The parameters that the plan was made with, and what a decision about it is about.
    fn digest(&self, index: usize, side: Side, plan: &CheckedPlan) -> Option<(Value, PlanDigest)> {
        let step = self.steps.get(index)?;
        let work = step.side(side)?;
        let params = self
            .plan_params(index, side)
            .unwrap_or_else(|| work.params.clone());
        let pin = self.opened.plugins.get(&self.change(index)?.uses)?;
        let basis = DecisionBasis {
            run: &self.opened.run,
            step: &step.id,
            runbook: self.opened.digest,
            plugin: pin.component,
            settings: pin.settings,
            params: &params,
        };
        let digest = PlanDigest::new(&basis, &self.decided_actions(index, side, plan));
        Some((params, digest))
    }

    /// What a plan is made with: as evaluated at the start, or now where it is to be fresh.
    pub(crate) fn plan_params(&self, index: usize, side: Side) -> Option<Value> {
        let work = self.steps.get(index)?.side(side)?;
        match (side, &work.stage) {
            (Side::Do, Stage::Refreshing { .. }) if !work.touched() => {
                self.step_params(self.step_model(index)?).ok()
            }
            // What was decided on may have been rendered anew before the first action.
            (Side::Do, _) if work.touched() => Some(
                work.planned
                    .as_ref()
                    .map_or_else(|| work.params.clone(), |planned| planned.params.clone()),
            ),
            _ => Some(work.params.clone()),
        }
    }

    /// Whether it holds, or whether all is as before, was looked at.
    #[expect(clippy::too_many_arguments, reason = "all that a look leaves")]
    pub(crate) fn verified(
        &mut self,
        index: usize,
        side: Side,
        slot: Slot,
        finding: Finding,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(step) = self.steps.get(index) else { return };
        let Some(work) = step.side(side) else { return };
        let every = self
            .change(index)
            .map(|change| change.verify.every)
            .unwrap_or_default();
        self.pace.insert((step.id.clone(), slot), now.at.plus(every));
        let (id, own, verdict) = (step.id.clone(), slot == Slot::Own, finding.verdict);
        if let Stage::Doubting { .. } = work.stage {
            let kind = match verdict {
                Verdict::Yes => EventKind::DoubtSettled {
                    step: id,
                    side,
                    settler: Settler::Verify,
                    happened: true,
                    go_on: true,
                },
                Verdict::No => EventKind::StepVerified {
                    step: id,
                    side,
                    own,
                    finding: Box::new(finding),
                },
                Verdict::Unknown => return,
            };
            return self.emit_with(now, out, kind, calls);
        }
        let before = if own { work.own } else { work.also };
        if before != Some(verdict) {
            let kind = EventKind::StepVerified {
                step: id,
                side,
                own,
                finding: Box::new(finding),
            };
            self.emit_with(now, out, kind, calls);
        }
    }

    /// An attempt that is taken up again without using up a try of the runbook's `retry`.
    pub(crate) fn taken_up(
        &self,
        index: usize,
        side: Side,
        part: Part,
        then: Then,
        failure: Failure,
        again: Timestamp,
    ) -> EventKind {
        EventKind::AttemptFailed {
            step: self.step_id(index),
            side,
            part,
            failure,
            then,
            again,
            counts: false,
        }
    }

    /// One more try, where the runbook has one left and the failure may pass.
    #[expect(
        clippy::too_many_arguments,
        reason = "one place for what every kind of attempt has in common"
    )]
    pub(crate) fn try_again(
        &mut self,
        index: usize,
        side: Side,
        part: Part,
        then: Then,
        failure: &Failure,
        calls: &Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let Some(retry) = self.step_model(index).and_then(|step| step.retry) else {
            return false;
        };
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        let hopeless = matches!(
            failure.code,
            FailureCode::InvalidParams | FailureCode::Denied | FailureCode::Budget
        );
        if hopeless || work.failures >= retry.times || (side == Side::Do && self.is_withdrawn()) {
            return false;
        }
        let asked = failure
            .retry_after_ms
            .map_or(Span::ZERO, |ms| Span::from_millis(i64::from(ms)));
        let again = now.at.plus(retry.every.max(asked));
        let (step, failure) = (self.step_id(index), failure.clone());
        let kind = EventKind::AttemptFailed {
            step,
            side,
            part,
            failure,
            then,
            again,
            counts: true,
        };
        self.emit_with(now, out, kind, calls.clone());
        true
    }

    /// Records the attempt with what the gate saw of it, and ends the step.
    #[expect(
        clippy::too_many_arguments,
        reason = "one place for what every kind of attempt has in common"
    )]
    pub(crate) fn fail_with(
        &mut self,
        index: usize,
        side: Side,
        why: Failing,
        failure: Failure,
        calls: Value,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let (step, message) = (self.step_id(index), failure.to_string());
        let kind = match side {
            Side::Do => EventKind::StepFailed { step, why, message },
            Side::Undo => EventKind::UndoFailed {
                step,
                message,
                again: false,
            },
        };
        self.emit_with(now, out, kind, calls);
    }

    pub(crate) fn paced(&self, step: &stanch_contract::StepId, slot: Slot, at: Timestamp) -> bool {
        self.pace
            .get(&(step.clone(), slot))
            .is_none_or(|next| at >= *next)
    }
}
