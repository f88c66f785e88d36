//! How a change is carried out, whatever capability it goes through.
//!
//! It must be an action of the plan that was not used yet. That it starts is made durable, then it is sent, then what became
//! of it is made durable, and only then does the plugin hear of it. From the first of these steps on it runs in a task of its
//! own: a plugin that traps or runs out of time takes nothing with it, and an answer that comes late is not lost.

use std::pin::Pin;

use stanch_contract::plan::CanonicalAction;
use stanch_contract::{ActionState, Failure, FailureCode};

use super::actions::{Admission, ChangingCall};
use super::answer::Reply;
use super::phase::Apply;
use super::session::{Session, Ticket, timed_out};
use super::{AnswerRecord, Decision, Layer, Phase, Refusal};
use crate::time::Until;

/// What became of an action that was carried out.
pub(super) struct Performed {
    pub(super) state: ActionState,
    /// What the plugin gets, secrets removed.
    pub(super) reply: Reply,
    /// What is written down.
    pub(super) summary: String,
    /// The answer's content, secrets removed.
    pub(super) content: Option<Vec<u8>>,
}

impl Performed {
    /// The host did not send it, or the target refused it: `state` says which.
    pub(super) fn failed(state: ActionState, failure: Failure) -> Self {
        Self {
            state,
            summary: failure.to_string(),
            reply: Reply::Failed { failure },
            content: None,
        }
    }
}

/// An action whose turn it is.
pub(super) struct Turn {
    /// As it was planned, with its precondition.
    pub(super) action: CanonicalAction,
    /// It was sent before and had no definite answer: what is found now may be its own effect.
    pub(super) again: bool,
}

/// The sending itself.
pub(super) type Perform =
    Box<dyn FnOnce(Turn) -> Pin<Box<dyn Future<Output = Performed> + Send>> + Send + 'static>;

impl Session {
    /// Refuses a change outside of an apply.
    pub(super) fn check_phase(&self, what: &str, allow_hint: Option<String>) -> Result<(), Refusal> {
        let phase = &self.inner.parts.phase;
        if matches!(phase, Phase::Apply(_)) {
            return Ok(());
        }
        let why = format!("{what} is a change, and this call is {}", phase.as_str());
        let refusal = Refusal::new(Layer::Phase, why);
        Err(match allow_hint {
            Some(hint) => refusal.hint(format!(
                "an action in the plan, sent from `apply`; or, if it changes nothing, {hint}"
            )),
            None => refusal.hint("an action in the plan, sent from `apply`"),
        })
    }

    /// Carries a change out. `until` is when the plugin stops waiting.
    pub(super) async fn change(
        &self,
        ticket: Ticket,
        call: ChangingCall,
        until: Until,
        perform: Perform,
    ) -> Result<Reply, Failure> {
        let Phase::Apply(apply) = &self.inner.parts.phase else {
            let what = format!("{} {}", call.verb, call.target);
            let refusal = self.check_phase(&what, None).err();
            return Err(self.refuse(
                ticket,
                refusal.unwrap_or_else(|| Refusal::new(Layer::Phase, what)),
            ));
        };
        let admission = self.state().actions.admit(&apply.plan.actions, &call);
        let (action, again) = match admission {
            Err(refusal) => return Err(self.refuse(ticket, refusal)),
            Ok(Admission::Replay(action, reply)) => {
                self.note(ticket, |call| {
                    call.decision = Decision::Replayed;
                    call.action = Some(action);
                });
                return Ok(*reply);
            }
            Ok(Admission::Send { action, again }) => (action, again),
        };
        self.note(ticket, |call| call.action = Some(action));
        let session = self.clone();
        let task = self
            .inner
            .tasks
            .spawn(async move { session.carry_out(ticket, (action, again), until, perform).await });
        let what = format!("{} {}", call.verb, call.target);
        match self.inner.parts.time.within(until, task).await {
            Some(Ok(reply)) => reply,
            Some(Err(error)) => {
                let failure = Failure::new(
                    FailureCode::Failed,
                    format!("{what}: the host failed in it: {error}"),
                );
                Err(self.fail(ticket, failure))
            }
            None => Err(timed_out(&what)),
        }
    }

    async fn carry_out(
        &self,
        ticket: Ticket,
        (number, again): (u32, bool),
        until: Until,
        perform: Perform,
    ) -> Result<Reply, Failure> {
        let Phase::Apply(Apply { plan, log, .. }) = &self.inner.parts.phase else {
            return Err(self.refuse(ticket, Refusal::new(Layer::Phase, "there is no plan")));
        };
        let action = usize::try_from(number)
            .ok()
            .and_then(|index| plan.actions.get(index))
            .cloned();
        let Some(action) = action else {
            return Err(self.refuse(ticket, Refusal::new(Layer::Plan, "the plan has no such action")));
        };
        if let Err(stop) = log.started(number).await {
            self.state().actions.release(number);
            let why = format!("{} {} was not sent: {}", action.verb, action.target, stop.reason);
            return Err(self.refuse(ticket, Refusal::new(Layer::Action, why)));
        }
        let what = format!("{} {}", action.verb, action.target);
        let performed = if self.inner.parts.time.is_over(until) {
            // Nobody waits for it any more, and nothing was sent: better a definite answer than a late effect.
            Performed::failed(ActionState::NotSent, timed_out(&format!("{what} was not sent")))
        } else {
            perform(Turn { action, again }).await
        };
        let kept = if performed.state == ActionState::NotSent {
            None
        } else {
            performed.reply.to_bytes()
        };
        log.ended(number, performed.state.clone(), kept).await;
        self.state().actions.end(number, &performed.state);
        let digest = performed.content.as_deref().map(|content| self.keep(content));
        let bytes = performed
            .content
            .as_ref()
            .map_or(0, |content| content.len() as u64);
        let summary = stanch_contract::text::clean_line_to(&performed.summary, 300);
        self.note(ticket, |call| {
            call.answer = Some(AnswerRecord {
                summary,
                digest,
                bytes,
            })
        });
        Ok(performed.reply)
    }
}
