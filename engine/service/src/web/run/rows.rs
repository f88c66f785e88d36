//! The checklist with its answers, the steps with what became of them, and recovery.

use maud::{Markup, html};
use stanch_contract::{Evidence, Finding};
use stanch_run::{Phase, Role};
use stanch_runbook::model::ChangePhase;

use super::question::actions;
use super::{class, until};
use crate::control::types::{CheckState, CheckView, RunView, StepKindView, StepState, StepView};
use crate::report::plan::{touches, where_and_how};
use crate::report::words;
use crate::web::chart;
use crate::web::frame::csrf;
use crate::web::visitor::Visitor;

/// The checklist.
pub(super) fn checklist(run: &RunView) -> Markup {
    html! {
        @if !run.checklist.is_empty() {
            section.card id="checklist" aria-labelledby="c" {
                h2 id="c" { "Checklist" }
                ol.rows { @for view in &run.checklist { (check(view)) } }
            }
        }
    }
}

fn check(view: &CheckView) -> Markup {
    let (word, tone) = words::check(&view.state);
    html! {
        li {
            span class={ "mark " (class(tone)) } { (word) }
            div {
                p.what { (view.ask) }
                @match &view.state {
                    CheckState::Answered { finding } => {
                        (answer(finding))
                        @if let Some(by) = &view.by { p.hand { "answered by " (by) } }
                    }
                    CheckState::Failed { failure } => p { (failure) },
                    CheckState::Skipped { why } => p.hand { (why) },
                    CheckState::Asked | CheckState::Waiting => {}
                }
                @if view.state.verdict() == Some(stanch_contract::Verdict::Unknown) {
                    @if let Some(how) = &view.by_hand { p.hand { "by hand: " span.by-hand { (how) } } }
                }
            }
        }
    }
}

fn answer(finding: &Finding) -> Markup {
    html! {
        @if !finding.summary.is_empty() { p { (finding.summary) } }
        @for evidence in &finding.evidence { (evidence_of(evidence)) }
    }
}

fn evidence_of(evidence: &Evidence) -> Markup {
    html! {
        div.ev {
            span {
                @if !evidence.label.is_empty() { (evidence.label) " " }
                b { (evidence.value) @if let Some(unit) = &evidence.unit { " " (unit) } }
            }
            @if let Some(link) = &evidence.link { a href=(link) rel="noopener noreferrer" { "look further" } }
        }
        @if let Some(curve) = chart::curve(evidence) { (curve) }
    }
}

/// Mitigation and resolution.
pub(super) fn steps(run: &RunView, who: &Visitor) -> Markup {
    let phases = [
        (ChangePhase::Mitigation, "Mitigation", "stop the bleeding"),
        (ChangePhase::Resolution, "Resolution", "fix the cause"),
    ];
    html! {
        @for (phase, word, means) in phases {
            @if run.steps.iter().any(|step| step.phase == phase) {
                section.card id={ "steps-" (word) } aria-labelledby={ "s-" (word) } {
                    h2 id={ "s-" (word) } { (word) ": " (means) }
                    ol.rows { @for view in run.steps.iter().filter(|step| step.phase == phase) { (step(run, view, who)) } }
                }
            }
        }
    }
}

fn step(run: &RunView, view: &StepView, who: &Visitor) -> Markup {
    let (word, tone) = words::step(&view.state);
    html! {
        li {
            span class={ "mark " (class(tone)) } { (word) }
            div {
                p.what { (view.what) " " span.faint.small { (view.id) } }
                @match &view.state {
                    StepState::Answered { finding } => (answer(finding)),
                    StepState::BetweenBatches { at } => p { "the next batch in " (until(*at, run.now)) },
                    StepState::Holding { at } => p { "verified in " (until(*at, run.now)) },
                    StepState::Waiting => {
                        @if let Some(when) = &view.when { p.hand { "when " code { (when) } } }
                    }
                    _ => {
                        @if let Some(note) = words::step_note(view, run.now) { p { (note) } }
                    }
                }
                @if view.question.is_none() {
                    @for line in where_and_how(view) { p.hand { (line) } }
                    @if let Some(plan) = &view.plan {
                        (actions(plan, &format!("done-{}", view.id)))
                        @if view.state == StepState::Planned { p.hand { "would touch " (touches(plan)) } }
                    }
                }
                @for decision in &view.decisions {
                    p.hand {
                        @if decision.yes { "yes" } @else { "no" }
                        @if decision.undo { " to putting it back" }
                        " by " b { (decision.by) } " at " (words::clock(decision.at))
                        @if let Some(why) = &decision.reason { ": " (why) }
                    }
                }
                @if let Some(verified) = &view.verified {
                    p { "verified: " b { (verified.verdict.as_str()) } @if !verified.summary.is_empty() { ", " (verified.summary) } }
                }
                @if let Some(outcome) = &view.outcome { p.hand { "the plugin says: " (outcome.summary) } }
                @if view.question.is_none() {
                    @if let Some(back) = &view.undo_plan {
                        p.hand { "Put back:" }
                        (actions(back, &format!("back-{}", view.id)))
                    }
                }
                @if matches!(view.state, StepState::Failed { .. } | StepState::InDoubt { .. } | StepState::UndoFailed { .. } | StepState::Rejected { .. }) {
                    @if let Some(how) = &view.by_hand { p.hand { "by hand: " span.by-hand { (how) } } }
                }
                @if can_undo(run, view) && who.role >= Role::Operator {
                    form.tools method="post" action={ "/runs/" (run.summary.id) "/undo" } {
                        (csrf(who))
                        input type="hidden" name="step" value=(view.id);
                        button.small type="submit" { "Put it back" }
                    }
                }
            }
        }
    }
}

/// Whether a person can have the engine put back what a step changed.
fn can_undo(run: &RunView, view: &StepView) -> bool {
    run.summary.phase != Phase::Closed
        && view.kind == StepKindView::Change
        && view.undo.possible
        && matches!(view.state, StepState::Done | StepState::Failed { .. })
        && view.plan.as_ref().is_some_and(|plan| !plan.actions.is_empty())
}

/// Recovery, once it waits there.
pub(super) fn recovery(run: &RunView) -> Markup {
    let Some(recovery) = &run.recovery else {
        return html! {};
    };
    html! {
        section.card id="recovery" aria-labelledby="rec" {
            h2 id="rec" { "Recovery" }
            p { (words::recovery(run, recovery, run.now)) }
            @if run.summary.closed_at.is_none() {
                p.hand { "people are called in " (until(recovery.give_up_at, run.now)) ", and nothing is undone by itself after that" }
            }
            @if !recovery.checks.is_empty() { ol.rows { @for view in &recovery.checks { (check(view)) } } }
        }
    }
}
