//! What happened in a run, in the past tense. A run is nothing but these, in their order.
//!
//! Each event carries what the state needs to be folded without asking anything again: the parameters as they were
//! evaluated, the plan as it was checked, what follows a failed attempt. What a plugin call saw at the gate goes with the
//! event that the call led to, as the gate wrote it down.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::plan::Comparison;
use stanch_contract::{
    ActionState, Alert, CheckedPlan, Failure, Finding, Outcome, PlanDigest, RunId, StepId, Timestamp,
};

use crate::ledger::{Budget, Guard};
use crate::opened::Opened;
use crate::posting::{Notice, Post};
use crate::words::*;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    #[serde(rename = "is")]
    pub kind: EventKind,
    /// The calls at the gate that led to it, as the gate recorded them; `null` where there were none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub calls: Value,
}

/// A question about a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The change, or putting it back.
    pub side: Side,
    /// What people are asked.
    pub ask: String,
    /// What a yes is about.
    pub digest: PlanDigest,
    /// `group:NAME` or names; empty: whoever has role approver or more.
    #[serde(default)]
    pub from: Vec<String>,
    /// How many distinct people.
    pub quorum: u32,
    /// No answer by then is a no.
    pub expires: Timestamp,
    /// What will be put back and when, which the yes covers; empty where nothing will.
    #[serde(default)]
    pub undo: String,
    /// 1 for the first time that this step asks.
    pub number: u32,
}

