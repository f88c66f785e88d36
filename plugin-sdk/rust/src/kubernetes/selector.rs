//! Label selectors: which objects, by their labels.
//!
//! A selector is read once, and what is shown, planned and sent is written anew from what was read. As a parameter it is a
//! text (`app=worker,tier in (gpu,cpu)`) or a table (`{ app = "worker" }`). A table is the better one for values from
//! outside: a value that is more than a value is refused, where in a text it would become another selector.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A label selector that selects by something: there is no empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(BTreeSet<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Test {
    /// One of these.
    In(BTreeSet<String>),
    /// None of these, or no such label.
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
}

/// Why something is not a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError(String);

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SelectorError {}

fn wrong(what: impl Into<String>) -> SelectorError {
    SelectorError(what.into())
}

impl Selector {
    /// From the text that `kubectl -l` takes.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Self::new(
            split(text)
                .into_iter()
                .map(|part| Requirement::parse(part.trim())),
        )
    }

    /// These labels with these values.
    pub fn equal<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SelectorError> {
        Self::new(labels.into_iter().map(|(key, value)| Requirement::is(key, value)))
    }

    /// From an object's own selector (`spec.selector` of a workload: `matchLabels`, `matchExpressions`), without the keys of
    /// `without`.
    pub fn of_workload(selector: &Value, without: &[&str]) -> Result<Self, SelectorError> {
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        let equal = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement::is(key, value.as_str().unwrap_or_default()));
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        let others = expressions.into_iter().flatten().map(Requirement::of_expression);
        Self::new(equal.chain(others).filter(|requirement| {
            requirement
                .as_ref()
                .map_or(true, |requirement| !without.contains(&requirement.key.as_str()))
        }))
    }

    fn new(
        requirements: impl Iterator<Item = Result<Requirement, SelectorError>>,
    ) -> Result<Self, SelectorError> {
        let mut all = BTreeSet::new();
        for requirement in requirements {
            all.insert(requirement?);
        }
        if all.is_empty() {
            return Err(wrong(
                "an empty selector selects nothing here: say which, as in `app=worker`",
            ));
        }
        Ok(Self(all))
    }

    /// Whether these labels fit.
    pub fn fits<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let is = label(&requirement.key);
            let among = |values: &BTreeSet<String>| is.is_some_and(|is| values.contains(is));
            match &requirement.test {
                Test::In(values) => among(values),
                Test::NotIn(values) => !among(values),
                Test::Exists => is.is_some(),
                Test::Absent => is.is_none(),
            }
        })
    }
}

/// The parts between commas, but not those within brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(
        text.get(from..)
            .filter(|last| !last.trim().is_empty() || from > 0),
    );
    parts
}

impl Requirement {
    fn new(key: &str, test: Test) -> Result<Self, SelectorError> {
        Ok(Self {
            key: key_of(key)?,
            test,
        })
    }

    fn is(key: &str, value: &str) -> Result<Self, SelectorError> {
        Self::new(key, Test::In(values([value].into_iter())?))
    }

    fn parse(part: &str) -> Result<Self, SelectorError> {
        if let Some(key) = part.strip_prefix('!') {
            return Self::new(key.trim(), Test::Absent);
        }
        for (sign, is) in [("!=", false), ("==", true), ("=", true)] {
            if let Some((key, value)) = part.split_once(sign) {
                let values = values([value.trim()].into_iter())?;
                let test = if is { Test::In(values) } else { Test::NotIn(values) };
                return Self::new(key.trim(), test);
            }
        }
        let (key, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        if rest.trim().is_empty() {
            return Self::new(key, Test::Exists);
        }
        let (word, list) = rest.split_once('(').unwrap_or((rest, ""));
        let list = list.trim_end().strip_suffix(')').ok_or_else(|| {
            wrong(format!(
                "`{part}` is not a requirement on a label: write `key in (a,b)`"
            ))
        })?;
        let values = values(list.split(',').map(str::trim))?;
        match word.trim() {
            "in" => Self::new(key, Test::In(values)),
            "notin" => Self::new(key, Test::NotIn(values)),
            other => Err(wrong(format!(
                "`{other}` is no operator of a selector: write `in` or `notin`"
            ))),
        }
    }

    /// One of `matchExpressions`.
    fn of_expression(expression: &Value) -> Result<Self, SelectorError> {
        let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
        let member = |name: &str| expression.get(name).map(text).unwrap_or_default();
        let listed = || {
            let listed = expression.get("values").and_then(Value::as_array);
            values(
                listed
                    .into_iter()
                    .flatten()
                    .map(|value| value.as_str().unwrap_or_default()),
            )
        };
        let test = match member("operator").as_str() {
            "In" => Test::In(listed()?),
            "NotIn" => Test::NotIn(listed()?),
            "Exists" => Test::Exists,
            "DoesNotExist" => Test::Absent,
            other => return Err(wrong(format!("`{other}` is no operator of a selector"))),
        };
        Self::new(&member("key"), test)
    }
}

fn values<'a>(values: impl Iterator<Item = &'a str>) -> Result<BTreeSet<String>, SelectorError> {
    let mut all = BTreeSet::new();
    for value in values {
        all.insert(value_of(value)?);
    }
    Ok(all)
}

