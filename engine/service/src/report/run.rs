//! The page of one run.

use stanch_contract::{AlertStatus, Timestamp};
use stanch_sandbox::LogLevel;

use super::page::{Page, Piece, Style};
use super::{plan, steps, words};
use crate::control::types::{RunView, TimelineEntry, Tone};

/// Entries of the timeline that the short page shows.
const NEWEST: usize = 8;

/// How much of a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// What a person needs to decide.
    #[default]
    Short,
    /// Every action, item, call and event.
    All,
}

/// The page of a run: impact first, then what was found, what would be or was done, and what to do now.
pub fn run_page(run: &RunView, now: Timestamp, width: usize, detail: Detail) -> Page {
    let mut page = Page::new(width);
    head(&mut page, run, now);
    steps::checklist(&mut page, "Checklist", &run.checklist);
    if let Some((step, question)) = run.asked() {
        plan::question(&mut page, run, step, question, now, detail);
    }
    steps::steps(&mut page, run, now, detail);
    recovery(&mut page, run, now);
    if detail == Detail::All {
        calls(&mut page, run);
        logs(&mut page, run);
    }
    timeline(&mut page, &run.timeline, detail);
    steps::next(&mut page, run);
    page
}

fn head(page: &mut Page, run: &RunView, now: Timestamp) {
    let summary = &run.summary;
    let (word, tone) = words::severity(summary.severity);
    page.line([
        Piece::new(word.to_uppercase(), Style::State(tone)),
        Piece::plain("  "),
        Piece::new(&summary.title, Style::Strong),
    ]);
    page.text(0, &run.impact, Style::Plain);
    page.gap();

    let (word, tone) = words::run_state(summary);
    let mut state = vec![Piece::new(word, Style::State(tone))];
    if summary.escalated {
        state.push(Piece::plain("  "));
        state.push(Piece::new("escalated", Style::State(Tone::Bad)));
    }
    if !summary.note.is_empty() && run.asked().is_none() {
        state.push(Piece::plain(format!("  {}", summary.note)));
    }
    labelled(page, "State", state);
    for reason in &run.escalated_for {
        labelled(page, "", vec![Piece::plain(reason)]);
    }
    let age = words::length(words::between(
        summary.opened_at,
        summary.closed_at.unwrap_or(now),
    ));
    let lasted = if summary.closed_at.is_some() {
        "lasted"
    } else {
        "open for"
    };
    let by = run
        .started_by
        .as_ref()
        .map(|who| format!(", started by {who}"))
        .unwrap_or_default();
    labelled(
        page,
        "Run",
        vec![Piece::plain(format!(
            "{}  {lasted} {age}, since {}{by}",
            summary.id,
            words::date(summary.opened_at)
        ))],
    );
    let mode = words::mode(run.mode);
    labelled(
        page,
        "Runbook",
        vec![Piece::plain(format!(
            "{} ({mode}), {}",
            summary.runbook, run.owner
        ))],
    );
    alerts(page, run);
    for link in &run.links {
        labelled(
            page,
            "Link",
            vec![Piece::plain(format!("{}: {}", link.title, link.url))],
        );
    }
}

fn labelled(page: &mut Page, label: &str, pieces: Vec<Piece>) {
    let label = Piece::new(format!("{label:<9}"), Style::Faint);
    page.line(std::iter::once(label).chain(pieces));
}

fn alerts(page: &mut Page, run: &RunView) {
    let Some(first) = run.alerts.first() else { return };
    let firing = run
        .alerts
        .iter()
        .filter(|alert| alert.status == AlertStatus::Firing)
        .count();
    let state = match (firing, run.alerts.len()) {
        (0, _) => ("resolved".to_owned(), Tone::Good),
        (1, 1) => ("firing".to_owned(), Tone::Bad),
        (firing, all) => (format!("{firing} of {all} firing"), Tone::Bad),
    };
    let group = if run.summary.group.is_empty() {
        String::new()
    } else {
        format!("  {}", run.summary.group)
    };
    labelled(
        page,
        "Alert",
        vec![
            Piece::plain(format!("{}  ", first.name)),
            Piece::new(state.0, Style::State(state.1)),
            Piece::plain(group),
        ],
    );
}

fn recovery(page: &mut Page, run: &RunView, now: Timestamp) {
    let Some(recovery) = &run.recovery else { return };
    page.heading("Recovery");
    page.text(2, &words::recovery(run, recovery, now), Style::Plain);
    if run.summary.closed_at.is_none() {
        let left = words::length(words::between(now, recovery.give_up_at));
        page.text(
            2,
            &format!("people are called in {left}, and nothing is undone by itself after that"),
            Style::Faint,
        );
    }
    for check in &recovery.checks {
        steps::check(page, check);
    }
}

fn calls(page: &mut Page, run: &RunView) {
    if run.calls.is_empty() {
        return;
    }
    page.heading("Calls");
    for call in &run.calls {
        let label = Piece::new(words::clock(call.at), Style::Faint);
        let (outcome, style) = match &call.refused {
            Some(why) => (format!("refused: {why}"), Style::State(Tone::Bad)),
            None => (call.answer.clone(), Style::Plain),
        };
        let text = format!(
            "{} {} {}: {} → {outcome} ({} ms)",
            call.step, call.plugin, call.function, call.request, call.took_ms
        );
        page.beside(2, label, 11, &text, style);
    }
}

fn logs(page: &mut Page, run: &RunView) {
    if run.logs.is_empty() {
        return;
    }
    page.heading("What plugins logged");
    for line in &run.logs {
        let level = match line.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        let text = format!("{} {} {level}: {}", line.step, line.plugin, line.message);
        page.beside(
            2,
            Piece::new(words::clock(line.at), Style::Faint),
            11,
            &text,
            Style::Plain,
        );
    }
}

fn timeline(page: &mut Page, entries: &[TimelineEntry], detail: Detail) {
    if entries.is_empty() {
        return;
    }
    page.heading("Timeline");
    let skip = if detail == Detail::All {
        0
    } else {
        entries.len().saturating_sub(NEWEST)
    };
    if skip > 0 {
        page.text(2, &format!("… {} earlier, with `--all`", skip), Style::Faint);
    }
    for entry in entries.iter().skip(skip) {
        let style = match entry.tone {
            Tone::Plain => Style::Plain,
            tone => Style::State(tone),
        };
        page.beside(
            2,
            Piece::new(words::clock(entry.at), Style::Faint),
            11,
            &entry.text,
            style,
        );
    }
}