/// The kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// The first.
    RunOpened(Box<Opened>),
    /// An alert of the episode came (again), firing.
    AlertRepeated {
        /// As it is now.
        alert: Box<Alert>,
    },
    /// An alert of the episode is resolved.
    AlertResolved {
        /// As it is now.
        alert: Box<Alert>,
    },
    /// A check or step was begun.
    StepStarted {
        /// Which.
        step: StepId,
        /// Its parameters, evaluated.
        #[serde(default)]
        params: Value,
    },
    /// A check, a look or a step by hand was answered.
    StepAnswered {
        /// Which.
        step: StepId,
        /// The answer.
        finding: Box<Finding>,
        /// Who, where a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why it is unknown, where the look failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// A step was not done, and that is all right.
    StepSkipped {
        /// Which.
        step: StepId,
        /// Why.
        why: Skip,
        /// In a sentence.
        summary: String,
    },
    /// A plan of a change passed the gate's check.
    StepPlanned {
        /// Which.
        step: StepId,
        /// The plan.
        plan: Box<CheckedPlan>,
        /// The parameters it was made with.
        params: Value,
        /// What a decision is about.
        digest: PlanDigest,
        /// The plan just before apply: how it compares with the one decided on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fresh: Option<Comparison>,
    },
    /// Something that runs share, or a limit, is in the way.
    GuardrailBlocked {
        /// Which step; absent for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// The change, or putting it back.
        side: Side,
        /// What is in the way.
        guard: Guard,
        /// In a sentence.
        message: String,
        /// The run that holds what is waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<RunId>,
    },
    /// A question was opened.
    DecisionAsked {
        /// Which step.
        step: StepId,
        /// The question.
        question: Box<Question>,
    },
    /// A question was put to a channel, or could not be.
    DecisionPosted {
        /// About which step.
        step: StepId,
        /// Where, and what became of it.
        post: Box<Post>,
    },
    /// People were told in a channel of something besides a question about a plan, or could not be.
    NoticePosted {
        /// Of what.
        notice: Notice,
        /// Where, and what became of it.
        post: Box<Post>,
    },
    /// A person said yes.
    DecisionGiven {
        /// Which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Who.
        by: String,
        /// To what.
        digest: PlanDigest,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Without the others who are asked: the glass was broken, and everybody is told.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alone: bool,
        /// Where it was said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        via: String,
    },
    /// A person said no.
    DecisionRefused {
        /// Which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Who.
        by: String,
        /// To what; absent where an older engine recorded it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<PlanDigest>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Where it was said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        via: String,
    },
    /// A question, or the yes to it, is no longer good.
    DecisionExpired {
        /// Which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Why.
        why: Lapse,
    },
    /// Locks were taken, all at once.
    LockTaken {
        /// For which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// The locks, in order.
        locks: Vec<String>,
    },
    /// They were given back.
    LockReleased {
        /// For which step.
        step: StepId,
        /// The locks.
        locks: Vec<String>,
    },
    /// A share of what runs share was set aside.
    BudgetReserved {
        /// For which step; absent for the run's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// What.
        budget: Budget,
    },
    /// What was not used was given back.
    BudgetReturned {
        /// For which step; absent for the run's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// What.
        budget: Budget,
    },
    /// An action is about to be sent.
    ActionStarted {
        /// Of which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Which attempt.
        attempt: u32,
        /// Its place in the plan.
        action: u32,
    },
    /// What became of it.
    ActionEnded {
        /// Of which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Which attempt.
        attempt: u32,
        /// Its place in the plan.
        action: u32,
        /// What became of it.
        state: ActionState,
        /// The gate's own form of the answer, to be handed back on a repeat.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "crate::codec::bytes"
        )]
        answer: Option<Vec<u8>>,
    },
    /// The change, or putting it back, was applied, as the plugin says and every action's answer bears out.
    StepApplied {
        /// Which.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// What the plugin says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Box<Outcome>>,
    },
    /// It was looked whether it holds and helped. Recorded when the answer is yes, and when it changes.
    StepVerified {
        /// Which.
        step: StepId,
        /// The change, or whether all is as before it.
        #[serde(default = "side_do")]
        side: Side,
        /// `true`: the plugin's own verify; `false`: the `verify.uses` besides.
        own: bool,
        /// The answer.
        finding: Box<Finding>,
    },
    /// An attempt at a part of a step failed.
    AttemptFailed {
        /// Which.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// What was tried.
        part: Part,
        /// Why it failed.
        failure: Failure,
        /// What follows.
        then: Then,
        /// When.
        again: Timestamp,
        /// Whether it uses up one of the tries of the step's `retry`.
        counts: bool,
    },
    /// A step failed. The run escalates.
    StepFailed {
        /// Which.
        step: StepId,
        /// Why.
        why: Failing,
        /// In a sentence.
        message: String,
    },
    /// A time came.
    TimerDue {
        /// Which timer.
        timer: Timer,
        /// For which step; absent for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// The change, or putting it back.
        #[serde(default = "side_do")]
        side: Side,
    },
    /// Actions were started and have no definite answer.
    InDoubt {
        /// Of which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Their places in the plan.
        actions: Vec<u32>,
        /// In a sentence: crash, trap, deadline, lost answer.
        cause: String,
        /// The engine stopped in the middle: nobody was there for the answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        died: bool,
        /// What the plugin says; it cannot end the doubt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Box<Outcome>>,
    },
    /// It is known now.
    DoubtSettled {
        /// Of which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// By what.
        settler: Settler,
        /// Whether the actions in doubt took effect.
        happened: bool,
        /// Whether the step goes on.
        go_on: bool,
    },
    /// A plan of the way back passed the gate's check.
    UndoPlanned {
        /// Which step.
        step: StepId,
        /// The plan.
        plan: Box<CheckedPlan>,
        /// What a decision is about.
        digest: PlanDigest,
        /// The plan just before it is applied: how it compares with the one before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fresh: Option<Comparison>,
        /// Whether a decision that was made covers it.
        covered: bool,
    },
    /// A change is to be put back.
    UndoStarted {
        /// Which step.
        step: StepId,
        /// Why.
        #[serde(flatten)]
        reason: UndoReason,
    },
    /// It was put back.
    StepUndone {
        /// Which step.
        step: StepId,
    },
    /// It was not, or not wholly, put back. The run escalates, unless it will be tried again by itself.
    UndoFailed {
        /// Which step.
        step: StepId,
        /// In a sentence.
        message: String,
        /// It is tried again as soon as the alerts are resolved and the checks held.
        #[serde(default)]
        again: bool,
    },
    /// Somebody was told.
    EscalationSent {
        /// Through which `[[escalation]]`, from 0.
        notice: u32,
        /// Of how many reasons, counted from the run's start.
        reasons: u32,
        /// What they were told.
        message: String,
    },
    /// They could not be told this way.
    EscalationFailed {
        /// Through which `[[escalation]]`, from 0.
        notice: u32,
        /// Of how many reasons.
        reasons: u32,
        /// Why not.
        failure: Failure,
    },
    /// A person stopped the run.
    RunCancelled {
        /// Who.
        by: String,
        /// What becomes of what was changed.
        then: OnCancel,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The run is over. Only alerts of its episode are recorded after it, unless a person has it opened again.
    RunClosed {
        /// How it ended.
        ending: Ending,
        /// In a sentence.
        summary: String,
    },
    /// A person wants changes put back after the run was closed. It is open for that alone, and ends as it had ended.
    RunReopened {
        /// Who.
        by: String,
    },
}

