//! Doubt: an action that was started and has no definite answer, whatever the cause. Verify is asked; else only what is
//! repeat-safe is sent again; else a person says whether it happened. It never guesses.

use stanch_contract::{Failure, FailureCode, Timestamp};

use super::{MOST_DEATHS, MOST_RESENDS, Stage};
use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::words::*;

impl State {
    pub(crate) fn doubt(
        &mut self,
        index: usize,
        side: Side,
        since: Timestamp,
        verify_over: bool,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        let unknown = work.unknown();
        let step = self.step_id(index);
        if unknown.is_empty() {
            // The answers came after all; what was not sent is.
            let (settler, happened) = (Settler::Answer, !work.done().is_empty());
            self.emit(
                now,
                out,
                EventKind::DoubtSettled {
                    step,
                    side,
                    settler,
                    happened,
                    go_on: true,
                },
            );
            return true;
        }
        if !verify_over {
            let within = self
                .change(index)
                .map(|change| change.verify.within)
                .unwrap_or_default();
            if now.at < since.plus(within) {
                return false;
            }
            let failure = Failure::new(
                FailureCode::Timeout,
                format!("verify did not answer yes or no within {within}"),
            );
            let kind = self.taken_up(index, side, Part::Verify, Then::Nothing, failure, now.at);
            self.emit(now, out, kind);
            return true;
        }
        if self.may_resend(index, side) {
            let message = "what is in doubt is repeat-safe: it is sent again";
            let failure = Failure::new(FailureCode::Failed, message);
            let kind = self.taken_up(index, side, Part::Apply, Then::SamePlan, failure, now.at);
            self.emit(now, out, kind);
            return true;
        }
        false
    }

    fn may_resend(&self, index: usize, side: Side) -> bool {
        let stopped = match (&self.cancelled, side) {
            (Some(_), Side::Do) => true,
            (Some(cancelled), Side::Undo) => cancelled.then == OnCancel::Leave,
            (None, _) => false,
        };
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        let spent = work.resends >= MOST_RESENDS || work.deaths >= MOST_DEATHS;
        !stopped && !spent && work.repeat_safe(&work.unknown())
    }

    /// Only a person can say.
    pub(crate) fn asks_to_settle(&self, index: usize, side: Side) -> bool {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        matches!(
            work.stage,
            Stage::Doubting {
                verify_over: true,
                ..
            }
        ) && !work.unknown().is_empty()
            && !self.may_resend(index, side)
    }

    pub(crate) fn settled(
        &mut self,
        index: usize,
        side: Side,
        happened: bool,
        go_on: bool,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> bool {
        let Some(work) = self.steps.get(index).and_then(|step| step.side(side)) else {
            return false;
        };
        let step = self.step_id(index);
        if !go_on {
            let message = if happened {
                "it took effect, and a person stopped it"
            } else {
                "it took no effect, and a person stopped it"
            };
            return self.fail(index, side, Failing::Doubt, message, now, out);
        }
        let verified = work.own == Some(stanch_contract::Verdict::Yes);
        if verified || (happened && (work.left() == 0 || work.outcome.is_some())) {
            self.emit(
                now,
                out,
                EventKind::StepApplied {
                    step,
                    side,
                    outcome: None,
                },
            );
            return true;
        }
        if self.cancelled.is_some() && side == Side::Do {
            let why = "stopped by a person while it was in doubt";
            return self.fail(index, side, Failing::Cancelled, why, now, out);
        }
        // What has an answer is not sent again; what has none is.
        let failure = Failure::new(
            FailureCode::Failed,
            "what was not sent, or took no effect, is sent now",
        );
        let then = if work.batch_touched() {
            Then::SamePlan
        } else {
            Then::Claim
        };
        let kind = self.taken_up(index, side, Part::Apply, then, failure, now.at);
        self.emit(now, out, kind);
        true
    }
}
