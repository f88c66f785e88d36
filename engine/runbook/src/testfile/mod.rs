//! `NAME.test.toml`: the test of the runbook `NAME.toml`, as data.
//!
//! A file has one or more tests. Each says what comes in and when (alerts, decisions, answers of people), what plugins
//! answer — or what the host answers to the real plugins — and what has to come out: how each step ended, its plan, the
//! questions, who was told, the ending. Times are counted from the start of the test on a virtual clock. The file is read
//! against its runbook, so a step that is not there is an error of the file and not a test that proves nothing.

mod expect;
mod given;

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{Alert, ChangePlan, Failure, Finding, Span, StepId, Timestamp};

use crate::expr::Answer;
use crate::given::Given;
use crate::load::MOST_LONG;
use crate::load::fields::Fields;
use crate::load::node;
use crate::model::{Mode, Runbook, StepKind};
use crate::problem::{At, LoadErrors, Problems, did_you_mean};

/// When every test begins: 2026-01-01T00:00:00Z.
pub const TEST_START: Timestamp = Timestamp(1_767_225_600_000);

/// One test of a runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct RunbookTest {
    /// What it shows, in words.
    pub name: String,
    /// Instead of the runbook's own mode.
    pub mode: Option<Mode>,
    /// Started by hand with these inputs, at the beginning; absent: the alerts start it.
    pub inputs: Option<BTreeMap<String, Value>>,
    /// Alerts, by time.
    pub alerts: Vec<Timed<Alert>>,
    /// What plugins answer, by time; the latest that applies counts.
    pub answers: Vec<Timed<PluginAnswer>>,
    /// The world in which real plugins run; empty: they do not, and answer what is said.
    pub world: Given,
    /// What people do, by time.
    pub people: Vec<Timed<PersonDoes>>,
    /// What has to come out.
    pub expect: Expected,
}

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed<T> {
    /// From the start of the test.
    pub at: Span,
    /// What.
    pub what: T,
}

/// A function of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// A diagnosis plugin is asked.
    Diagnose,
    /// A remediation plugin plans.
    Plan,
    /// It applies its plan.
    Apply,
    /// It says whether that helped.
    Verify,
    /// It plans the way back.
    PlanUndo,
    /// A notification plugin tells somebody.
    Notify,
}

impl Call {
    /// All, with the words that tests use.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("diagnose", Self::Diagnose),
        ("plan", Self::Plan),
        ("apply", Self::Apply),
        ("verify", Self::Verify),
        ("plan-undo", Self::PlanUndo),
        ("notify", Self::Notify),
    ];

    /// The word that tests use.
    pub fn as_str(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, call)| *call == self);
        found.map_or("", |(word, _)| word)
    }
}

/// What a plugin answers instead of being called.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginAnswer {
    /// Whose: a check, a step, or for `notify` the plugin's key.
    pub of: String,
    /// To what.
    pub call: Call,
    /// With what.
    pub with: Answered,
}

/// A plugin's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// To diagnose and verify.
    Finding(Finding),
    /// To plan and plan-undo; and what the host would count of its population.
    Plan(ChangePlan, Option<Counted>),
    /// To apply and notify: done, with this sentence.
    Done(String),
    /// To any.
    Failure(Failure),
}

/// How many things there are like those that a plan acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// All of them.
    pub total: u32,
    /// Those that are Ready.
    pub ready: u32,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonDoes {
    /// Who: a user's name.
    pub by: String,
    /// To which check or step; absent for the run as a whole.
    pub step: Option<StepId>,
    /// What.
    pub what: Deed,
}

/// Something that a person does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// A yes to the plan.
    Approve,
    /// A no.
    Deny,
    /// A by-hand check is answered yes.
    Yes,
    /// A by-hand check is answered no.
    No,
    /// A by-hand check is answered unknown.
    Unknown,
    /// A by-hand step is done.
    Done,
    /// A by-hand step is not done.
    NotDone,
    /// A doubt is settled: it happened.
    Happened,
    /// A doubt is settled: it did not happen.
    NotHappened,
    /// `stanch undo`.
    Undo,
    /// `stanch cancel --undo`.
    CancelAndUndo,
    /// `stanch cancel --leave`.
    CancelAndLeave,
    /// `stanch pause`.
    Pause,
    /// `stanch resume`.
    Resume,
}

/// What has to come out. What is not said is not looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expected {
    /// Whether a run starts at all.
    pub runs: Option<bool>,
    /// How the run ends, such as `healed`; `open` where it has not.
    pub ending: Option<String>,
    /// Whether it is marked as escalated.
    pub escalated: Option<bool>,
    /// At most this long after the start.
    pub within: Option<Span>,
    /// How checks and steps ended.
    pub steps: BTreeMap<StepId, Answer>,
    /// What steps planned: each `VERB TARGET`, in order; `*` stands for any characters.
    pub plans: BTreeMap<StepId, Vec<String>>,
    /// The questions that people were asked, in order.
    pub questions: Option<Vec<String>>,
    /// The notification plugins that delivered something, in order.
    pub told: Option<Vec<String>>,
    /// Steps that were put back, in order.
    pub undone: Option<Vec<StepId>>,
    /// The actions that were sent, in order: each `VERB TARGET`; `*` stands for any characters.
    pub sent: Option<Vec<String>>,
    /// The files of the test's world that are there at the end, sorted; `*` stands for any characters.
    pub left: Option<Vec<String>>,
}

