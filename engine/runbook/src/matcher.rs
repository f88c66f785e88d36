//! Alertmanager's matchers on labels: `name="value"`, `!=`, `=~`, `!~`.
//!
//! As in Alertmanager, a label that is not there is the same as one that is empty, and a pattern has to match the whole
//! value. Patterns are RE2's, which the regex crate reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// The most memory that one compiled pattern may take.
const MOST_REGEX: usize = 1 << 20;

/// One matcher.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what: a value, or a pattern as it was written.
    pub value: String,
    /// The pattern may match an empty value, and so a label that is not there.
    may_be_empty: bool,
    /// Compiled when it is first asked: among thousands of runbooks most patterns are asked as a set only.
    regex: OnceLock<Option<Regex>>,
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// Why a text is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a matcher: {why}")]
pub struct MatcherError {
    text: String,
    why: String,
}

impl Matcher {
    /// Reads one matcher, with or without quotes around the value: `env="prod"`, `region=~"eu-.*"`.
    ///
    /// # Errors
    /// Where it has no label, no operator, a value that is not closed, or a pattern that is none.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let wrong = |why: &str| MatcherError {
            text: text.chars().take(80).collect(),
            why: why.to_owned(),
        };
        let example =
            "write it as `env=\"prod\"`, `env!=\"prod\"`, `region=~\"eu-.*\"` or `region!~\"eu-.*\"`";
        let trimmed = text.trim();
        let (label, rest) = if let Some(quoted) = trimmed.strip_prefix('"') {
            let (label, rest) =
                unquote(quoted).ok_or_else(|| wrong("the quotes of the label are not closed"))?;
            (label, rest)
        } else {
            let end = trimmed.find(['=', '!', '~']).ok_or_else(|| wrong(example))?;
            let (label, rest) = trimmed.split_at(end);
            let label = label.trim_end();
            let mut chars = label.chars();
            let good = chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            if !good {
                return Err(wrong(
                    "a label is letters, digits and `_`; put quotes around another",
                ));
            }
            (label.to_owned(), rest)
        };
        let rest = rest.trim_start();
        let ops = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        let (value, op) = ops
            .iter()
            .find_map(|(sign, op)| rest.strip_prefix(sign).map(|value| (value.trim_start(), *op)))
            .ok_or_else(|| wrong(example))?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => match unquote(quoted) {
                Some((value, "")) => value,
                Some(_) => {
                    return Err(wrong(
                        "there is more after the closing quote; write several matchers as several texts",
                    ));
                }
                None => return Err(wrong("the quotes of the value are not closed")),
            },
            None if value.contains(['"', ',', '{', '}']) || value.starts_with(['=', '~']) => {
                return Err(wrong("put quotes around the value"));
            }
            None => value.to_owned(),
        };
        let regex = OnceLock::new();
        let mut may_be_empty = false;
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            let unusable = |why: String| wrong(&format!("the pattern cannot be used: {why}"));
            // Alone first: `a)|(b` is a pattern only between the anchors' brackets.
            let pattern =
                syntax::parse(&value).map_err(|error| unusable(last_line(&error.to_string()).to_owned()))?;
            may_be_empty = pattern.properties().minimum_len() == Some(0);
            if !is_small(&value) {
                let _ = regex.set(Some(compile(&value).map_err(unusable)?));
            }
        }
        Ok(Self {
            label,
            op,
            value,
            may_be_empty,
            regex,
        })
    }

    /// Whether labels match; one that is not there counts as empty.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.is_match(value),
            MatchOp::NotRegex => !self.is_match(value),
        }
    }

    /// The pattern, where only a label that is there can match it.
    pub(crate) fn demanded_pattern(&self) -> Option<&str> {
        (self.op == MatchOp::Regex && !self.may_be_empty).then_some(self.value.as_str())
    }

    fn is_match(&self, value: &str) -> bool {
        // What could be too large was compiled when it was read, so there always is one.
        let regex = self.regex.get_or_init(|| compile(&self.value).ok());
        regex.as_ref().is_some_and(|regex| regex.is_match(value))
    }
}

/// Whether a pattern that parses is certain to compile within [`MOST_REGEX`]: short, without counts, and without the
/// classes that stand for thousands of characters.
fn is_small(pattern: &str) -> bool {
    let has_large_class = pattern
        .split('\\')
        .skip(1)
        .any(|rest| rest.starts_with(['w', 'W', 'd', 'D', 's', 'S', 'p', 'P', 'b', 'B', 'x', 'u', 'U']));
    pattern.len() <= 128 && !pattern.contains(['{', '[']) && !has_large_class
}

