//! PromQL. The only place where an outside value is safe is a label's value, in quotes after `=`, `!=`, `=~` or `!~`:
//! there it is escaped for its quotes, and for the pattern where the matcher is one. Anywhere else it would be code.

use crate::escape::{Refused, Way};
use crate::expr::Trust;

#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// The last characters outside of strings that are not white space: what stands before a quote.
    before: (Option<char>, Option<char>),
    /// Within a pattern: how the literal parts of it end.
    pattern: crate::escape::regex::Scanner,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Code,
    Comment,
    /// A string with this quote; `matcher`: what it is the value of.
    Quoted {
        quote: char,
        matcher: Matcher,
        escaped: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matcher {
    Equal,
    Pattern,
    /// Not a label's value.
    Other,
}

impl Scanner {
    pub(crate) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            self.state = match self.state {
                State::Comment if c == '\n' => State::Code,
                State::Comment => State::Comment,
                State::Code => match c {
                    '#' => State::Comment,
                    '"' | '\'' | '`' => {
                        let matcher = match self.before {
                            (Some('=' | '!'), Some('~')) => Matcher::Pattern,
                            (Some('='), Some('=')) => Matcher::Other,
                            (_, Some('=')) => Matcher::Equal,
                            _ => Matcher::Other,
                        };
                        self.pattern = crate::escape::regex::Scanner::default();
                        State::Quoted {
                            quote: c,
                            matcher,
                            escaped: false,
                        }
                    }
                    c => {
                        if !c.is_whitespace() {
                            self.before = (self.before.1, Some(c));
                        }
                        State::Code
                    }
                },
                State::Quoted {
                    quote,
                    matcher,
                    escaped,
                } => {
                    if escaped {
                        // `\\` is one backslash of the pattern; other escapes are characters that mean nothing to it.
                        self.pattern.literal(if c == '\\' { "\\" } else { "x" });
                        State::Quoted {
                            quote,
                            matcher,
                            escaped: false,
                        }
                    } else if c == '\\' && quote != '`' {
                        State::Quoted {
                            quote,
                            matcher,
                            escaped: true,
                        }
                    } else if c == quote {
                        self.before = (self.before.1, Some(quote));
                        State::Code
                    } else {
                        self.pattern.literal(c.encode_utf8(&mut [0; 4]));
                        State::Quoted {
                            quote,
                            matcher,
                            escaped: false,
                        }
                    }
                }
            };
        }
    }

    pub(crate) fn value(&mut self, trust: Trust) -> Result<Way, Refused> {
        match self.state {
            State::Quoted { escaped: true, .. } if trust != Trust::Ours => Err(Refused::new(
                "a value from outside cannot follow a backslash",
                "take the backslash away",
            )),
            State::Quoted {
                quote: quote @ ('"' | '\''),
                matcher: Matcher::Equal,
                escaped: false,
            } => Ok(Way::PromqlString {
                quote,
                regex: false,
                outside: trust != Trust::Ours,
            }),
            State::Quoted {
                quote: quote @ ('"' | '\''),
                matcher: Matcher::Pattern,
                escaped: false,
            } => {
                // The author's own patterns stay patterns.
                let regex = self.pattern.value(trust)? == Way::RegexLiteral;
                Ok(Way::PromqlString {
                    quote,
                    regex,
                    outside: trust != Trust::Ours,
                })
            }
            State::Quoted {
                quote: quote @ ('"' | '\''),
                escaped: false,
                ..
            } if trust == Trust::Ours => Ok(Way::PromqlString {
                quote,
                regex: false,
                outside: false,
            }),
            _ if trust == Trust::Ours => Ok(Way::AsIs),
            State::Quoted { quote: '`', .. } => Err(Refused::new(
                "between backticks PromQL escapes nothing, so a value from outside could end the text",
                "put the label's value in double quotes",
            )),
            _ => Err(Refused::new(
                "in PromQL a value from outside can only be a label's value in quotes",
                "write it as `{label=\"${…}\"}`; a number goes anywhere as `${double(…)}`",
            )),
        }
    }
}

/// Puts `text` into a PromQL string in `quote` (Go's escapes, which PromQL has).
pub(crate) fn put(
    text: &str,
    quote: char,
    regex: bool,
    outside: bool,
    out: &mut String,
) -> Result<(), String> {
    if outside && text.is_empty() {
        return Err(
            "it is empty, and an empty label value selects all series that have no such label".to_owned(),
        );
    }
    let mut pattern = String::new();
    let text = if regex {
        crate::escape::regex::put(text, &mut pattern);
        pattern.as_str()
    } else {
        text
    };
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(())
}