/// A label's name: up to 63 characters, after an optional prefix that is a DNS name and a slash.
fn key_of(key: &str) -> Result<String, SelectorError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_dns = |prefix: &str| {
        prefix.len() <= 253
            && prefix
                .split('.')
                .all(|part| is_word(part, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-"))
    };
    if prefix.is_none_or(is_dns) && is_word(name, |b| b.is_ascii_alphanumeric(), b"-_.") {
        Ok(key.to_owned())
    } else {
        Err(wrong(format!("`{key}` is not the name of a label")))
    }
}

/// A label's value: up to 63 characters, or none at all.
fn value_of(value: &str) -> Result<String, SelectorError> {
    if value.is_empty() || is_word(value, |b| b.is_ascii_alphanumeric(), b"-_.") {
        Ok(value.to_owned())
    } else {
        Err(wrong(format!("`{value}` is not the value of a label")))
    }
}

/// 1 to 63 of `body` and `inner`, with `body` at both ends.
fn is_word(word: &str, body: impl Fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = word.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| body(*byte) || inner.contains(byte))
        && bytes.first().is_some_and(|byte| body(*byte))
        && bytes.last().is_some_and(|byte| body(*byte))
}

impl fmt::Display for Selector {
    /// As the API server takes it, always the same for the same selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::In(values) | Test::NotIn(values) => {
                    let (sign, word) = match test {
                        Test::In(_) => ("=", "in"),
                        _ => ("!=", "notin"),
                    };
                    let mut values = values.iter().map(String::as_str);
                    match (values.next(), values.next()) {
                        (Some(value), None) => write!(f, "{key}{sign}{value}")?,
                        (first, second) => {
                            let all = first.into_iter().chain(second).chain(values);
                            write!(f, "{key} {word} ({})", all.collect::<Vec<_>>().join(","))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Table(BTreeMap<String, String>),
        }
        let selector = match Written::deserialize(from)? {
            Written::Text(text) => Self::parse(&text),
            Written::Table(labels) if labels.values().any(String::is_empty) => {
                Err(wrong("a label in a selector has no value"))
            }
            Written::Table(labels) => {
                Self::equal(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            }
        };
        selector.map_err(D::Error::custom)
    }
}

impl JsonSchema for Selector {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Selector".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "object", "minProperties": 1, "additionalProperties": { "type": "string", "minLength": 1 } }
            ],
            "examples": ["app=worker", { "app": "worker" }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<String, String> {
        serde_json::from_value::<Selector>(value)
            .map(|selector| selector.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_selector_has_one_form_however_it_is_written() {
        let table = [
            (json!("app=worker"), "app=worker"),
            (json!(" tier = gpu ,app==worker"), "app=worker,tier=gpu"),
            (json!({ "tier": "gpu", "app": "worker" }), "app=worker,tier=gpu"),
            (json!("app in (b, a,b),!old,new"), "app in (a,b),new,!old"),
            (json!("zone notin (a)"), "zone!=a"),
            (
                json!("app.kubernetes.io/name=x,a="),
                "a=,app.kubernetes.io/name=x",
            ),
        ];
        for (written, canonical) in table {
            assert_eq!(read(written.clone()).as_deref(), Ok(canonical), "{written}");
            assert_eq!(read(json!(canonical)).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn what_selects_everything_or_is_no_selector_is_refused() {
        for written in [
            json!(""),
            json!("  "),
            json!({}),
            json!({ "app": "" }),
            json!("app=worker,"),
            json!("app=a b"),
            json!("app in a,b"),
            json!("app near (a)"),
            json!("app>1"),
            json!("-app=x"),
            json!("Example.com/x=1"),
            json!(7),
        ] {
            assert!(read(written.clone()).is_err(), "{written}");
        }
    }

    #[test]
    fn a_value_from_outside_in_a_table_stays_one_value() {
        for value in ["x,tier=all", "x)", "a b", "x=y", "x\n"] {
            assert!(read(json!({ "app": value })).is_err(), "{value}");
        }
    }

    #[test]
    fn labels_fit_or_do_not() {
        let labels = json!({ "app": "worker", "tier": "gpu" });
        let fits = |text: &str| {
            Selector::parse(text)
                .unwrap()
                .fits(|key| labels.get(key).and_then(Value::as_str))
        };
        for text in [
            "app=worker",
            "app in (a,worker)",
            "app",
            "!old",
            "old!=x",
            "old notin (x,y)",
        ] {
            assert!(fits(text), "{text}");
        }
        for text in [
            "app=other",
            "app!=worker",
            "old",
            "!app",
            "app=worker,tier=cpu",
            "tier notin (gpu,x)",
        ] {
            assert!(!fits(text), "{text}");
        }
    }

    #[test]
    fn a_workloads_own_selector_is_read_without_what_one_roll_out_adds() {
        let selector = json!({
            "matchLabels": { "app": "worker", "pod-template-hash": "abc" },
            "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["gpu"] }, { "key": "x", "operator": "Exists" }],
        });
        let read = Selector::of_workload(&selector, &["pod-template-hash"]).unwrap();
        assert_eq!(read.to_string(), "app=worker,tier=gpu,x");
        assert!(
            Selector::of_workload(
                &json!({ "matchLabels": { "pod-template-hash": "abc" } }),
                &["pod-template-hash"]
            )
            .is_err()
        );
        assert!(Selector::of_workload(&json!({}), &[]).is_err());
    }
}
