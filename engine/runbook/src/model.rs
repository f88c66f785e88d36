//! A runbook that was checked: what the loader makes of the TOML, what runs and pages are made from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Digest, PluginKey, Rate, Share, Span, StepId};

use crate::channel::Channel;
use crate::expr::{Expr, Params, Template};
use crate::matcher::Matcher;

/// How much a runbook may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Plan and record, never act.
    Shadow,
    /// A person decides on each change.
    #[default]
    Ask,
    /// Acts by itself, asks only where a step has an approval.
    Auto,
}

/// How bad it is for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody notices.
    Low,
    /// Some notice.
    Medium,
    /// Many notice.
    High,
    /// It is down.
    Critical,
}

/// The two phases that may change the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChangePhase {
    /// Stop the bleeding.
    Mitigation,
    /// Fix the root cause.
    Resolution,
}

/// A checked runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// kebab-case, unique, the same as the file's name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Who owns it.
    pub owner: String,
    /// The team of its folder.
    pub team: String,
    /// The runbook's own mode, already limited to the folder's `max_mode`.
    pub mode: Mode,
    /// Of its [`crate::RunbookSource`].
    pub digest: Digest,
    /// `[vars]` of stanch.toml as pinned.
    pub vars: Value,
    /// When it applies; without one it is started by hand only.
    pub trigger: Option<Trigger>,
    /// What it is asked for, or takes from the alert.
    pub inputs: Vec<Input>,
    /// What it means for users.
    pub impact: Impact,
    /// Pages a person would open.
    pub links: Vec<Link>,
    /// The checklist.
    pub diagnosis: Vec<Check>,
    /// Stop the bleeding, in order.
    pub mitigation: Vec<Step>,
    /// Fix the root cause, in order.
    pub resolution: Vec<Step>,
    /// When it is over.
    pub recovery: Recovery,
    /// Who is told when it goes wrong, in order until one is delivered.
    pub escalation: Vec<Notice>,
    /// On top of the engine's own.
    pub guardrails: Guardrails,
    /// The file it was read from, for people.
    pub path: String,
    /// Every value that has a default, and where it comes from.
    pub settings: Vec<Setting>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The runbook's file.
    Runbook,
    /// The defaults of its folder, in stanch.toml.
    Folder,
    /// The engine's default.
    Engine,
}

/// A value that applies, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The key, such as `mitigation.reroute.approval.quorum`.
    pub key: String,
    /// The value, as a runbook would write it.
    pub value: String,
    /// Where it comes from.
    pub from: Origin,
}

/// When a runbook applies.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Alert names; one of them.
    pub alerts: Vec<String>,
    /// Matchers on labels; all of them.
    pub matchers: Vec<Matcher>,
    /// A further condition.
    pub when: Option<Expr>,
    /// One run for all alerts alike in these labels; empty: one for each alert.
    pub group_by: Vec<String>,
    /// Still firing after this long.
    pub after: Option<Span>,
    /// Begins only after so many firings of the group key.
    pub at_least: Option<AtLeast>,
    /// Still firing this long after the run closed: another run. Absent: never.
    pub again: Option<Span>,
}

/// So many firings of one group key in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast {
    /// How many; at least 2.
    pub count: u32,
    /// In how long; more than nothing.
    pub within: Span,
}

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// true or false.
    Boolean,
}

/// Something a runbook is told when it starts.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name: `inputs.NAME`.
    pub name: String,
    /// Its type.
    pub kind: InputType,
    /// Where it comes from when an alert starts the run.
    pub from: Option<Expr>,
    /// What it is where nothing gives it.
    pub default: Option<Value>,
    /// Who may see it: names, or `group:NAME`. Absent: everybody.
    pub visible_to: Option<Vec<String>>,
}

/// What it means for users.
#[derive(Debug, Clone)]
pub struct Impact {
    /// How bad.
    pub severity: Severity,
    /// In words.
    pub summary: String,
}

/// A page a person would open.
#[derive(Debug, Clone)]
pub struct Link {
    /// What it shows.
    pub title: String,
    /// Where, with outside values escaped for a URL.
    pub url: Template,
}

/// Who does it.
#[derive(Debug, Clone)]
pub enum Worker {
    /// A plugin, with these parameters.
    Plugin {
        /// The operator's key.
        uses: PluginKey,
        /// The parameters, to be evaluated.
        with: Params,
    },
    /// A person.
    Person,
}

/// A question, answered yes, no or unknown; changes nothing.
#[derive(Debug, Clone)]
pub struct Check {
    /// `diagnosis.ID`.
    pub id: StepId,
    /// The question.
    pub ask: String,
    /// Who answers.
    pub worker: Worker,
    /// The cluster that it looks at.
    pub on: Option<String>,
    /// How a person does it.
    pub by_hand: Option<String>,
    /// Checks that must have been answered before (explicitly, or because its parameters read them).
    pub needs: Vec<StepId>,
}

impl Runbook {
    /// Every plugin that its checks, steps and verifications call, each once: what a run pins.
    pub fn calls(&self) -> BTreeSet<&PluginKey> {
        fn of(worker: &Worker) -> Option<&PluginKey> {
            match worker {
                Worker::Plugin { uses, .. } => Some(uses),
                Worker::Person => None,
            }
        }
        let checks = self.diagnosis.iter().chain(&self.recovery.checks);
        let mut found: BTreeSet<&PluginKey> = checks.filter_map(|check| of(&check.worker)).collect();
        for step in self.mitigation.iter().chain(&self.resolution) {
            match &step.kind {
                StepKind::Look { worker, .. } => found.extend(of(worker)),
                StepKind::Change(change) => {
                    found.insert(&change.uses);
                    found.extend(change.verify.also.as_ref().map(|(uses, _)| uses));
                }
                StepKind::ByHand { .. } => {}
            }
        }
        found
    }

