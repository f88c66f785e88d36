//! JSON merge patches (RFC 7386), read backwards: what one would change, what would undo it, whether it holds.

use stanch_plugin::prelude::*;

/// Members of an object.
pub(crate) type Fields = stanch_plugin::serde_json::Map<String, Value>;

/// Of a value, for people.
const SHOWN: usize = 120;

/// One field that is not as a patch has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Changed {
    path: String,
    now: Option<Value>,
    then: Option<Value>,
}

impl Changed {
    /// `spec.replicas: 2 → 4`.
    pub(crate) fn told(&self) -> String {
        format!(
            "{}: {} → {}",
            self.path,
            shown(self.now.as_ref()),
            shown(self.then.as_ref())
        )
    }
}

/// Each field that the patch would change.
pub(crate) fn difference(now: &Value, patch: &Fields) -> Vec<Changed> {
    let mut changed = Vec::new();
    walk(now, patch, "", &mut changed);
    changed
}

fn walk(now: &Value, patch: &Fields, above: &str, changed: &mut Vec<Changed>) {
    for (key, wanted) in patch {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        let here = now.get(key).filter(|value| !value.is_null());
        match (wanted, here) {
            (Value::Object(inner), Some(Value::Object(_))) => {
                walk(here.unwrap_or(&Value::Null), inner, &path, changed);
            }
            (Value::Object(inner), _) => walk(&Value::Null, inner, &path, changed),
            (Value::Null, None) => {}
            (_, Some(same)) if same == wanted => {}
            _ => changed.push(Changed {
                path,
                now: here.cloned(),
                then: Some(wanted.clone()).filter(|value| !value.is_null()),
            }),
        }
    }
}

/// The patch that puts back what this one changes. What holds a field that was not there goes as a whole, where it was not there
/// either.
pub(crate) fn inverse(now: &Value, patch: &Fields) -> Fields {
    let back = patch.iter().map(|(key, wanted)| {
        let here = now.get(key).filter(|value| !value.is_null());
        let back = match (wanted, here) {
            (Value::Object(inner), Some(Value::Object(_))) => {
                Value::Object(inverse(here.unwrap_or(&Value::Null), inner))
            }
            (_, Some(here)) => here.clone(),
            (_, None) => Value::Null,
        };
        (key.clone(), back)
    });
    back.collect()
}

/// Whether each field is as the patch has it.
pub(crate) fn holds(now: &Value, patch: &Fields) -> bool {
    difference(now, patch).is_empty()
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "not there".to_owned();
    };
    let text = value.to_string();
    match text.chars().count() > SHOWN {
        true => format!("{}…", text.chars().take(SHOWN).collect::<String>()),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_changed_is_told_and_the_inverse_puts_it_back() {
        let now = json!({ "spec": { "a": 1, "list": [1, 2], "deep": { "x": "y" } }, "metadata": { "labels": { "l": "1" } } });
        // The patch, what it changes, and the way back.
        let table = [
            (
                json!({ "spec": { "a": 1 } }),
                vec![],
                json!({ "spec": { "a": 1 } }),
            ),
            (
                json!({ "spec": { "a": 2 } }),
                vec!["spec.a: 1 → 2"],
                json!({ "spec": { "a": 1 } }),
            ),
            (
                json!({ "spec": { "b": true } }),
                vec!["spec.b: not there → true"],
                json!({ "spec": { "b": null } }),
            ),
            (
                json!({ "spec": { "a": null, "c": null } }),
                vec!["spec.a: 1 → not there"],
                json!({ "spec": { "a": 1, "c": null } }),
            ),
            (
                json!({ "spec": { "list": [3] } }),
                vec!["spec.list: [1,2] → [3]"],
                json!({ "spec": { "list": [1, 2] } }),
            ),
            (
                json!({ "spec": { "new": { "n": 1 } } }),
                vec!["spec.new.n: not there → 1"],
                json!({ "spec": { "new": null } }),
            ),
            (
                json!({ "metadata": { "labels": { "l": "2" } } }),
                vec![r#"metadata.labels.l: "1" → "2""#],
                json!({ "metadata": { "labels": { "l": "1" } } }),
            ),
        ];
        for (patch, changes, back) in table {
            let patch = fields(patch);
            let told: Vec<String> = difference(&now, &patch).iter().map(Changed::told).collect();
            assert_eq!(told, changes);
            assert_eq!(Value::Object(inverse(&now, &patch)), back);
            assert_eq!(holds(&now, &patch), changes.is_empty());
        }
    }

    #[test]
    fn a_long_value_is_cut_for_people() {
        let told = difference(&json!({}), &fields(json!({ "a": "x".repeat(500) })))[0].told();
        assert!(told.len() < 200 && told.ends_with('…'), "{told}");
    }
}
