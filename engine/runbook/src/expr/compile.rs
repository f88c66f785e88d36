//! Text to a checked expression.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, SelectExpr};

use crate::expr::check::{Readable, check, is_raw};
use crate::expr::functions::environment;
use crate::expr::{Compiled, Expr};

/// The longest expression, in bytes: what needs more belongs into a plugin.
const MOST_LONG: usize = 4_096;
/// Brackets within brackets, so that no expression can exhaust the stack.
const MOST_DEEP: usize = 32;

/// Operators, dots, commas and brackets in one expression: each may be a level of the parser's and evaluator's recursion, so
/// this too keeps the stack, which a thread of the engine has 2 MiB of.
const MOST_PARTS: usize = 200;

/// What is wrong with an expression, and where in it, in bytes.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    fn whole(source: &str, message: impl Into<String>, help: Option<&str>) -> Vec<Self> {
        vec![Self {
            at: 0..source.len(),
            message: message.into(),
            help: help.map(str::to_owned),
        }]
    }
}

/// Parses and checks `source`.
pub(crate) fn compile(source: &str, readable: &Readable<'_>) -> Result<Expr, Vec<Wrong>> {
    if source.trim().is_empty() {
        return Err(Wrong::whole(source, "the expression is empty", None));
    }
    if source.trim_start().starts_with("secret:") {
        let help = "secrets are used in stanch.toml only; the gate adds them to what a plugin sends";
        let whose = readable.given.map_or("a runbook", |_| "a mapping");
        return Err(Wrong::whole(
            source,
            format!("{whose} cannot read secrets"),
            Some(help),
        ));
    }
    if source.len() > MOST_LONG {
        return Err(Wrong::whole(
            source,
            format!("the expression is longer than {MOST_LONG} bytes"),
            None,
        ));
    }
    if depth(source) > MOST_DEEP {
        return Err(Wrong::whole(
            source,
            format!("brackets are nested more than {MOST_DEEP} deep"),
            None,
        ));
    }
    if parts(source) > MOST_PARTS {
        let message =
            format!("the expression has more than {MOST_PARTS} operators, dots, commas and brackets");
        return Err(Wrong::whole(
            source,
            message,
            Some("what needs more belongs into a plugin"),
        ));
    }
    let (tree, spans) = match simple(source) {
        Some(tree) => (tree, Spans::Whole),
        None => parse(source)?,
    };
    let (found, trust) = check(&tree, readable);
    if !found.bad.is_empty() {
        return Err(found
            .bad
            .into_iter()
            .map(|bad| Wrong {
                at: spans.of(source, bad.node),
                message: bad.message,
                help: bad.help,
            })
            .collect());
    }
    let raw = is_raw(&tree);
    Ok(Expr::new(Compiled {
        source: source.trim().to_owned(),
        tree,
        reads: found.reads,
        paths: found.paths,
        trust,
        raw,
    }))
}

enum Spans {
    Whole,
    Of(Box<cel::Program>),
}

impl Spans {
    /// Where a node is; CEL counts in characters and ends before its last one.
    fn of(&self, source: &str, node: u64) -> Range<usize> {
        let Self::Of(program) = self else {
            return 0..source.len();
        };
        let Some((start, stop)) = program.source_info().offset_for(node) else {
            return 0..source.len();
        };
        let byte = |character: u32| {
            source
                .char_indices()
                .nth(character as usize)
                .map_or(source.len(), |(offset, _)| offset)
        };
        let (start, stop) = (byte(start), byte(stop.saturating_add(1)));
        if start < stop {
            start..stop
        } else {
            0..source.len()
        }
    }
}

