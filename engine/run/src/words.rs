//! The words that events, commands and pages share.

use std::fmt;

use serde::{Deserialize, Serialize};

// The words are tokens, not literals: a derive does not see into a literal that a macro was given.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:tt,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// The way there or the way back of a change.
    Side {
        /// The change.
        Do = "do",
        /// Putting back what was there before.
        Undo = "undo",
    }
    /// How a run ended.
    Ending {
        /// Resolved, and the changes were verified.
        Healed = "healed",
        /// Resolved before anything was changed.
        ResolvedItself = "resolved-itself",
        /// Changes were verified, but not everything that was meant to be done was allowed.
        Mitigated = "mitigated",
        /// No step had anything to do.
        NothingToDo = "nothing-to-do",
        /// People said no, or nothing, and nothing was changed.
        Rejected = "rejected",
        /// A step failed.
        Failed = "failed",
        /// A person stopped it.
        Cancelled = "cancelled",
        /// It only looked and planned.
        Shadow = "shadow",
    }
    /// Where a step stands, for people.
    Standing {
        /// Its turn has not come.
        Pending = "pending",
        /// A plugin looks.
        Looking = "looking",
        /// A person is to answer.
        AwaitingPerson = "waiting for a person",
        /// A plan is being made.
        Planning = "planning",
        /// There is a plan: limits, locks, pauses.
        Weighing = "waiting",
        /// Over a limit.
        Held = "held",
        /// People are asked.
        Asking = "asking",
        /// What is old is looked at again, then the plan.
        Refreshing = "looking again",
        /// The plan is being applied.
        Applying = "applying",
        /// Until the next attempt.
        Retrying = "waiting to try again",
        /// A batch was verified; until the next.
        BetweenBatches = "between batches",
        /// A stage was applied; until it is verified.
        Holding = "holding",
        /// Something took effect, and something is in the way of the rest.
        Interrupted = "interrupted",
        /// Actions were started and have no definite answer.
        InDoubt = "in doubt",
        /// The doubt is over.
        Settled = "settled",
        /// Whether it holds and helps.
        Verifying = "verifying",
        /// An undo was applied.
        Applied = "applied",
        /// Over.
        Over = "over",
        /// Applied and verified; by hand: done.
        Done = "done",
        /// A look was answered.
        Answered = "answered",
        /// Shadow: only planned.
        Planned = "planned",
        /// Not done, and that is all right.
        Skipped = "skipped",
        /// A person said no.
        Refused = "refused",
        /// Nobody said anything.
        Expired = "expired",
        /// It failed.
        Failed = "failed",
    }
    /// Which part of a step was tried.
    Part {
        /// A look at the world.
        Look = "look",
        /// Making a plan.
        Plan = "plan",
        /// Applying it.
        Apply = "apply",
        /// Finding out whether it holds.
        Verify = "verify",
    }
    /// What follows a failed attempt.
    Then {
        /// Look again.
        Look = "look",
        /// Plan again, from the start.
        Plan = "plan",
        /// Ask the ledger again, then as [`Then::Fresh`]: something was in the way.
        Claim = "claim",
        /// Nothing of it took effect: look and plan afresh under the same decision.
        Fresh = "fresh",
        /// Something took effect: the same plan again, what has an answer is not sent.
        SamePlan = "same-plan",
        /// No further attempt of this kind.
        Nothing = "nothing",
    }
    /// Why a step was not done, without anything having gone wrong.
    Skip {
        /// Its `when` does not hold.
        When = "when",
        /// Its plan is empty.
        NothingToDo = "nothing-to-do",
        /// The alerts are resolved.
        Resolved = "resolved",
        /// A step before failed or was refused.
        Stopped = "stopped",
        /// The run was cancelled.
        Cancelled = "cancelled",
        /// A shadow run asks nobody.
        Shadow = "shadow",
    }
    /// Why a step failed.
    Failing {
        /// Its `when` or its parameters have no value.
        Expression = "expression",
        /// A look failed.
        Look = "look",
        /// No plan could be made.
        Plan = "plan",
        /// A guardrail was in the way for the whole of `hold`.
        Guardrail = "guardrail",
        /// The plan was another one each time.
        Changed = "changed",
        /// It was not, or not wholly, applied.
        Apply = "apply",
        /// It was applied, and did not help or does not hold.
        Verify = "verify",
        /// A person settled a doubt with stop.
        Doubt = "doubt",
        /// A person said that it was not done, or did not answer.
        ByHand = "by-hand",
        /// A person stopped the run in the middle of it.
        Cancelled = "cancelled",
    }
    /// Why a question is no longer open, without an answer.
    Lapse {
        /// Nobody answered in time: a no.
        Unanswered = "unanswered",
        /// The alerts were resolved meanwhile.
        Resolved = "resolved",
        /// The run was cancelled meanwhile.
        Cancelled = "cancelled",
        /// It was answered with yes too long ago to act on: asked again.
        TooOld = "too-old",
    }
    /// What was posted of a question.
    Posting {
        /// The question.
        Asked = "asked",
        /// That it will soon be a no.
        Warned = "warned",
    }
    /// What people are told of besides questions about plans.
    NoticeKind {
        /// A check waits for a person's answer.
        Answer = "answer",
        /// A step is to be done by a person.
        ByHand = "by-hand",
        /// A person has to say whether an action took effect.
        Settle = "settle",
        /// A person has to say what becomes of what was changed.
        Choose = "choose",
        /// The run is escalated.
        Escalated = "escalated",
    }
    /// What was due.
    Timer {
        /// `trigger.after`: still firing.
        After = "after",
        /// The wait between two attempts is over.
        Retry = "retry",
        /// The time between two batches is over.
        Batch = "batch",
        /// A stage was held long enough to be verified.
        Stage = "stage",
        /// A stage was verified too long ago to go on to the next: it is verified again.
        Stale = "stale",
        /// A held step is planned again.
        Hold = "hold",
        /// `guardrails.lock_wait`: still waiting for a lock.
        LockWait = "lock-wait",
        /// `recovery.give_up_after`.
        GiveUp = "give-up",
        /// The end came, nothing could be done, and the alert still fires.
        Idle = "idle",
        /// The last attempt to tell anybody was made.
        Untold = "untold",
    }
    /// What to do with changes when a run is cancelled.
    OnCancel {
        /// Put them back.
        Undo = "undo",
        /// Leave them.
        Leave = "leave",
        /// Ask.
        Ask = "ask",
    }
    /// Why an action was not sent although the plugin wanted it.
    Withheld {
        /// A pause covers it.
        Paused = "paused",
        /// The run was cancelled.
        Cancelled = "cancelled",
        /// The yes is too old.
        TooOld = "too-old",
        /// The alerts are resolved, and nothing was sent yet.
        Resolved = "resolved",
        /// The engine is stopping.
        Stopping = "stopping",
    }
}

/// Why a change is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum UndoReason {
    /// The step failed after something was changed.
    OnFailure,
    /// The alerts are resolved and the recovery checks held.
    WhenResolved,
    /// A person said so: a decision itself.
    Command {
        /// Who.
        by: String,
    },
}

/// Who settled a doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Settler {
    /// The plugin's verify answered yes.
    Verify,
    /// The target's answer came after all.
    Answer,
    /// A person.
    Person {
        /// Who.
        name: String,
    },
}
