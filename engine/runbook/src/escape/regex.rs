//! Regular expressions (RE2, Rust, Go and JavaScript read these escapes alike). A value from outside stands for itself;
//! in a class, a count, a group's name or after a backslash there is no way to say that, and it does not load there.

use crate::escape::{Refused, Way};
use crate::expr::Trust;

#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// `\Q`, or a flag that changes what characters mean, was seen.
    unclear: bool,
    /// The last character was a `(` that opens a group.
    open: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// After a backslash, in a class or not.
    Escape { class: bool },
    /// In `[…]`.
    Class,
    /// In `{…}`: a count or a property.
    Braces,
    /// After `(?`, before `:`, `>`, `=`, `!` or `)`.
    Group,
}

impl Scanner {
    pub(crate) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            let opens = self.state == State::Plain && c == '(';
            self.state = match (self.state, c) {
                (State::Escape { class: false }, 'Q') => {
                    self.unclear = true;
                    State::Plain
                }
                (State::Escape { class: true }, _) => State::Class,
                (State::Escape { class: false }, _) => State::Plain,
                (State::Plain, '\\') => State::Escape { class: false },
                (State::Class, '\\') => State::Escape { class: true },
                (State::Plain, '[') => State::Class,
                (State::Plain, '{') => State::Braces,
                (State::Plain, '?') if self.open => State::Group,
                (State::Class, ']') | (State::Braces, '}') => State::Plain,
                (State::Group, ':' | '>' | '=' | '!' | ')') => State::Plain,
                (State::Group, 'x') => {
                    self.unclear = true;
                    State::Group
                }
                (state, _) => state,
            };
            self.open = opens;
        }
    }

    pub(crate) fn value(&mut self, trust: Trust) -> Result<Way, Refused> {
        self.open = false;
        if trust == Trust::Ours {
            // The author's own pieces may be patterns.
            return Ok(Way::AsIs);
        }
        match self.state {
            State::Plain if !self.unclear => Ok(Way::RegexLiteral),
            _ => Err(Refused::new(
                "here in the regular expression a value from outside cannot be told from the pattern",
                "put it outside of classes, counts, group names and escapes",
            )),
        }
    }
}

/// Puts `text` so that the pattern matches exactly it.
pub(crate) fn put(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
}
