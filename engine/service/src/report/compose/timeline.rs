//! What happened, a sentence each, and the calls that the gate recorded.

use std::collections::BTreeMap;

use serde::Deserialize;
use stanch_contract::{ActionState, AlertStatus, CheckedPlan, PluginKey, StepId, Verdict};
use stanch_run::{
    Ending, Event, EventKind, Lapse, NoticeKind, OnCancel, Part, Posting, Settler, Side, State, Then, Timer,
    UndoReason,
};
use stanch_sandbox::LogLine;
use stanch_sandbox::gate::{Decision, RecordedCall};

use super::step::verdict;
use crate::control::types::{CallView, LogView, TimelineEntry, Tone};
use crate::report::words;

/// The plans in force, for naming their actions.
type Plans = BTreeMap<(StepId, bool), CheckedPlan>;

/// A sentence for each event that a person would want to know of.
pub(super) fn timeline(state: &State, events: &[Event]) -> Vec<TimelineEntry> {
    let mut plans = Plans::new();
    events
        .iter()
        .filter_map(|event| {
            match &event.kind {
                EventKind::StepPlanned { step, plan, .. } => {
                    plans.insert((step.clone(), false), (**plan).clone());
                }
                EventKind::UndoPlanned { step, plan, .. } => {
                    plans.insert((step.clone(), true), (**plan).clone());
                }
                _ => {}
            }
            let told = tell(state, &event.kind, &plans)?;
            Some(TimelineEntry {
                at: event.at,
                event: name(&event.kind).to_owned(),
                step: event.kind.step().cloned(),
                who: told.who,
                text: told.text,
                tone: told.tone,
            })
        })
        .collect()
}

struct Told {
    text: String,
    tone: Tone,
    who: Option<String>,
}

fn plain(text: String) -> Option<Told> {
    told(text, Tone::Plain)
}

fn told(text: String, tone: Tone) -> Option<Told> {
    Some(Told {
        text,
        tone,
        who: None,
    })
}

fn by(who: &str, text: String, tone: Tone) -> Option<Told> {
    Some(Told {
        text,
        tone,
        who: Some(who.to_owned()),
    })
}

fn back(side: Side) -> &'static str {
    if side == Side::Undo { "putting back " } else { "" }
}