/// The endings of a run, and `open` for one that has not ended.
pub const ENDINGS: [&str; 9] = [
    "healed",
    "resolved-itself",
    "mitigated",
    "nothing-to-do",
    "rejected",
    "failed",
    "cancelled",
    "shadow",
    "open",
];

impl RunbookTest {
    /// Reads the tests of `runbook` from the text of `NAME.test.toml`; `path` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(path: &str, text: &str, runbook: &Runbook) -> Result<Vec<Self>, LoadErrors> {
        let mut problems = Problems::new(path, text);
        if text.len() > MOST_LONG {
            return Err(problems.whole(&format!("the file is longer than {MOST_LONG} bytes")));
        }
        let table = node::parse(text, &mut problems);
        if problems.count() > 0 {
            problems.finish()?;
            problems = Problems::new(path, text);
        }
        let mut cx = Cx { problems, runbook };
        let mut top = Fields::new(&table, &At::start(), "a test file");
        let nodes = top.tables("test", "test", &mut cx.problems);
        if nodes.is_empty() && cx.problems.count() == 0 {
            top.missing(
                "[[test]]",
                "[[test]]` with `name` and `[test.expect]",
                &mut cx.problems,
            );
        }
        let tests: Vec<Self> = nodes.iter().filter_map(|node| one(node, &mut cx)).collect();
        top.finish(&mut cx.problems);
        cx.problems.finish()?;
        Ok(tests)
    }
}

/// What is carried along while a file is read.
struct Cx<'a> {
    problems: Problems<'a>,
    runbook: &'a Runbook,
}

/// What a check or step of the runbook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A plugin answers a question.
    Asks,
    /// A person answers a question.
    AsksPerson,
    /// A plugin changes something.
    Changes,
    /// A person does something.
    ByHand,
}

impl Cx<'_> {
    fn steps(&self) -> Vec<(&StepId, Role)> {
        use crate::model::Worker::{Person, Plugin};
        let runbook = self.runbook;
        let checks = runbook
            .diagnosis
            .iter()
            .chain(&runbook.recovery.checks)
            .map(|check| {
                let role = match check.worker {
                    Plugin { .. } => Role::Asks,
                    Person => Role::AsksPerson,
                };
                (&check.id, role)
            });
        let steps = runbook.mitigation.iter().chain(&runbook.resolution).map(|step| {
            let role = match step.kind {
                StepKind::Look { .. } => Role::Asks,
                StepKind::Change(_) => Role::Changes,
                StepKind::ByHand { .. } => Role::ByHand,
            };
            (&step.id, role)
        });
        checks.chain(steps).collect()
    }

    /// The step of this id, else told.
    fn step(&mut self, id: &str, at: &At) -> Option<(StepId, Role)> {
        let found = self
            .steps()
            .into_iter()
            .find(|(known, _)| known.as_str() == id)
            .map(|(id, role)| (id.clone(), role));
        if found.is_none() {
            let help = did_you_mean(id, self.steps().iter().map(|(id, _)| id.as_str()));
            let message = format!("the runbook `{}` has no check or step `{id}`", self.runbook.name);
            self.problems.add(at, message, "not in the runbook", help);
        }
        found
    }
}

fn one(node: &node::Node<'_>, cx: &mut Cx<'_>) -> Option<RunbookTest> {
    let mut fields = Fields::of(node, "a test", &mut cx.problems)?;
    let name = fields.needed_text(
        "name",
        "name = \"a full disk is cleaned after a yes\"",
        &mut cx.problems,
    );
    let words = [("shadow", Mode::Shadow), ("ask", Mode::Ask), ("auto", Mode::Auto)];
    let mode = fields.word("mode", &words, &mut cx.problems).map(|got| got.value);
    let inputs = given::inputs(&mut fields, cx);
    let alerts = given::alerts(&mut fields, cx);
    if inputs.is_none() && alerts.is_empty() {
        let help = "add a `[[test.alert]]`, or `inputs = {}` to start it by hand".to_owned();
        cx.problems.add(
            fields.at(),
            "nothing starts a run in this test",
            "nothing comes in",
            help,
        );
    }
    let answers = given::answers(&mut fields, cx);
    let world = crate::given::read(&mut fields, "test.", &mut cx.problems);
    let people = given::people(&mut fields, cx);
    let expect = expect::expected(&mut fields, !world.files.is_empty(), cx);
    fields.finish(&mut cx.problems);
    Some(RunbookTest {
        name: name?.value.to_owned(),
        mode,
        inputs,
        alerts,
        answers,
        world,
        people,
        expect,
    })
}
