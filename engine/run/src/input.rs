//! What happened outside of a run, for the run to make events of.

use serde_json::Value;
use stanch_contract::{
    ActionState, Alert, CheckedPlan, Failure, Finding, Outcome, PlanDigest, StepId, Verdict,
};

use crate::actor::Actor;
use crate::command::Key;
use crate::ledger::Blocked;
use crate::posting::{Notice, Post};
use crate::words::*;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Alerts of the run's episode came in, firing or resolved.
    Alerts(Vec<Alert>),
    /// Time passed.
    Tick,
    /// The engine was started again: calls that were under way are not any more.
    Restarted,
    /// The answer to [`crate::Command::Enter`].
    Entered(Option<Blocked>),
    /// The answer to [`crate::Command::Consult`].
    Consulted {
        /// Of the command.
        key: Key,
        /// What is in the way.
        blocked: Option<Blocked>,
    },
    /// The answer to [`crate::Command::Claim`]. While something is in the way the claim stays open.
    Claimed {
        /// Of the command.
        key: Key,
        /// What is in the way.
        blocked: Option<Blocked>,
    },
    /// A plugin call ended.
    Called {
        /// Of the command.
        key: Key,
        /// What came of it.
        result: CallResult,
        /// The calls at the gate, as the gate recorded them.
        calls: Value,
    },
    /// The gate is about to send an action. Where this is refused it must not.
    ActionStarting {
        /// Of the apply's command.
        key: Key,
        /// Its place in the plan.
        action: u32,
        /// A pause that covers it, or the engine's stop.
        withhold: Option<Withheld>,
    },
    /// The gate has an answer, or gave up on one.
    ActionEnded {
        /// Of the apply's command.
        key: Key,
        /// Its place in the plan.
        action: u32,
        /// What became of it.
        state: ActionState,
        /// The gate's own form of the answer.
        answer: Option<Vec<u8>>,
    },
    /// A notification was delivered, or not.
    Told {
        /// Through which `[[escalation]]`.
        notice: u32,
        /// Of how many reasons.
        reasons: u32,
        /// What came of it.
        result: Result<(), Failure>,
    },
    /// A question was put to a channel, or could not be.
    Posted {
        /// About which step.
        step: StepId,
        /// Where, and what became of it.
        post: Post,
    },
    /// People were told of something besides a question about a plan, or could not be.
    Noticed {
        /// Of what.
        notice: Notice,
        /// Where, and what became of it.
        post: Post,
    },
    /// A person decides.
    Decide {
        /// Who.
        by: Actor,
        /// On which step; absent where only one question is open.
        step: Option<StepId>,
        /// On which plan, as the person saw it.
        digest: Option<PlanDigest>,
        /// Yes or no.
        yes: bool,
        /// Why.
        reason: String,
    },
    /// A person decides alone, whoever is asked: the glass is broken. That the operator allows it was checked.
    BreakGlass {
        /// Who.
        by: Actor,
        /// On which step; absent where only one question is open.
        step: Option<StepId>,
        /// On which plan, as the person saw it.
        digest: Option<PlanDigest>,
        /// Why; empty where the operator asks for no reason.
        reason: String,
    },
    /// A person answers a check or look that is done by hand.
    Answer {
        /// Who.
        by: Actor,
        /// Which check.
        check: StepId,
        /// The answer.
        verdict: Verdict,
    },
    /// A person says whether a step by hand is done.
    ByHand {
        /// Who.
        by: Actor,
        /// Which step.
        step: StepId,
        /// Done, or not.
        done: bool,
    },
    /// A person settles a doubt.
    Settle {
        /// Who.
        by: Actor,
        /// Which step.
        step: StepId,
        /// Whether the actions in doubt took effect.
        happened: bool,
        /// Whether the step goes on.
        go_on: bool,
    },
    /// A person wants changes put back.
    Undo {
        /// Who.
        by: Actor,
        /// Of which step; absent: of all.
        step: Option<StepId>,
    },
    /// A person stops the run.
    Cancel {
        /// Who.
        by: Actor,
        /// What becomes of what was changed.
        then: OnCancel,
        /// Why.
        reason: String,
    },
}

/// What came of a plugin call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallResult {
    /// Of a diagnosis plugin, or of verify.
    Finding(Result<Finding, Failure>),
    /// Of plan and plan-undo, after the gate's check.
    Plan(Result<CheckedPlan, Failure>),
    /// Of apply.
    Applied {
        /// What the plugin says.
        result: Result<Outcome, Failure>,
        /// Why actions were withheld, where some were.
        withheld: Option<Withheld>,
    },
}

/// Why an input was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The run is over.
    #[error("run `{run}` is closed ({ending}): nothing can be changed in it any more")]
    Closed {
        /// The run.
        run: String,
        /// How it ended.
        ending: String,
    },
    /// There is nothing to which this is an answer.
    #[error("{0}")]
    NothingOpen(String),
    /// What was meant is another thing by now, or could be one of several.
    #[error("{0}")]
    Stale(String),
    /// This person may not.
    #[error("{0}")]
    NotAllowed(String),
    /// An action must not be sent.
    #[error("{reason}")]
    Withheld {
        /// Why, for the result of the apply.
        why: Withheld,
        /// Why, in a sentence.
        reason: String,
    },
}
