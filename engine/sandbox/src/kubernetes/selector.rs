//! Label selectors: read as the API server reads them, and matched on a live object's labels by the host.
//!
//! The syntax is that of `kubectl -l`: requirements joined by commas, each one of `key`, `!key`, `key=value`, `key==value`,
//! `key!=value`, `key in (a,b)`, `key notin (a,b)`. What is not valid as a key or value of a label is refused here, so that
//! the host and the server never read one text in two ways. `key>1` and `key<1` are refused too: they mean numbers on some
//! servers only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kube::core::{Expression, SelectorExt};

/// Longer ones are refused.
const LONGEST: usize = 4096;

/// A selector with at least one requirement. An empty one would be everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector(kube::core::Selector);

/// Why a text is not a selector, in a sentence's end: "is not a key of a label".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the label selector `{shown}` {why}")]
pub(crate) struct UnfitSelector {
    shown: String,
    why: String,
}

impl Selector {
    /// Reads a selector.
    pub(crate) fn parse(text: &str) -> Result<Self, UnfitSelector> {
        let unfit = |why: String| UnfitSelector {
            shown: stanch_contract::text::clean_line_to(text, 120),
            why,
        };
        if text.len() > LONGEST {
            return Err(unfit("is longer than 4 KiB".to_owned()));
        }
        if text.trim().is_empty() {
            return Err(unfit("is empty, and nothing is never everything".to_owned()));
        }
        let parts = split(text).ok_or_else(|| unfit("has a bracket without its other half".to_owned()))?;
        let expressions: Result<Vec<Expression>, String> = parts.into_iter().map(expression).collect();
        Ok(Self(expressions.map_err(unfit)?.into_iter().collect()))
    }

    /// Whether these labels fit.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }

    /// What both select.
    #[must_use]
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.0.clone();
        both.extend(other.0.clone());
        Self(both)
    }
}

impl fmt::Display for Selector {
    /// As it is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The requirements: split at commas that are not within brackets.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
        let end = match rest.as_bytes().get(end) {
            Some(b'(') => end + rest.get(end..)?.find(')')? + 1,
            Some(b')') => return None,
            _ => end,
        };
        // After a bracket only a comma or the end may come.
        let (part, after) = rest.split_at_checked(end)?;
        parts.push(part);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn expression(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("has a comma too many".to_owned());
    }
    if let Some(set) = text.strip_suffix(')') {
        let (head, values) = set
            .split_once('(')
            .ok_or("has a bracket without its other half")?;
        let mut words = head.split_whitespace();
        let (Some(name), Some(word), None) = (words.next(), words.next(), words.next()) else {
            return Err("has brackets without `in` or `notin` before them".to_owned());
        };
        let values: BTreeSet<String> = values.split(',').map(value).collect::<Result<BTreeSet<_>, _>>()?;
        return match word {
            "in" => Ok(Expression::In(key(name)?, values)),
            "notin" => Ok(Expression::NotIn(key(name)?, values)),
            _ => Err(format!(
                "has `{}` where `in` or `notin` belongs",
                stanch_contract::text::clean_line_to(word, 40)
            )),
        };
    }
    if text.contains(['<', '>']) {
        return Err("compares numbers, which labels are not".to_owned());
    }
    if let Some((name, rest)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(key(name)?, value(rest)?));
    }
    if let Some((name, rest)) = text.split_once('=') {
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        return Ok(Expression::Equal(key(name)?, value(rest)?));
    }
    match text.strip_prefix('!') {
        Some(name) => Ok(Expression::DoesNotExist(key(name)?)),
        None => Ok(Expression::Exists(key(text)?)),
    }
}

/// A label's key: a name of at most 63 characters, before it maybe a DNS name and a slash.
fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let prefix_fits = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= 253
            && prefix
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    });
    if !name.is_empty() && is_value(name) && prefix_fits {
        return Ok(text.to_owned());
    }
    Err(format!(
        "has `{}`, which is not a label's key",
        stanch_contract::text::clean_line_to(text, 80)
    ))
}

/// A label's value, which may be empty.
fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if is_value(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "has `{}`, which is not a label's value",
        stanch_contract::text::clean_line_to(text, 80)
    ))
}

fn is_value(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.';
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().copied().all(fits) && ends(bytes.first()) && ends(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_selector_matches_as_the_api_server_does() {
        let worker = labels(&[("app", "worker"), ("tier", "gpu"), ("example.com/zone", "a")]);
        let table = [
            ("app", true),
            ("app=worker", true),
            ("app==worker", true),
            (" app = worker , tier in ( gpu , cpu ) ", true),
            ("app!=worker", false),
            ("missing!=worker", true),
            ("missing notin (a,b)", true),
            ("missing=", false),
            ("tier notin (gpu)", false),
            ("!missing", true),
            ("!app", false),
            ("example.com/zone in (a,b),app=worker", true),
            ("example.com/zone=b", false),
        ];
        for (text, fits) in table {
            assert_eq!(Selector::parse(text).unwrap().matches(&worker), fits, "{text}");
        }
    }

    #[test]
    fn what_is_sent_is_read_back_as_the_same() {
        for text in ["app=worker,tier in (cpu,gpu),!x,y,z!=1,w notin (a)", "a="] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(
                Selector::parse(&selector.to_string()).unwrap(),
                selector,
                "{selector}"
            );
        }
    }

    #[test]
    fn what_is_not_a_selector_is_refused() {
        let table = [
            ("", "is empty"),
            ("  ", "is empty"),
            ("app=worker,", "a comma too many"),
            (",app", "a comma too many"),
            ("app in (a", "a bracket"),
            ("app)", "a bracket"),
            ("app in (a) b", "a bracket"),
            ("app (a)", "without `in`"),
            ("app on (a)", "where `in`"),
            ("replicas>3", "compares numbers"),
            ("app=wor ker", "not a label's value"),
            ("app=worker&limit=0", "not a label's value"),
            ("-app=worker", "not a label's key"),
            ("Example.com/app=worker", "not a label's key"),
            ("/app=worker", "not a label's key"),
            ("a/b/c=worker", "not a label's key"),
            ("=worker", "not a label's key"),
        ];
        for (text, part) in table {
            let error = Selector::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Selector::parse(&format!("app={}", "x".repeat(64))).is_err());
        assert!(Selector::parse(&"a,".repeat(3000)).is_err());
    }
}
