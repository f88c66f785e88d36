//! `NAME.case.toml`: what a plugin does in one world, as data.
//!
//! A case gives an alert, parameters and the world, and says what has to come out: the finding, or the plan, what applying it
//! came to and the way back, the calls at the gate, a failure. [`play`] makes the calls as the engine would and finds what
//! differs; besides, whatever the case says, a plan that is made twice in one world has to be the same, and a plugin that says
//! it is idempotent is applied twice under one key and must have no second effect.

mod play;
mod read;
mod record;
mod wrong;

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{Alert, Timestamp};
use stanch_runbook::given::Given;
use stanch_runbook::testfile::Call;
use stanch_sandbox::gate::GrantSpec;
use stanch_sandbox::{Limits, Message};

pub use play::{Played, Unplayable, play};
pub use record::{Live, Recorded, Recorder, Unrecordable};
pub use wrong::Wrong;

/// One case of one plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows, in words.
    pub name: String,
    /// What time it is at the start.
    pub now: Timestamp,
    /// The parameters.
    pub params: Value,
    /// The operator's settings.
    pub settings: Value,
    /// What a call may use.
    pub limits: Limits,
    /// What the operator lets it do; absent: what its manifest asks for.
    pub grant: Option<GrantSpec>,
    /// The cluster that it is about.
    pub on: Option<String>,
    /// The alerts of the run, the first first.
    pub alerts: Vec<Alert>,
    /// What a notification plugin tells.
    pub message: Message,
    /// The world beyond the gate.
    pub world: Given,
    /// What has to come out.
    pub expect: Expect,
}

/// What has to come out. What is not said is not looked at. Values are compared as [`crate::like`] says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// Of a diagnosis.
    pub finding: Option<Value>,
    /// Of a remediation, as the gate has it.
    pub plan: Option<Value>,
    /// Of applying the plan.
    pub outcome: Option<Value>,
    /// Of verify, after that.
    pub verify: Option<Value>,
    /// The plan of the way back, after that; it is applied, too.
    pub undo: Option<Value>,
    /// A call fails.
    pub failure: Option<ExpectedFailure>,
    /// A notification is delivered.
    pub told: bool,
    /// Which calls at the gate each function makes, in order: `VERB TARGET`, `refused VERB TARGET`; `*` for any characters.
    pub calls: BTreeMap<Call, Vec<String>>,
    /// The actions that are sent, those of the way back too, in order: `VERB TARGET`; `*` for any characters.
    pub sent: Option<Vec<String>>,
    /// The files of the world that are there at the end, sorted; `*` for any characters.
    pub left: Option<Vec<String>>,
}

/// A failure that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedFailure {
    /// Of which function.
    pub of: Call,
    /// Its `code` and `message`.
    pub is: Value,
}

impl Expect {
    /// Whether the plan is applied: where anything is said of what comes after it.
    fn applies(&self) -> bool {
        let after = |call: &Call| matches!(call, Call::Apply | Call::Verify | Call::PlanUndo);
        self.outcome.is_some()
            || self.verify.is_some()
            || self.undo.is_some()
            || self.sent.is_some()
            || self.left.is_some()
            || self.calls.keys().any(after)
            || self.failure.as_ref().is_some_and(|failure| after(&failure.of))
    }

    /// Whether this function's result is looked at.
    fn looks_at(&self, call: Call, said: Option<&Value>) -> bool {
        said.is_some()
            || self.calls.contains_key(&call)
            || self.failure.as_ref().is_some_and(|failure| failure.of == call)
    }
}
