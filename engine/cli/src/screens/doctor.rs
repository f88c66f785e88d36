//! What `doctor` found.

use stanch_service::control::types::Tone;
use stanch_service::doctor::{Finding, Health};
use stanch_service::report::{Page, Piece, Style, words};

/// Each thing that was looked at, under its area, with what to do where something is wrong.
pub fn examined(found: &[Finding], width: usize) -> Page {
    let mut page = Page::new(width);
    let mut area = None;
    for finding in found {
        if area != Some(finding.area) {
            page.heading(finding.area.as_str());
            area = Some(finding.area);
        }
        let (mark, tone) = match finding.health {
            Health::Good => ("✔", Tone::Good),
            Health::Attention => ("!", Tone::Attention),
            Health::Bad => ("✘", Tone::Bad),
        };
        let text = format!("{}: {}", finding.about, finding.found);
        page.beside(2, Piece::new(mark, Style::State(tone)), 2, &text, Style::Plain);
        if let Some(todo) = &finding.todo {
            page.beside(4, Piece::new("→", Style::Faint), 2, todo, Style::Plain);
        }
    }
    page.gap();
    let of = |health| found.iter().filter(|finding| finding.health == health).count();
    let (bad, attention) = (of(Health::Bad), of(Health::Attention));
    let count = |n: usize, one: &str| words::count(u64::try_from(n).unwrap_or(u64::MAX), one);
    let (text, tone) = match (bad, attention) {
        (0, 0) => ("all well".to_owned(), Tone::Good),
        (0, n) => (
            format!("nothing is wrong; {} to know of", count(n, "thing")),
            Tone::Attention,
        ),
        (n, _) => (format!("{} wrong", count(n, "thing")), Tone::Bad),
    };
    page.line([Piece::new(text, Style::State(tone))]);
    page
}
