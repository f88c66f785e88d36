//! A run, as a person looks at it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{
    ActionState, AlertStatus, CanonicalAction, Digest, Failure, Finding, Outcome, PlanDigest, PluginKey,
    Population, RunId, Span, StepId, Timestamp, Verdict,
};
use stanch_runbook::model::{ChangePhase, Mode, Severity};
use stanch_sandbox::LogLevel;

pub use stanch_run::{BatchView, Ending, Phase, RampView};

/// One line of the list of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it only looks and plans.
    pub shadow: bool,
    /// Where it is.
    pub phase: Phase,
    /// How it ended; absent while it is open.
    pub ending: Option<Ending>,
    /// Whether people were called.
    pub escalated: bool,
    /// Whether it waits for a person.
    pub needs_person: bool,
    /// In a few words: what it waits for, what it does, or how it ended.
    pub note: String,
    /// What its alerts have in common, as `label=value`; the fingerprint where nothing groups them.
    pub group: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// One alert of the run's episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertView {
    /// Its name.
    pub name: String,
    /// Stable identity.
    pub fingerprint: String,
    /// As last told.
    pub status: AlertStatus,
    /// When it began to fire, as the sender wrote it.
    pub starts_at: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Who answers or does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerView {
    /// A plugin.
    Plugin(PluginKey),
    /// A person.
    Person,
}

/// How far a check has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CheckState {
    /// What it needs has no answer yet.
    Waiting,
    /// A plugin is looking, or a person is asked.
    Asked,
    /// It has an answer.
    Answered {
        /// Yes, no or unknown, and what it rests on.
        finding: Finding,
    },
    /// It could not be asked or did not answer; counts as unknown.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It was not asked.
    Skipped {
        /// Why.
        why: String,
    },
}

impl CheckState {
    /// The answer, where there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Answered { finding } => Some(finding.verdict),
            Self::Failed { .. } => Some(Verdict::Unknown),
            _ => None,
        }
    }
}

/// One question of the checklist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckView {
    /// Its id.
    pub id: StepId,
    /// The question.
    pub ask: String,
    /// Who answers.
    pub worker: WorkerView,
    /// How a person finds out.
    pub by_hand: Option<String>,
    /// How far it is.
    #[serde(flatten)]
    pub state: CheckState,
    /// The person who answered.
    pub by: Option<String>,
    /// When it was answered.
    pub at: Option<Timestamp>,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// Its plan is made.
    Planning,
    /// A guardrail holds it; planned again every minute.
    Held {
        /// Which one, with the numbers.
        why: String,
    },
    /// People are asked, or it is to be done by hand, or a look is under way.
    Asked,
    /// It waits for a lock.
    Locking {
        /// The lock and its holder.
        why: String,
    },
    /// A pause keeps it.
    Paused {
        /// The pause's scope and reason.
        why: String,
    },
    /// Its actions are sent.
    Applying,
    /// Did it help?
    Verifying,
    /// A batch was verified; the next waits.
    BetweenBatches {
        /// Until then.
        at: Timestamp,
    },
    /// A stage was applied; it is verified after this.
    Holding {
        /// Until then.
        at: Timestamp,
    },
    /// It waits before another try.
    Retrying {
        /// When.
        at: Timestamp,
        /// Why the try before failed.
        why: String,
    },
    /// A look has its answer.
    Answered {
        /// The answer.
        finding: Finding,
    },
    /// It was done and verified.
    Done,
    /// Nothing had to be changed.
    NothingToDo,
    /// Planned only (shadow).
    Planned,
    /// Not done: its condition, the end of the alert, an earlier failure.
    Skipped {
        /// Why.
        why: String,
    },
    /// A person said no, or nobody said yes in time.
    Rejected {
        /// Who, or that nobody did.
        why: String,
    },
    /// It failed.
    Failed {
        /// Why.
        why: String,
    },
    /// An action was started and has no definite answer.
    InDoubt {
        /// What is known.
        why: String,
        /// Whether a person is asked to settle it.
        person: bool,
    },
    /// The way back is being made.
    Undoing,
    /// It was put back.
    Undone {
        /// Whether all is known to be as before.
        #[serde(default)]
        why: String,
    },
    /// The way back failed.
    UndoFailed {
        /// Why.
        why: String,
    },
}

