//! One step: when → plan → guardrails → decision → locks → fresh plan → apply → verify, and the way back.
//!
//! The change and putting it back are the same work on two sides. A [`Work`] is folded from events ([`fold`]); what
//! follows from it alone is in `drive`, what follows from an answer in `calls`.

mod apply;
mod calls;
mod decide;
mod doubt;
mod drive;
pub(crate) mod fold;
mod limits;
mod ramp;
mod refresh;
mod remains;
mod see;
mod undo;
mod want;

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{
    ActionState, AttemptMade, CanonicalAction, ChangePlan, CheckedPlan, Outcome, PlanDigest, Progress,
    StepId, Timestamp,
};
use stanch_runbook::model::ChangePhase;

use crate::event::Question;
use crate::ledger::Guard;
use crate::posting::Post;
use crate::words::*;

/// The most questions about one step: the first, and again at most twice.
pub(crate) const MOST_QUESTIONS: u32 = 3;
/// The most plans that were another one than before, where nobody is asked.
pub(crate) const MOST_REPLANS: u32 = 3;
/// How often repeat-safe actions in doubt are sent again before a person is asked, where their answers were lost.
pub(crate) const MOST_RESENDS: u32 = 3;
/// The same where the engine stopped in the middle. That says nothing of the target, so it is not counted with the answers
/// that were lost; but what kills the engine each time that it is applied must not do so for ever.
pub(crate) const MOST_DEATHS: u32 = 10;

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Not begun.
    Pending,
    /// A plugin looks.
    Looking,
    /// A person is to answer, at the latest then.
    AwaitingPerson {
        /// No answer by then is an answer.
        until: Timestamp,
    },
    /// A plan is being made.
    Planning,
    /// There is a plan: limits, decision, locks.
    Weighing,
    /// Over a limit; planned again then.
    Held {
        /// When.
        next: Timestamp,
    },
    /// People are asked.
    Asking,
    /// The locks are held: what is old is looked at again, then the plan.
    Refreshing {
        /// What was looked at before `fresh` before this is old.
        since: Timestamp,
    },
    /// The plan is being applied.
    Applying,
    /// Until the next attempt.
    Waiting {
        /// When.
        until: Timestamp,
        /// What then.
        then: Then,
    },
    /// A batch was verified; until the next.
    Between {
        /// When.
        until: Timestamp,
    },
    /// A stage of a ramp was applied; until it is verified.
    Holding {
        /// When.
        until: Timestamp,
    },
    /// Something took effect; the same plan is applied again as soon as nothing is in the way.
    Interrupted,
    /// Actions were started and have no definite answer.
    Doubting {
        /// Since when.
        since: Timestamp,
        /// Verify cannot end it.
        verify_over: bool,
    },
    /// A doubt was settled.
    Settled {
        /// The actions took effect.
        happened: bool,
        /// The step goes on.
        go_on: bool,
    },
    /// Applied; whether it holds and helps.
    Verifying {
        /// Since when.
        since: Timestamp,
    },
    /// An undo was applied.
    Applied,
    /// Over.
    Ended,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// Applied and verified; a step by hand: done.
    Done,
    /// A look was answered.
    Answered,
    /// Shadow: only planned.
    Planned,
    /// Not done, and that is all right.
    Skipped(Skip),
    /// A person said no.
    Refused,
    /// Nobody said anything.
    Expired,
    /// It failed.
    Failed(Failing),
}

/// A plan that is decided on or applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) plan: CheckedPlan,
    pub(crate) params: Value,
    pub(crate) digest: PlanDigest,
}

/// A yes by as many as were needed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) digest: PlanDigest,
    pub(crate) by: Vec<String>,
    /// When the last one said yes.
    pub(crate) at: Timestamp,
    /// Time since then that was spent waiting for locks, in milliseconds.
    pub(crate) lock_wait: i64,
}

/// What is in the way, and since when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waits {
    pub(crate) guard: Guard,
    pub(crate) message: String,
    pub(crate) since: Timestamp,
    /// `lock_wait` was over, and people were told.
    pub(crate) told: bool,
}