/// Where it was said, where that is a channel.
fn at(via: &str) -> String {
    if via.contains(':') {
        format!(" in {via}")
    } else {
        String::new()
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn tell(state: &State, kind: &EventKind, plans: &Plans) -> Option<Told> {
    match kind {
        EventKind::RunOpened(opened) => match (&opened.by, opened.alerts.first()) {
            (Some(who), _) => by(who, "started by hand".to_owned(), Tone::Plain),
            (None, Some(alert)) => plain(format!("opened by the alert {}", alert.name)),
            (None, None) => plain("opened".to_owned()),
        },
        EventKind::AlertRepeated { alert } => {
            let known = alert.status == AlertStatus::Firing;
            plain(format!(
                "{} {}",
                alert.name,
                if known { "fires again" } else { "was told again" }
            ))
        }
        EventKind::AlertResolved { alert } => told(format!("{} is resolved", alert.name), Tone::Good),
        EventKind::StepStarted { .. }
        | EventKind::BudgetReserved { .. }
        | EventKind::BudgetReturned { .. } => None,
        EventKind::LockReleased { .. } | EventKind::ActionStarted { .. } => None,
        EventKind::StepAnswered {
            step,
            finding,
            by: who,
            failure,
        } => {
            let why = failure
                .as_ref()
                .map_or_else(|| finding.summary.clone(), ToString::to_string);
            let tone = if finding.verdict == Verdict::Unknown {
                Tone::Attention
            } else {
                Tone::Plain
            };
            let text = format!("{step}: {}{}", verdict(finding), because(&why));
            Some(Told {
                text,
                tone,
                who: who.clone(),
            })
        }
        EventKind::StepSkipped { step, summary, .. } => plain(format!("{step} skipped: {summary}")),
        EventKind::StepPlanned {
            step, plan, fresh, ..
        } => {
            let again = fresh
                .map(|fresh| format!(" again, {}", compared(fresh)))
                .unwrap_or_default();
            plain(format!(
                "planned {step}{again}: {}",
                words::count(plan.actions.len() as u64, "action")
            ))
        }
        EventKind::GuardrailBlocked { step, message, .. } => {
            let step = step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            told(format!("{step}{message}"), Tone::Attention)
        }
        EventKind::DecisionAsked { step, question } => {
            let whom = if question.from.is_empty() {
                "approvers".to_owned()
            } else {
                question.from.join(", ")
            };
            told(
                format!("asked {whom} about {}{step}", back(question.side)),
                Tone::Attention,
            )
        }
        EventKind::DecisionPosted { step, post } => match (&post.failure, post.what) {
            (Some(failure), _) => told(
                format!(
                    "`{}` could not be asked about {}{step}: {}",
                    post.channel,
                    back(post.side),
                    failure.message
                ),
                Tone::Bad,
            ),
            (None, Posting::Asked) => plain(format!(
                "asked `{}` about {}{step}",
                post.channel,
                back(post.side)
            )),
            (None, Posting::Warned) => plain(format!(
                "told `{}` that the question about {}{step} expires soon",
                post.channel,
                back(post.side)
            )),
        },
        EventKind::NoticePosted { notice, post } => {
            let step = notice.step.as_ref().map(ToString::to_string).unwrap_or_default();
            let what = match notice.kind {
                NoticeKind::Answer => format!("that {step} waits for a person's answer"),
                NoticeKind::ByHand => format!("that {step} is to be done by hand"),
                NoticeKind::Settle => format!("that the doubt about {step} has to be settled"),
                NoticeKind::Choose => "that what was changed still stands".to_owned(),
                NoticeKind::Escalated => "that the run needs a person".to_owned(),
            };
            let channel = &post.channel;
            match (&post.failure, post.what) {
                (Some(failure), _) => told(
                    format!("`{channel}` could not be told {what}: {}", failure.message),
                    Tone::Bad,
                ),
                (None, Posting::Asked) => plain(format!("told `{channel}` {what}")),
                (None, Posting::Warned) => plain(format!("warned `{channel}` {what}, and soon too late")),
            }
        }
        EventKind::DecisionGiven {
            step,
            side,
            by: who,
            reason,
            via,
            ..
        } => by(
            who,
            format!("yes to {}{step}{}{}", back(*side), at(via), because(reason)),
            Tone::Good,
        ),
        EventKind::DecisionRefused {
            step,
            side,
            by: who,
            reason,
            via,
            ..
        } => by(
            who,
            format!("no to {}{step}{}{}", back(*side), at(via), because(reason)),
            Tone::Attention,
        ),
        EventKind::DecisionExpired { step, side, why } => told(
            format!("the question about {}{step} {}", back(*side), lapsed(*why)),
            Tone::Attention,
        ),
        EventKind::LockTaken { step, locks, .. } => plain(format!("{step} holds {}", locks.join(", "))),
        EventKind::ActionEnded {
            step,
            side,
            action,
            state,
            ..
        } => {
            let what = action_name(plans, step, *side, *action);
            let (word, tone) = ended(state);
            told(format!("{step}: {what}: {word}{}", because(state.detail())), tone)
        }
        EventKind::StepApplied { step, side, .. } => plain(format!("{}{step} is applied", back(*side))),
        EventKind::StepVerified {
            step, side, finding, ..
        } => {
            let tone = if finding.verdict == Verdict::Yes {
                Tone::Good
            } else {
                Tone::Attention
            };
            let looked = match side {
                Side::Do => format!("verified {step}"),
                Side::Undo => format!("looked whether {step} is as before"),
            };
            told(
                format!("{looked}: {}{}", verdict(finding), because(&finding.summary)),
                tone,
            )
        }
        EventKind::AttemptFailed {
            step,
            side,
            part,
            failure,
            then,
            ..
        } => {
            let then = if *then == Then::Nothing {
                ""
            } else {
                "; tried again"
            };
            let text = format!(
                "{}{step}: {} failed: {failure}{then}",
                back(*side),
                part_name(*part)
            );
            told(text, Tone::Attention)
        }
        EventKind::StepFailed { step, message, .. } => told(format!("{step} failed: {message}"), Tone::Bad),
        EventKind::TimerDue { timer, step, .. } => timer_due(*timer, step.as_ref()),
        EventKind::InDoubt {
            step, side, cause, ..
        } => told(format!("{}{step} is in doubt: {cause}", back(*side)), Tone::Bad),
        EventKind::DoubtSettled {
            step,
            side,
            settler,
            happened,
            go_on,
        } => settled(&format!("{}{step}", back(*side)), settler, *happened, *go_on),
        EventKind::UndoPlanned {
            step, plan, covered, ..
        } => {
            let covered = if *covered { "; the yes covers it" } else { "" };
            let count = words::count(plan.actions.len() as u64, "action");
            plain(format!("planned putting back {step}: {count}{covered}"))
        }
        EventKind::UndoStarted { step, reason } => match reason {
            UndoReason::OnFailure => plain(format!("{step} is put back because it failed")),
            UndoReason::WhenResolved => plain(format!("{step} is put back because it is over")),
            UndoReason::Command { by: who } => by(who, format!("{step} is put back"), Tone::Plain),
        },
        EventKind::StepUndone { step } => told(format!("{step} is put back"), Tone::Good),
        EventKind::UndoFailed { step, message, .. } => {
            told(format!("{step} could not be put back: {message}"), Tone::Bad)
        }
        EventKind::EscalationSent { message, notice, .. } => {
            let way = way(state, *notice);
            told(format!("called people through {way}: {message}"), Tone::Attention)
        }
        EventKind::EscalationFailed { notice, failure, .. } => told(
            format!("could not call people through {}: {failure}", way(state, *notice)),
            Tone::Bad,
        ),
        EventKind::RunCancelled {
            by: who,
            then,
            reason,
        } => {
            let then = match then {
                OnCancel::Undo => "; what was changed is put back",
                OnCancel::Leave => "; what was changed stays",
                OnCancel::Ask => "",
            };
            by(
                who,
                format!("cancelled{then}{}", because(reason)),
                Tone::Attention,
            )
        }
        EventKind::RunClosed { ending, summary } => {
            let tone = if *ending == Ending::Failed {
                Tone::Bad
            } else {
                words::ending(*ending).1
            };
            told(format!("closed as {ending}{}", because(summary)), tone)
        }
        EventKind::RunReopened { by: who } => by(
            who,
            "opened again, to put changes back".to_owned(),
            Tone::Attention,
        ),
    }
}

fn compared(fresh: stanch_contract::plan::Comparison) -> &'static str {
    match fresh {
        stanch_contract::plan::Comparison::Same => "the same",
        stanch_contract::plan::Comparison::Subset => "a part of it",
        stanch_contract::plan::Comparison::Different => "another one",
    }
}

fn lapsed(why: Lapse) -> &'static str {
    match why {
        Lapse::Unanswered => "was not answered in time: a no",
        Lapse::Resolved => "was withdrawn: the alert is resolved",
        Lapse::Cancelled => "was withdrawn: the run was cancelled",
        Lapse::TooOld => "is asked again: the yes is too old",
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Look => "looking",
        Part::Plan => "planning",
        Part::Apply => "applying",
        Part::Verify => "verifying",
    }
}

