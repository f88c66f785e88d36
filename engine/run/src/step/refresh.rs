//! Facts that are not older than `fresh`: before the first action of a step, what is old is looked at again.

use stanch_contract::Timestamp;

use super::Stage;
use crate::event::Event;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    /// The locks are held: looks again at the checks that the step reads, and whether its `when` still holds. After that
    /// the fresh plan is all that is missing.
    pub(crate) fn refresh(
        &mut self,
        index: usize,
        side: Side,
        since: Timestamp,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let touched = self.steps.get(index).is_some_and(|step| step.work.touched());
        if side == Side::Undo || touched {
            return false;
        }
        if let Some(id) = self.stale(index, since).into_iter().next() {
            let asking = self.checks.get(&id).is_some_and(|check| check.asking);
            if !asking {
                self.start_check(&id, now, out);
            }
            return !asking;
        }
        let Some(step) = self.step_model(index) else {
            return false;
        };
        match step
            .when
            .as_ref()
            .map(|when| (when.source().to_owned(), self.holds(when)))
        {
            Some((_, Err(error))) => {
                return self.fail(
                    index,
                    side,
                    Failing::Expression,
                    format!("not run: {error}"),
                    now,
                    out,
                );
            }
            Some((source, Ok(false))) => {
                return self.skip(
                    index,
                    Skip::When,
                    format!("`{source}` does not hold any more"),
                    now,
                    out,
                );
            }
            _ => {}
        }
        match self.step_params(step) {
            Err(error) => self.fail(
                index,
                side,
                Failing::Expression,
                format!("not run: {error}"),
                now,
                out,
            ),
            Ok(_) => false,
        }
    }

    /// Checks by a plugin that the step reads and that were answered too long before `since`. The first that needs none
    /// of the others comes first.
    fn stale(&self, index: usize, since: Timestamp) -> Vec<stanch_contract::StepId> {
        let fresh = self.book.guardrails.fresh;
        let old = |id: &stanch_contract::StepId| {
            self.checks.get(id).is_some_and(|check| {
                !check.by_hand
                    && check
                        .answered_at
                        .is_some_and(|at| at < since && at.plus(fresh) <= since)
            })
        };
        let mut stale: Vec<_> = self.step_reads(index).into_iter().filter(|id| old(id)).collect();
        let needs_stale = |id: &stanch_contract::StepId| {
            self.checks
                .get(id)
                .is_some_and(|check| check.needs.iter().any(&old))
        };
        stale.sort_by_key(|id| needs_stale(id));
        stale
    }

    /// Whether everything is fresh but the plan.
    pub(crate) fn wants_fresh_plan(&self, index: usize, side: Side) -> bool {
        let Some(step) = self.steps.get(index) else {
            return false;
        };
        match step.side(side).map(|work| &work.stage) {
            Some(Stage::Refreshing { since }) => {
                side == Side::Undo || step.work.touched() || self.stale(index, *since).is_empty()
            }
            _ => false,
        }
    }
}
