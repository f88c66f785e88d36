//! What `check` and `test` found.

use stanch_service::control::types::{FileProblem, Tone};
use stanch_service::rehearsal::Rehearsed;
use stanch_service::report::{Page, Piece, Style, words};

use super::engine::problems;

/// How many files are well, and each that is not with its whole message.
pub fn checked(runbooks: usize, plugins: usize, wrong: &[&FileProblem], width: usize) -> Page {
    let mut page = Page::new(width);
    problems(&mut page, wrong.iter().copied());
    page.gap();
    let well = format!("{}, {}", count(runbooks, "runbook"), count(plugins, "plugin"));
    let (text, tone) = match wrong.len() {
        0 => (format!("{well}: all well"), Tone::Good),
        n => (format!("{well} are well; {} not", count(n, "file")), Tone::Bad),
    };
    page.line([Piece::new(text, Style::State(tone))]);
    page
}

/// Each test, and what came out otherwise.
pub fn tested(all: &[(String, Rehearsed)], width: usize) -> Page {
    let mut page = Page::new(width);
    for (runbook, played) in all {
        let (word, tone) = if played.wrong.is_empty() {
            ("ok", Tone::Good)
        } else {
            ("failed", Tone::Bad)
        };
        page.beside(
            0,
            Piece::new(word, Style::State(tone)),
            7,
            &format!("{runbook}: {}", played.test),
            Style::Plain,
        );
        for wrong in &played.wrong {
            page.text(9, wrong, Style::Plain);
        }
        // What happened is the shortest way to why it came out so.
        if !played.wrong.is_empty() {
            for entry in played.run.iter().flat_map(|run| &run.timeline) {
                page.beside(
                    9,
                    Piece::new(words::clock(entry.at), Style::Faint),
                    11,
                    &entry.text,
                    Style::Faint,
                );
            }
        }
    }
    page.gap();
    let wrong = all.iter().filter(|(_, played)| !played.wrong.is_empty()).count();
    let (text, tone) = match (all.len(), wrong) {
        (0, _) => ("no tests".to_owned(), Tone::Plain),
        (n, wrong) => {
            let tone = if wrong == 0 { Tone::Good } else { Tone::Bad };
            (format!("{} passed, {wrong} failed", n - wrong), tone)
        }
    };
    page.line([Piece::new(text, Style::State(tone))]);
    page
}

fn count(n: usize, one: &str) -> String {
    words::count(u64::try_from(n).unwrap_or(u64::MAX), one)
}