impl StepState {
    /// Why it is so, where that is said.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Held { why }
            | Self::Locking { why }
            | Self::Paused { why }
            | Self::Skipped { why }
            | Self::Rejected { why }
            | Self::Failed { why }
            | Self::InDoubt { why, .. }
            | Self::Undone { why }
            | Self::UndoFailed { why }
            | Self::Retrying { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepKindView {
    /// It looks only.
    Look,
    /// A plugin changes something.
    Change,
    /// A person changes something.
    ByHand,
}

/// One action of a plan and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActionView {
    /// What the host would send.
    #[serde(flatten)]
    pub action: CanonicalAction,
    /// It is being sent, and the answer has not come yet.
    pub sending: bool,
    /// What became of it.
    pub progress: ActionState,
}

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanView {
    /// What a decision is about.
    pub digest: PlanDigest,
    /// What would be or was done, in order. Empty: nothing to do.
    pub actions: Vec<ActionView>,
    /// Distinct things acted on.
    pub targets: u32,
    /// Members acted on (files).
    pub items: u64,
    /// Their bytes, where the host knows.
    pub bytes: Option<u64>,
    /// The things like those acted on, as the host counted them.
    pub population: Option<Population>,
    /// The parameters, evaluated.
    pub params: Value,
    /// The plugin's own sentence: not checked by anybody.
    pub plugin_says: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// When a change is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UndoPromise {
    /// The plugin knows the way back.
    pub possible: bool,
    /// When the step fails after something was changed.
    pub on_failure: bool,
    /// When the alerts are resolved and the recovery checks held.
    pub when_resolved: bool,
}

/// An open question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuestionView {
    /// In the runbook's words.
    pub ask: String,
    /// What a yes is about.
    pub digest: PlanDigest,
    /// Whether it is about the way back.
    pub undo: bool,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// No answer by then is a no.
    pub expires_at: Timestamp,
    /// `group:NAME` or a user's name; empty: whoever has role approver or more.
    pub from: Vec<String>,
    /// How many distinct people must say yes.
    pub quorum: u32,
    /// What will be put back and when, which the yes covers; empty where nothing will.
    pub promise: String,
    /// Who must not decide: who asked for the run.
    pub except: Option<String>,
    /// Who has said yes to this digest.
    pub yes: Vec<String>,
}

/// A decision that counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DecisionView {
    /// Who.
    pub by: String,
    /// Yes or no.
    pub yes: bool,
    /// About which plan; absent where a no was to whatever was asked.
    pub digest: Option<PlanDigest>,
    /// About the way back.
    pub undo: bool,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepView {
    /// Its id.
    pub id: StepId,
    /// Its phase.
    pub phase: ChangePhase,
    /// What it is.
    pub kind: StepKindView,
    /// What it does or asks, in the runbook's words.
    pub what: String,
    /// Who does it.
    pub worker: WorkerView,
    /// Its condition, as the runbook writes it.
    pub when: Option<String>,
    /// How a person does it without the engine.
    pub by_hand: Option<String>,
    /// How far it is.
    #[serde(flatten)]
    pub state: StepState,
    /// The cluster that it acts on or looks at.
    #[serde(default)]
    pub on: Option<String>,
    /// How far it is, where it acts on a few targets at a time.
    #[serde(default)]
    pub batch: Option<BatchView>,
    /// How far its stages are.
    #[serde(default)]
    pub ramp: Option<RampView>,
    /// 1 for the first attempt; 0 before.
    pub attempt: u32,
    /// What would be or was done.
    pub plan: Option<PlanView>,
    /// What people are asked now.
    pub question: Option<QuestionView>,
    /// Decisions so far.
    pub decisions: Vec<DecisionView>,
    /// When it is put back.
    pub undo: UndoPromise,
    /// What the plugin said of what it did.
    pub outcome: Option<Outcome>,
    /// What verify said last.
    pub verified: Option<Finding>,
    /// The way back, where it was planned.
    pub undo_plan: Option<PlanView>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How far recovery is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecoveryView {
    /// Since when it waits.
    pub since: Timestamp,
    /// Since when alerts and checks hold without a break; absent: they do not.
    pub stable_since: Option<Timestamp>,
    /// For how long they must.
    pub stable_for: Span,
    /// Then people are called.
    pub give_up_at: Timestamp,
    /// The checks.
    pub checks: Vec<CheckView>,
}

/// One call out of the sandbox, as the gate recorded it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallView {
    /// When.
    pub at: Timestamp,
    /// For which check or step.
    pub step: StepId,
    /// By which plugin.
    pub plugin: PluginKey,
    /// In which of the plugin's functions: `diagnose`, `plan`, `apply`, `verify`, `plan-undo`.
    pub function: String,
    /// `http GET https://…`, `files scan scratch`.
    pub request: String,
    /// Why the gate refused; absent where it let it pass.
    pub refused: Option<String>,
    /// The answer in a few words.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
}

