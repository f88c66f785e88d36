//! What is kept of one log: its end, tidied, without what should not be kept.
//!
//! In this order: colours and other control characters go first, because they could stand within a secret; then what should not be
//! kept is replaced; only then the beginning is cut off, at the beginning of a line, because half a secret looks like none.

use std::collections::BTreeMap;

use stanch_plugin::text;

use crate::detect::{Detector, redact};

/// Besides twice of what may be kept, so much is looked through: more than the longest key, and more would take time for what
/// is cut off.
const MARGIN: usize = 16 << 10;

/// The host cuts a longer log off, and not at the beginning of a line.
const HOSTS_MOST: usize = 1 << 20;

/// What is kept.
pub(crate) struct Kept {
    pub(crate) text: String,
    pub(crate) lines: usize,
    pub(crate) cut_lines: usize,
    pub(crate) replaced: BTreeMap<Detector, usize>,
    /// What it costs of the answer, in bytes.
    pub(crate) cost: u64,
}

/// At most `most` bytes of the end of a log.
pub(crate) fn keep(log: &str, most: u64, detectors: &[Detector]) -> Kept {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let log = if log.len() < HOSTS_MOST - 3 {
        log
    } else {
        log.split_once('\n').map_or(log, |(_, rest)| rest)
    };
    let tidy = tidied(log);
    let window = end_of(&tidy, most.saturating_mul(2).saturating_add(MARGIN));
    let (clean, places) = redact(window, detectors);
    let from = cut_at(&clean, most);
    let text = clean.get(from..).unwrap_or_default().to_owned();
    let mut replaced = BTreeMap::new();
    for (_, detector) in places.into_iter().filter(|(at, _)| *at >= from) {
        *replaced.entry(detector).or_default() += 1;
    }
    let all = tidy.lines().count();
    let lines = text.lines().count();
    Kept {
        cost: text.chars().map(cost).sum::<usize>() as u64,
        lines,
        cut_lines: all.saturating_sub(lines),
        replaced,
        text,
    }
}

/// Without colours, other sequences of a terminal, and what else moves a cursor or hides text.
fn tidied(log: &str) -> String {
    let mut plain = String::with_capacity(log.len());
    let mut chars = log.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            plain.push(c);
        } else if chars.next_if_eq(&'[').is_some() {
            // ECMA-48: parameters, then one final byte.
            while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
    }
    text::clean(&plain)
}

/// About so much of the end, from the beginning of a line; all of it where it is one line.
fn end_of(text: &str, bytes: usize) -> &str {
    let Some(from) = text.len().checked_sub(bytes).filter(|from| *from > 0) else {
        return text;
    };
    let from = (from..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    match text.get(from..).and_then(|end| end.find('\n')) {
        Some(line) if from + line + 1 < text.len() => text.get(from + line + 1..).unwrap_or(text),
        _ => text,
    }
}

/// Where the last lines begin that cost at most so much. Of a single line that costs more, its end.
fn cut_at(text: &str, most: usize) -> usize {
    let (mut spent, mut line, mut any) = (0, text.len(), text.len());
    for (at, c) in text.char_indices().rev() {
        spent += cost(c);
        if spent > most {
            let whole = line < text.len();
            return if whole { line } else { any };
        }
        any = at;
        if at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n') {
            line = at;
        }
    }
    0
}

/// Bytes of a character in JSON.
fn cost(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\t' => 2,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::USUAL;

    fn kept(log: &str, most: u64) -> Kept {
        keep(log, most, &USUAL)
    }

    #[test]
    fn the_end_is_kept_by_whole_lines_and_what_was_cut_is_counted() {
        let log: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let all = kept(&log, 10_000);
        assert_eq!(
            (all.lines, all.cut_lines, all.text.as_str()),
            (100, 0, log.as_str())
        );
        let end = kept(&log, 25);
        assert_eq!(
            (end.text.as_str(), end.lines, end.cut_lines),
            ("line 98\nline 99\n", 2, 98)
        );
        assert_eq!(end.cost, 18);
        let none = kept(&log, 3);
        assert_eq!((none.text.as_str(), none.cut_lines), ("9\n", 99));
        assert_eq!(kept("", 10).lines, 0);
    }

    #[test]
    fn a_line_longer_than_what_may_be_kept_is_cut_after_its_secrets_are_gone() {
        let log = format!("start password={} end", "x".repeat(200));
        let end = kept(&log, 12);
        assert_eq!(end.text, "assword] end");
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        for most in 0..120 {
            let end = kept(&format!("token={jwt} and {jwt}"), most);
            assert!(
                !end.text.contains("c2lnbm") && !end.text.contains("eyJzd"),
                "{most}: {}",
                end.text
            );
        }
    }

    #[test]
    fn a_key_that_began_before_what_was_read_is_not_kept() {
        let log = "MIIEowIBAAKCAQEA\nq2w3e4r5t6\n-----END RSA PRIVATE KEY-----\nready\n";
        assert_eq!(kept(log, 1000).text, "[private-key]\nready\n");
    }

    #[test]
    fn colours_within_a_secret_do_not_hide_it_and_are_gone() {
        let log = "\u{1b}[31mmail\u{1b}[0m dana@\u{1b}[1;32mexam\u{200b}ple.com\u{1b}[K\r\n";
        assert_eq!(kept(log, 1000).text, "mail [email]\n");
    }

    #[test]
    fn the_half_line_at_the_beginning_of_what_the_host_cut_off_is_not_kept() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let half = jwt.get(25..).unwrap();
        let log = format!("{half}\n{}", "filling line\n".repeat(100_000));
        let cut = log.get(..1 << 20).unwrap();
        assert!(!keep(cut, 1 << 20, &USUAL).text.contains(half));
        assert!(
            keep(&format!("{half}\nnext"), 1 << 20, &USUAL)
                .text
                .contains(half)
        );
    }

    #[test]
    fn only_what_is_replaced_in_the_kept_lines_is_counted() {
        let log = "a@b.io\na@b.io\nlast a@b.io\n";
        assert_eq!(kept(log, 1000).replaced[&Detector::Email], 3);
        assert_eq!(kept(log, 16).replaced[&Detector::Email], 1);
        assert_eq!(kept(log, 2).replaced.len(), 0);
    }

    #[test]
    fn what_is_far_before_the_end_is_not_looked_through() {
        let log = format!("{}last a@b.io\n", "filling line\n".repeat(20_000));
        let end = kept(&log, 40);
        assert_eq!((end.lines, end.cut_lines), (2, 19_999));
        assert!(end.text.ends_with("last [email]\n"));
    }
}
