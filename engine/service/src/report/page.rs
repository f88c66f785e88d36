//! Lines of styled text, free of everything that a terminal would obey.
//!
//! Every text that gets onto a page is cleaned here, so a page can be printed whatever its parts are made of.

use stanch_contract::text::clean_line;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::control::types::Tone;

/// How a piece looks. Only a [`Tone`] has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// What the eye should find first.
    Strong,
    /// What it may pass over.
    Faint,
    /// A state.
    State(Tone),
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// One line of text.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

impl Piece {
    /// Cleaned, in this style.
    pub fn new(text: impl AsRef<str>, style: Style) -> Self {
        Self {
            text: clean_line(text.as_ref()),
            style,
        }
    }

    /// Cleaned, as it is.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Style::Plain)
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// What is shown at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    width: usize,
    lines: Vec<Vec<Piece>>,
}

impl Page {
    /// Empty, of this many columns (at least 40).
    pub fn new(width: usize) -> Self {
        Self {
            width: width.max(40),
            lines: Vec::new(),
        }
    }

    /// The lines.
    pub fn lines(&self) -> &[Vec<Piece>] {
        &self.lines
    }

    /// A line of these pieces.
    pub fn line(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        self.lines.push(pieces.into_iter().collect());
    }

    /// An empty line, unless there is one already or nothing before.
    pub fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(Vec::new());
        }
    }

    /// A gap and a heading.
    pub fn heading(&mut self, text: &str) {
        self.gap();
        self.line([Piece::new(text, Style::Strong)]);
    }

    /// A label in a column of its own, and a text that is wrapped beside it.
    pub fn beside(&mut self, indent: usize, label: Piece, column: usize, text: &str, style: Style) {
        let room = self.width.saturating_sub(indent + column).max(20);
        let mut rows = text.split('\n').flat_map(|row| wrap(&clean_line(row), room));
        let pad = column.saturating_sub(label.width()).max(1);
        let mut first = vec![Piece::plain(" ".repeat(indent)), label];
        if let Some(row) = rows.next().filter(|row| !row.is_empty()) {
            first.extend([Piece::plain(" ".repeat(pad)), Piece { text: row, style }]);
        }
        self.lines.push(first);
        for row in rows {
            self.lines.push(vec![
                Piece::plain(" ".repeat(indent + column)),
                Piece { text: row, style },
            ]);
        }
    }

    /// A text that is wrapped.
    pub fn text(&mut self, indent: usize, text: &str, style: Style) {
        let room = self.width.saturating_sub(indent).max(20);
        for row in text.split('\n').flat_map(|row| wrap(&clean_line(row), room)) {
            self.lines
                .push(vec![Piece::plain(" ".repeat(indent)), Piece { text: row, style }]);
        }
    }

    /// Rows in columns as wide as their widest cell. The last column is not padded.
    pub fn table(&mut self, head: &[&str], rows: Vec<Vec<Piece>>) {
        let head: Vec<Piece> = head.iter().map(|cell| Piece::new(cell, Style::Faint)).collect();
        let mut widths = vec![0; head.len()];
        for row in std::iter::once(&head).chain(&rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        for row in std::iter::once(head).chain(rows) {
            let last = row.len().saturating_sub(1);
            let mut line = Vec::new();
            for ((at, cell), width) in row.into_iter().enumerate().zip(&widths) {
                let pad = if at == last {
                    0
                } else {
                    width.saturating_sub(cell.width()) + 2
                };
                line.push(cell);
                line.push(Piece::plain(" ".repeat(pad)));
            }
            self.lines.push(line);
        }
    }

    /// What fits a screen of this size: lines are cut at its right side, and the last one says how many are missing.
    pub fn clipped(mut self, columns: usize, rows: usize) -> Self {
        let missing = self.lines.len().saturating_sub(rows.max(1));
        if missing > 0 {
            self.lines.truncate(rows.max(1).saturating_sub(1));
            self.lines.push(vec![Piece::new(
                format!("… {} more lines", missing + 1),
                Style::Faint,
            )]);
        }
        for line in &mut self.lines {
            let mut room = columns;
            for piece in line {
                let mut kept = String::new();
                for c in piece.text.chars() {
                    let width = c.width().unwrap_or(0);
                    if width > room {
                        room = 0;
                        break;
                    }
                    room -= width;
                    kept.push(c);
                }
                piece.text = kept;
            }
        }
        self
    }

    /// Without any style, a line feed after each line.
    pub fn to_plain(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let row: String = line.iter().map(|piece| piece.text.as_str()).collect();
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }
}

/// `text` in rows of at most `room` columns, broken at spaces. A word that is longer stays whole, so that it can be copied.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let width = word.width();
        if used > 0 && used + 1 + width > room {
            rows.push(String::new());
            used = 0;
        }
        if let Some(row) = rows.last_mut() {
            if used > 0 {
                row.push(' ');
                used += 1;
            }
            row.push_str(word);
            used += width;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_never_gets_onto_a_page() {
        let mut page = Page::new(60);
        let evil = "a\u{1b}[2Jb\u{202e}c\r\nd";
        page.line([Piece::plain(evil)]);
        page.beside(2, Piece::plain(evil), 10, evil, Style::Plain);
        page.text(0, evil, Style::Faint);
        page.heading(evil);
        page.table(&[evil], vec![vec![Piece::plain(evil)]]);
        let text = page.to_plain();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text:?}");
        assert!(text.contains("a[2Jbc"), "{text:?}");
    }

    #[test]
    fn text_beside_a_label_keeps_its_column() {
        let mut page = Page::new(40);
        page.beside(
            2,
            Piece::plain("label"),
            10,
            "one two three four five six seven eight",
            Style::Plain,
        );
        assert_eq!(
            page.to_plain(),
            "  label     one two three four five six\n            seven eight\n"
        );
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        let url = format!("https://example.com/{}", "x".repeat(80));
        assert_eq!(
            wrap(&format!("see {url} there"), 30),
            ["see", url.as_str(), "there"]
        );
    }

    #[test]
    fn a_screen_that_is_too_small_says_how_much_is_missing() {
        let mut page = Page::new(40);
        for text in ["one and more", "two", "three", "東京 four"] {
            page.line([Piece::plain(text), Piece::plain("!")]);
        }
        assert_eq!(page.clone().clipped(7, 3).to_plain(), "one and\ntwo!\n… 2 mor\n");
        assert_eq!(page.clone().clipped(3, 9).to_plain(), "one\ntwo\nthr\n東\n");
        assert_eq!(page.clone().clipped(40, 4), page);
    }

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!(wrap("東京 東京", 8), ["東京", "東京"]);
    }
}
