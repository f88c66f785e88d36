//! Puts values into strings of another language so that they stay values.
//!
//! A label, an annotation or a plugin's answer comes from outside. Put as it is into a query, a URL, a pattern or a JSON
//! document it could end the string that it stands in and go on as code. Where a plugin's schema says what a string is
//! (`x-stanch-format`), the literal parts of the template are scanned when the runbook loads: each `${…}` gets the one way
//! of escaping that its position has, and where a position has none, an outside value does not load there.

mod json;
mod promql;
mod regex;
mod url;

use serde_json::Value;

use crate::expr::Trust;
use crate::expr::template_text;

pub(crate) use url::check_whole as check_url;

/// What a string is, as the plugin's schema says in `x-stanch-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Nothing is known: text for people, names, paths.
    Text,
    Promql,
    Url,
    Regex,
    Json,
    /// Something that this engine cannot escape for: a word that it does not know, or several at once.
    Unclear,
}

impl Format {
    /// From the schema's word.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "promql" => Self::Promql,
            "url" => Self::Url,
            "regex" => Self::Regex,
            "json" => Self::Json,
            _ => Self::Unclear,
        }
    }

    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Promql => "PromQL",
            Self::Url => "a URL",
            Self::Regex => "a regular expression",
            Self::Json => "JSON",
            Self::Unclear => "a language that this engine does not know",
        }
    }
}

/// How one value is put where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it is.
    AsIs,
    /// In a PromQL string with this quote; as a literal within a regular expression where that is what the string is.
    PromqlString { quote: char, regex: bool, outside: bool },
    /// Percent-encoded, as a part of a path: never empty, never `.` or `..`.
    UrlPath,
    /// Percent-encoded, in a query or fragment.
    UrlQuery,
    /// A literal within a regular expression.
    RegexLiteral,
    /// Within a JSON string.
    JsonString,
    /// As a JSON value of its own.
    JsonValue,
}

impl Way {
    /// Puts `value` at the end of `out`.
    ///
    /// # Errors
    /// Where the value cannot stand there: why.
    pub(crate) fn put(self, value: &Value, out: &mut String) -> Result<(), String> {
        if self == Self::JsonValue {
            out.push_str(&value.to_string());
            return Ok(());
        }
        let text = template_text(value)?;
        match self {
            Self::AsIs | Self::JsonValue => out.push_str(&text),
            Self::PromqlString {
                quote,
                regex,
                outside,
            } => promql::put(&text, quote, regex, outside, out)?,
            Self::UrlPath => url::put_path(&text, out)?,
            Self::UrlQuery => url::put_query(&text, out),
            Self::RegexLiteral => regex::put(&text, out),
            Self::JsonString => json::put(&text, out),
        }
        Ok(())
    }
}

/// Why an outside value cannot stand at a position, and what can be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) help: String,
}

impl Refused {
    fn new(why: &str, help: &str) -> Self {
        Self {
            why: why.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// Follows the literal parts of a template and says how each value is put.
#[derive(Debug)]
pub(crate) enum Scanner {
    Text,
    Promql(promql::Scanner),
    Url(url::Scanner),
    Regex(regex::Scanner),
    Json(json::Scanner),
    Unclear,
}

impl Scanner {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Promql => Self::Promql(promql::Scanner::default()),
            Format::Url => Self::Url(url::Scanner::default()),
            Format::Regex => Self::Regex(regex::Scanner::default()),
            Format::Json => Self::Json(json::Scanner::default()),
            Format::Unclear => Self::Unclear,
        }
    }

    /// The next literal part.
    pub(crate) fn literal(&mut self, text: &str) {
        match self {
            Self::Text | Self::Unclear => {}
            Self::Promql(scanner) => scanner.literal(text),
            Self::Url(scanner) => scanner.literal(text),
            Self::Regex(scanner) => scanner.literal(text),
            Self::Json(scanner) => scanner.literal(text),
        }
    }

    /// The next value: how it is put.
    ///
    /// # Errors
    /// Where an outside value has no safe way to stand here.
    pub(crate) fn value(&mut self, trust: Trust) -> Result<Way, Refused> {
        match self {
            Self::Text if trust == Trust::Outside => Err(Refused::new(
                "a value from outside cannot stand in a longer text as it is",
                "wrap it: `${text(…)}` makes it one line of plain text",
            )),
            Self::Text => Ok(Way::AsIs),
            Self::Promql(scanner) => scanner.value(trust),
            Self::Url(scanner) => scanner.value(trust),
            Self::Regex(scanner) => scanner.value(trust),
            Self::Json(scanner) => scanner.value(),
            Self::Unclear if trust == Trust::Ours => Ok(Way::AsIs),
            Self::Unclear => Err(Refused::new(
                "this engine does not know how to escape a value from outside for this parameter",
                "give the whole value without `${…}`, or wrap it in `raw(…)`",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
