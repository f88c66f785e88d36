//! Reads the keys of one table. Every key that is asked for is known, every other one is told as unknown; a value of the
//! wrong type is told with what would be right, and reading goes on.

use std::fmt::Display;
use std::str::FromStr;

use crate::load::node::{Data, Entry, Node, Table};
use crate::problem::{At, Problems, did_you_mean};

/// One table while it is read.
pub struct Fields<'n, 't> {
    table: &'n Table<'t>,
    /// Where the table is, for what is missing in it.
    at: At,
    /// What the table is, for messages: "`[impact]`".
    what: String,
    known: Vec<&'static str>,
    later: Vec<&'static str>,
}

/// A value that was read and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Got<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub at: At,
}

impl<'n, 't> Fields<'n, 't> {
    /// Of this table. `what` is what messages call it.
    pub fn new(table: &'n Table<'t>, at: &At, what: impl Into<String>) -> Self {
        Self {
            table,
            at: at.clone(),
            what: what.into(),
            known: Vec::new(),
            later: Vec::new(),
        }
    }

    /// The table of `node`, else told.
    pub fn of(node: &'n Node<'t>, what: impl Into<String>, problems: &mut Problems<'_>) -> Option<Self> {
        let what = what.into();
        match &node.data {
            Data::Table(table) => Some(Self::new(table, &node.at, what)),
            _ => wrong_type(node, &what, "a table", problems),
        }
    }

    /// Where the table is.
    pub fn at(&self) -> &At {
        &self.at
    }

    /// A key's entry; from now on the key is known.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry<'t>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// A key's value.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node<'t>> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// A key that is known, and that nobody is told to write instead of another.
    pub fn later(&mut self, key: &'static str) -> Option<&'n Entry<'t>> {
        self.later.push(key);
        self.table.get(key)
    }

    /// A key that has no meaning here, with the reason.
    pub fn not_here(&mut self, key: &'static str, why: &str, help: &str, problems: &mut Problems<'_>) {
        if let Some(entry) = self.entry(key) {
            problems.add(
                &entry.key_at,
                format!("`{key}` {why}"),
                "not here",
                help.to_owned(),
            );
        }
    }

    /// Tells a key that has to be there.
    pub fn missing(&self, key: &str, example: &str, problems: &mut Problems<'_>) {
        problems.add(
            &self.at,
            format!("{} needs `{key}`", self.what),
            "missing here",
            format!("add `{example}`"),
        );
    }

