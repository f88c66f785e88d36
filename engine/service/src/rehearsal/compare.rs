//! What came out beside what the test expects.

use std::collections::BTreeMap;

use stanch_contract::{CheckedPlan, StepId, text};
use stanch_run::EventKind;
use stanch_runbook::expr::Answer;
use stanch_runbook::testfile::{RunbookTest, TEST_START};

use super::Played;
use crate::report::words;

/// A sentence for each difference.
pub(super) fn differences(test: &RunbookTest, played: Option<&Played>) -> Vec<String> {
    let expected = &test.expect;
    let mut wrong = Vec::new();
    if let Some(runs) = expected.runs
        && runs != played.is_some()
    {
        let but = if runs { "no run started" } else { "a run started" };
        wrong.push(format!("`runs` is expected to be {runs}, but {but}"));
    }
    let Some(played) = played else {
        if expected.runs != Some(false) {
            wrong.push("no run started: no alert of the test fits the runbook's trigger".to_owned());
        }
        return wrong;
    };
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("`{what}` is expected to be {expected}, and is {found}"));
        }
    };
    if let Some(ending) = &expected.ending {
        let found = played.state.ending().map_or("open", |ending| ending.as_str());
        differs("ending", ending.clone(), found.to_owned());
    }
    if let Some(escalated) = expected.escalated {
        differs(
            "escalated",
            escalated.to_string(),
            (!played.state.escalated().is_empty()).to_string(),
        );
    }
    for (step, answer) in &expected.steps {
        let found = played
            .state
            .results()
            .get(step)
            .map_or("not answered", |result| answer_word(result.answer));
        differs(
            &format!("steps.{step}"),
            answer_word(*answer).to_owned(),
            found.to_owned(),
        );
    }
    if let Some(questions) = &expected.questions {
        differs("questions", list(questions), list(&asked(played)));
    }
    if let Some(told) = &expected.told {
        differs("told", list(told), list(&played.told));
    }
    if let Some(undone) = &expected.undone {
        let undone: Vec<&str> = undone.iter().map(StepId::as_str).collect();
        differs("undone", list(&undone), list(&put_back(played)));
    }
    if let Some(sent) = &expected.sent
        && !all_fit(sent, &played.sent)
    {
        differs("sent", list(sent), list(&played.sent));
    }
    if let Some(left) = &expected.left
        && !all_fit(left, &played.left)
    {
        differs("left", list(left), list(&played.left));
    }
    if let Some(within) = expected.within {
        match played.state.closed_at() {
            None => wrong.push(format!(
                "the run is expected to end within {within}, and has not ended"
            )),
            Some(at) if at > TEST_START.plus(within) => {
                let took = words::length(words::between(TEST_START, at));
                wrong.push(format!(
                    "the run is expected to end within {within}, and took {took}"
                ));
            }
            Some(_) => {}
        }
    }
    wrong.extend(plans(test, played));
    wrong
}

fn plans(test: &RunbookTest, played: &Played) -> Vec<String> {
    let mut last: BTreeMap<&StepId, &CheckedPlan> = BTreeMap::new();
    for event in &played.events {
        if let EventKind::StepPlanned { step, plan, .. } = &event.kind {
            last.insert(step, plan);
        }
    }
    let differences = test.expect.plans.iter().filter_map(|(step, patterns)| {
        let Some(plan) = last.get(step) else {
            return Some(format!("`{step}` is expected to plan, and did not"));
        };
        let found: Vec<String> = plan
            .offered
            .actions
            .iter()
            .map(|action| format!("{} {}", action.verb, action.target))
            .collect();
        (!all_fit(patterns, &found)).then(|| {
            format!(
                "`plans.{step}` is expected to be {}, and is {}",
                list(patterns),
                list(&found)
            )
        })
    });
    differences.collect()
}

/// As many as there are patterns, each as its pattern says.
fn all_fit(patterns: &[String], found: &[String]) -> bool {
    let mut pairs = patterns.iter().zip(found);
    patterns.len() == found.len() && pairs.all(|(pattern, found)| text::fits(pattern, found))
}

fn asked(played: &Played) -> Vec<String> {
    let asked = played.events.iter().filter_map(|event| match &event.kind {
        EventKind::DecisionAsked { question, .. } => Some(question.ask.clone()),
        _ => None,
    });
    asked.collect()
}

fn put_back(played: &Played) -> Vec<String> {
    let undone = played.events.iter().filter_map(|event| match &event.kind {
        EventKind::StepUndone { step } => Some(step.to_string()),
        _ => None,
    });
    undone.collect()
}

fn list(items: &[impl AsRef<str>]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("{:?}", item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "unknown",
        Answer::Skipped => "skipped",
        Answer::Failed => "failed",
        Answer::Planned => "planned",
    }
}
