//! What a question looks like, wherever it is put: made from the run as it is now, so that a message that was posted can
//! follow it. What the host knows comes first; what the plugin says comes last, labelled.

use serde::Serialize;
use stanch_contract::{RunId, StepId, Timestamp, text};
use stanch_run::Side;
use stanch_runbook::model::Severity;

use super::matter::{About, Matter};
use crate::config::settings::Server;
use crate::control::types::{
    CheckState, CheckView, DecisionView, PlanView, QuestionView, RunView, StepView, Tone, WorkerView,
};
use crate::report::plan::{touches, undone, where_and_how, who};
use crate::report::words;

/// Actions that are named; the plan has the rest.
const ACTIONS: usize = 5;
/// Checks that are shown.
const CHECKS: usize = 8;
/// Characters of one line.
const LINE: usize = 240;

/// A question, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// The run.
    pub run: RunId,
    /// The check or step; absent where it is about the run as a whole.
    pub step: Option<StepId>,
    /// How bad it is.
    pub severity: Severity,
    /// The runbook's title.
    pub title: String,
    /// What it means for users.
    pub impact: String,
    /// The question.
    pub ask: String,
    /// Whether it is still one.
    pub standing: Standing,
    /// The checklist: `yes`, `no`, `unknown`, the question and the answer with its numbers.
    pub found: Vec<(String, String)>,
    /// What is known of the plan, labelled.
    pub facts: Vec<(&'static str, String)>,
    /// What the plugin says of it, which nobody checked: its name, and its words.
    pub says: Option<(String, String)>,
    /// The run's page, where stanch.toml says at which address people reach the engine.
    pub link: Option<String>,
}

/// Whether it can be answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Standing {
    /// It waits for an answer.
    Open {
        /// To this plan.
        digest: String,
        /// Until then.
        expires: Timestamp,
    },
    /// It waits for a person to do or say something else than to decide on a plan.
    Waits {
        /// Until then.
        until: Option<Timestamp>,
        /// What can be pressed.
        press: Vec<Press>,
        /// Commands that say it.
        how: Vec<String>,
    },
    /// It does not any more.
    Over {
        /// What became of it, in a line.
        what: String,
        /// How that is to be taken.
        tone: Tone,
    },
}

/// What can be pressed besides yes and no to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Press {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It cannot be found out.
    Unknown,
    /// It was done.
    Done,
    /// It was not done.
    NotDone,
}

impl Card {
    /// Of this question or notice of a run; nothing where the run has no such step. `server` says where its page is.
    pub(super) fn of(run: &RunView, matter: &Matter, server: &Server) -> Option<Self> {
        let About::Plan(id, side) = &matter.about else {
            return super::notice::card(run, matter, server);
        };
        let step = run.step(id)?;
        let undo = *side == Side::Undo;
        let question = step.question.as_ref().filter(|question| question.undo == undo);
        let question = question.filter(|_| matter.open.is_some());
        let plan = if undo { &step.undo_plan } else { &step.plan };
        let digest = matter.open.as_ref().and_then(|open| open.digest.clone());
        let standing = match (question, digest) {
            (Some(question), Some(digest)) => Standing::Open {
                digest,
                expires: question.expires_at,
            },
            _ => over(step, matter, undo),
        };
        let ask = match question {
            Some(question) => question.ask.clone(),
            None if undo => format!("Put back what this step did: {}?", step.what),
            None => step.what.clone(),
        };
        Some(Self {
            run: run.summary.id.clone(),
            step: Some(step.id.clone()),
            severity: run.summary.severity,
            title: line(&run.summary.title),
            impact: line(&run.impact),
            ask: line(&ask),
            standing,
            found: run.checklist.iter().take(CHECKS).filter_map(found).collect(),
            facts: plan
                .as_ref()
                .map(|plan| facts(step, plan, question, undo))
                .unwrap_or_default(),
            says: plan.as_ref().and_then(|plan| says(step, plan)),
            link: server.page_of(&run.summary.id),
        })
    }

    /// One line: for a notification, and for a channel that takes no more.
    pub fn headline(&self) -> String {
        let (severity, _) = words::severity(self.severity);
        match &self.standing {
            Standing::Open { .. } | Standing::Waits { .. } => {
                format!("[{severity}] {}: {}", self.title, self.ask)
            }
            Standing::Over { what, .. } => format!("[{severity}] {}: {}: {what}", self.title, self.ask),
        }
    }

