//! Strings and parameters with `${…}`: expressions compiled, positions checked, and the whole held against the plugin's
//! schema as far as it is known before the values are.

use std::ops::Range;

use serde_json::Value;
use stanch_contract::{PluginKey, PluginKind};

use crate::escape::{self, Format, Scanner, Way};
use crate::expr::{self, Expr, Params, Piece, Put, Readable, Template, Tree, Trust};
use crate::load::Loader;
use crate::load::fields::Got;
use crate::load::node::{Data, Node, Table};
use crate::load::schema_at::SchemaAt;
use crate::problem::{At, Problems, did_you_mean};
use crate::schema::Misfit;

/// An expression of its own: `when`, `from`.
pub(crate) fn expression(
    got: &Got<&str>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Expr> {
    if got.value.contains("${") {
        let help = "write the expression alone, without `${` and `}`".to_owned();
        problems.add(&got.at, "this is an expression already", "no `${…}` here", help);
        return None;
    }
    compiled(got.value, 0, got, readable, problems)
}

fn compiled(
    source: &str,
    offset: usize,
    whole: &Got<&str>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Expr> {
    match expr::compile(source, readable) {
        Ok(expr) => Some(expr),
        Err(wrongs) => {
            for wrong in wrongs {
                let at = inside(
                    whole,
                    offset + wrong.at.start..offset + wrong.at.end,
                    problems.text(),
                );
                problems.add(&at, wrong.message, "here", wrong.help);
            }
            None
        }
    }
}

/// Where a part of a decoded string is in the file: exact where the string has no escapes, else the whole string.
fn inside(whole: &Got<&str>, range: Range<usize>, text: &str) -> At {
    let At::File(span) = &whole.at else {
        return whole.at.clone();
    };
    let written = text.get(span.clone()).unwrap_or_default();
    for quotes in ["\"\"\"", "'''", "\"", "'"] {
        let Some(inner) = written
            .strip_prefix(quotes)
            .and_then(|rest| rest.strip_suffix(quotes))
        else {
            continue;
        };
        // TOML drops a line feed right after the opening quotes.
        let skipped = if quotes.len() == 3 {
            if inner.starts_with("\r\n") {
                2
            } else {
                usize::from(inner.starts_with('\n'))
            }
        } else {
            0
        };
        if inner.get(skipped..) == Some(whole.value) {
            let start = span.start + quotes.len() + skipped;
            return At::File(start + range.start..start + range.end.min(whole.value.len()));
        }
        break;
    }
    whole.at.clone()
}

/// A string that is a text for the engine itself, such as a lock's key.
pub(crate) fn template(
    got: &Got<&str>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Template> {
    let pieces = pieces(got, problems)?;
    let parts = parts(got, &pieces, Format::Text, readable, problems)?;
    Some(Template::new(got.value, parts, None))
}

/// A link.
pub(crate) fn url(got: &Got<&str>, readable: &Readable<'_>, problems: &mut Problems<'_>) -> Option<Template> {
    let pieces = pieces(got, problems)?;
    if let Some(Piece::Text(start)) = pieces.first() {
        let is_web = start.starts_with("https://") || start.starts_with("http://");
        let bad = if pieces.len() == 1 {
            escape::check_url(start).err()
        } else {
            None
        };
        if !is_web || bad.is_some() {
            let help = "write the whole address, as in `https://grafana.example/d/latency`".to_owned();
            let message = match bad {
                Some(bad) if is_web => format!("this link leads nowhere: {bad}"),
                _ => "a link begins with `https://` or `http://`".to_owned(),
            };
            problems.add(&got.at, message, "not a link", help);
            return None;
        }
    }
    let parts = parts(got, &pieces, Format::Url, readable, problems)?;
    Some(Template::new(got.value, parts, Some(escape::check_url)))
}

fn pieces(got: &Got<&str>, problems: &mut Problems<'_>) -> Option<Vec<Piece>> {
    match expr::split(got.value) {
        Ok(pieces) => Some(pieces),
        Err(range) => {
            let at = inside(got, range, problems.text());
            let help = "close it with `}`, or write `$${` for the characters themselves".to_owned();
            problems.add(&at, "`${` is never closed", "opened here", help);
            None
        }
    }
}

/// Compiles the expressions of a string and finds how each value is put.
fn parts(
    got: &Got<&str>,
    pieces: &[Piece],
    format: Format,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Put>> {
    let mut scanner = Scanner::new(format);
    let mut parts = Vec::new();
    let mut good = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                scanner.literal(text);
                parts.push(Put::Text(text.clone()));
            }
            Piece::Expr(range) => {
                let source = got.value.get(range.clone()).unwrap_or_default();
                let Some(expr) = compiled(source, range.start, got, readable, problems) else {
                    good = false;
                    continue;
                };
                let way = scanner.value(expr.trust());
                let way = if expr.is_raw() { Ok(Way::AsIs) } else { way };
                match way {
                    Ok(way) => parts.push(Put::Value(expr, way)),
                    Err(refused) => {
                        good = false;
                        let at = inside(got, range.clone(), problems.text());
                        let help = format!("{}; `${{raw(…)}}` puts it as it is", refused.help);
                        let label = if format == Format::Text {
                            "comes from outside"
                        } else {
                            "from outside, in here"
                        };
                        let message = match format {
                            Format::Text => refused.why,
                            format => {
                                format!("{} (the text is {})", refused.why, format.name())
                            }
                        };
                        problems.add(&at, message, label, help);
                    }
                }
            }
        }
    }
    good.then_some(parts)
}

/// What a step gives its plugin.
pub(crate) struct With<'a, 't> {
    /// The table, absent where the step has none.
    pub(crate) node: Option<&'a Node<'t>>,
    /// Where the step is, for what is missing.
    pub(crate) owner: &'a At,
    pub(crate) plugin: &'a PluginKey,
}

/// Parameters for a plugin, checked against its schema as far as they are known.
pub(crate) fn params(
    with: &With<'_, '_>,
    loader: &Loader<'_>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Params> {
    checked(with, loader, readable, problems).map(|(source, tree)| Params::new(source, tree))
}

/// The parameters of each stage of a ramp, as one list: the step's own, and in their place what the stage says.
pub(crate) fn stages<'t>(
    with: &With<'_, 't>,
    stages: &[Node<'t>],
    loader: &Loader<'_>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Params> {
    let mut all = Vec::new();
    for stage in stages {
        let node = merged(with, stage, problems)?;
        let of_stage = With {
            node: Some(&node),
            owner: &stage.at,
            plugin: with.plugin,
        };
        // What is wrong with the step's own would be wrong in each: told once.
        all.push(checked(&of_stage, loader, readable, problems)?);
    }
    Some(Params::list(all))
}

fn merged<'t>(with: &With<'_, 't>, stage: &Node<'t>, problems: &mut Problems<'_>) -> Option<Node<'t>> {
    let Data::Table(own) = &stage.data else {
        return crate::load::fields::wrong_type(stage, "a stage", "a table of parameters", problems);
    };
    let mut table = match with.node.map(|node| (node, &node.data)) {
        None => Table::default(),
        Some((_, Data::Table(table))) => table.clone(),
        Some((node, _)) => {
            return crate::load::fields::wrong_type(node, "`with`", "a table of parameters", problems);
        }
    };
    table.entries.retain(|entry| own.get(&entry.key).is_none());
    table.entries.extend(own.entries.iter().cloned());
    Some(Node {
        at: stage.at.clone(),
        data: Data::Table(table),
    })
}

fn checked(
    with: &With<'_, '_>,
    loader: &Loader<'_>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Option<(Value, Tree)> {
    let empty = Node {
        at: with.owner.clone(),
        data: Data::Table(Table::default()),
    };
    let node = with.node.unwrap_or(&empty);
    if !matches!(node.data, Data::Table(_)) {
        return crate::load::fields::wrong_type(node, "`with`", "a table of parameters", problems);
    }
    let before = problems.count();
    let source = node.to_json(problems);
    let facts = loader.catalogue.plugins.get(with.plugin)?;
    let mut unknown = Vec::new();
    let schema = SchemaAt::root(&facts.manifest.params);
    let readable = &Readable {
        gives: facts.kind != PluginKind::Notification,
        ..*readable
    };
    let tree = tree(node, &schema, &mut Vec::new(), &mut unknown, readable, problems);
    match loader.schema(with.plugin) {
        Some(Ok(schema)) => {
            for misfit in schema.misfits(&source) {
                if is_certain(&misfit, &unknown) {
                    tell(&misfit, with, &facts.manifest.params, problems);
                }
            }
        }
        Some(Err(error)) => {
            problems.add(
                with.owner,
                format!("the plugin `{}`: {error}", with.plugin),
                "uses it",
                None,
            );
        }
        None => {}
    }
    (problems.count() == before).then_some((source, tree))
}

/// A value that is not known at load.
struct Unknown {
    path: Vec<String>,
    /// It is certain to be text: a longer string.
    text: bool,
}

fn tree(
    node: &Node<'_>,
    schema: &SchemaAt<'_>,
    path: &mut Vec<String>,
    unknown: &mut Vec<Unknown>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Tree {
    match &node.data {
        Data::Text(text) => {
            let got = Got {
                value: text.as_ref(),
                at: node.at.clone(),
            };
            string(&got, schema, path, unknown, readable, problems)
        }
        Data::List(items) => {
            let mut trees = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                trees.push(tree(item, &schema.item(index), path, unknown, readable, problems));
                path.pop();
            }
            if trees.iter().all(|tree| matches!(tree, Tree::Value(_))) {
                return Tree::Value(Value::Array(trees.into_iter().filter_map(value).collect()));
            }
            Tree::List(trees)
        }
        Data::Table(table) => {
            let mut members = Vec::with_capacity(table.entries.len());
            for entry in &table.entries {
                path.push(entry.key.clone().into_owned());
                let inner = tree(
                    &entry.node,
                    &schema.member(&entry.key),
                    path,
                    unknown,
                    readable,
                    problems,
                );
                path.pop();
                members.push((entry.key.clone().into_owned(), inner));
            }
            if members.iter().all(|(_, tree)| matches!(tree, Tree::Value(_))) {
                let members = members
                    .into_iter()
                    .filter_map(|(name, tree)| Some((name, value(tree)?)));
                return Tree::Value(Value::Object(members.collect()));
            }
            Tree::Object(members)
        }
        Data::Datetime => {
            // Told already; that it does not fit either is nothing new.
            unknown.push(Unknown {
                path: path.clone(),
                text: false,
            });
            Tree::Value(Value::Null)
        }
        Data::Integer(_) | Data::Float(_) | Data::Bool(_) => {
            Tree::Value(node.to_json(&mut Problems::new("", "")))
        }
    }
}

fn value(tree: Tree) -> Option<Value> {
    match tree {
        Tree::Value(value) => Some(value),
        _ => None,
    }
}

fn string(
    got: &Got<&str>,
    schema: &SchemaAt<'_>,
    path: &[String],
    unknown: &mut Vec<Unknown>,
    readable: &Readable<'_>,
    problems: &mut Problems<'_>,
) -> Tree {
    let nothing = || Tree::Value(Value::Null);
    if !got.value.contains("${") {
        return Tree::Value(Value::String(got.value.to_owned()));
    }
    let Some(pieces) = pieces(got, problems) else {
        return nothing();
    };
    let format = schema.format();
    match pieces.as_slice() {
        [] => Tree::Value(Value::String(String::new())),
        [Piece::Text(text)] => {
            unknown.push(Unknown {
                path: path.to_vec(),
                text: true,
            });
            Tree::Value(Value::String(text.clone()))
        }
        [Piece::Expr(range)] => {
            unknown.push(Unknown {
                path: path.to_vec(),
                text: false,
            });
            let source = got.value.get(range.clone()).unwrap_or_default();
            // What only a few may see is given as it is and alone: the run itself holds a mark for it, of which nothing can be made.
            let as_it_is = source
                .trim()
                .strip_prefix("inputs.")
                .is_some_and(|name| crate::load::is_snake(name) && format == Format::Text && readable.gives);
            let readable = &Readable {
                hidden: as_it_is,
                ..*readable
            };
            let Some(expr) = compiled(source, range.start, got, readable, problems) else {
                return nothing();
            };
            if expr.is_raw()
                || expr.trust() == Trust::Ours
                || (format == Format::Text && !schema.has_formats_within())
            {
                return Tree::Whole(expr);
            }
            if format == Format::Text {
                let at = inside(got, range.clone(), problems.text());
                let message = "texts within this value are in a language of their own, and it comes from outside as a whole";
                let help =
                    "write its parts out, each with its `${…}`; `${raw(…)}` puts it as it is".to_owned();
                problems.add(&at, message, "comes from outside", help);
                return nothing();
            }
            // Even alone it has a position in the plugin's language.
            match parts(got, &pieces, format, readable, problems) {
                Some(parts) => Tree::Text(Template::new(got.value, parts, None)),
                None => nothing(),
            }
        }
        _ => {
            unknown.push(Unknown {
                path: path.to_vec(),
                text: true,
            });
            let check: Option<expr::Check> = if format == Format::Url {
                Some(escape::check_url)
            } else {
                None
            };
            match parts(got, &pieces, format, readable, problems) {
                Some(parts) => Tree::Text(Template::new(got.value, parts, check)),
                None => nothing(),
            }
        }
    }
}

/// Whether a misfit holds whatever the unknown values will be.
fn is_certain(misfit: &Misfit, unknown: &[Unknown]) -> bool {
    let path = &misfit.error.path;
    let touched: Vec<&Unknown> = unknown
        .iter()
        .filter(|unknown| unknown.path.starts_with(path))
        .collect();
    if touched.is_empty() {
        return true;
    }
    let itself = touched.iter().find(|unknown| unknown.path.len() == path.len());
    match itself {
        // A longer string is text, whatever is put into it.
        Some(unknown) => unknown.text && misfit.of_type,
        None => misfit.of_names || misfit.of_type,
    }
}

fn tell(misfit: &Misfit, with: &With<'_, '_>, schema: &Value, problems: &mut Problems<'_>) {
    let plugin = with.plugin;
    let path = &misfit.error.path;
    let node = with.node.and_then(|node| find(node, path));
    let at = node.map_or(with.owner, |node| &node.at);
    if !misfit.unknown.is_empty() {
        let known = known_members(schema, path);
        for name in &misfit.unknown {
            let key_at = match node.map(|node| &node.data) {
                Some(Data::Table(table)) => table.get(name).map(|entry| &entry.key_at),
                _ => None,
            };
            let message = format!("the plugin `{plugin}` has no parameter `{name}`");
            let help = did_you_mean(name, known.iter().map(String::as_str));
            problems.add(key_at.unwrap_or(at), message, "unknown parameter", help);
        }
        return;
    }
    let what = if path.is_empty() {
        String::new()
    } else {
        format!("`{}`: ", path.join("."))
    };
    let message = format!(
        "the plugin `{plugin}` does not take this: {what}{}",
        misfit.error.message
    );
    problems.add(
        at,
        message,
        "does not fit",
        format!("`stanch plugin inspect {plugin}` shows what it takes"),
    );
}

fn find<'n, 't>(node: &'n Node<'t>, path: &[String]) -> Option<&'n Node<'t>> {
    path.iter().try_fold(node, |node, name| match &node.data {
        Data::Table(table) => table.get(name).map(|entry| &entry.node),
        Data::List(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The members that a schema names at `path`.
fn known_members(schema: &Value, path: &[String]) -> Vec<String> {
    let at = path
        .iter()
        .fold(SchemaAt::root(schema), |at, name| match name.parse() {
            Ok(index) => at.item(index),
            Err(_) => at.member(name),
        });
    at.members()
}
