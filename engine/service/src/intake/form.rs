//! The form of a body, before anything looks at what it says: UTF-8, not nested without end, and without what would
//! mislead a reader.

use http::{HeaderMap, header};
use serde_json::{Map, Value};
use stanch_contract::text as words;

/// How deep a body may be nested. Alertmanager's needs 4; a payload of annotations in JSON is text.
pub(super) const MOST_DEEP: usize = 64;
/// The largest payload that is kept with an alert.
pub(super) const PAYLOAD: usize = 64 << 10;

/// The longest that tells one alert from another, in bytes.
pub(super) const FINGERPRINT: usize = 128;

/// Why a body is not what it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// One sentence.
    pub reason: String,
    /// Where: `alerts[2].labels.pod`, or `byte 17`; empty: the whole body.
    pub at: String,
}

impl Malformed {
    pub(super) fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            at: at.into(),
        }
    }

    /// The same, in what is at this place.
    pub(super) fn under(self, at: &str) -> Self {
        Self {
            at: format!("{at} {}", self.at).trim_end().to_owned(),
            ..self
        }
    }
}

/// Why a request says nothing that can be understood.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Its body is of another type than this intake takes.
    Kind(String),
    /// Its body is not what its type says, or not what the intake makes alerts of.
    Malformed(Malformed),
}

impl Unreadable {
    pub(super) fn kind(why: impl Into<String>) -> Self {
        Self::Kind(why.into())
    }
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// What `Content-Type` says, without its parameters and in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Option<String>, Unreadable> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let value = value.ok_or_else(|| Unreadable::kind("`Content-Type` cannot be read"))?;
    Ok(Some(essence(value)))
}

/// A media type without its parameters, in lower case.
pub(super) fn essence(kind: &str) -> String {
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether a media type is JSON's: `application/json`, and whatever ends with `+json`.
pub(super) fn is_json(kind: &str) -> bool {
    kind.ends_with("/json") || kind.ends_with("+json")
}

/// The body as JSON of bounded depth, as it came.
pub(super) fn json(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_str(text(body)?).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        let reason = words::clean_line_to(&error.to_string(), 200);
        Malformed::new(at, format!("the body is not JSON: {reason}"))
    })
}

/// The body as text.
pub(super) fn text_of(body: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(body)
        .map_err(|error| Malformed::new(format!("byte {}", error.valid_up_to()), "the body is not UTF-8"))
}

/// The body as text of bounded depth.
pub(super) fn text(body: &[u8]) -> Result<&str, Malformed> {
    let text = text_of(body)?;
    match too_deep(body) {
        None => Ok(text),
        Some(at) => Err(Malformed::new(
            format!("byte {at}"),
            format!("the body is nested more than {MOST_DEEP} deep"),
        )),
    }
}

/// Where brackets outside of strings go deeper than they may. What is not JSON is left to the parser.
fn too_deep(body: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in body.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MOST_DEEP {
                    return Some(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Takes out of every text, names of members included, what would mislead a reader.
pub(super) fn clean_members(members: &mut Map<String, Value>) {
    if members.keys().any(|key| !is_plain(key)) {
        let taken = std::mem::take(members);
        members.extend(
            taken
                .into_iter()
                .map(|(key, value)| (words::clean_line(&key), value)),
        );
    }
    members.values_mut().for_each(clean_value);
}

/// The same in any value.
pub(super) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) if !is_plain(text) => *text = words::clean(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(members) => clean_members(members),
        _ => {}
    }
}

/// Printable ASCII, as nearly all labels are: nothing to look for.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(text(deep(MOST_DEEP).as_bytes()).is_ok());
        assert_eq!(text(deep(MOST_DEEP + 1).as_bytes()).unwrap_err().at, "byte 64");
        let quoted = format!(r#""\"{}""#, "[".repeat(500));
        assert!(text(quoted.as_bytes()).is_ok());
        let wide = format!("[{}]", vec!["[]"; 500].join(","));
        assert!(text(wide.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_utf8_is_told_with_its_place() {
        assert_eq!(text(b"{\"a\":\"\xff\"}").unwrap_err().at, "byte 6");
    }
}
