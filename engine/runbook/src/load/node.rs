//! A TOML file as a tree in which every key and value knows where it was written. The folder's defaults, which come as
//! JSON, take the same form, so one reader serves both.

use std::borrow::Cow;

use serde_json::Value;
use stanch_contract::text;
use toml::de::{DeTable, DeValue};

use crate::problem::{At, Problems};

/// How deep a file may be nested: far beyond any runbook, far below what a stack holds.
const MOST_DEEP: usize = 32;

/// A value and where it is.
#[derive(Debug, Clone)]
pub struct Node<'t> {
    /// Where.
    pub at: At,
    /// What.
    pub data: Data<'t>,
}

/// A value.
#[derive(Debug, Clone)]
pub enum Data<'t> {
    /// Text.
    Text(Cow<'t, str>),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// true or false.
    Bool(bool),
    /// A date or a time.
    Datetime,
    /// A list.
    List(Vec<Node<'t>>),
    /// A table.
    Table(Table<'t>),
}

/// A table, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Table<'t> {
    /// Its keys.
    pub entries: Vec<Entry<'t>>,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry<'t> {
    /// The key.
    pub key: Cow<'t, str>,
    /// Where the key is.
    pub key_at: At,
    /// Its value.
    pub node: Node<'t>,
}

impl<'t> Table<'t> {
    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl<'t> Node<'t> {
    /// "text", "a table": for messages.
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Text(_) => "text",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Bool(_) => "true or false",
            Data::Datetime => "a date",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }

    /// As JSON. What JSON has not is told and becomes null.
    pub fn to_json(&self, problems: &mut Problems<'_>) -> Value {
        match &self.data {
            Data::Text(text) => Value::String(text.clone().into_owned()),
            Data::Integer(number) => Value::from(*number),
            Data::Float(number) => serde_json::Number::from_f64(*number).map_or_else(
                || {
                    problems.add(
                        &self.at,
                        "a parameter has to be a finite number",
                        "not finite",
                        None,
                    );
                    Value::Null
                },
                Value::Number,
            ),
            Data::Bool(truth) => Value::Bool(*truth),
            Data::Datetime => {
                let help = "write it as text, in quotes".to_owned();
                problems.add(&self.at, "a parameter cannot be a TOML date", "a date", help);
                Value::Null
            }
            Data::List(items) => Value::Array(items.iter().map(|item| item.to_json(problems)).collect()),
            Data::Table(table) => Value::Object(
                table
                    .entries
                    .iter()
                    .map(|e| (e.key.clone().into_owned(), e.node.to_json(problems)))
                    .collect(),
            ),
        }
    }
}

/// The file's tree. Syntax errors are told; what could be read is there all the same.
pub fn parse<'t>(source: &'t str, problems: &mut Problems<'t>) -> Table<'t> {
    if let Some((offset, c)) = first_unsafe(source) {
        let at = At::File(offset..offset + c.len_utf8());
        let message = format!(
            "the file has the invisible or text-reordering character U+{:04X}",
            u32::from(c)
        );
        problems.add(
            &at,
            message,
            "here",
            "remove it: readers would not see what the engine sees".to_owned(),
        );
    }
    let (table, errors) = DeTable::parse_recoverable(source);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        problems.add(
            &At::File(span),
            format!("this is not TOML: {}", error.message()),
            "here",
            None,
        );
    }
    from_toml_table(table.get_ref(), problems, 0)
}

fn from_toml_table<'t>(table: &DeTable<'t>, problems: &mut Problems<'t>, depth: usize) -> Table<'t> {
    let mut entries: Vec<Entry<'t>> = table
        .iter()
        .map(|(key, value)| {
            let at = At::File(value.span());
            let node = from_toml(value.get_ref(), at, problems, depth + 1);
            Entry {
                key: key.get_ref().clone(),
                key_at: At::File(key.span()),
                node,
            }
        })
        .collect();
    entries.sort_by_key(|entry| match &entry.key_at {
        At::File(span) | At::Hidden(span) => span.start,
        At::Defaults(_) => 0,
    });
    Table { entries }
}

fn from_toml<'t>(value: &DeValue<'t>, at: At, problems: &mut Problems<'t>, depth: usize) -> Node<'t> {
    if depth > MOST_DEEP {
        problems.add(
            &at,
            format!("nested more than {MOST_DEEP} deep"),
            "too deep",
            None,
        );
        return Node {
            at,
            data: Data::Table(Table::default()),
        };
    }
    let data = match value {
        DeValue::String(text) => {
            if let Cow::Owned(decoded) = text
                && let Some((_, c)) = first_unsafe(decoded)
            {
                let message = format!(
                    "the text has the control or invisible character U+{:04X}",
                    u32::from(c)
                );
                problems.add(&at, message, "in here", "leave it out".to_owned());
            }
            Data::Text(text.clone())
        }
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Data::Integer(number),
            Err(_) => {
                problems.add(&at, "the number is too large", "more than 64 bits", None);
                Data::Integer(0)
            }
        },
        DeValue::Float(number) => Data::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Data::Bool(*truth),
        DeValue::Datetime(_) => Data::Datetime,
        DeValue::Array(items) => Data::List(
            items
                .iter()
                .map(|item| from_toml(item.get_ref(), At::File(item.span()), problems, depth + 1))
                .collect(),
        ),
        DeValue::Table(table) => Data::Table(from_toml_table(table, problems, depth)),
    };
    Node { at, data }
}

/// The folder's defaults, as a tree. `path` names the place for messages.
pub(crate) fn from_json<'t>(value: &'t Value, path: &str) -> Node<'t> {
    let at = At::Defaults(path.to_owned());
    let data = match value {
        Value::Null => Data::Table(Table::default()),
        Value::Bool(truth) => Data::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Data::Integer(number),
            None => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Data::Text(Cow::Borrowed(text)),
        Value::Array(items) => Data::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| from_json(item, &format!("{path}[{index}]")))
                .collect(),
        ),
        Value::Object(members) => Data::Table(Table {
            entries: members
                .iter()
                .map(|(key, value)| {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    let key_at = At::Defaults(path.clone());
                    Entry {
                        key: Cow::Borrowed(key.as_str()),
                        key_at,
                        node: from_json(value, &path),
                    }
                })
                .collect(),
        }),
    };
    Node { at, data }
}

/// The first character that would mislead a reader, with its offset. A carriage return is left to TOML.
fn first_unsafe(source: &str) -> Option<(usize, char)> {
    source.char_indices().find(|(_, c)| {
        let plain = matches!(c, ' '..='~' | '\n' | '\t' | '\r');
        !plain && text::clean(c.encode_utf8(&mut [0; 4])).is_empty()
    })
}
