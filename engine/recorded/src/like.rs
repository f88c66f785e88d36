//! Whether what was found is what was expected.
//!
//! Of a table every member that is expected has to be there, and there may be more. A list has to have as many members,
//! each like its expectation. A text is itself, where `*` stands for any characters. Numbers are equal as numbers.

use serde_json::Value;
use stanch_contract::text;

/// One place where they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where, as in `data.series[0].value`; empty for the whole.
    pub at: String,
    /// What was expected.
    pub expected: Value,
    /// What was found; nothing where there is no such member.
    pub found: Option<Value>,
}

/// The places where `found` is not as `expected`.
pub fn differences(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(String::new(), expected, Some(found), &mut all);
    all
}

fn compare(at: String, expected: &Value, found: Option<&Value>, all: &mut Vec<Difference>) {
    let same = match (expected, found) {
        (Value::Object(members), Some(Value::Object(of))) => {
            for (name, expected) in members {
                let at = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                compare(at, expected, of.get(name), all);
            }
            return;
        }
        (Value::Array(items), Some(Value::Array(of))) if items.len() == of.len() => {
            for (index, (expected, found)) in items.iter().zip(of).enumerate() {
                compare(format!("{at}[{index}]"), expected, Some(found), all);
            }
            return;
        }
        (Value::String(pattern), Some(Value::String(text))) => text::fits(pattern, text),
        (Value::Number(one), Some(Value::Number(other))) => {
            one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
        }
        (expected, Some(found)) => expected == found,
        (_, None) => false,
    };
    if !same {
        all.push(Difference {
            at,
            expected: expected.clone(),
            found: found.cloned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(expected: Value, found: Value) -> Vec<String> {
        differences(&expected, &found)
            .into_iter()
            .map(|difference| difference.at)
            .collect()
    }

    #[test]
    fn a_table_may_have_more_and_a_list_may_not() {
        let found = json!({ "a": { "b": 1, "c": [1, { "d": "x", "e": 2 }] }, "f": null });
        let fits = [
            json!({}),
            json!({ "a": {} }),
            json!({ "a": { "c": [1.0, { "d": "*" }] } }),
            found.clone(),
        ];
        for expected in fits {
            assert_eq!(places(expected.clone(), found.clone()), [""; 0], "{expected}");
        }
        let table = [
            (json!({ "a": { "c": [1] } }), "a.c"),
            (json!({ "a": { "c": [1, { "d": "y" }] } }), "a.c[1].d"),
            (json!({ "g": 1 }), "g"),
            (json!({ "f": 0 }), "f"),
            (json!({ "a": 1 }), "a"),
            (json!([]), ""),
        ];
        for (expected, at) in table {
            assert_eq!(places(expected.clone(), found.clone()), [at], "{expected}");
        }
    }

    #[test]
    fn every_difference_is_told_with_what_was_found() {
        let all = differences(&json!({ "a": 1, "b": 2, "c": 3 }), &json!({ "a": 7, "b": 2 }));
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0].expected, &all[0].found), (&json!(1), &Some(json!(7))));
        assert_eq!((&all[1].expected, &all[1].found), (&json!(3), &None));
    }
}