/// Compiles a pattern for whole values. Without the tables that make a search through long texts quick: labels are short,
/// and building the tables would take most of the time in which a file is loaded.
fn compile(pattern: &str) -> Result<Regex, String> {
    let config = Config::new()
        .nfa_size_limit(Some(MOST_REGEX))
        .dfa(false)
        .onepass(false);
    Regex::builder()
        .configure(config)
        .build(&anchored(pattern))
        .map_err(|error| match error.size_limit() {
            Some(limit) => format!("compiled it is larger than {limit} bytes"),
            None => last_line(&error.to_string()).to_owned(),
        })
}

/// What a multi-line message of the regex crate comes to.
fn last_line(message: &str) -> &str {
    message
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
}

/// `pattern`, to match a whole value. Line feeds are characters like others, as in Prometheus.
pub(crate) fn anchored(pattern: &str) -> String {
    format!("^(?s:{pattern})$")
}

/// The text up to the closing quote, with `\"`, `\\` and `\n` read, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Some((out, text.get(offset + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                c @ ('"' | '\\') => out.push(c),
                // As in Alertmanager: other escapes belong to the pattern.
                c => {
                    out.push('\\');
                    out.push(c);
                }
            },
            c => out.push(c),
        }
    }
    None
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self
            .value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        write!(f, "{}{}\"{value}\"", self.label, self.op.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn matchers_match_as_alertmanagers_do() {
        let have = labels(&[("env", "prod"), ("region", "eu-west-1"), ("note", "a\nb")]);
        let table = [
            ("env=\"prod\"", true),
            ("env=prod", true),
            (" env = \"prod\" ", true),
            ("env=\"dev\"", false),
            ("env!=\"dev\"", true),
            ("env!=\"prod\"", false),
            ("region=~\"eu-.*\"", true),
            ("region=~\"eu\"", false),
            ("region=~\"us|eu-west-1\"", true),
            ("region!~\"us-.*\"", true),
            ("region!~\"eu-.*\"", false),
            ("note=~\"a.b\"", true),
            ("team=\"\"", true),
            ("team!=\"\"", false),
            ("team=~\".+\"", false),
            ("team=~\".*\"", true),
            ("\"env\"=\"prod\"", true),
        ];
        for (text, expected) in table {
            assert_eq!(Matcher::parse(text).unwrap().matches(&have), expected, "{text}");
        }
    }

    #[test]
    fn an_alternative_does_not_escape_its_anchors() {
        let matcher = Matcher::parse("region=~\"us|eu\"").unwrap();
        assert!(!matcher.matches(&labels(&[("region", "us-west")])));
        assert!(!matcher.matches(&labels(&[("region", "x-eu")])));
        assert!(Matcher::parse("region=~\"us)|(eu\"").is_err());
    }

    #[test]
    fn what_is_not_a_matcher_is_refused_with_the_reason() {
        for (text, why) in [
            ("prod", "write it as"),
            ("=\"prod\"", "a label is letters"),
            ("env=\"prod", "not closed"),
            ("env=\"prod\",a=\"b\"", "several texts"),
            ("env=~\"(\"", "the pattern cannot be used"),
            ("env==\"prod\"", "put quotes around the value"),
            ("env=~\"(a{1000}){1000}\"", "the pattern cannot be used"),
        ] {
            let error = Matcher::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_small_pattern_always_compiles() {
        let worst = [
            ".".repeat(128),
            "(?:.|.)".repeat(18),
            ".*".repeat(64),
            "(?i)é".repeat(21),
            "(?:(?:.+)+)+".repeat(10),
        ];
        for pattern in worst {
            assert!(is_small(&pattern), "{pattern}");
            assert!(compile(&pattern).is_ok(), "{pattern}");
        }
        for pattern in ["a{3}", "[a-z]", "\\w", "\\\\\\d", "\\pL"] {
            assert!(!is_small(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_matcher_is_read_back_from_what_it_prints() {
        let matcher = Matcher::parse(r#"path="a\"b\\c""#).unwrap();
        assert_eq!(matcher.value, r#"a"b\c"#);
        assert_eq!(Matcher::parse(&matcher.to_string()).unwrap().value, matcher.value);
    }
}
