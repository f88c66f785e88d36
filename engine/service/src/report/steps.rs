//! The checklist, the steps, and what a person can do now.

use stanch_contract::{Finding, Timestamp};
use stanch_runbook::model::ChangePhase;

use super::page::{Page, Piece, Style};
use super::{Detail, plan, words};
use crate::control::types::{
    CheckState, CheckView, Phase, RunView, StepKindView, StepState, StepView, Tone, WorkerView,
};

/// Where the text beside a state begins.
const COLUMN: usize = 15;
/// Evidence that one answer shows.
const EVIDENCE: usize = 6;

/// The checklist.
pub(super) fn checklist(page: &mut Page, heading: &str, checks: &[CheckView]) {
    if checks.is_empty() {
        return;
    }
    page.heading(heading);
    for view in checks {
        check(page, view);
    }
}

/// One check with its answer and numbers.
pub(super) fn check(page: &mut Page, view: &CheckView) {
    let (word, tone) = words::check(&view.state);
    state_line(page, word, tone, &view.ask);
    let indent = 2 + COLUMN;
    match &view.state {
        CheckState::Answered { finding } => {
            answer(page, indent, finding);
            if let Some(by) = &view.by {
                page.text(indent, &format!("answered by {by}"), Style::Faint);
            }
        }
        CheckState::Failed { failure } => page.text(indent, &failure.to_string(), Style::Plain),
        CheckState::Skipped { why } => page.text(indent, why, Style::Faint),
        CheckState::Asked if view.worker == WorkerView::Person => {
            by_hand(page, indent, view.by_hand.as_deref())
        }
        CheckState::Asked | CheckState::Waiting => {}
    }
}

fn answer(page: &mut Page, indent: usize, finding: &Finding) {
    if !finding.summary.is_empty() {
        page.text(indent, &finding.summary, Style::Plain);
    }
    for evidence in finding.evidence.iter().take(EVIDENCE) {
        page.text(indent, &words::evidence(evidence), Style::Plain);
        if let Some(link) = &evidence.link {
            page.text(indent, link, Style::Faint);
        }
    }
    let more = finding.evidence.len().saturating_sub(EVIDENCE);
    if more > 0 {
        page.text(
            indent,
            &format!("… and {more} more, with `stanch export`"),
            Style::Faint,
        );
    }
}

fn by_hand(page: &mut Page, indent: usize, how: Option<&str>) {
    if let Some(how) = how {
        page.text(indent, &format!("by hand: {how}"), Style::Plain);
    }
}

fn state_line(page: &mut Page, word: &str, tone: Tone, text: &str) {
    let style = if tone == Tone::Plain {
        Style::Strong
    } else {
        Style::State(tone)
    };
    page.beside(2, Piece::new(word, style), COLUMN, text, Style::Plain);
}

/// Mitigation and resolution.
pub(super) fn steps(page: &mut Page, run: &RunView, now: Timestamp, detail: Detail) {
    for (phase, heading) in [
        (ChangePhase::Mitigation, "Mitigation"),
        (ChangePhase::Resolution, "Resolution"),
    ] {
        let mut steps = run.steps.iter().filter(|step| step.phase == phase).peekable();
        if steps.peek().is_none() {
            continue;
        }
        page.heading(heading);
        for view in steps {
            step(page, view, now, detail);
        }
    }
}

fn step(page: &mut Page, view: &StepView, now: Timestamp, detail: Detail) {
    let (word, tone) = words::step(&view.state);
    state_line(page, word, tone, &format!("{} ({})", view.what, view.id));
    let indent = 2 + COLUMN;
    if let StepState::Answered { finding } = &view.state {
        answer(page, indent, finding);
    } else if let Some(note) = words::step_note(view, now) {
        let waits = view.state == StepState::Waiting;
        page.text(indent, &note, if waits { Style::Faint } else { Style::Plain });
    } else if view.state == StepState::Asked && view.kind == StepKindView::ByHand {
        by_hand(page, indent, view.by_hand.as_deref());
    }
    if view.question.is_none() {
        for line in plan::where_and_how(view) {
            page.text(indent, &line, Style::Plain);
        }
    }
    if failed(&view.state) && view.kind == StepKindView::Change {
        by_hand(page, indent, view.by_hand.as_deref());
    }
    decisions(page, view, indent);
    // An open question shows its plan above.
    if let Some(planned) = view.plan.as_ref().filter(|_| view.question.is_none()) {
        let label = if view.state == StepState::Planned {
            "Would do"
        } else {
            "Actions"
        };
        plan::actions(page, label, planned, detail);
        if view.state == StepState::Planned {
            page.text(indent, &plan::touches(planned), Style::Faint);
        }
    }
    if let Some(outcome) = &view.outcome {
        page.text(indent, &format!("plugin: {}", outcome.summary), Style::Faint);
    }
    if let Some(verified) = &view.verified {
        let text = format!("verify: {}, {}", verified.verdict.as_str(), verified.summary);
        page.text(indent, &text, Style::Plain);
    }
    if let Some(back) = view.undo_plan.as_ref().filter(|_| view.question.is_none()) {
        plan::actions(page, "Undo", back, detail);
    }
}

fn failed(state: &StepState) -> bool {
    matches!(
        state,
        StepState::Failed { .. } | StepState::InDoubt { .. } | StepState::UndoFailed { .. }
    )
}

fn decisions(page: &mut Page, view: &StepView, indent: usize) {
    for decision in &view.decisions {
        let word = if decision.yes { "yes" } else { "no" };
        let about = if decision.undo { " to putting it back" } else { "" };
        let reason = decision
            .reason
            .as_ref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        let text = format!(
            "{word}{about} by {} at {}{reason}",
            decision.by,
            words::clock(decision.at)
        );
        page.text(indent, &text, Style::Plain);
    }
}

/// The commands that fit the run's state, the open question's apart.
pub(super) fn next(page: &mut Page, run: &RunView) {
    let id = &run.summary.id;
    let mut commands = Vec::new();
    for check in run
        .checklist
        .iter()
        .chain(run.recovery.iter().flat_map(|recovery| &recovery.checks))
    {
        if check.state == CheckState::Asked && check.worker == WorkerView::Person {
            commands.push(format!("stanch answer {id} {} yes|no|unknown", check.id));
        }
    }
    for step in &run.steps {
        match (&step.state, step.kind) {
            (StepState::InDoubt { person: true, .. }, _) => {
                commands.push(format!(
                    "stanch settle {id} {} --happened|--not-happened --go-on|--stop",
                    step.id
                ));
            }
            (StepState::Asked, StepKindView::ByHand) => {
                commands.push(format!("stanch done {id} {}", step.id));
                commands.push(format!("stanch not-done {id} {}", step.id));
            }
            (StepState::Asked, StepKindView::Look) if step.worker == WorkerView::Person => {
                commands.push(format!("stanch answer {id} {} yes|no|unknown", step.id));
            }
            _ => {}
        }
    }
    if run.undo_or_leave {
        commands.push(format!("stanch cancel {id} --leave"));
    }
    let changed = run.steps.iter().any(|step| {
        step.undo.possible
            && matches!(step.state, StepState::Done | StepState::Failed { .. })
            && step.plan.is_some()
    });
    if changed && run.summary.phase != Phase::Closed {
        commands.push(format!("stanch undo {id}"));
    }
    if commands.is_empty() {
        return;
    }
    page.heading("What you can do");
    for command in commands {
        page.line([Piece::plain(format!("  {command}"))]);
    }
}