    /// Text, one line or several.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Got<&'n str>> {
        self.node(key).and_then(|node| text(node, key, problems))
    }

    /// Text that has to be there and to say something.
    pub fn needed_text(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Got<&'n str>> {
        if self.table.get(key).is_none() {
            self.known.push(key);
            self.missing(key, example, problems);
            return None;
        }
        self.text(key, problems)
    }

    /// A whole number from `least` to `most`.
    pub fn count(
        &mut self,
        key: &'static str,
        least: u32,
        most: u32,
        problems: &mut Problems<'_>,
    ) -> Option<Got<u32>> {
        let node = self.node(key)?;
        let Data::Integer(number) = node.data else {
            return wrong_type(node, &format!("`{key}`"), "a whole number", problems);
        };
        match u32::try_from(number).ok().filter(|n| (least..=most).contains(n)) {
            Some(value) => Some(Got {
                value,
                at: node.at.clone(),
            }),
            None => {
                let help = format!("write a whole number from {least} to {most}");
                problems.add(&node.at, format!("`{key}` is out of range"), "out of range", help);
                None
            }
        }
    }

    /// true or false.
    pub fn truth(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Got<bool>> {
        let node = self.node(key)?;
        match node.data {
            Data::Bool(value) => Some(Got {
                value,
                at: node.at.clone(),
            }),
            _ => wrong_type(node, &format!("`{key}`"), "true or false", problems),
        }
    }

    /// A span of time, a rate, a size: text that parses.
    pub fn parsed<T>(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Got<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let got = self.text(key, problems)?;
        match got.value.parse() {
            Ok(value) => Some(Got { value, at: got.at }),
            Err(error) => {
                let error = error.to_string();
                let (message, help) = match error.split_once(": write ") {
                    Some((message, help)) => (message.to_owned(), Some(format!("write {help}"))),
                    None => (error, None),
                };
                problems.add(&got.at, format!("`{key}`: {message}"), "cannot be read", help);
                None
            }
        }
    }

    /// Such a value, which has to be there.
    pub fn needed_parsed<T>(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Got<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.table.get(key).is_none() {
            self.known.push(key);
            self.missing(key, example, problems);
            return None;
        }
        self.parsed(key, problems)
    }

    /// One of these words.
    pub fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<Got<T>> {
        let got = self.text(key, problems)?;
        one_of(&got, key, words, problems).map(|value| Got { value, at: got.at })
    }

    /// A list of texts; a single text counts as a list of one.
    pub fn texts(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Vec<Got<&'n str>>> {
        let node = self.node(key)?;
        match &node.data {
            Data::Text(_) => text(node, key, problems).map(|got| vec![got]),
            Data::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| text(item, key, problems))
                    .collect(),
            ),
            _ => wrong_type(node, &format!("`{key}`"), "text or a list of texts", problems),
        }
    }

    /// The tables of an array of tables.
    pub fn tables(&mut self, key: &'static str, header: &str, problems: &mut Problems<'_>) -> &'n [Node<'t>] {
        match self.node(key) {
            None => &[],
            Some(node) => match &node.data {
                Data::List(items) => items,
                _ => {
                    let right = format!("a list of tables: write `[[{header}]]`, with two brackets");
                    wrong_type::<()>(node, &format!("`{key}`"), &right, problems);
                    &[]
                }
            },
        }
    }

    /// Tells every key that nobody asked for.
    pub fn finish(self, problems: &mut Problems<'_>) {
        for entry in &self.table.entries {
            let key = entry.key.as_ref();
            if self.known.contains(&key) || self.later.contains(&key) {
                continue;
            }
            let message = format!("{} has no key `{key}`", self.what);
            problems.add(
                &entry.key_at,
                message,
                "unknown key",
                did_you_mean(key, self.known.iter().copied()),
            );
        }
    }
}

/// The text of `node`, else told.
pub fn text<'n>(node: &'n Node<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Got<&'n str>> {
    match &node.data {
        Data::Text(text) if text.trim().is_empty() => {
            problems.add(&node.at, format!("`{key}` is empty"), "empty", None);
            None
        }
        Data::Text(text) => Some(Got {
            value: text,
            at: node.at.clone(),
        }),
        _ => wrong_type(node, &format!("`{key}`"), "text", problems),
    }
}

/// The value of one of these words.
pub fn one_of<T: Copy>(
    got: &Got<&str>,
    key: &str,
    words: &[(&'static str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let found = words
        .iter()
        .find(|(word, _)| *word == got.value)
        .map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let help = if known.len() == 1 {
            "write "
        } else {
            "write one of "
        };
        let help = format!("{help}{}", known.join(", "));
        problems.add(
            &got.at,
            format!("`{key}` cannot be `{}`", got.value),
            "unknown word",
            help,
        );
    }
    found
}

/// Tells a value of the wrong type; `None`, for the caller to return.
pub fn wrong_type<T>(node: &Node<'_>, what: &str, right: &str, problems: &mut Problems<'_>) -> Option<T> {
    problems.add(
        &node.at,
        format!("{what} is {}", node.kind()),
        format!("has to be {right}"),
        None,
    );
    None
}

/// Whether `word` is lower-case letters, digits and `separator`, beginning with a letter: how keys are written.
pub fn is_key(word: &str, separator: char) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator)
        && word.len() <= 63
}