fn ended(state: &ActionState) -> (&'static str, Tone) {
    match state {
        ActionState::NotSent => ("not sent", Tone::Plain),
        ActionState::Done { .. } => ("done", Tone::Good),
        ActionState::Refused { .. } => ("refused", Tone::Bad),
        ActionState::Unknown { .. } => ("no definite answer", Tone::Bad),
    }
}

fn action_name(plans: &Plans, step: &StepId, side: Side, action: u32) -> String {
    let plan = plans.get(&(step.clone(), side == Side::Undo));
    let found = plan.and_then(|plan| plan.actions.get(usize::try_from(action).ok()?));
    match found {
        Some(action) => format!("{} {}", action.verb, action.target),
        None => format!("action {}", action + 1),
    }
}

fn timer_due(timer: Timer, step: Option<&StepId>) -> Option<Told> {
    let step = step.map(ToString::to_string).unwrap_or_default();
    match timer {
        Timer::After => plain("it still fires".to_owned()),
        Timer::GiveUp => told(
            "it did not recover in time; nothing is undone by itself".to_owned(),
            Tone::Bad,
        ),
        Timer::LockWait => told(format!("{step} has waited long for its lock"), Tone::Attention),
        Timer::Untold => told("nobody could be told".to_owned(), Tone::Bad),
        _ => None,
    }
}

fn settled(step: &str, settler: &Settler, happened: bool, go_on: bool) -> Option<Told> {
    let fact = if happened { "happened" } else { "did not happen" };
    let then = if go_on { "" } else { "; it stops here" };
    match settler {
        Settler::Verify => told(format!("{step} {fact}, says verify"), Tone::Good),
        Settler::Answer => plain(format!("{step} {fact}: the answer came after all")),
        Settler::Person { name } => by(name, format!("{step} {fact}{then}"), Tone::Attention),
    }
}

