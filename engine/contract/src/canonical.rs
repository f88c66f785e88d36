//! One text for one JSON value, so that a digest of it means something.
//!
//! The form is that of RFC 8785 (JSON Canonicalization Scheme) for what occurs here: no white space, members sorted by
//! their names' UTF-16 code units, strings with the shortest escapes. Numbers that are whole and within ±2^53 are
//! written as integers, so `5`, `5.0` and `5e0` are one value. Other numbers are written as `serde_json` does, which
//! differs from RFC 8785 only in the exponent's form for numbers beyond 1e16 or below 1e-5.

use serde_json::Value;

/// The largest integer that every JSON reader keeps exact (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The canonical text of `value`.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => number(n, out),
        Value::String(s) => string(s, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, name) in names.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(members.get(name).unwrap_or(&Value::Null), out);
            }
            out.push('}');
        }
    }
}

fn number(n: &serde_json::Number, out: &mut String) {
    match n.as_f64() {
        Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() <= EXACT => {
            out.push_str(&format!("{}", f as i64))
        }
        _ => out.push_str(&n.to_string()),
    }
}

fn string(s: &str, out: &mut String) {
    // A JSON string of serde_json has the shortest escapes already.
    out.push_str(&Value::String(s.to_owned()).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_sorted_at_every_depth_and_white_space_is_gone() {
        let value: Value = serde_json::from_str(r#"{ "b": [1, {"z": 1, "a": 2}], "a": null }"#).unwrap();
        assert_eq!(to_string(&value), r#"{"a":null,"b":[1,{"a":2,"z":1}]}"#);
    }

    #[test]
    fn whole_numbers_have_one_form() {
        assert_eq!(to_string(&json!(5.0)), "5");
        assert_eq!(to_string(&json!(5)), "5");
        assert_eq!(to_string(&json!(-0.5)), "-0.5");
        assert_eq!(to_string(&json!(u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn names_are_sorted_by_utf16_code_units_as_rfc_8785_says() {
        // U+FB33 is above U+1F600's surrogates in UTF-16 and below it in UTF-8.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2});
        assert_eq!(to_string(&value), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
