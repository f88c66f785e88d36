//! Entries in words, for the command line and the pages.

use stanch_contract::{Digest, StepId};
use stanch_journal::AuditEntry;

use super::Entry;
use crate::control::types::Tone;
use crate::report::words;

/// An entry, as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who did it; empty: the engine, or nobody knows.
    pub who: String,
    /// What happened.
    pub what: String,
    /// How it is to be taken.
    pub tone: Tone,
}

impl Told {
    /// Of an entry. What a newer engine wrote is told as it was written.
    pub fn of(entry: &AuditEntry) -> Self {
        let (who, what, tone) = match Entry::of(&entry.is) {
            Some(known) => told(&known),
            None => (String::new(), entry.is.to_string(), Tone::Attention),
        };
        Self { who, what, tone }
    }
}

/// Who, what, and how it is to be taken.
fn told(entry: &Entry) -> (String, String, Tone) {
    let because = |why: &str| {
        if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        }
    };
    let at = |via: &str| match via {
        "" | "socket" => String::new(),
        via => format!(" ({via})"),
    };
    let about = |step: &Option<_>| {
        step.as_ref()
            .map_or_else(String::new, |step: &StepId| format!(" {step}"))
    };
    let word = |yes: bool| if yes { "yes" } else { "no" };
    let planned =
        |plan: Option<Digest>| plan.map_or_else(String::new, |plan| format!(", plan {}", plan.short()));
    match entry {
        Entry::Decision {
            run,
            step,
            yes,
            by,
            via,
            plan,
            reason,
            alone,
            ..
        } => {
            let (word, plan) = (word(*yes), planned(*plan));
            let (alone, tone) = if *alone {
                (", alone", Tone::Bad)
            } else {
                ("", Tone::Plain)
            };
            let what = format!(
                "{word} to {step} of run {run}{plan}{alone}{}{}",
                at(via),
                because(reason)
            );
            (by.clone(), what, tone)
        }
        Entry::NotTaken {
            run,
            step,
            yes,
            by,
            via,
            plan,
            why,
        } => {
            let (word, plan) = (word(*yes), planned(*plan));
            let what = format!(
                "{word} to{} of run {run}{plan}{} does not count: {why}",
                about(step),
                at(via)
            );
            (by.clone(), what, Tone::Attention)
        }
        Entry::Unanswered { run, step, .. } => (
            String::new(),
            format!("nobody answered about {step} of run {run} in time"),
            Tone::Attention,
        ),
        Entry::Order {
            run,
            step,
            what,
            by,
            detail,
        } => (
            by.clone(),
            format!("{what}{} of run {run}{}", about(step), because(detail)),
            Tone::Plain,
        ),
        Entry::Loaded {
            generation, changes, ..
        } => {
            let what = match changes.as_slice() {
                [] => format!("generation {generation} was loaded at the start"),
                changes => format!("generation {generation} was loaded: {}", changes.join(", ")),
            };
            (String::new(), what, Tone::Plain)
        }
        Entry::Reload {
            by,
            via,
            generation,
            back,
        } => {
            let word = if *back { "rollback" } else { "reload" };
            (
                by.clone(),
                format!("{word}{}: generation {generation}", at(via)),
                Tone::Plain,
            )
        }
        Entry::Grant { plugin, gone, new } => {
            let lines = |sign: &str, lines: &[String]| {
                lines
                    .iter()
                    .map(|line| format!(" {sign}[{line}]"))
                    .collect::<String>()
            };
            let what = format!(
                "plugin `{plugin}` may touch something else:{}{}",
                lines("-", gone),
                lines("+", new)
            );
            (String::new(), what, Tone::Attention)
        }
        Entry::Pause {
            scope,
            by,
            via,
            reason,
        } => (
            by.clone(),
            format!("pause {scope}{}{}", at(via), because(reason)),
            Tone::Attention,
        ),
        Entry::Resume { scope, by, via } => (by.clone(), format!("resume {scope}{}", at(via)), Tone::Plain),
        Entry::LogIn { by, via, from } => (
            by.clone(),
            format!("logged in{} from {from}", at(via)),
            Tone::Plain,
        ),
        Entry::Refused { via, times } => {
            let what = format!(
                "who asked could not prove who they are{}, {}",
                at(via),
                words::count(*times, "time")
            );
            (String::new(), what, Tone::Attention)
        }
    }
}
