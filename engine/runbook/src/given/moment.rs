//! Times in what a server answers: `${now}` where an answer has to fit the time at which it is asked for.
//!
//! `${now}` is in seconds since 1970, `${now_ms}` in milliseconds, `${now_rfc3339}` a text; each can be shifted, as in
//! `${now-90s}` or `${now+1h}`. A JSON string that is nothing but one number of these becomes the number. `$${` is a literal
//! `${`.

use serde_json::Value;
use stanch_contract::{Span, Timestamp};

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Time(Unit, i64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Seconds,
    Millis,
    Rfc3339,
}

const UNITS: [(&str, Unit); 3] = [
    ("now_rfc3339", Unit::Rfc3339),
    ("now_ms", Unit::Millis),
    ("now", Unit::Seconds),
];

/// Whether a text's `${…}` are times.
///
/// # Errors
/// A sentence that says what would be right.
pub fn check(text: &str) -> Result<(), String> {
    parts(text).map(|_| ())
}

/// As [`check`], of every text in a value.
///
/// # Errors
/// A sentence that says what would be right.
pub fn check_json(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => check(text),
        Value::Array(items) => items.iter().try_for_each(check_json),
        Value::Object(members) => members.values().try_for_each(check_json),
        _ => Ok(()),
    }
}

/// The text at this time. What [`check`] does not let pass stays as it is.
pub fn fill(text: &str, now: Timestamp) -> String {
    let Ok(parts) = parts(text) else {
        return text.to_owned();
    };
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Time(unit, shift) => match unit.at(*shift, now) {
                Value::String(text) => text,
                number => number.to_string(),
            },
        })
        .collect()
}

/// The value at this time.
pub fn fill_json(value: &Value, now: Timestamp) -> Value {
    match value {
        Value::String(text) => match parts(text).as_deref() {
            Ok([Part::Time(unit, shift)]) => unit.at(*shift, now),
            _ => Value::String(fill(text, now)),
        },
        Value::Array(items) => items.iter().map(|item| fill_json(item, now)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), fill_json(value, now)))
            .collect(),
        other => other.clone(),
    }
}

impl Unit {
    fn at(self, shift: i64, now: Timestamp) -> Value {
        let at = now.0.saturating_add(shift);
        match self {
            Self::Millis => at.into(),
            Self::Seconds if at % 1000 == 0 => (at / 1000).into(),
            Self::Seconds => (at as f64 / 1000.0).into(),
            Self::Rfc3339 => Timestamp(at).to_string().into(),
        }
    }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            literal.push_str(before);
            literal.push_str("${");
            rest = after;
            continue;
        }
        literal.push_str(before);
        let (inner, after) = after
            .split_once('}')
            .ok_or("a `${` is not closed: write `$${` for a literal `${`")?;
        let time = time(inner).ok_or_else(|| {
            format!(
                "`${{{inner}}}` is not a time: write `${{now}}`, `${{now_ms}}` or `${{now_rfc3339}}`, shifted as in \
                 `${{now-90s}}`, or `$${{` for a literal `${{`"
            )
        })?;
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(time);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

fn time(inner: &str) -> Option<Part> {
    let (unit, shift) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((*unit, inner.strip_prefix(name)?)))?;
    let span = |text: &str| text.parse::<Span>().ok().map(Span::as_millis);
    let shift = match shift.split_at_checked(1) {
        None => 0,
        Some(("-", text)) => -span(text)?,
        Some(("+", text)) => span(text)?,
        Some(_) => return None,
    };
    Some(Part::Time(unit, shift))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_500);

    #[test]
    fn times_are_numbers_where_they_stand_alone_and_texts_where_they_do_not() {
        let value = json!({
            "values": [["${now}", "7.2"], ["${now-500ms}", "1"], ["${now_ms+1s}", "2"]],
            "at": "${now_rfc3339}", "text": "until ${now-500ms}", "literal": "$${now}",
        });
        assert_eq!(check_json(&value), Ok(()));
        assert_eq!(
            fill_json(&value, NOW),
            json!({
                "values": [[1_767_225_600.5, "7.2"], [1_767_225_600, "1"], [1_767_225_601_500_i64, "2"]],
                "at": "2026-01-01T00:00:00.500Z", "text": "until 1767225600", "literal": "${now}",
            })
        );
    }

    #[test]
    fn what_is_no_time_is_told_with_what_would_be_right() {
        for text in [
            "${then}",
            "${now-}",
            "${now-soon}",
            "${now 1s}",
            "${now_s}",
            "${}",
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains("write `${now}`"), "{text}: {error}");
            assert_eq!(fill(text, NOW), text);
        }
        assert!(check("${now").unwrap_err().contains("not closed"));
    }
}
