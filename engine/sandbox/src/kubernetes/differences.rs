//! What tells two states of an object apart, in a few lines for a tired reader: the server's dry run beside what is there.
//!
//! A line says a path, what was there and what would be. Members of lists are known by their `name` where they have one.
//! What changes with every write (version, generation, who wrote which field) is left out. It is bounded: what is left out
//! is counted.

use serde_json::Value;
use stanch_contract::text;

/// Lines beyond this are counted, not shown.
const MOST_LINES: usize = 20;
/// A value longer than this is cut.
const LONGEST: usize = 80;
/// Deeper than this a difference is told as a whole.
const DEEPEST: usize = 32;

/// What would change, a line each; empty where nothing would.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Lines::default();
    lines.between(&mut Vec::new(), before, after);
    let Lines { mut told, more } = lines;
    if more > 0 {
        told.push(format!("… and {more} more"));
    }
    told
}

#[derive(Default)]
struct Lines {
    told: Vec<String>,
    more: usize,
}

/// What every write changes.
const CHANGES_ALWAYS: [&str; 3] = [
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.managedFields",
];

impl Lines {
    fn between(&mut self, path: &mut Vec<String>, before: &Value, after: &Value) {
        if before == after || CHANGES_ALWAYS.contains(&shown(path).as_str()) {
            return;
        }
        match (before, after) {
            _ if path.len() >= DEEPEST => self.tell(path, before, after),
            (Value::Object(old), Value::Object(new)) => {
                let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    let side =
                        |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
                    path.push(format!(".{name}"));
                    self.between(path, &side(old), &side(new));
                    path.pop();
                }
            }
            (Value::Array(old), Value::Array(new)) => self.lists(path, old, new),
            _ => self.tell(path, before, after),
        }
    }

    /// By name where all have one of their own; else by place where the lists are equally long; else as a whole.
    fn lists(&mut self, path: &mut Vec<String>, old: &[Value], new: &[Value]) {
        if let (Some(old), Some(new)) = (by_name(old), by_name(new)) {
            let mut names: Vec<&&str> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let side = |of: &std::collections::BTreeMap<&str, &Value>| {
                    of.get(*name).map_or(Value::Null, |value| (*value).clone())
                };
                path.push(format!("[{name}]"));
                self.between(path, &side(&old), &side(&new));
                path.pop();
            }
        } else if old.len() == new.len() {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                path.push(format!("[{place}]"));
                self.between(path, old, new);
                path.pop();
            }
        } else {
            let (old, new) = (Value::from(old.to_vec()), Value::from(new.to_vec()));
            self.tell(path, &old, &new);
        }
    }

    fn tell(&mut self, path: &[String], before: &Value, after: &Value) {
        if self.told.len() >= MOST_LINES {
            self.more += 1;
            return;
        }
        let path = shown(path);
        self.told.push(match (before, after) {
            (Value::Null, after) => format!("{path}: {} is new", value(after)),
            (before, Value::Null) => format!("{path}: {} goes", value(before)),
            (before, after) => format!("{path}: {} → {}", value(before), value(after)),
        });
    }
}

fn shown(path: &[String]) -> String {
    let joined = path.concat();
    joined.strip_prefix('.').unwrap_or(&joined).to_owned()
}

/// A value in a few words.
pub(crate) fn value(value: &Value) -> String {
    text::clean_line_to(&value.to_string(), LONGEST)
}

fn by_name(list: &[Value]) -> Option<std::collections::BTreeMap<&str, &Value>> {
    let named: Option<std::collections::BTreeMap<&str, &Value>> = list
        .iter()
        .map(|member| Some((member.get("name")?.as_str()?, member)))
        .collect();
    named.filter(|named| named.len() == list.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_a_line_with_path_before_and_after() {
        let before = json!({
            "metadata": { "resourceVersion": "1", "generation": 1, "labels": { "a": "b" } },
            "spec": { "replicas": 3, "template": { "spec": { "containers": [
                { "name": "side", "image": "s" }, { "name": "worker", "image": "w:1" } ] } } },
        });
        let after = json!({
            "metadata": { "resourceVersion": "2", "generation": 2, "managedFields": [{}] },
            "spec": { "replicas": 5, "paused": true, "template": { "spec": { "containers": [
                { "name": "worker", "image": "w:2" }, { "name": "side", "image": "s" } ] } } },
        });
        assert_eq!(
            differences(&before, &after),
            [
                r#"metadata.labels: {"a":"b"} goes"#,
                "spec.paused: true is new",
                "spec.replicas: 3 → 5",
                r#"spec.template.spec.containers[worker].image: "w:1" → "w:2""#,
            ]
        );
        assert_eq!(differences(&before, &before), Vec::<String>::new());
    }

    #[test]
    fn lists_without_names_are_compared_by_place_or_as_a_whole() {
        assert_eq!(
            differences(&json!({ "a": [1, 2] }), &json!({ "a": [1, 3] })),
            ["a[1]: 2 → 3"]
        );
        assert_eq!(
            differences(&json!({ "a": [1, 2] }), &json!({ "a": [1] })),
            ["a: [1,2] → [1]"]
        );
    }

    #[test]
    fn what_is_too_much_is_counted_and_what_is_too_long_is_cut() {
        let many = |value: &str| -> Value {
            (0..50)
                .map(|n| (format!("k{n:02}"), Value::from(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let lines = differences(&many("a"), &many(&"b".repeat(1000)));
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines.last().unwrap(), "… and 30 more");
        assert!(lines.iter().all(|line| line.chars().count() < 2 * LONGEST));
        let mut deep = json!(1);
        let mut other = json!(2);
        for _ in 0..100 {
            deep = json!({ "a": deep });
            other = json!({ "a": other });
        }
        assert_eq!(differences(&deep, &other).len(), 1);
    }
}
