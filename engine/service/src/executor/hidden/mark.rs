//! What stands in the place of a value that is hidden.

use serde_json::Value;
use stanch_contract::Digest;

const BEGINS: &str = "hidden:sha256:";
/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// `hidden:sha256:…`: the digest of the value as it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark(pub(super) Digest);

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{BEGINS}{}", self.0)
    }
}

impl Mark {
    /// The mark that a text is, and nothing else.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(BEGINS)?;
        (digits.len() == DIGITS).then(|| digits.parse().ok().map(Self))?
    }

    /// The marks within a text, in their order, each with where it begins.
    fn all_in(text: &str) -> impl Iterator<Item = (usize, Self)> {
        text.match_indices(BEGINS).filter_map(|(at, _)| {
            let mark = text.get(at..at + BEGINS.len() + DIGITS)?;
            Some((at, Self::of(mark)?))
        })
    }

    /// The marks in all texts of a value.
    pub(super) fn all_within(value: &Value, found: &mut Vec<Self>) {
        match value {
            Value::String(text) => found.extend(Self::all_in(text).map(|(_, mark)| mark)),
            Value::Array(items) => items.iter().for_each(|item| Self::all_within(item, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    found.extend(Self::all_in(name).map(|(_, mark)| mark));
                    Self::all_within(member, found);
                }
            }
            _ => {}
        }
    }

    /// A text with what `value` gives in the place of each mark; a mark of which it gives nothing stays.
    pub(super) fn replaced(text: String, value: impl Fn(Self) -> Option<String>) -> String {
        let mut out = String::new();
        let mut done = 0;
        for (at, mark) in Self::all_in(&text) {
            if let Some(value) = value(mark) {
                out.push_str(text.get(done..at).unwrap_or_default());
                out.push_str(&value);
                done = at + BEGINS.len() + DIGITS;
            }
        }
        if done == 0 {
            return text;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }
}

/// Each text of a value, names of members among them, made another by `change`.
pub(super) fn each_text(value: Value, change: &impl Fn(String) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.into_iter().map(|item| each_text(item, change)).collect(),
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, member)| (change(name), each_text(member, change)));
            Value::Object(members.collect())
        }
        other => other,
    }
}
