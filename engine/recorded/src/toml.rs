//! JSON written as TOML, for what a person is to read and change.

use serde_json::Value;

/// A value on one line; nothing where it holds a null or a number that TOML has not.
pub(crate) fn inline(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.as_i64().is_some() || number.is_f64() => number.to_string(),
        Value::Number(_) => return None,
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(inline).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Option<Vec<String>> = members
                .iter()
                .map(|(name, value)| Some(format!("{} = {}", key(name), inline(value)?)))
                .collect();
            format!("{{ {} }}", members?.join(", "))
        }
    })
}

/// The value without the members that TOML cannot say: those that hold a null.
pub(crate) fn sayable(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().map(|(name, value)| (name, sayable(value)));
            said.filter(|(_, value)| inline(value).is_some())
                .map(|(name, value)| (name.clone(), value))
                .collect()
        }
        Value::Array(items) => items.iter().map(sayable).collect(),
        other => other.clone(),
    }
}

/// A key, quoted where it has to be.
pub(crate) fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A text. JSON's escapes are TOML's.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "a b": "x\n\"y\" \u{7f} ü 👍", "list": [1, -2.5, 1e300, true, { "n": {} }, []], "big": i64::MAX,
        });
        let text = format!("value = {}", inline(&value).unwrap());
        let mut problems = stanch_runbook::reading::Problems::new("a.toml", &text);
        let table = stanch_runbook::reading::parse(&text, &mut problems);
        assert_eq!(
            table.get("value").unwrap().node.to_json(&mut problems),
            value,
            "{text}"
        );
    }

    #[test]
    fn what_toml_cannot_say_is_left_out_and_the_rest_stays() {
        let value = json!({ "a": null, "b": { "c": null, "d": 1 }, "e": [1, null], "f": u64::MAX });
        assert_eq!(inline(&value), None);
        assert_eq!(sayable(&value), json!({ "b": { "d": 1 } }));
    }
}