fn parse(source: &str) -> Result<(IdedExpr, Spans), Vec<Wrong>> {
    // The generated parser is not ours: what it cannot cope with is an error of the expression, not of the engine.
    let parsed = catch_unwind(AssertUnwindSafe(|| environment().compile(source)));
    let program = match parsed {
        Err(_) => return Err(Wrong::whole(source, "the expression cannot be read", None)),
        Ok(Ok(program)) => program,
        Ok(Err(errors)) => {
            let Some(first) = errors.errors.first() else {
                return Err(Wrong::whole(source, "the expression cannot be read", None));
            };
            let line_start: usize = source
                .split_inclusive('\n')
                .take(usize::try_from(first.pos.0 - 1).unwrap_or(0))
                .map(str::len)
                .sum();
            let column = usize::try_from(first.pos.1 - 1).unwrap_or(0);
            let rest = source.get(line_start..).unwrap_or_default();
            let start = line_start
                + rest
                    .char_indices()
                    .nth(column)
                    .map_or(rest.len(), |(offset, _)| offset);
            let at = if start < source.len() {
                start..source.len()
            } else {
                0..source.len()
            };
            let message = format!("this is not an expression: {}", reason(&first.msg));
            return Err(vec![Wrong {
                at,
                message,
                help: hint(source),
            }]);
        }
    };
    Ok((program.expression().clone(), Spans::Of(Box::new(program))))
}

/// The parser's message without its list of everything that could have come.
fn reason(message: &str) -> String {
    let message = message
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("Syntax error: ");
    let (found, _) = message.split_once(" expecting ").unwrap_or((message, ""));
    for start in [
        "mismatched input ",
        "extraneous input ",
        "no viable alternative at input ",
    ] {
        if let Some(input) = found.strip_prefix(start) {
            let input = input.trim_matches('\'');
            return if input == "<EOF>" {
                "it ends too early".to_owned()
            } else {
                format!("`{input}` was not expected")
            };
        }
    }
    found.to_owned()
}

fn hint(source: &str) -> Option<String> {
    let help = if source.contains(" and ") || source.contains(" or ") || source.contains(" not ") {
        "write `&&`, `||` and `!`"
    } else if source.contains('=')
        && !source.contains("==")
        && !source.contains("<=")
        && !source.contains(">=")
        && !source.contains("!=")
    {
        "write `==` to compare"
    } else {
        "expressions are CEL: https://cel.dev"
    };
    Some(help.to_owned())
}

/// How many operators and the like there are outside of texts.
fn parts(source: &str) -> usize {
    // Where a backslash or a long quote makes it hard to say what is in a text, all of it counts.
    let skips_texts = !source.contains('\\') && !source.contains("\"\"\"") && !source.contains("'''");
    let mut quote: Option<char> = None;
    let mut count = 0;
    for c in source.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if skips_texts => {
                quote = Some(c);
                count += 1;
            }
            // `in` is an operator made of letters; white space around it gives it away.
            (None, c) if c.is_ascii_punctuation() && c != '_' => count += 1,
            (None, c) if c.is_whitespace() => count += 1,
            (None, _) => {}
        }
    }
    count
}

/// The deepest nesting of brackets; those in texts count too, which only makes the bound stricter.
fn depth(source: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                now += 1;
                most = most.max(now);
            }
            b')' | b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// `a.b.c` and `text(a.b.c)` without the parser: by far the most expressions are just that, and thousands of files load at once.
fn simple(source: &str) -> Option<IdedExpr> {
    const RESERVED: [&str; 22] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
        "has",
    ];
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !RESERVED.contains(&name)
    };
    let source = source.trim();
    for function in ["text", "raw"] {
        let inner = source
            .strip_prefix(function)
            .and_then(|rest| rest.strip_prefix('('))
            .and_then(|rest| rest.strip_suffix(')'));
        if let Some(inner) = inner {
            let argument = simple(inner)?;
            let call = CallExpr {
                func_name: function.to_owned(),
                target: None,
                args: vec![argument],
            };
            return Some(IdedExpr {
                id: 1,
                expr: Cel::Call(call),
            });
        }
    }
    let mut names = source.split('.');
    let first = names.next().filter(|name| is_name(name))?;
    let mut node = IdedExpr {
        id: 1,
        expr: Cel::Ident(first.to_owned()),
    };
    for (name, id) in names.zip(2..) {
        if !is_name(name) {
            return None;
        }
        let select = SelectExpr {
            operand: Box::new(node),
            field: name.to_owned(),
            test: false,
        };
        node = IdedExpr {
            id,
            expr: Cel::Select(select),
        };
    }
    Some(node)
}
