//! Text from outside, made safe to show.
//!
//! A guest, an alert and a server's answer may all carry characters that move a cursor, hide what follows or turn the
//! direction of reading. They are taken out once, where the text enters, so that a terminal, a log line, a chat message
//! and a page can show it as it is.

/// `text` without control and direction characters; line feeds and tabs stay.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !is_unsafe(*c))
        .collect()
}

/// `text` as one line: like [`clean`], with line feeds and tabs as spaces.
pub fn clean_line(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !is_unsafe(*c))
        .collect()
}

/// [`clean`], cut to at most `most` characters; what was cut shows as `…`.
pub fn clean_to(text: &str, most: usize) -> String {
    cut(&clean(text), most)
}

/// [`clean_line`], cut to at most `most` characters; what was cut shows as `…`.
pub fn clean_line_to(text: &str, most: usize) -> String {
    cut(&clean_line(text), most)
}

/// At most `most` characters of `text`, the last of them `…` where something was cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Control characters (C0, DEL, C1), and what Unicode has to change direction, join invisibly or hide: bidirectional
/// controls (UAX #9), zero-width characters, line and paragraph separators, the soft hyphen, variation and tag characters.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `text` is what `pattern` says, where each `*` stands for any part of it, also for none.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else {
        return pattern == text;
    };
    let inner = text.strip_prefix(first).and_then(|text| text.strip_suffix(last));
    // What is found earliest leaves the most for what comes after it.
    let found = parts.try_fold(inner.unwrap_or_default(), |rest, part| {
        rest.split_once(part).map(|(_, rest)| rest)
    });
    inner.is_some() && found.is_some()
}

/// Of `known`, what was probably meant by `word`.
pub fn near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Of a word of two letters every other is a near miss.
    let most = if word.chars().count() < 3 {
        0
    } else {
        1 + word.chars().count() / 4
    };
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *candidate != word)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, a swap of two neighbours counting as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut table = vec![0_usize; (a.len() + 1) * width];
    let at =
        |table: &[usize], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(usize::MAX - 8);
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let cost = if i == 0 {
                j
            } else if j == 0 {
                i
            } else {
                let same = usize::from(a.get(i - 1) != b.get(j - 1));
                let mut least = (at(&table, i - 1, j) + 1)
                    .min(at(&table, i, j - 1) + 1)
                    .min(at(&table, i - 1, j - 1) + same);
                if i > 1 && j > 1 && a.get(i - 1) == b.get(j - 2) && a.get(i - 2) == b.get(j - 1) {
                    least = least.min(at(&table, i - 2, j - 2) + 1);
                }
                least
            };
            if let Some(cell) = table.get_mut(i * width + j) {
                *cell = cost;
            }
        }
    }
    at(&table, a.len(), b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_direction_marks_are_gone_and_the_words_stay() {
        assert_eq!(
            clean("a\u{1b}[31mred\u{1b}[0m\u{202e}b\u{200b}\r\nc\td"),
            "a[31mred[0mb\nc\td"
        );
        assert_eq!(clean_line("two\nlines\tand\u{7}"), "two lines and");
        assert_eq!(clean("Zürich, 東京, عربى, 👍"), "Zürich, 東京, عربى, 👍");
    }

    #[test]
    fn a_cut_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(clean_line_to("a\nbcdef", 3), "a …");
    }

    #[test]
    fn a_star_is_any_characters_and_the_rest_is_itself() {
        let table = [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a**c", "abc", true),
            ("disk-*", "disk-usage", true),
            ("remove file:*", "remove file:scratch", true),
            ("*ü*", "Zürich", true),
        ];
        for (pattern, text, is) in table {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let text = "a".repeat(20_000);
        assert!(!fits(&format!("{}b", "a*".repeat(40)), &text));
    }

    #[test]
    fn a_near_miss_is_recognised_and_a_far_one_is_not() {
        assert_eq!(near("serverity", ["severity", "summary"]), Some("severity"));
        assert_eq!(near("wehn", ["when", "with"]), Some("when"));
        assert_eq!(near("colour", ["severity", "summary"]), None);
    }
}
