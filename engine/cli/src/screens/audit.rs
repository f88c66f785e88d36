//! Entries of the audit, a line each.

use stanch_service::audit::Told;
use stanch_service::control::types::AuditEntry;
use stanch_service::report::{Page, Piece, Style, words};

/// The entries, oldest first.
pub fn audit(entries: &[AuditEntry], width: usize) -> Page {
    let mut page = Page::new(width);
    if entries.is_empty() {
        page.text(0, "nothing was audited yet", Style::Plain);
        return page;
    }
    let rows = entries.iter().map(|entry| {
        let Told { who, what, tone } = Told::of(entry);
        vec![
            Piece::new(entry.no.to_string(), Style::Faint),
            Piece::plain(words::date(entry.at)),
            Piece::plain(who),
            Piece::new(what, Style::State(tone)),
        ]
    });
    page.table(&["", "when", "who", "what"], rows.collect());
    page
}
