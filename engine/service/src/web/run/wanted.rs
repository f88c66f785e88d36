//! What else waits for a person: a check that nobody but a person can answer, a step by hand, a doubt, what becomes of a
//! change.

use maud::{Markup, html};
use stanch_run::Role;

use crate::control::types::{CheckState, CheckView, RunView, StepKindView, StepState, StepView, WorkerView};
use crate::web::frame::csrf;
use crate::web::visitor::Visitor;

/// Each of them.
pub(super) fn wanted(run: &RunView, who: &Visitor) -> Markup {
    let recovery = run.recovery.iter().flat_map(|recovery| &recovery.checks);
    let checks = run
        .checklist
        .iter()
        .chain(recovery)
        .filter(|check| check.state == CheckState::Asked && check.worker == WorkerView::Person);
    html! {
        @for check in checks { (answer(run, check, who)) }
        @for step in &run.steps { (step_wants(run, step, who)) }
        @if run.undo_or_leave { (undo_or_leave(run, who)) }
    }
}

fn step_wants(run: &RunView, step: &StepView, who: &Visitor) -> Markup {
    match (&step.state, step.kind) {
        (StepState::InDoubt { why, person: true }, _) => doubt(run, step, why, who),
        (StepState::Asked, StepKindView::ByHand) => hand(run, step, who),
        (StepState::Asked, StepKindView::Look) if step.worker == WorkerView::Person => {
            let how = step.by_hand.as_deref();
            verdict(run, &step.id.to_string(), &step.what, how, who)
        }
        _ => html! {},
    }
}

/// A card of something that waits for a person.
fn card(key: &str, title: &str, body: &Markup, least: Role, who: &Visitor, form: &Markup) -> Markup {
    html! {
        section.card.question id={ "want-" (key) } aria-labelledby={ "w-" (key) } {
            header { h2 id={ "w-" (key) } { (title) } }
            div.body { (body) }
            @if who.role >= least { (form) }
            @else { p.barred { "You cannot answer here: it takes another role than yours." } }
        }
    }
}

fn answer(run: &RunView, check: &CheckView, who: &Visitor) -> Markup {
    verdict(
        run,
        &check.id.to_string(),
        &check.ask,
        check.by_hand.as_deref(),
        who,
    )
}

fn verdict(run: &RunView, id: &str, ask: &str, how: Option<&str>, who: &Visitor) -> Markup {
    let body = html! { @if let Some(how) = how { p.by-hand { (how) } } };
    let form = html! {
        form.decide.three method="post" action={ "/runs/" (run.summary.id) "/steps/" (id) "/answer" } {
            (csrf(who))
            button type="submit" name="verdict" value="no" { "No" }
            button type="submit" name="verdict" value="unknown" { "Cannot tell" }
            button type="submit" name="verdict" value="yes" { "Yes" }
        }
    };
    card(id, ask, &body, Role::Approver, who, &form)
}

fn hand(run: &RunView, step: &StepView, who: &Visitor) -> Markup {
    let body = html! {
        p { "To be done by a person:" }
        @if let Some(how) = &step.by_hand { p.by-hand { (how) } }
    };
    let form = html! {
        form.decide method="post" action={ "/runs/" (run.summary.id) "/steps/" (step.id) "/by-hand" } {
            (csrf(who))
            button type="submit" name="done" value="no" { "Not done" }
            button.yes type="submit" name="done" value="yes" { "Done" }
        }
    };
    card(
        &step.id.to_string(),
        &step.what,
        &body,
        Role::Approver,
        who,
        &form,
    )
}

fn doubt(run: &RunView, step: &StepView, why: &str, who: &Visitor) -> Markup {
    let body = html! {
        p { (why) }
        p { "Nobody knows whether the change of «" (step.what) "» took effect. Look at the target itself, then say so." }
        @if let Some(how) = &step.by_hand { p.by-hand { (how) } }
    };
    let form = html! {
        form.settle method="post" action={ "/runs/" (run.summary.id) "/steps/" (step.id) "/settle" } {
            (csrf(who))
            fieldset {
                legend { "Did it take effect?" }
                label { input type="radio" name="happened" value="yes" required; " Yes, it did" }
                label { input type="radio" name="happened" value="no" required; " No, it did not" }
            }
            div.two {
                button type="submit" name="go_on" value="no" { "Stop the run" }
                button.yes type="submit" name="go_on" value="yes" { "Go on" }
            }
        }
    };
    card(
        &step.id.to_string(),
        "In doubt: did it happen?",
        &body,
        Role::Operator,
        who,
        &form,
    )
}

fn undo_or_leave(run: &RunView, who: &Visitor) -> Markup {
    let body = html! { p { "The run is ending, and something that it changed is still in place." } };
    let form = html! {
        form.decide method="post" action={ "/runs/" (run.summary.id) "/cancel" } {
            (csrf(who))
            button type="submit" name="then" value="leave" { "Leave it" }
            button.yes type="submit" name="then" value="undo" { "Put it back" }
        }
    };
    card(
        "changes",
        "What becomes of what was changed?",
        &body,
        Role::Operator,
        who,
        &form,
    )
}