/// The change, or putting it back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    pub(crate) stage: Stage,
    /// Counts up with every turn, so that an answer to an earlier one is not taken for one to this.
    pub(crate) turn: u32,
    /// Parameters as evaluated at the start.
    pub(crate) params: Value,
    pub(crate) planned: Option<Planned>,
    /// Undo: a decision that was made covers the plan.
    pub(crate) covered: bool,
    pub(crate) question: Option<Question>,
    pub(crate) given: Vec<String>,
    pub(crate) decision: Option<Decision>,
    pub(crate) asked: u32,
    /// When the last question was asked.
    pub(crate) asked_at: Timestamp,
    pub(crate) replans: u32,
    pub(crate) failures: u32,
    pub(crate) attempt: u32,
    /// How often what was in doubt was sent again, after lost answers and after stops of the engine.
    pub(crate) resends: u32,
    pub(crate) deaths: u32,
    /// The doubt comes from a stop of the engine.
    pub(crate) died: bool,
    pub(crate) held_since: Option<Timestamp>,
    pub(crate) waits: Option<Waits>,
    /// Actions set aside in the engine's rate, and how many were started.
    pub(crate) reserved: u32,
    pub(crate) started: u32,
    /// The yes was acted on: it no longer grows old.
    pub(crate) acted: bool,
    pub(crate) progress: Progress,
    pub(crate) answers: BTreeMap<u32, Vec<u8>>,
    /// What took effect under plans before this one, with what became of it.
    pub(crate) earlier: Vec<(CheckedPlan, Progress)>,
    /// What is left of the plan after the batch that is applied now.
    pub(crate) rest: Option<CheckedPlan>,
    /// Stages of a ramp: how many there are; 0 without one. They count as batches.
    pub(crate) stages: usize,
    /// Stages that were planned, until all are.
    pub(crate) drafts: Vec<Planned>,
    /// The stages after the one that is applied now.
    pub(crate) ahead: Vec<Planned>,
    /// When the stage before was verified.
    pub(crate) verified_at: Option<Timestamp>,
    /// Batches that were applied and verified.
    pub(crate) batches: u32,
    /// How many of `earlier` are of those batches.
    pub(crate) before_batch: usize,
    /// How many of `earlier` are of those before the last of them.
    pub(crate) before_last: usize,
    /// The attempts of those batches.
    pub(crate) attempts_before: u32,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) own: Option<stanch_contract::Verdict>,
    pub(crate) also: Option<stanch_contract::Verdict>,
    /// The last sentence on how it stands.
    pub(crate) note: String,
}

impl Work {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
            turn: 0,
            params: Value::Null,
            planned: None,
            covered: false,
            question: None,
            given: Vec::new(),
            decision: None,
            asked: 0,
            asked_at: Timestamp::default(),
            replans: 0,
            failures: 0,
            attempt: 0,
            resends: 0,
            deaths: 0,
            died: false,
            held_since: None,
            waits: None,
            reserved: 0,
            started: 0,
            acted: false,
            progress: Progress::new(),
            answers: BTreeMap::new(),
            earlier: Vec::new(),
            rest: None,
            stages: 0,
            drafts: Vec::new(),
            ahead: Vec::new(),
            verified_at: None,
            batches: 0,
            before_batch: 0,
            before_last: 0,
            attempts_before: 0,
            outcome: None,
            own: None,
            also: None,
            note: String::new(),
        }
    }

    pub(crate) fn go(&mut self, stage: Stage) {
        self.stage = stage;
        self.turn += 1;
        self.waits = None;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// The actions in doubt.
    pub(crate) fn unknown(&self) -> Vec<u32> {
        let unknown = self
            .progress
            .iter()
            .filter(|(_, state)| matches!(state, ActionState::Unknown { .. }));
        unknown.map(|(action, _)| *action).collect()
    }

    /// Actions that took effect, under this plan.
    pub(crate) fn done(&self) -> Vec<u32> {
        let done = self
            .progress
            .iter()
            .filter(|(_, state)| matches!(state, ActionState::Done { .. }));
        done.map(|(action, _)| *action).collect()
    }

    /// Something took effect, or may have.
    pub(crate) fn touched(&self) -> bool {
        self.earlier_touched(0) || !self.done().is_empty() || !self.unknown().is_empty()
    }

    /// Something took effect under one of `earlier`, from this one on. A stage may have had nothing to do.
    fn earlier_touched(&self, first: usize) -> bool {
        let mut earlier = self.earlier.iter().skip(first);
        earlier.any(|(_, progress)| !progress.is_empty())
    }

    /// Something of the batch that is applied now took effect, or may have; without batches, of the whole plan.
    pub(crate) fn batch_touched(&self) -> bool {
        self.earlier_touched(self.before_batch) || !self.done().is_empty() || !self.unknown().is_empty()
    }

    /// Batches before were applied and verified, and nothing is left for this one.
    pub(crate) fn nothing_left(&self) -> bool {
        let empty = |planned: &Planned| planned.plan.actions.is_empty();
        let batched = self.batches > 0 && self.stages == 0;
        batched && !self.batch_touched() && self.planned.as_ref().is_none_or(empty)
    }

    /// How many targets are done, and how many there are in all batches.
    pub(crate) fn batch_progress(&self) -> (usize, usize) {
        let all = self.whole().map_or(0, |whole| whole.plan.targets().len());
        let done = self.earlier.iter().take(self.before_batch);
        let mut done: Vec<_> = done.flat_map(|(plan, _)| plan.targets()).collect();
        done.sort_unstable();
        done.dedup();
        (done.len(), all)
    }

    /// Something that must come to its end before anything else is begun.
    pub(crate) fn is_busy(&self) -> bool {
        match self.stage {
            Stage::Applying
            | Stage::Doubting { .. }
            | Stage::Settled { .. }
            | Stage::Verifying { .. }
            | Stage::Applied => true,
            Stage::Pending | Stage::Ended => false,
            _ => self.touched(),
        }
    }

    pub(crate) fn action(&self, action: u32) -> Option<&CanonicalAction> {
        let index = usize::try_from(action).ok()?;
        self.planned
            .as_ref()
            .and_then(|planned| planned.plan.actions.get(index))
    }

    /// All of these may be sent again without a second effect.
    pub(crate) fn repeat_safe(&self, actions: &[u32]) -> bool {
        actions
            .iter()
            .all(|action| self.action(*action).is_some_and(|action| action.repeat_safe))
    }

    /// Actions of the plan that have no definite effect yet.
    pub(crate) fn left(&self) -> u32 {
        let all = self
            .planned
            .as_ref()
            .map_or(0, |planned| planned.plan.actions.len());
        u32::try_from(all.saturating_sub(self.done().len())).unwrap_or(u32::MAX)
    }

    /// What was tried, under all plans and in all batches.
    pub(crate) fn made(&self) -> Option<AttemptMade> {
        let mut made = self.made_since(0, None)?;
        // What was there before is what the first stage found.
        if let Some((first, _)) = self.earlier.first().filter(|_| self.stages > 0) {
            made.plan.offered.data.clone_from(&first.offered.data);
        }
        Some(made)
    }

    /// What was tried in the batch that is applied now; without batches, all.
    pub(crate) fn made_in_batch(&self) -> Option<AttemptMade> {
        self.made_since(self.before_batch, None)
    }

    /// What was tried, and what will be in later batches and stages.
    pub(crate) fn whole(&self) -> Option<AttemptMade> {
        self.made_since(0, self.rest.iter().chain(self.later_plans()))
    }

    fn made_since<'a>(
        &'a self,
        first: usize,
        later: impl IntoIterator<Item = &'a CheckedPlan>,
    ) -> Option<AttemptMade> {
        let current = self
            .planned
            .as_ref()
            .map(|planned| (&planned.plan, &self.progress));
        let none = Progress::new();
        let parts: Vec<_> = self
            .earlier
            .iter()
            .skip(first)
            .map(|(plan, progress)| (plan, progress))
            .chain(current)
            .chain(later.into_iter().map(|later| (later, &none)))
            .collect();
        let (last, _) = parts.last()?;
        let mut plan = CheckedPlan {
            summary: last.summary.clone(),
            actions: Vec::new(),
            population: last.population.clone(),
            offered: ChangePlan {
                actions: Vec::new(),
                ..last.offered.clone()
            },
        };
        let mut progress = Progress::new();
        for (part, states) in parts {
            let base = u32::try_from(plan.actions.len()).unwrap_or(u32::MAX);
            plan.actions.extend(part.actions.iter().cloned());
            plan.offered.actions.extend(part.offered.actions.iter().cloned());
            progress.extend(
                states
                    .iter()
                    .map(|(action, state)| (base.saturating_add(*action), state.clone())),
            );
        }
        Some(AttemptMade {
            plan,
            progress,
            outcome: self.outcome.clone(),
        })
    }

    /// The host's identities of everything that an action was really sent to.
    pub(crate) fn sent_targets(&self) -> Vec<(stanch_contract::plan::Capability, String)> {
        let Some(made) = self.made() else {
            return Vec::new();
        };
        let sent = |action: &u32| {
            matches!(
                made.progress.get(action),
                Some(ActionState::Done { .. } | ActionState::Unknown { .. })
            )
        };
        let numbered = (0_u32..).zip(&made.plan.actions);
        numbered
            .filter(|(n, _)| sent(n))
            .map(|(_, a)| (a.capability, a.identity.clone()))
            .collect()
    }
}

