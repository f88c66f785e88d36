//! Lists of runs, and why an alert starts one or not.

use stanch_service::control::types::{Accepted, Explanation, RunSummary, RunbookExplanation, Tone};
use stanch_service::report::{Page, Piece, Style, words};

/// The list of runs.
pub fn runs(runs: &[RunSummary], width: usize) -> Page {
    let mut page = Page::new(width);
    if runs.is_empty() {
        page.text(0, "no runs", Style::Plain);
        return page;
    }
    let rows = runs.iter().map(|run| {
        let (severity, severity_tone) = words::severity(run.severity);
        let (state, tone) = words::run_state(run);
        let tone = if run.escalated && tone != Tone::Good {
            Tone::Bad
        } else {
            tone
        };
        let escalated = if run.escalated { ", escalated" } else { "" };
        vec![
            Piece::plain(run.id.as_str()),
            Piece::new(severity, Style::State(severity_tone)),
            Piece::plain(&run.runbook),
            Piece::new(format!("{state}{escalated}"), Style::State(tone)),
            Piece::plain(words::date(run.opened_at)),
            Piece::plain(&run.group),
            Piece::plain(&run.note),
        ]
    });
    page.table(
        &["run", "severity", "runbook", "state", "opened", "group", ""],
        rows.collect(),
    );
    page
}

/// What a posted alert led to.
pub fn accepted(accepted: &Accepted, width: usize) -> Page {
    let mut page = Page::new(width);
    let count = u64::try_from(accepted.alerts).unwrap_or(u64::MAX);
    page.text(
        0,
        &format!("{} recorded", words::count(count, "alert")),
        Style::Plain,
    );
    for run in &accepted.runs {
        page.line([Piece::plain(format!(
            "run {run}: stanch runs show {run} --follow"
        ))]);
    }
    if accepted.unmatched > 0 {
        let text = format!("{} fit no runbook: `stanch explain` says why", accepted.unmatched);
        page.text(0, &text, Style::State(Tone::Attention));
    }
    page
}

/// For each runbook the conditions with their values, and the first that stopped it.
pub fn explained(explanations: &[Explanation], width: usize) -> Page {
    let mut page = Page::new(width);
    for explanation in explanations {
        page.gap();
        page.line([
            Piece::new(&explanation.alert, Style::Strong),
            Piece::new(format!("  {}", explanation.fingerprint), Style::Faint),
        ]);
        for runbook in &explanation.runbooks {
            runbook_lines(&mut page, runbook);
        }
        if explanation.runbooks.is_empty() {
            page.text(2, "no runbook has a trigger", Style::Plain);
        }
    }
    page
}

fn runbook_lines(page: &mut Page, runbook: &RunbookExplanation) {
    let (word, style) = match runbook.applies {
        true => ("applies", Style::State(Tone::Good)),
        false => ("does not", Style::Faint),
    };
    page.beside(2, Piece::new(word, style), 12, &runbook.runbook, Style::Strong);
    for condition in &runbook.conditions {
        let (word, style) = match condition.holds {
            Some(true) => ("holds", Style::Plain),
            Some(false) => ("stops it", Style::State(Tone::Attention)),
            None => ("no value", Style::State(Tone::Bad)),
        };
        page.beside(
            14,
            Piece::new(word, style),
            10,
            &format!("{}  ({})", condition.condition, condition.value),
            Style::Plain,
        );
    }
    if let Some(group) = runbook.group.as_ref().filter(|group| !group.is_empty()) {
        page.text(14, &format!("group {group}"), Style::Faint);
    }
}
