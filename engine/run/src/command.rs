//! What the executor is to do for a run. Derived from the state alone; a command that is no longer among a run's commands
//! is no longer wanted. Commands have keys, so that the executor knows which it has begun already.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{AttemptMade, CheckedPlan, IdempotencyKey, PluginKey, StepId};

use crate::ledger::Claim;
use crate::words::Side;

/// What a command is for; with the turn it is the same only for the same command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// A check or look.
    Look,
    /// A plan.
    Plan,
    /// The plan just before apply.
    Fresh,
    /// Apply.
    Apply,
    /// The plugin's own verify.
    Own,
    /// The `verify.uses` besides.
    Also,
    /// Whether a guardrail is in the way.
    Consult,
    /// Locks and budgets.
    Claim,
}

/// Which command it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Of which check or step.
    pub step: StepId,
    /// The change, or putting it back.
    pub side: Side,
    /// What for.
    pub slot: Slot,
    /// Counts up with every turn that the step takes.
    pub turn: u32,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask the ledger for a place among the runbook's open runs. Answered by [`crate::Input::Entered`].
    Enter,
    /// Ask the ledger whether this claim would be granted. Answered by [`crate::Input::Consulted`].
    Consult(Key, Box<Claim>),
    /// Ask the ledger for it. Answered by [`crate::Input::Claimed`], with what is in the way as often as that changes.
    Claim(Key, Box<Claim>),
    /// Call a plugin. Answered by [`crate::Input::Called`].
    Call(Box<PluginCall>),
    /// Tell people. Answered by [`crate::Input::Told`].
    Notify(Box<Notify>),
}

/// A call of a plugin at the version that the run pins.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginCall {
    /// Of the command.
    pub key: Key,
    /// Which plugin.
    pub plugin: PluginKey,
    /// The cluster that it is about.
    pub on: Option<String>,
    /// Its parameters.
    pub params: Value,
    /// From 1.
    pub attempt: u32,
    /// The same for every attempt at one application.
    pub idempotency: IdempotencyKey,
    /// Which function.
    pub call: Call,
}

/// The functions of plugins.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A diagnosis plugin's question.
    Diagnose,
    /// A plan, to be checked by the gate.
    Plan,
    /// Exactly this plan.
    Apply(Box<ApplyCall>),
    /// Whether it holds.
    Verify(Box<AttemptMade>),
    /// The way back from this, to be checked by the gate.
    PlanUndo(Box<AttemptMade>),
}

/// An apply.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplyCall {
    /// The plan.
    pub plan: CheckedPlan,
    /// What is known of its actions from earlier attempts: their state, and the gate's form of the answer. An action in
    /// doubt is among them only where it is repeat-safe.
    pub earlier: Vec<(u32, stanch_contract::ActionState, Option<Vec<u8>>)>,
}

/// A message through a notification plugin, at the version loaded now.
#[derive(Debug, Clone, PartialEq)]
pub struct Notify {
    /// Through which `[[escalation]]`, from 0.
    pub notice: u32,
    /// Counts the attempts at telling.
    pub attempt: u32,
    /// Of how many reasons.
    pub reasons: u32,
    /// Which plugin.
    pub plugin: PluginKey,
    /// Its parameters, or why they have no value.
    pub params: Result<Value, String>,
    /// One line.
    pub title: String,
    /// What happened, plain text.
    pub text: String,
    /// The runbook's impact: low, medium, high, critical.
    pub severity: String,
    /// The run's report.
    pub report: Value,
}

impl Command {
    /// What tells it from other commands of the run.
    pub fn id(&self) -> CommandId {
        match self {
            Self::Enter => CommandId::Enter,
            Self::Consult(key, _) | Self::Claim(key, _) => CommandId::Step(key.clone()),
            Self::Call(call) => CommandId::Step(call.key.clone()),
            Self::Notify(notify) => CommandId::Notify(notify.reasons, notify.attempt),
        }
    }
}

/// See [`Command::id`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandId {
    /// [`Command::Enter`].
    Enter,
    /// Of a step.
    Step(Key),
    /// [`Command::Notify`]: of how many reasons, which attempt.
    Notify(u32, u32),
}
