//! A change in stages: each planned, applied, held and verified before the next, under one decision about all.
//!
//! A step's parameters are then the list of its stages' parameters. All stages are planned before anybody is asked
//! ([`Work::drafts`]); from then on the first is the plan in hand and the others wait in [`Work::ahead`]. A stage that was
//! verified counts as a batch: what is done, in doubt, withdrawn or put back is told by the same rules. What a stage was
//! decided on is compared with its fresh plan without `expect` from the second on: what holds then is what the stage before
//! made of it.

use serde_json::Value;
use stanch_contract::plan::Comparison;
use stanch_contract::{CanonicalAction, CheckedPlan, Timestamp};

use super::{Planned, Stage, Work};
use crate::event::Event;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    /// The parameters of the stage that is planned or applied now; without a ramp, the step's.
    pub(crate) fn of_stage(&self, index: usize, side: Side, params: Value) -> Value {
        let Some(work) = self.steps.get(index).map(|step| &step.work) else {
            return params;
        };
        if work.stages == 0 {
            return params;
        }
        let planning = side == Side::Do && work.stage == Stage::Planning;
        let drafted = if planning { work.drafts.len() } else { 0 };
        match params {
            Value::Array(mut stages) if work.stage_now() + drafted < stages.len() => {
                stages.swap_remove(work.stage_now() + drafted)
            }
            other => other,
        }
    }

    /// The actions that a decision about this plan is about: those of all stages that are not done yet.
    pub(crate) fn decided_actions(
        &self,
        index: usize,
        side: Side,
        plan: &CheckedPlan,
    ) -> Vec<CanonicalAction> {
        let work = self.steps.get(index).map(|step| &step.work);
        let Some(work) = work.filter(|_| side == Side::Do) else {
            return plan.actions.clone();
        };
        let drafts = work.drafts.iter().map(|draft| &draft.plan);
        // While the stages are planned again, those that were ahead are about to be replaced.
        let later = (work.stage != Stage::Planning).then(|| work.later_plans());
        let plans = drafts.chain([plan]).chain(later.into_iter().flatten());
        plans.flat_map(|plan| plan.actions.iter().cloned()).collect()
    }

    /// A stage that was verified too long ago to go on to the next is verified again.
    pub(crate) fn verify_stage_again(&mut self, index: usize, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        let fresh = self.book.guardrails.fresh;
        let Some(work) = self.steps.get(index).map(|step| &step.work) else {
            return false;
        };
        let old = work.verified_at.is_some_and(|at| at.plus(fresh) <= now.at);
        work.is_between_stages() && old && self.timer_due(index, Side::Do, Timer::Stale, now, out)
    }

    /// The engine was started again between two stages: it goes on by verifying the one before.
    pub(crate) fn restarted_between_stages(&mut self, now: Now<'_>, out: &mut Vec<Event>) {
        let between = |work: &Work| work.is_between_stages() && work.stage != Stage::Asking;
        if let Some(index) = self.steps.iter().position(|step| between(&step.work)) {
            self.timer_due(index, Side::Do, Timer::Stale, now, out);
        }
    }
}

impl Work {
    /// Which stage of the ramp it is at, from 0.
    pub(crate) fn stage_now(&self) -> usize {
        match self.planned {
            None => 0,
            Some(_) => self.stages.saturating_sub(self.ahead.len() + 1),
        }
    }

    /// It is a stage with others before it, which made what it finds.
    pub(super) fn is_later_stage(&self) -> bool {
        self.stages > 0 && self.batches > 0
    }

    /// A stage was verified, and nothing of the next was sent.
    fn is_between_stages(&self) -> bool {
        let waits = matches!(
            self.stage,
            Stage::Weighing
                | Stage::Refreshing { .. }
                | Stage::Held { .. }
                | Stage::Planning
                | Stage::Waiting { .. }
                | Stage::Asking
        );
        self.is_later_stage() && waits && !self.batch_touched()
    }

    /// One stage more is planned. `false`: others are not yet.
    pub(super) fn draft(&mut self, planned: Planned) -> bool {
        self.drafts.push(planned);
        if self.stage_now() + self.drafts.len() < self.stages {
            self.go(Stage::Planning);
            return false;
        }
        true
    }

    /// All stages are planned: the first that has something to do is the plan in hand, under the digest of all.
    pub(super) fn take_drafts(&mut self) {
        let mut drafts = std::mem::take(&mut self.drafts);
        let Some(digest) = drafts.last().map(|last| last.digest) else {
            return;
        };
        let covered = self.covers_drafts(&drafts);
        drafts.iter_mut().for_each(|draft| draft.digest = digest);
        let idle = drafts.iter().take_while(|draft| draft.plan.actions.is_empty());
        let idle = idle.count().min(drafts.len() - 1);
        self.ahead = drafts.split_off(idle + 1);
        self.planned = drafts.pop();
        if let Some(planned) = &self.planned {
            self.note.clone_from(&planned.plan.summary);
        }
        // Held after the yes, and planned again.
        if let (true, Some(decision)) = (covered, self.decision.as_mut()) {
            decision.digest = digest;
        }
    }

    /// Whether what was decided on covers what was planned again.
    fn covers_drafts(&self, drafts: &[Planned]) -> bool {
        let before: Vec<_> = self.planned.iter().chain(&self.ahead).collect();
        before.len() == drafts.len()
            && before.iter().zip(drafts).enumerate().all(|(n, (before, draft))| {
                let compared = if n == 0 && self.batches == 0 {
                    before.plan.compare(&draft.plan)
                } else {
                    before.plan.compare_after_a_stage(&draft.plan)
                };
                before.params == draft.params && compared != Comparison::Different
            })
    }

    /// The stage was verified: what it did is set aside, and the next is the plan in hand.
    pub(super) fn next_stage(&mut self, at: Timestamp) {
        let mut next = self.ahead.remove(0);
        if let Some(done) = self.planned.take() {
            next.digest = done.digest;
            self.earlier.push((done.plan, std::mem::take(&mut self.progress)));
        }
        self.planned = Some(next);
        self.before_last = self.before_batch;
        self.verified_at = Some(at);
        self.close_batch();
        self.go(Stage::Weighing);
    }

    /// The stage before is the one in hand again, to be verified.
    pub(super) fn back_to_verify(&mut self, at: Timestamp) {
        let (Some((plan, progress)), Some(next)) = (self.earlier.pop(), self.planned.take()) else {
            return;
        };
        self.planned = Some(Planned {
            plan,
            params: next.params.clone(),
            digest: next.digest,
        });
        self.ahead.insert(0, next);
        self.drafts.clear();
        self.progress = progress;
        self.batches -= 1;
        self.before_batch = self.before_last;
        self.own = None;
        self.also = None;
        self.go(Stage::Verifying { since: at });
    }

    /// What is said of how far it came: targets of its batches, or stages.
    pub(crate) fn done_of_all(&self) -> String {
        if self.stages > 0 {
            return format!("{} of {} stages done", self.stage_now(), self.stages);
        }
        let (done, all) = self.batch_progress();
        format!("{done} of {all} done")
    }

    /// The plans of the stages after the one in hand.
    pub(crate) fn later_plans(&self) -> impl Iterator<Item = &CheckedPlan> {
        self.ahead.iter().map(|planned| &planned.plan)
    }
}
