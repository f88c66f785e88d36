//! What a step's work has of its plan: what of it was done, what remains, and where it goes on.

use stanch_contract::plan::Comparison;
use stanch_contract::{ActionState, Timestamp};

use super::{Planned, Stage, Work};
use crate::words::Then;

impl Work {
    pub(super) fn replace_plan(
        &mut self,
        planned: Planned,
        fresh: Option<Comparison>,
        empty: bool,
        batch: Option<u32>,
    ) {
        self.note.clone_from(&planned.plan.summary);
        let before = self.planned.replace(planned);
        self.rest = None;
        if let (None, Some(decision), Some(before), Some(planned)) =
            (fresh, self.decision.as_mut(), before, &self.planned)
            && before.params == planned.params
            && before.plan.compare(&planned.plan) != Comparison::Different
        {
            // Held after the yes, and planned again: the yes to the whole covers a part of it.
            decision.digest = planned.digest;
        }
        if let (Some(Comparison::Same | Comparison::Subset), Some(decision), Some(planned)) =
            (fresh, self.decision.as_mut(), &self.planned)
        {
            // A yes to the whole covers a part of it.
            decision.digest = planned.digest;
        }
        match fresh {
            Some(Comparison::Same | Comparison::Subset) if !empty => {
                self.attempt += 1;
                self.outcome = None;
                self.progress.clear();
                self.answers.clear();
                if let (Some(size), Some(planned)) = (batch, self.planned.as_mut()) {
                    let (now, rest) = planned.plan.split(size);
                    planned.plan = now;
                    self.rest = (!rest.actions.is_empty()).then_some(rest);
                }
                self.go(Stage::Applying);
            }
            Some(Comparison::Different) => {
                self.replans += 1;
                self.decision = None;
                match self
                    .planned
                    .as_ref()
                    .filter(|_| self.stages > 0 && !self.touched())
                {
                    // The other stages were planned with what does not hold any more.
                    Some(planned) => {
                        self.params = planned.params.clone();
                        self.go(Stage::Planning);
                    }
                    None => self.go(Stage::Weighing),
                }
            }
            _ => self.go(Stage::Weighing),
        }
    }

    /// What took effect under this plan is set aside, and the plan is what remains of it.
    pub(super) fn set_aside_done(&mut self) {
        let done = self.done();
        let Some(planned) = self.planned.as_mut() else {
            return;
        };
        if !done.is_empty() {
            let mut kept = planned.plan.clone();
            keep(&mut kept.actions, |n| done.contains(&n));
            keep(&mut kept.offered.actions, |n| done.contains(&n));
            let states = done.iter().filter_map(|n| self.progress.get(n).cloned());
            let states = (0_u32..).zip(states).collect();
            self.earlier.push((kept, states));
            keep(&mut planned.plan.actions, |n| !done.contains(&n));
            keep(&mut planned.plan.offered.actions, |n| !done.contains(&n));
        }
        self.progress.clear();
        self.answers.clear();
    }

    /// The batch was verified: what it did is set aside, and the plan is what remains.
    pub(super) fn next_batch(&mut self, until: Timestamp) {
        let rest = self.rest.take();
        if let (Some(planned), Some(rest)) = (self.planned.as_mut(), rest) {
            let done = std::mem::replace(&mut planned.plan, rest);
            self.earlier.push((done, std::mem::take(&mut self.progress)));
        }
        self.close_batch();
        self.go(Stage::Between { until });
    }

    /// The next batch, or stage, begins with nothing of the one before.
    pub(super) fn close_batch(&mut self) {
        self.answers.clear();
        self.own = None;
        self.also = None;
        self.batches += 1;
        self.before_batch = self.earlier.len();
        self.attempts_before = self.attempt;
        self.resends = 0;
        self.deaths = 0;
    }

    pub(super) fn settle(&mut self, happened: bool) {
        for action in self.unknown() {
            if happened {
                let detail = "settled: it took effect".to_owned();
                self.progress.insert(action, ActionState::Done { detail });
            } else {
                self.progress.remove(&action);
            }
        }
    }

    /// The batch was not, or not wholly, applied: what is left of it and the rest are one plan again.
    pub(super) fn rejoin(&mut self) {
        let rest = self.rest.take();
        if let (Some(planned), Some(rest)) = (self.planned.as_mut(), rest) {
            planned.plan.actions.extend(rest.actions);
            planned.plan.offered.actions.extend(rest.offered.actions);
        }
    }

    pub(super) fn begin(&mut self, then: Then, at: Timestamp) {
        if matches!(then, Then::Plan | Then::Claim | Then::Fresh) {
            self.rejoin();
        }
        self.go(match then {
            Then::Look => Stage::Looking,
            Then::Plan => Stage::Planning,
            Then::Claim => Stage::Weighing,
            Then::Fresh => Stage::Refreshing { since: at },
            Then::SamePlan => Stage::Interrupted,
            Then::Nothing => Stage::Ended,
        });
    }
}

fn keep<T>(items: &mut Vec<T>, wanted: impl Fn(u32) -> bool) {
    let mut n = 0_u32;
    items.retain(|_| {
        let keep = wanted(n);
        n += 1;
        keep
    });
}
