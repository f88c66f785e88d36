//! How far a runbook can be trusted, in words, for the command line and the pages.

use super::words;
use crate::control::types::{Acted, Answers, Readiness, Ready, Shadowed, Tone};

impl Readiness {
    /// What it is ready for and why, and how that is to be taken.
    pub fn verdict(&self) -> (String, Tone) {
        let (word, tone) = match self.ready {
            Ready::NotYet => ("not yet", Tone::Attention),
            Ready::ForAsk => ("ready to ask", Tone::Good),
            Ready::ForAuto => ("ready to go on without asking", Tone::Good),
        };
        (format!("{word}: {}", self.why), tone)
    }

    /// What it would have done, what it did, and what people answered; what did not happen is left out.
    pub fn counts(&self) -> Vec<(&'static str, String)> {
        let lines = [
            ("in shadow", shadowed(self.shadow)),
            ("acted", acted(self.acted)),
            ("asked", answered(self.answers)),
        ];
        lines
            .into_iter()
            .filter_map(|(label, text)| Some((label, text?)))
            .collect()
    }
}

fn shadowed(shadow: Shadowed) -> Option<String> {
    let rest = [
        (shadow.planned, "would have changed something"),
        (shadow.held, "held by a guardrail"),
        (shadow.failed, "failed"),
        (shadow.resolved, "resolved without it"),
    ];
    listed(shadow.runs, "run", &rest)
}

fn acted(acted: Acted) -> Option<String> {
    let rest = [
        (acted.healed, "healed"),
        (acted.resolved_itself, "resolved by itself"),
        (acted.failed, "with a step that failed"),
        (acted.open, "open"),
    ];
    listed(acted.runs, "run", &rest)
}

fn answered(answers: Answers) -> Option<String> {
    let all = answers.yes + answers.no + answers.unanswered + answers.overtaken;
    let rest = [
        (answers.yes, "yes"),
        (answers.alone, "of them by one alone"),
        (answers.no, "no"),
        (answers.unanswered, "not answered"),
        (answers.overtaken, "resolved before an answer"),
    ];
    let mut text = listed(all, "question", &rest)?;
    if let (Some(half), Some(slowest)) = (answers.half_within, answers.slowest) {
        let (half, slowest) = (words::length(half), words::length(slowest));
        text.push_str(&format!(
            "; half answered within {half}, the slowest in {slowest}"
        ));
    }
    Some(text)
}

/// How many, and of which kinds there are any.
fn listed(all: u32, one: &str, rest: &[(u32, &str)]) -> Option<String> {
    if all == 0 {
        return None;
    }
    let mut text = words::count(u64::from(all), one);
    let kinds: Vec<String> = rest
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    if !kinds.is_empty() {
        text.push_str(&format!(": {}", kinds.join(", ")));
    }
    Some(text)
}
