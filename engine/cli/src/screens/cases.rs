//! Cases of a plugin: which passed, and what came out otherwise.

use stanch_recorded::case::Wrong;
use stanch_service::control::types::Tone;
use stanch_service::report::{Page, Piece, Style};

use crate::commands::Tried;

/// Each case, and of one that failed what came out otherwise, as a diff.
pub fn tried(all: &[Tried], width: usize) -> Page {
    let mut page = Page::new(width);
    for tried in all {
        let (word, tone) = if tried.wrong.is_empty() {
            ("ok", Tone::Good)
        } else {
            ("failed", Tone::Bad)
        };
        page.beside(
            0,
            Piece::new(word, Style::State(tone)),
            7,
            &tried.name,
            Style::Plain,
        );
        if !tried.wrong.is_empty() {
            page.text(7, &tried.path.display().to_string(), Style::Faint);
        }
        diff(&mut page, &tried.wrong, 9);
    }
    page.gap();
    let wrong = all.iter().filter(|tried| !tried.wrong.is_empty()).count();
    let tone = if wrong == 0 { Tone::Good } else { Tone::Bad };
    let text = format!("{} passed, {wrong} failed", all.len() - wrong);
    page.line([Piece::new(text, Style::State(tone))]);
    page
}

/// What comes out otherwise when a recorded case is played.
pub fn otherwise(wrong: &[Wrong], width: usize) -> Page {
    let mut page = Page::new(width);
    page.text(
        0,
        "Played, it comes out otherwise here; the case has what comes out when it is played:",
        Style::Plain,
    );
    diff(&mut page, wrong, 2);
    page
}

fn diff(page: &mut Page, wrong: &[Wrong], indent: usize) {
    for wrong in wrong {
        match wrong {
            Wrong::Said(why) => page.text(indent, why, Style::Plain),
            Wrong::Differs { at, expected, found } => {
                page.text(indent, at, Style::Strong);
                let found = found.as_deref().unwrap_or("nothing");
                page.text(indent, &format!("- {expected}"), Style::State(Tone::Bad));
                page.text(indent, &format!("+ {found}"), Style::State(Tone::Good));
            }
        }
    }
}