/// One line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogView {
    /// When the call ended that it was logged in.
    pub at: Timestamp,
    /// For which check or step.
    pub step: StepId,
    /// By which plugin.
    pub plugin: PluginKey,
    /// How much it matters, in the plugin's opinion.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

/// What an entry of the timeline is about, for its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// It is told.
    Plain,
    /// It went well.
    Good,
    /// A person is needed or has spoken.
    Attention,
    /// It went wrong.
    Bad,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// The event's name, as the journal has it.
    pub event: String,
    /// The step that it is about.
    pub step: Option<StepId>,
    /// Who did it: a person's name; absent: the engine.
    pub who: Option<String>,
    /// One sentence.
    pub text: String,
    /// How it went.
    pub tone: Tone,
}

/// A page to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LinkView {
    /// What it shows.
    pub title: String,
    /// Where.
    pub url: String,
}

/// What a run was pinned to when it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PinsView {
    /// The generation that was loaded.
    pub generation: u64,
    /// The runbook.
    pub runbook: Digest,
    /// The plugins.
    pub plugins: BTreeMap<PluginKey, Digest>,
}

/// A run, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunView {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What it means for users.
    pub impact: String,
    /// How much it may do by itself.
    pub mode: Mode,
    /// Who started it by hand; absent where an alert did.
    pub started_by: Option<String>,
    /// Who owns the runbook.
    pub owner: String,
    /// Whose folder it is in.
    pub team: String,
    /// The alerts of its episode, the first first.
    pub alerts: Vec<AlertView>,
    /// Inputs.
    pub inputs: BTreeMap<String, Value>,
    /// Pages to open.
    pub links: Vec<LinkView>,
    /// The checklist.
    pub checklist: Vec<CheckView>,
    /// Mitigation, then resolution.
    pub steps: Vec<StepView>,
    /// Recovery, once it waits there.
    pub recovery: Option<RecoveryView>,
    /// What it was pinned to.
    pub pins: PinsView,
    /// Why people were called.
    pub escalated_for: Vec<String>,
    /// Whether somebody must say what becomes of what was changed: put it back or leave it.
    pub undo_or_leave: bool,
    /// Calls out of the sandbox, oldest first.
    pub calls: Vec<CallView>,
    /// What plugins logged, oldest first.
    pub logs: Vec<LogView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// The engine's time when this was made.
    pub now: Timestamp,
}

impl RunView {
    /// The step whose question is open, the first where several are.
    pub fn asked(&self) -> Option<(&StepView, &QuestionView)> {
        self.steps
            .iter()
            .find_map(|step| step.question.as_ref().map(|question| (step, question)))
    }

    /// A step, by its id.
    pub fn step(&self, id: &StepId) -> Option<&StepView> {
        self.steps.iter().find(|step| step.id == *id)
    }
}