/// One step of mitigation or resolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepState {
    pub(crate) id: StepId,
    pub(crate) phase: ChangePhase,
    pub(crate) work: Work,
    pub(crate) end: Option<End>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) summary: String,
    pub(crate) locks: Vec<String>,
    pub(crate) undo: Option<Work>,
    pub(crate) undo_reason: Option<UndoReason>,
    pub(crate) undone: bool,
    pub(crate) undo_failed: bool,
    /// A look that was answered, and is asked again because a later step reads it and it is old.
    pub(crate) looking_again: bool,
    /// Where its questions were put, and when.
    pub(crate) posts: Vec<(Timestamp, Post)>,
}

impl StepState {
    pub(crate) fn new(id: StepId, phase: ChangePhase) -> Self {
        Self {
            id,
            phase,
            work: Work::new(Stage::Pending),
            end: None,
            ended_at: None,
            summary: String::new(),
            locks: Vec::new(),
            undo: None,
            undo_reason: None,
            undone: false,
            undo_failed: false,
            looking_again: false,
            posts: Vec::new(),
        }
    }

    pub(crate) fn side(&self, side: Side) -> Option<&Work> {
        match side {
            Side::Do => Some(&self.work),
            Side::Undo => self.undo.as_ref(),
        }
    }

    pub(crate) fn side_mut(&mut self, side: Side) -> Option<&mut Work> {
        match side {
            Side::Do => Some(&mut self.work),
            Side::Undo => self.undo.as_mut(),
        }
    }

    /// A change took effect and was not put back.
    pub(crate) fn stands(&self) -> bool {
        self.work.touched() && !self.undone
    }

    pub(crate) fn undoing(&self) -> bool {
        self.undo.as_ref().is_some_and(|undo| !undo.is_over())
    }
}
