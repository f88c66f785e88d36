//! Decisions: who is asked what, what a yes covers and for how long; and the claim on what runs share.

use std::collections::BTreeMap;

use stanch_contract::plan::Capability;
use stanch_contract::{CheckedPlan, Span, Timestamp};
use stanch_runbook::expr::EvalError;
use stanch_runbook::model::Approval;

use super::Stage;
use super::see::ANSWER_TIME;
use crate::event::{Event, EventKind, Question};
use crate::ledger::{Claim, Guard};
use crate::state::{Now, State};
use crate::words::*;

/// How long a yes is good without the first action; waiting for a lock does not count.
const VALID: Span = Span::from_secs(300);

impl State {
    /// Whether people are to be asked before this plan is applied.
    pub(crate) fn needs_question(&self, index: usize, side: Side) -> bool {
        let Some(step) = self.steps.get(index) else {
            return true;
        };
        let Some(work) = step.side(side) else { return true };
        let decided = match (&work.decision, &work.planned) {
            (Some(decision), Some(planned)) => decision.digest == planned.digest,
            _ => false,
        };
        match side {
            Side::Do => !decided && self.change(index).is_none_or(|change| change.approval.is_some()),
            Side::Undo => !decided && !work.covered,
        }
    }

    /// Whether the yes was given too long ago to act on.
    pub(crate) fn is_too_old(&self, index: usize, side: Side, at: Timestamp) -> bool {
        self.is_good_until(index, side, at)
            .is_some_and(|until| at > until)
    }

    /// How long one may act on the yes; where a lock is waited for, that moves on with the time.
    pub(crate) fn is_good_until(&self, index: usize, side: Side, at: Timestamp) -> Option<Timestamp> {
        let work = self.steps.get(index)?.side(side)?;
        let decision = work.decision.as_ref().filter(|_| !work.acted)?;
        let waiting = work.waits.as_ref().filter(|waits| waits.guard == Guard::Lock);
        let waits = waiting.map_or(0, |waits| at.since(waits.since.max(decision.at)).as_millis());
        let waited = Span::from_millis(decision.lock_wait + waits);
        Some(decision.at.plus(VALID).plus(waited))
    }

    fn approval(&self, index: usize, side: Side) -> Approval {
        let change = self.change(index);
        let what = change.map_or_else(String::new, |change| change.what.clone());
        let given = change.and_then(|change| change.approval.clone());
        let mut approval = given.unwrap_or(Approval {
            ask: what.clone(),
            from: Vec::new(),
            quorum: 1,
            expires: ANSWER_TIME,
        });
        if side == Side::Undo {
            approval.ask = format!("Put back what this step did: {what}?");
        }
        approval
    }

    /// Opens the question about the plan.
    pub(crate) fn ask(&mut self, index: usize, side: Side, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        let Some(work) = step.side(side) else { return false };
        let Some(planned) = &work.planned else {
            return false;
        };
        let approval = self.approval(index, side);
        let question = Question {
            side,
            ask: approval.ask,
            digest: planned.digest,
            from: approval.from,
            quorum: approval.quorum.max(1),
            expires: now.at.plus(approval.expires),
            undo: if side == Side::Do {
                self.undo_note(index)
            } else {
                String::new()
            },
            number: work.asked + 1,
        };
        let step = step.id.clone();
        self.emit(
            now,
            out,
            EventKind::DecisionAsked {
                step,
                question: Box::new(question),
            },
        );
        true
    }

    fn undo_note(&self, index: usize) -> String {
        let undo = self.change(index).map(|change| change.undo).unwrap_or_default();
        let when = match (undo.on_failure, undo.when_resolved) {
            (true, true) => {
                "if the step fails, and when the alerts are resolved and the recovery checks held"
            }
            (true, false) => "if the step fails",
            (false, true) => "when the alerts are resolved and the recovery checks held",
            (false, false) => return String::new(),
        };
        format!("what it changes is put back {when}; a yes covers that")
    }