fn side_do() -> Side {
    Side::Do
}

/// Which wait for the disk an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Barrier {
    /// None: it joins the next commit. A read that is lost is repeated.
    None,
    /// What comes after it waits until it is on the disk.
    Durable,
}

impl EventKind {
    /// Before the 202 of an alert; before an action is sent and after its answer; before a question is posted; before a
    /// person is told that what they said counts.
    pub fn barrier(&self) -> Barrier {
        match self {
            Self::RunOpened(_)
            | Self::ActionStarted { .. }
            | Self::ActionEnded { .. }
            | Self::DecisionAsked { .. }
            | Self::DecisionGiven { .. }
            | Self::DecisionRefused { .. }
            | Self::RunCancelled { .. }
            | Self::RunReopened { .. }
            | Self::DoubtSettled {
                settler: Settler::Person { .. },
                ..
            }
            | Self::StepAnswered { by: Some(_), .. }
            | Self::UndoStarted {
                reason: UndoReason::Command { .. },
                ..
            } => Barrier::Durable,
            _ => Barrier::None,
        }
    }

    /// The check or step that it is about.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepStarted { step, .. }
            | Self::StepAnswered { step, .. }
            | Self::StepSkipped { step, .. }
            | Self::StepPlanned { step, .. }
            | Self::DecisionAsked { step, .. }
            | Self::DecisionPosted { step, .. }
            | Self::DecisionGiven { step, .. }
            | Self::DecisionRefused { step, .. }
            | Self::DecisionExpired { step, .. }
            | Self::LockTaken { step, .. }
            | Self::LockReleased { step, .. }
            | Self::ActionStarted { step, .. }
            | Self::ActionEnded { step, .. }
            | Self::StepApplied { step, .. }
            | Self::StepVerified { step, .. }
            | Self::AttemptFailed { step, .. }
            | Self::StepFailed { step, .. }
            | Self::InDoubt { step, .. }
            | Self::DoubtSettled { step, .. }
            | Self::UndoPlanned { step, .. }
            | Self::UndoStarted { step, .. }
            | Self::StepUndone { step }
            | Self::UndoFailed { step, .. } => Some(step),
            Self::GuardrailBlocked { step, .. }
            | Self::BudgetReserved { step, .. }
            | Self::BudgetReturned { step, .. }
            | Self::TimerDue { step, .. } => step.as_ref(),
            Self::RunOpened(_)
            | Self::AlertRepeated { .. }
            | Self::AlertResolved { .. }
            | Self::EscalationSent { .. }
            | Self::EscalationFailed { .. }
            | Self::NoticePosted { .. }
            | Self::RunCancelled { .. }
            | Self::RunClosed { .. }
            | Self::RunReopened { .. } => None,
        }
    }
}
