//! JSON documents. Within a string a value is escaped for it; elsewhere it is put as a JSON value of its own, with its quotes.

use crate::escape::{Refused, Way};

#[derive(Debug, Default)]
pub(crate) struct Scanner {
    in_string: bool,
    /// Characters that still belong to an escape: one after `\\`, four more after `\\u`.
    escape: u8,
}

impl Scanner {
    pub(crate) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            match (self.in_string, c) {
                (true, 'u') if self.escape == 5 => self.escape = 4,
                (true, _) if self.escape == 5 => self.escape = 0,
                (true, _) if self.escape > 0 => self.escape -= 1,
                (true, '\\') => self.escape = 5,
                (_, '"') => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }

    pub(crate) fn value(&mut self) -> Result<Way, Refused> {
        match (self.in_string, self.escape) {
            (true, 0) => Ok(Way::JsonString),
            (true, _) => Err(Refused::new(
                "a value cannot be a part of a JSON escape",
                "take the backslash away",
            )),
            (false, _) => Ok(Way::JsonValue),
        }
    }
}

/// Puts `text` as the inside of a JSON string.
pub(crate) fn put(text: &str, out: &mut String) {
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    out.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
}
