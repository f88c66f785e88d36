//! The engine's state, and what a reload did.

use stanch_service::control::types::{FileProblem, ProblemKind, Reloaded, Status, Tone};
use stanch_service::report::{Page, Piece, Style, words};

/// Problems first: whoever asks wants to know what is wrong.
pub fn status(status: &Status, width: usize) -> Page {
    let mut page = Page::new(width);
    for pause in &status.pauses {
        let since = words::length(words::between(pause.at, status.now));
        page.line([
            Piece::new("PAUSED", Style::State(Tone::Attention)),
            Piece::plain(format!(
                "  {}: {} (by {}, {since} ago)",
                pause.scope, pause.reason, pause.by
            )),
        ]);
    }
    if status.storm {
        page.line([
            Piece::new("STORM", Style::State(Tone::Attention)),
            Piece::plain("  too many alerts: diagnosis only"),
        ]);
    }
    for (run, why) in &status.stuck_runs {
        page.line([
            Piece::new("STUCK", Style::State(Tone::Bad)),
            Piece::plain(format!("  run {run}: {why}")),
        ]);
    }
    if let Some(problem) = &status.store.problem {
        page.line([
            Piece::new("JOURNAL", Style::State(Tone::Bad)),
            Piece::plain(format!("  {problem}")),
        ]);
    }
    page.gap();
    let up = words::length(words::between(status.started_at, status.now));
    let loaded = words::length(words::between(status.loaded_at, status.now));
    let rows = [
        ("Engine", format!("stanch {}, up {up}", status.version)),
        (
            "Loaded",
            format!(
                "generation {}{}, {loaded} ago: {}, {}",
                status.generation,
                status
                    .held
                    .map(|of| format!(" (generation {of} put back)"))
                    .unwrap_or_default(),
                words::count(u64::from(status.runbooks), "runbook"),
                words::count(u64::from(status.plugins), "plugin")
            ),
        ),
        (
            "Runs",
            format!(
                "{} open, {} waiting for a person",
                status.open_runs, status.waiting_runs
            ),
        ),
        (
            "Journal",
            format!(
                "{}, {}",
                words::bytes(status.store.bytes),
                if status.store.writable {
                    "written to"
                } else {
                    "cannot be written to"
                }
            ),
        ),
    ];
    for (label, text) in rows {
        page.beside(0, Piece::new(label, Style::Faint), 9, &text, Style::Plain);
    }
    for cluster in &status.clusters {
        let server = cluster.server.as_deref().unwrap_or("not reachable");
        let acts_as = cluster
            .acts_as
            .as_ref()
            .map(|user| format!(" as {user}"))
            .unwrap_or_default();
        let (word, tone, rest) = match (&cluster.problem, cluster.asked) {
            (Some(problem), _) => ("DOES NOT ANSWER", Tone::Bad, format!("  {problem}")),
            (None, Some(asked)) => {
                let ago = words::length(words::between(asked, status.now));
                ("answers", Tone::Good, format!("  asked {ago} ago"))
            }
            (None, None) => ("not asked yet", Tone::Plain, String::new()),
        };
        page.line([
            Piece::new("Cluster  ", Style::Faint),
            Piece::plain(format!("{}  {server}{acts_as}  ", cluster.name)),
            Piece::new(word, Style::State(tone)),
            Piece::plain(rest),
        ]);
    }
    problems(&mut page, &status.problems);
    page
}

/// What is loaded now, and what is not.
pub fn reloaded(reloaded: &Reloaded, width: usize) -> Page {
    let mut page = Page::new(width);
    page.text(0, &format!("generation {}", reloaded.generation), Style::Plain);
    for change in &reloaded.changes {
        page.text(2, change, Style::Plain);
    }
    if reloaded.changes.is_empty() {
        page.text(2, "nothing changed", Style::Faint);
    }
    problems(&mut page, &reloaded.problems);
    page
}

/// Files that do not load, and a provider that does not answer, each with its whole message.
pub fn problems<'a>(page: &mut Page, problems: impl IntoIterator<Item = &'a FileProblem>) {
    for problem in problems {
        page.gap();
        let (word, what) = match problem.kind {
            ProblemKind::Provider => ("DOES NOT ANSWER", "the provider of log-ins".to_owned()),
            _ => ("DOES NOT LOAD", problem.path.display().to_string()),
        };
        let rest = match (problem.kind, &problem.kept) {
            (ProblemKind::Provider, _) => String::new(),
            (_, Some(digest)) => format!("  the last good version ({}) stays", digest.short()),
            (_, None) => "  nothing is in its place".to_owned(),
        };
        page.line([
            Piece::new(word, Style::State(Tone::Bad)),
            Piece::plain(format!("  {what}")),
            Piece::new(rest, Style::Faint),
        ]);
        // Not wrapped: it points at columns of the file.
        for line in problem.rendered.lines() {
            page.line([Piece::plain(format!("  {line}"))]);
        }
    }
}