    /// What the step needs of what runs share.
    pub(crate) fn claim(&self, index: usize, side: Side) -> Result<Claim, EvalError> {
        let none = || EvalError::Failed {
            expression: String::new(),
            reason: "there is no plan".into(),
        };
        let step = self.steps.get(index).ok_or_else(none)?;
        let work = step.side(side).ok_or_else(none)?;
        let planned = work.planned.as_ref().ok_or_else(none)?;
        let change = self.change(index).ok_or_else(none)?;
        let own = self
            .book
            .guardrails
            .lock
            .as_ref()
            .map(|lock| self.render_text(lock))
            .transpose()?;
        let own = own.map(|name| format!("lock:{name}"));
        let mut locks: Vec<String> = own.iter().cloned().collect();
        let later = work.later_plans().flat_map(|plan| plan.targets());
        locks.extend(
            planned
                .plan
                .targets()
                .into_iter()
                .chain(later)
                .map(|(kind, identity)| format!("{}:{identity}", kind.as_str())),
        );
        if side == Side::Undo {
            locks.extend(
                step.work
                    .sent_targets()
                    .iter()
                    .map(|(kind, name)| format!("{}:{name}", kind.as_str())),
            );
        }
        locks.sort();
        locks.dedup();
        let namespaces = planned
            .plan
            .actions
            .iter()
            .filter_map(|action| action.namespace().map(str::to_owned));
        let unspent = work.reserved.saturating_sub(work.started);
        Ok(Claim {
            run: self.opened.run.clone(),
            runbook: self.opened.runbook.clone(),
            step: step.id.clone(),
            side,
            plugin: change.uses.clone(),
            namespaces: namespaces.collect(),
            locks,
            actions: if side == Side::Do {
                let next = change.batch.filter(|_| work.stage != Stage::Interrupted);
                let most = next.map_or_else(|| work.left(), |batch| most_of(&planned.plan, batch.size));
                // A ramp is not to stop half-way because of the rate.
                let later: usize = work.later_plans().map(|plan| plan.actions.len()).sum();
                let most = most.saturating_add(u32::try_from(later).unwrap_or(u32::MAX));
                most.saturating_sub(unspent)
            } else {
                0
            },
            rate: self.book.guardrails.rate,
            cooldown_key: own
                .unwrap_or_else(|| format!("run:{}/{}", self.opened.runbook, self.opened.group_key)),
            cooldown: self.book.guardrails.cooldown,
            since: work
                .waits
                .as_ref()
                .map_or(Timestamp(i64::MAX), |waits| waits.since),
        })
    }

    /// The ledger's answer to a consult: nothing in the way, so people are asked.
    pub(crate) fn consulted(
        &mut self,
        index: usize,
        blocked: Option<crate::ledger::Blocked>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        match blocked {
            None => {
                self.ask(index, Side::Do, now, out);
            }
            Some(blocked) => self.blocked(index, Side::Do, blocked, now, out),
        }
    }

    /// The ledger's answer to a claim.
    pub(crate) fn claimed(
        &mut self,
        index: usize,
        side: Side,
        blocked: Option<crate::ledger::Blocked>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        if let Some(blocked) = blocked {
            return self.blocked(index, side, blocked, now, out);
        }
        let Ok(claim) = self.claim(index, side) else {
            return;
        };
        if claim.actions > 0 {
            let budget = crate::ledger::Budget::Change {
                actions: claim.actions,
                cooldown: claim.cooldown_key,
            };
            self.emit(
                now,
                out,
                EventKind::BudgetReserved {
                    step: Some(claim.step.clone()),
                    budget,
                },
            );
        }
        self.emit(
            now,
            out,
            EventKind::LockTaken {
                step: claim.step,
                side,
                locks: claim.locks,
            },
        );
    }

    fn blocked(
        &mut self,
        index: usize,
        side: Side,
        blocked: crate::ledger::Blocked,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        let waits = self
            .steps
            .get(index)
            .and_then(|step| step.side(side))
            .and_then(|work| work.waits.as_ref());
        if waits.is_some_and(|waits| waits.guard == blocked.guard && waits.message == blocked.message) {
            return;
        }
        let step = Some(self.step_id(index));
        let crate::ledger::Blocked {
            guard,
            message,
            holder,
        } = blocked;
        self.emit(
            now,
            out,
            EventKind::GuardrailBlocked {
                step,
                side,
                guard,
                message,
                holder,
            },
        );
    }

    /// Whether a step waits for the ledger.
    pub(crate) fn wants_claim(&self, index: usize, side: Side) -> bool {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        match work.stage {
            Stage::Interrupted => true,
            Stage::Weighing => !self.needs_question(index, side),
            _ => false,
        }
    }
}

/// The most actions that any so many targets of the plan have: which of them are left is known with the fresh plan.
fn most_of(plan: &CheckedPlan, targets: u32) -> u32 {
    let mut counts: BTreeMap<(Capability, &str), u32> = BTreeMap::new();
    for action in &plan.actions {
        *counts
            .entry((action.capability, action.identity.as_str()))
            .or_default() += 1;
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
        .into_iter()
        .take(usize::try_from(targets).unwrap_or(usize::MAX))
        .sum()
}
