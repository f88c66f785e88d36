//! What a person is asked: what the host knows comes first, what the plugin says comes last and is labelled.

use maud::{Markup, html};
use stanch_contract::ActionState;
use stanch_run::Role;

use super::{class, until};
use crate::config::settings::BreakGlass;
use crate::control::actor::{must_be, role_of};
use crate::control::types::{ActionView, PlanView, QuestionView, RunView, StepView, WorkerView};
use crate::report::plan::{member, reasons, thing, touches, undone, where_and_how, who as asked_of};
use crate::report::words;
use crate::web::frame::csrf;
use crate::web::visitor::Visitor;

/// Actions that are shown before one asks for the others.
const ACTIONS: usize = 8;
/// Members of an action that are shown before one asks for the others.
const ITEMS: usize = 4;

/// Every open question.
pub(super) fn questions(run: &RunView, who: &Visitor, glass: Option<BreakGlass>) -> Markup {
    let open = run
        .steps
        .iter()
        .filter_map(|step| Some((step, step.question.as_ref()?)));
    html! { @for (step, question) in open { (one(run, step, question, who, glass)) } }
}

/// Why this visitor's yes or no would not count; absent where it does.
pub(in crate::web) fn may_not(question: &QuestionView, who: &Visitor) -> Option<String> {
    if let Err(problem) = must_be(who, Role::Approver, "decide") {
        return Some(problem.detail);
    }
    if question.except.as_ref() == Some(&who.name) {
        return Some("you asked for this run, so somebody else decides".into());
    }
    let named = |from: &String| match from.strip_prefix("group:") {
        Some(group) => who.groups.iter().any(|known| known == group),
        None => *from == who.name,
    };
    if !question.from.is_empty() && !question.from.iter().any(named) {
        return Some(format!("this asks {}", question.from.join(" or ")));
    }
    if question.yes.contains(&who.name) {
        return Some("you have said yes; it takes another person".into());
    }
    None
}

fn one(
    run: &RunView,
    step: &StepView,
    question: &QuestionView,
    who: &Visitor,
    glass: Option<BreakGlass>,
) -> Markup {
    let plan = if question.undo {
        &step.undo_plan
    } else {
        &step.plan
    };
    let path = format!("/runs/{}/steps/{}/decision", run.summary.id, step.id);
    let digest = question.digest.digest();
    let barred = may_not(question, who);
    html! {
        section.card.question id={ "ask-" (step.id) } aria-labelledby={ "q-" (step.id) } data-holds=(digest) {
            header {
                h2 id={ "q-" (step.id) } { (question.ask) }
                p.left { (until(question.expires_at, run.now)) small { "no answer is a no" } }
            }
            dl {
                @if let Some(plan) = plan {
                    div {
                        dt { @if question.undo { "Would put back" } @else { "Would do" } }
                        dd { (actions(plan, &step.id.to_string())) }
                    }
                    div { dt { "Touches" } dd { (touches(plan)) } }
                }
                @for line in where_and_how(step) { div { dt { "How" } dd { (line) } } }
                @if !question.undo { div { dt { "Undone" } dd { (undone(step.undo, &question.promise)) } } }
                div { dt { "Who decides" } dd { (asked_of(question)) } }
                @if let Some(by_hand) = &step.by_hand { div { dt { "By hand instead" } dd.by-hand { (by_hand) } } }
            }
            @if let Some(plan) = plan { (plugin_says(step, plan)) }
            @match &barred {
                Some(why) => p.barred { "You cannot decide here: " (why) "." },
                None => {
                    form.decide method="post" action=(path) {
                        (csrf(who))
                        input type="hidden" name="digest" value=(digest);
                        button.no type="submit" name="decision" value="no" { "No" }
                        button.yes type="submit" name="decision" value="yes" {
                            "Yes"
                            @if let Some(plan) = plan {
                                small { ", " (words::count(u64::from(plan.targets), "target")) }
                            }
                        }
                    }
                }
            }
            @if question.quorum > 1 || barred.is_some() {
                @if let Some(glass) = glass.filter(|glass| who.role >= role_of(glass.role)) {
                    (alone(&path, &digest.to_string(), who, glass))
                }
            }
        }
    }
}

