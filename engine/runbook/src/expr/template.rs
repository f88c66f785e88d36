//! Strings with `${…}` in them, and parameters made of such strings.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::StepId;

use crate::escape::Way;
use crate::expr::{EvalError, Expr, Scope, kind};

/// A string with `${…}` in it.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    parts: Arc<[Put]>,
    reads: Arc<[StepId]>,
    /// Checks the finished text, such as that of a URL.
    whole: Option<Check>,
}

/// Checks a finished text: why it is none.
pub(crate) type Check = fn(&str) -> Result<(), String>;

/// A part of a [`Template`].
#[derive(Debug, Clone)]
pub(crate) enum Put {
    Text(String),
    Value(Expr, Way),
}

/// The parameters of a step: any TOML value with templates in its strings.
#[derive(Debug, Clone)]
pub struct Params {
    source: Value,
    tree: Arc<Tree>,
    reads: Arc<[StepId]>,
}

/// Parameters as they are evaluated.
#[derive(Debug)]
pub(crate) enum Tree {
    /// Nothing to evaluate in it.
    Value(Value),
    /// A string that is nothing but one `${…}`: it takes the expression's type.
    Whole(Expr),
    /// A longer string.
    Text(Template),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Template {
    pub(crate) fn new(source: &str, parts: Vec<Put>, whole: Option<Check>) -> Self {
        let mut reads = Vec::new();
        for part in &parts {
            if let Put::Value(expr, _) = part {
                add_reads(&mut reads, expr.reads());
            }
        }
        Self {
            source: source.to_owned(),
            parts: parts.into(),
            reads: reads.into(),
            whole,
        }
    }

    /// As the runbook wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The checks and steps whose results it reads.
    pub fn reads(&self) -> &[StepId] {
        &self.reads
    }

    /// Its text, each value escaped for its position.
    ///
    /// # Errors
    /// Where one of its expressions has no value, or one that cannot be put where it stands.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in self.parts.iter() {
            match part {
                Put::Text(text) => out.push_str(text),
                Put::Value(expr, way) => {
                    let value = expr.eval(scope)?;
                    way.put(&value, &mut out).map_err(|reason| expr.failed(reason))?;
                }
            }
        }
        if let Some(check) = self.whole {
            check(&out).map_err(|reason| EvalError::Failed {
                expression: self.source.clone(),
                reason,
            })?;
        }
        Ok(out)
    }
}

impl Params {
    pub(crate) fn new(source: Value, tree: Tree) -> Self {
        let mut reads = Vec::new();
        tree.reads(&mut reads);
        Self {
            source,
            tree: Arc::new(tree),
            reads: reads.into(),
        }
    }

    /// One list of several: what they are is evaluated together.
    pub(crate) fn list(all: Vec<(Value, Tree)>) -> Self {
        let (sources, trees) = all.into_iter().unzip();
        Self::new(Value::Array(sources), Tree::List(trees))
    }

    /// As the runbook wrote them, as JSON.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Their values.
    ///
    /// # Errors
    /// Where one of their expressions has no value.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        self.tree.render(scope)
    }

    /// The checks and steps whose results they read.
    pub fn reads(&self) -> &[StepId] {
        &self.reads
    }
}

impl Tree {
    fn render(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Whole(expr) => expr.eval(scope)?,
            Self::Text(template) => Value::String(template.render(scope)?),
            Self::List(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.render(scope))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, tree)| Ok((name.clone(), tree.render(scope)?)))
                    .collect::<Result<_, EvalError>>()?,
            ),
        })
    }

    fn reads(&self, into: &mut Vec<StepId>) {
        match self {
            Self::Value(_) => {}
            Self::Whole(expr) => add_reads(into, expr.reads()),
            Self::Text(template) => add_reads(into, template.reads()),
            Self::List(items) => items.iter().for_each(|item| item.reads(into)),
            Self::Object(members) => members.iter().for_each(|(_, tree)| tree.reads(into)),
        }
    }
}

fn add_reads(into: &mut Vec<StepId>, more: &[StepId]) {
    for id in more {
        if !into.contains(id) {
            into.push(id.clone());
        }
    }
}

/// A value as it stands in a longer text.
pub(crate) fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(format!(
            "its value is {}: a longer text takes text, a number, or true or false",
            kind(value)
        )),
    }
}

/// A part of a string before its expressions are compiled; ranges are bytes of the string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Expr(Range<usize>),
}

/// Cuts `source` at its `${…}`; `$${` is a literal `${`.
///
/// # Errors
/// Where a `${` is never closed: its place.
pub(crate) fn split(source: &str) -> Result<Vec<Piece>, Range<usize>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("$${") {
            text.push_str("${");
            at += 3;
        } else if rest.starts_with("${") {
            let inner = at + 2;
            let length = source.get(inner..).and_then(closing).ok_or(at..source.len())?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Expr(inner..inner + length));
            at = inner + length + 1;
        } else {
            let c = rest.chars().next().unwrap_or_default();
            text.push(c);
            at += c.len_utf8();
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// How far it is to the `}` that closes an expression: braces of objects and those within texts do not count.
fn closing(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    let mut chars = source.char_indices();
    while let Some((offset, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(offset),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_cut_at_its_expressions_and_nowhere_else() {
        let text = |s: &str| Piece::Text(s.into());
        let table = [
            ("plain", vec![text("plain")]),
            ("${a}", vec![Piece::Expr(2..3)]),
            ("x ${a} y", vec![text("x "), Piece::Expr(4..5), text(" y")]),
            ("$${a}", vec![text("${a}")]),
            ("$$${a}", vec![text("$${a}")]),
            ("$a {b}", vec![text("$a {b}")]),
            ("${ {'}': 1} }", vec![Piece::Expr(2..12)]),
            ("${'\\'}'}", vec![Piece::Expr(2..7)]),
        ];
        for (source, expected) in table {
            assert_eq!(split(source), Ok(expected), "{source}");
        }
        assert_eq!(split("a ${b"), Err(2..5));
    }
}