fn way(state: &State, notice: u32) -> String {
    let found = usize::try_from(notice)
        .ok()
        .and_then(|at| state.runbook().escalation.get(at));
    found.map_or_else(
        || "the escalation".to_owned(),
        |notice| format!("`{}`", notice.uses),
    )
}

/// The event's name, as the journal has it.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::RunOpened(_) => "RunOpened",
        EventKind::AlertRepeated { .. } => "AlertRepeated",
        EventKind::AlertResolved { .. } => "AlertResolved",
        EventKind::StepStarted { .. } => "StepStarted",
        EventKind::StepAnswered { .. } => "StepAnswered",
        EventKind::StepSkipped { .. } => "StepSkipped",
        EventKind::StepPlanned { .. } => "StepPlanned",
        EventKind::GuardrailBlocked { .. } => "GuardrailBlocked",
        EventKind::DecisionAsked { .. } => "DecisionAsked",
        EventKind::DecisionPosted { .. } => "DecisionPosted",
        EventKind::NoticePosted { .. } => "NoticePosted",
        EventKind::DecisionGiven { .. } => "DecisionGiven",
        EventKind::DecisionRefused { .. } => "DecisionRefused",
        EventKind::DecisionExpired { .. } => "DecisionExpired",
        EventKind::LockTaken { .. } => "LockTaken",
        EventKind::LockReleased { .. } => "LockReleased",
        EventKind::BudgetReserved { .. } => "BudgetReserved",
        EventKind::BudgetReturned { .. } => "BudgetReturned",
        EventKind::ActionStarted { .. } => "ActionStarted",
        EventKind::ActionEnded { .. } => "ActionEnded",
        EventKind::StepApplied { .. } => "StepApplied",
        EventKind::StepVerified { .. } => "StepVerified",
        EventKind::AttemptFailed { .. } => "AttemptFailed",
        EventKind::StepFailed { .. } => "StepFailed",
        EventKind::TimerDue { .. } => "TimerDue",
        EventKind::InDoubt { .. } => "InDoubt",
        EventKind::DoubtSettled { .. } => "DoubtSettled",
        EventKind::UndoPlanned { .. } => "UndoPlanned",
        EventKind::UndoStarted { .. } => "UndoStarted",
        EventKind::StepUndone { .. } => "StepUndone",
        EventKind::UndoFailed { .. } => "UndoFailed",
        EventKind::EscalationSent { .. } => "EscalationSent",
        EventKind::EscalationFailed { .. } => "EscalationFailed",
        EventKind::RunCancelled { .. } => "RunCancelled",
        EventKind::RunClosed { .. } => "RunClosed",
        EventKind::RunReopened { .. } => "RunReopened",
    }
}

/// What the executor leaves of a plugin call in the event that it led to.
#[derive(Deserialize)]
pub(super) struct Record {
    function: String,
    pub(super) plugin: PluginKey,
    pub(super) calls: Vec<RecordedCall>,
    #[serde(default)]
    logs: Vec<LogLine>,
}

/// The calls at the gate, and what plugins logged.
pub(super) fn calls(events: &[Event]) -> (Vec<CallView>, Vec<LogView>) {
    let (mut calls, mut logs) = (Vec::new(), Vec::new());
    for event in events.iter().filter(|event| !event.calls.is_null()) {
        let Some(step) = event.kind.step() else { continue };
        let Ok(record) = Record::deserialize(&event.calls) else {
            continue;
        };
        logs.extend(record.logs.into_iter().map(|line| LogView {
            at: event.at,
            step: step.clone(),
            plugin: record.plugin.clone(),
            level: line.level,
            message: line.message,
        }));
        let (plugin, function) = (&record.plugin, &record.function);
        calls.extend(
            record
                .calls
                .into_iter()
                .map(|call| call_view(step, plugin, function, call)),
        );
    }
    (calls, logs)
}

fn call_view(step: &StepId, plugin: &PluginKey, function: &str, call: RecordedCall) -> CallView {
    CallView {
        at: call.at,
        step: step.clone(),
        plugin: plugin.clone(),
        function: function.to_owned(),
        request: format!("{} {} {}", call.capability.as_str(), call.verb, call.target),
        refused: match &call.decision {
            Decision::Refused(refusal) => Some(refusal.to_failure().message),
            Decision::Allowed | Decision::Replayed => None,
        },
        answer: match (&call.decision, &call.answer) {
            (Decision::Replayed, Some(answer)) => format!("{} (from the journal)", answer.summary),
            (_, Some(answer)) => answer.summary.clone(),
            (_, None) => "no answer".to_owned(),
        },
        took_ms: call.took_ms,
    }
}