/// Deciding without the others.
fn alone(path: &str, digest: &str, who: &Visitor, glass: BreakGlass) -> Markup {
    html! {
        details.alone {
            summary { "Break the glass: decide alone" }
            form method="post" action=(path) {
                (csrf(who))
                input type="hidden" name="digest" value=(digest);
                input type="hidden" name="decision" value="yes";
                input type="hidden" name="alone" value="yes";
                p.faint { "It is kept who did so and why, and everybody who is asked is told." }
                label { "Why" input name="reason" required[glass.reason] maxlength="500"; }
                button.danger type="submit" { "Yes, alone" }
            }
        }
    }
}

/// What a plan's actions would do or did.
pub(super) fn actions(plan: &PlanView, key: &str) -> Markup {
    let started = plan
        .actions
        .iter()
        .any(|action| action.progress != ActionState::NotSent);
    let (shown, more) = plan.actions.split_at(plan.actions.len().min(ACTIONS));
    html! {
        @if plan.actions.is_empty() { p.faint { "nothing: there is nothing to do" } }
        @for view in shown { (action(view, started)) }
        @if !more.is_empty() {
            details id={ "more-" (key) } {
                summary { (words::count(more.len() as u64, "more action")) }
                @for view in more { (action(view, started)) }
            }
        }
    }
}

fn action(view: &ActionView, started: bool) -> Markup {
    let action = &view.action;
    let (shown, more) = action.items.split_at(action.items.len().min(ITEMS));
    html! {
        div.act {
            p {
                b.verb { (action.verb) } " "
                span.target { (action.target) }
                @if let Some(bytes) = action.bytes { span.faint { " (" (words::bytes(bytes)) ")" } }
            }
            @if started {
                @let (word, tone) = words::action(view);
                p {
                    span class={ "mark " (class(tone)) } { (word) }
                    @if !view.sending && !view.progress.detail().is_empty() { " " (view.progress.detail()) }
                }
            }
            @match (&action.before, &action.content) {
                (None, None) => {}
                (Some(before), Some(content)) => {
                    p.diff { del { span.vh { "before: " } (before) } ins { span.vh { "after: " } (content) } }
                }
                (Some(now), None) => p { span.faint { "now: " } (now) },
                (None, Some(content)) => p.diff { ins { span.vh { "content: " } (content) } },
            }
            @if let Some(dry_run) = &action.dry_run { p { span.faint { "the server's dry run: " } (dry_run) } }
            @if !shown.is_empty() {
                ul.members { @for item in shown { li { (member(item)) } } }
            }
            @if !more.is_empty() {
                details {
                    summary { (words::count(more.len() as u64, &format!("more {}", thing(action.capability)))) }
                    ul.members { @for item in more { li { (member(item)) } } }
                }
            }
            @if let Some(expect) = &action.expect { p.faint.small { "only while " code { (expect) } } }
            @if !action.repeat_safe { p.faint.small { "sent once only: a repeat could have a second effect" } }
        }
    }
}

fn plugin_says(step: &StepView, plan: &PlanView) -> Markup {
    let WorkerView::Plugin(plugin) = &step.worker else {
        return html! {};
    };
    let reasons = reasons(plan);
    html! {
        details.plugin-says id={ "says-" (step.id) } {
            summary { span { "What " code { (plugin) } " says of it (nobody checked this)" } }
            div.says {
                p { (plan.plugin_says) }
                @if !reasons.is_empty() { ul { @for reason in reasons { li { (reason) } } } }
                p.small { "Digest " code { (plan.digest.digest()) } }
            }
        }
    }
}