    /// All of it as plain text.
    pub fn text(&self) -> String {
        let mut lines = vec![self.impact.clone()];
        lines.extend(
            self.found
                .iter()
                .map(|(verdict, text)| format!("{verdict}: {text}")),
        );
        lines.extend(self.facts.iter().map(|(label, text)| format!("{label}: {text}")));
        if let Some((plugin, words)) = &self.says {
            lines.push(format!(
                "What `{plugin}` says of it (nobody checked this): {words}"
            ));
        }
        lines.extend(self.link.clone());
        match (&self.standing, &self.step) {
            (Standing::Open { digest, .. }, Some(step)) => {
                let run = &self.run;
                lines.push(format!("stanch approve {run} {step} --digest {digest}"));
                lines.push(format!("stanch deny {run} {step}"));
            }
            (Standing::Waits { how, .. }, _) => lines.extend(how.iter().cloned()),
            _ => {}
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }
}

pub(super) fn line(text: &str) -> String {
    text::clean_line_to(text, LINE)
}

/// What became of a question that is over, and of what it was about.
fn over(step: &StepView, matter: &Matter, undo: bool) -> Standing {
    if !matter.last {
        return Standing::Over {
            what: "the plan changed: asked again with the new one".to_owned(),
            tone: Tone::Attention,
        };
    }
    let said = |decision: &&DecisionView| decision.undo == undo && decision.at >= matter.asked;
    let decisions: Vec<&DecisionView> = step.decisions.iter().filter(said).collect();
    let (word, tone) = over_of_step(step);
    let no = decisions.iter().find(|decision| !decision.yes);
    let what = match no {
        Some(no) => {
            let because = no
                .reason
                .as_deref()
                .map_or_else(String::new, |why| format!(": {why}"));
            format!("denied by {}{because}", no.by)
        }
        None if decisions.is_empty() => word,
        None => {
            let by: Vec<&str> = decisions.iter().map(|decision| decision.by.as_str()).collect();
            format!("approved by {} → {word}", by.join(", "))
        }
    };
    Standing::Over {
        what: line(&what),
        tone,
    }
}

/// How a step stands, in a line.
pub(super) fn over_of_step(step: &StepView) -> (String, Tone) {
    let (word, tone) = words::step(&step.state);
    let why = step.state.why().filter(|why| !why.is_empty());
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    (format!("{word}{why}"), tone)
}

pub(super) fn found(check: &CheckView) -> Option<(String, String)> {
    let (verdict, _) = words::check(&check.state);
    let (summary, numbers) = match &check.state {
        CheckState::Answered { finding } => {
            let numbers: Vec<String> = finding.evidence.iter().take(3).map(words::evidence).collect();
            (finding.summary.clone(), numbers)
        }
        CheckState::Failed { failure } => (failure.message.clone(), Vec::new()),
        _ => return None,
    };
    let mut text = check.ask.clone();
    for part in std::iter::once(summary)
        .chain(numbers)
        .filter(|part| !part.is_empty())
    {
        text.push_str(" · ");
        text.push_str(&part);
    }
    Some((verdict.to_owned(), line(&text)))
}

fn facts(
    step: &StepView,
    plan: &PlanView,
    question: Option<&QuestionView>,
    undo: bool,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for view in plan.actions.iter().take(ACTIONS) {
        let action = &view.action;
        let mut text = format!("{} {}", action.verb, action.target);
        let parts = [
            ("before", &action.before),
            ("to", &action.content),
            ("server's dry run", &action.dry_run),
        ];
        for (label, part) in parts {
            if let Some(part) = part {
                text.push_str(&format!(" · {label} {part}"));
            }
        }
        facts.push((if undo { "Would undo" } else { "Would do" }, line(&text)));
    }
    if plan.actions.len() > ACTIONS {
        let left = u64::try_from(plan.actions.len() - ACTIONS).unwrap_or(u64::MAX);
        facts.push(("", format!("… and {} more", words::count(left, "action"))));
    }
    facts.push(("Touches", line(&touches(plan))));
    let how = where_and_how(step);
    if !how.is_empty() {
        facts.push(("How", line(&how.join("; "))));
    }
    if let Some(question) = question {
        if !undo {
            facts.push(("Undone", line(&undone(step.undo, &question.promise))));
        }
        facts.push(("Who", line(&who(question))));
    }
    facts.push(("Plan", plan.digest.digest().short()));
    facts
}

fn says(step: &StepView, plan: &PlanView) -> Option<(String, String)> {
    let WorkerView::Plugin(plugin) = &step.worker else {
        return None;
    };
    let words = line(&plan.plugin_says);
    (!words.is_empty()).then(|| (plugin.to_string(), words))
}