    /// Every plugin that it names: those that it calls, and those that tell people.
    pub fn uses(&self) -> BTreeSet<&PluginKey> {
        let mut found = self.calls();
        found.extend(self.escalation.iter().map(|notice| &notice.uses));
        let steps = self.mitigation.iter().chain(&self.resolution);
        found.extend(
            steps
                .flat_map(|step| &step.channels)
                .filter_map(|channel| match channel {
                    Channel::Plugin { key, .. } => Some(key),
                    Channel::Slack { .. } => None,
                }),
        );
        found
    }
}

/// One step of mitigation or resolution.
#[derive(Debug, Clone)]
pub struct Step {
    /// `mitigation.ID` or `resolution.ID`.
    pub id: StepId,
    /// Only where this holds.
    pub when: Option<Expr>,
    /// What it is.
    pub kind: StepKind,
    /// The cluster that it acts on or looks at.
    pub on: Option<String>,
    /// How a person does it without the engine.
    pub by_hand: Option<String>,
    /// Whether the run goes on after a failure.
    pub on_failure: OnFailure,
    /// Tries where nothing was changed, or what was is repeat-safe.
    pub retry: Option<Retry>,
    /// How long it waits for a by-hand check that its `when` reads: the `expires` that applies to it.
    pub waits: Span,
    /// Where people are asked about it and told of it, before those of stanch.toml; the first first.
    pub channels: Vec<Channel>,
}

/// The kinds of step.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// `ask`: looks only, between changes.
    Look {
        /// The question.
        ask: String,
        /// Who answers.
        worker: Worker,
    },
    /// `do` with `uses`: a change by a plugin.
    Change(Box<Change>),
    /// `do` without `uses`: a person does it and says done or not done.
    ByHand {
        /// What to do.
        what: String,
        /// The approval's `expires` is how long an answer is waited for.
        expires: Span,
        /// It is to be done also where the alert is resolved before that.
        after_resolved: bool,
    },
}

/// A change by a plugin.
#[derive(Debug, Clone)]
pub struct Change {
    /// What it does, for people.
    pub what: String,
    /// The plugin.
    pub uses: PluginKey,
    /// Its parameters.
    pub with: Params,
    /// Limits within the operator's ceilings.
    pub limits: Limits,
    /// A few targets at a time.
    pub batch: Option<Batch>,
    /// In stages, instead of all at once; `with` is then the list of the stages' parameters.
    pub ramp: Option<Ramp>,
    /// When it is undone.
    pub undo: Undo,
    /// Who is asked; absent in `auto` where the step names none.
    pub approval: Option<Approval>,
    /// How it is found out whether it helped.
    pub verify: Verify,
}

/// A few targets of the plan at a time, each few applied and verified before the next. One decision covers all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Distinct targets of one batch; at least 1.
    pub size: u32,
    /// Time between a batch that was verified and the next.
    pub hold: Span,
}

/// Stages of one change, each planned, applied, held and verified before the next. One decision covers all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// How many; at least 2.
    pub stages: usize,
    /// Time between a stage that was applied and its verify.
    pub hold: Span,
}

/// What a failure of a step does to the run. It always escalates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The later steps are skipped.
    #[default]
    Stop,
    /// They are not.
    Continue,
}

/// How often a step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Further tries after the first.
    pub times: u32,
    /// Time between them.
    pub every: Span,
}

/// A runbook's own limits of one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Distinct things acted on.
    pub targets: Option<u32>,
    /// Share of the population.
    pub share: Option<Share>,
}

/// When a change is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undo {
    /// When the step fails after something was changed.
    pub on_failure: bool,
    /// When the alerts are resolved and the recovery checks held.
    pub when_resolved: bool,
}

/// A question to people.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What they are asked.
    pub ask: String,
    /// `group:NAME` or a user's name; empty: whoever has role approver or more.
    pub from: Vec<String>,
    /// How many distinct people; at least 1.
    pub quorum: u32,
    /// No answer by then is a no.
    pub expires: Span,
}

/// How it is found out whether a change helped.
#[derive(Debug, Clone)]
pub struct Verify {
    /// Whether the plugin's own verify is asked (it is, unless its manifest says that it cannot, or `verify = "none"`).
    pub own: bool,
    /// Besides: a diagnosis plugin that must answer yes.
    pub also: Option<(PluginKey, Params)>,
    /// The cluster that the other plugin looks at: the step's own where it names none.
    pub on: Option<String>,
    /// For at most this long.
    pub within: Span,
    /// This often.
    pub every: Span,
}

/// When a run is over.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// Alerts resolved and checks yes for this long without a break.
    pub stable_for: Span,
    /// Then escalate, undo nothing, stay open.
    pub give_up_after: Span,
    /// Must be yes for the whole of `stable_for`.
    pub checks: Vec<Check>,
    /// `trust = "alert"`: the alert alone is believed.
    pub trust_alert: bool,
}

/// A message through a notification plugin.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The plugin.
    pub uses: PluginKey,
    /// Its parameters.
    pub with: Params,
}

/// What a runbook adds to the engine's guardrails.
#[derive(Debug, Clone)]
pub struct Guardrails {
    /// One change at a time for one key, across all runbooks that name it.
    pub lock: Option<Template>,
    /// Between runs that changed something under this lock (under the runbook and group key where there is no lock).
    pub cooldown: Option<Span>,
    /// Runs that may change something.
    pub rate: Option<Rate>,
    /// What is older is looked at again before the first action.
    pub fresh: Span,
}
