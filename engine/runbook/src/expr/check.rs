//! Walks a parsed expression: does every name exist, may it be read at this place, and can the value hold text that came
//! from outside? Done at load, so that a misspelt check is an error of the file and not of the night it is needed.

use std::collections::BTreeMap;

use cel::common::ast::{EntryExpr, Expr as Cel, IdedExpr, LiteralValue, operators};
use serde_json::Value;
use stanch_contract::StepId;

use crate::expr::functions::{FUNCTIONS, NEVER_TEXT};
use crate::problem::did_you_mean;

/// Whether a value can hold text that came from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// Written by the author or the operator, or not text at all.
    Ours,
    /// From outside, made one line of plain text by `text(…)`: enough for people and names, not for another language.
    Text,
    /// From an alert or from what a plugin answered.
    Outside,
}

/// What an expression can know of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputFacts {
    pub(crate) trust: Trust,
    /// It has `visible_to`.
    pub(crate) hidden: bool,
}

/// The part of a runbook that a check or step is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Diagnosis,
    Mitigation,
    Resolution,
    Recovery,
}

impl Part {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Diagnosis => "diagnosis",
            Self::Mitigation => "mitigation",
            Self::Resolution => "resolution",
            Self::Recovery => "recovery",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Diagnosis, Self::Mitigation, Self::Resolution]
            .into_iter()
            .find(|part| part.word() == word)
    }
}

/// A check or step, by its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) part: Part,
    pub(crate) index: usize,
}

/// Every check and step of a runbook, by id.
pub(crate) type Steps = BTreeMap<String, Step>;

/// What can be read at one place of a runbook.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readable<'a> {
    /// Declared inputs; absent where there are none yet (matching).
    pub(crate) inputs: Option<&'a BTreeMap<String, InputFacts>>,
    pub(crate) vars: &'a Value,
    /// Whether there is a run.
    pub(crate) run: bool,
    pub(crate) steps: &'a Steps,
    /// Results that can be read: those before this place; absent where there are none.
    pub(crate) before: Option<Step>,
    /// This place, for messages: "a trigger's condition".
    pub(crate) place: &'a str,
    /// Whether what is read is given to a plugin that looks or acts.
    pub(crate) gives: bool,
    /// Whether what only a few may see can be read here: it is given as it is, and alone.
    pub(crate) hidden: bool,
    /// Where it is an intake's mapping: the names of what came. Nothing else can be read there.
    pub(crate) given: Option<&'a [&'a str]>,
}

/// A name that cannot be read, with the node it is at.
#[derive(Debug)]
pub(crate) struct BadName {
    pub(crate) node: u64,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What the walk finds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) bad: Vec<BadName>,
    pub(crate) reads: Vec<StepId>,
    pub(crate) paths: Vec<Vec<String>>,
}

const ROOTS: [&str; 9] = [
    "alert",
    "alerts",
    "inputs",
    "vars",
    "run",
    "impact",
    "diagnosis",
    "mitigation",
    "resolution",
];
const ALERT: [&str; 7] = [
    "labels",
    "annotations",
    "name",
    "status",
    "fingerprint",
    "starts_at",
    "payload",
];
pub(crate) const RESULT: [&str; 8] = [
    "yes", "no", "unknown", "skipped", "failed", "planned", "summary", "data",
];
/// CEL's names of types, for `type(x) == string`.
const TYPES: [&str; 10] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];
/// Loops within loops that an expression may have.
const MOST_LOOPS: usize = 3;
/// The same in an intake's mapping, which is held against whatever comes, up to 4 MiB of it: no time that grows with its square.
const MOST_LOOPS_GIVEN: usize = 1;

/// Walks `tree`.
pub(crate) fn check(tree: &IdedExpr, readable: &Readable<'_>) -> (Found, Trust) {
    let mut walk = Walk {
        readable,
        found: Found::default(),
        bound: Vec::new(),
        loops: 0,
    };
    let trust = walk.node(tree);
    (walk.found, trust)
}

/// The argument of `raw(…)`, where that is the whole expression.
pub(crate) fn is_raw(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Cel::Call(call) if call.func_name == "raw" && call.target.is_none())
}

struct Walk<'a> {
    readable: &'a Readable<'a>,
    found: Found,
    /// Variables of loops, the innermost last.
    bound: Vec<(String, Trust)>,
    loops: usize,
}

impl Walk<'_> {
    fn bad(&mut self, node: &IdedExpr, message: impl Into<String>, help: impl Into<Option<String>>) -> Trust {
        self.found.bad.push(BadName {
            node: node.id,
            message: message.into(),
            help: help.into(),
        });
        Trust::Ours
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n IdedExpr>) -> Trust {
        nodes
            .into_iter()
            .map(|node| self.node(node))
            .max()
            .unwrap_or(Trust::Ours)
    }

    fn node(&mut self, node: &IdedExpr) -> Trust {
        if let Some(path) = path(node)
            && let Some(root) = path.first()
            && !self.bound.iter().any(|(name, _)| name == root)
        {
            return self.path(node, &path);
        }
        match &node.expr {
            Cel::Literal(_) => Trust::Ours,
            Cel::Ident(name) => self
                .bound
                .iter()
                .rev()
                .find(|(bound, _)| bound == name)
                .map_or(Trust::Ours, |(_, trust)| *trust),
            Cel::Select(select) if select.test => self.tested(node, select),
            Cel::Select(select) => self.node(&select.operand),
            Cel::Call(call) => self.call(node, call),
            Cel::List(list) => self.all(&list.elements),
            Cel::Map(map) => map
                .entries
                .iter()
                .map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => self.node(&entry.key).max(self.node(&entry.value)),
                    EntryExpr::StructField(field) => self.node(&field.value),
                })
                .max()
                .unwrap_or(Trust::Ours),
            Cel::Comprehension(inner) => {
                // What is looped over is made once: a loop in there is before this one, not within it.
                let range = self.node(&inner.iter_range);
                let start = self.node(&inner.accu_init);
                let most = match self.readable.given {
                    Some(_) => MOST_LOOPS_GIVEN,
                    None => MOST_LOOPS,
                };
                self.loops += 1;
                if self.loops > most {
                    let message = match most {
                        1 => "a loop within a loop".to_owned(),
                        most => format!("more than {most} loops within each other"),
                    };
                    self.bad(node, message, None);
                }
                // `all`, `exists` and `exists_one` begin with a truth or a number and end with one.
                let is_text = !matches!(
                    inner.accu_init.expr,
                    Cel::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_))
                );
                let before = self.bound.len();
                self.bound.push((inner.iter_var.clone(), range));
                self.bound
                    .extend(inner.iter_var2.iter().map(|name| (name.clone(), range)));
                self.bound.push((inner.accu_var.clone(), start));
                let step = self.all([&inner.loop_cond, &inner.loop_step]);
                self.bound.push((inner.accu_var.clone(), step));
                let result = self.node(&inner.result);
                self.bound.truncate(before);
                self.loops -= 1;
                if is_text { step.max(result) } else { Trust::Ours }
            }
            Cel::Struct(message) => self.bad(
                node,
                format!("`{}{{…}}`: there are no such objects", message.type_name),
                None,
            ),
            Cel::Unspecified => self.bad(node, "the expression is empty", None),
        }
    }

    /// `has(a.b)`: `a` has to be readable, `b` need not be there. It is not read, so it is not missed either.
    fn tested(&mut self, node: &IdedExpr, select: &cel::common::ast::SelectExpr) -> Trust {
        let before = self.found.paths.len();
        match path(&select.operand) {
            Some(mut names)
                if names.len() == 2 && names.first().is_some_and(|root| Part::from_word(root).is_some()) =>
            {
                names.push(select.field.clone());
                self.path(node, &names);
            }
            _ => {
                self.node(&select.operand);
            }
        }
        self.found.paths.truncate(before);
        Trust::Ours
    }

    fn call(&mut self, node: &IdedExpr, call: &cel::common::ast::CallExpr) -> Trust {
        let target = call
            .target
            .as_deref()
            .map_or(Trust::Ours, |target| self.node(target));
        let name = call.func_name.as_str();
        if name == operators::CONDITIONAL {
            let mut args = call.args.iter();
            if let Some(condition) = args.next() {
                self.node(condition);
            }
            return self.all(args);
        }
        if name == operators::INDEX {
            // What is found is the map's or list's, whoever chose the key.
            let found = call
                .args
                .first()
                .map_or(Trust::Ours, |operand| self.node(operand));
            self.all(call.args.iter().skip(1));
            return found;
        }
        let trust = self.all(&call.args).max(target);
        match name {
            operators::ADD => trust,
            _ if is_operator(name) => Trust::Ours,
            "text" => trust.min(Trust::Text),
            "raw" => Trust::Ours,
            _ if NEVER_TEXT.contains(&name) => Trust::Ours,
            _ if FUNCTIONS.contains(&name) => trust,
            _ => self.bad(
                node,
                format!("there is no function `{name}`"),
                did_you_mean(name, FUNCTIONS.iter().copied()),
            ),
        }
    }

    fn path(&mut self, node: &IdedExpr, path: &[String]) -> Trust {
        let Some(root) = path.first() else {
            return Trust::Ours;
        };
        let second = path.get(1).map(String::as_str);
        self.found.paths.push(path.to_vec());
        if let Some(given) = self.readable.given {
            return self.given(node, path, given);
        }
        match root.as_str() {
            "alert" => match second {
                Some("status") => Trust::Ours,
                Some(member) if !ALERT.contains(&member) => {
                    let help = if path.len() == 2 {
                        format!("labels are read as `alert.labels.{member}`")
                    } else {
                        did_you_mean(member, ALERT).unwrap_or_default()
                    };
                    self.bad(node, format!("an alert has no `{member}`"), help)
                }
                _ => Trust::Outside,
            },
            "alerts" => Trust::Outside,
            "vars" => self.vars(node, path),
            "impact" => match second {
                None | Some("severity" | "summary") => Trust::Ours,
                Some(other) => self.bad(
                    node,
                    format!("`impact` has no `{other}`"),
                    did_you_mean(other, ["severity", "summary"]),
                ),
            },
            "run" => match second {
                _ if !self.readable.run => {
                    let place = self.readable.place;
                    self.bad(
                        node,
                        format!("`run` cannot be read in {place}: there is no run yet"),
                        None,
                    )
                }
                Some("id") => Trust::Ours,
                None | Some("report") => Trust::Outside,
                Some(other) => self.bad(
                    node,
                    format!("`run` has no `{other}`"),
                    did_you_mean(other, ["id", "report"]),
                ),
            },
            "inputs" => self.input(node, second),
            word => match Part::from_word(word) {
                Some(part) => self.result(node, part, path),
                None if TYPES.contains(&word) && path.len() == 1 => Trust::Ours,
                None if word == "secret" || word == "secrets" => {
                    let help =
                        "secrets are used in stanch.toml only, as `${secret:NAME}` in a grant".to_owned();
                    self.bad(node, "a runbook cannot read secrets", help)
                }
                None if word == "recovery" => {
                    let help = "what a recovery check asks can be asked in `[[diagnosis]]` too".to_owned();
                    self.bad(node, "recovery checks are not read by expressions", help)
                }
                None => {
                    let known = ROOTS
                        .into_iter()
                        .chain(self.readable.steps.keys().map(String::as_str));
                    let help = match self.readable.steps.get(word) {
                        Some(step) => Some(format!("write `{}.{word}.yes`", step.part.word())),
                        None if second.is_none() && self.is_input(word) => {
                            Some(format!("write `inputs.{word}`"))
                        }
                        None => did_you_mean(word, known)
                            .filter(|help| help.starts_with("did"))
                            .or_else(|| did_you_mean(word, ROOTS)),
                    };
                    self.bad(node, format!("`{word}` is not known"), help)
                }
            },
        }
    }

    /// What came, whatever is in it: only its name can be checked before it is there.
    fn given(&mut self, node: &IdedExpr, path: &[String], given: &[&str]) -> Trust {
        let root = path.first().map_or("", String::as_str);
        if given.contains(&root) {
            return Trust::Outside;
        }
        if TYPES.contains(&root) && path.len() == 1 {
            return Trust::Ours;
        }
        let names: Vec<String> = given.iter().map(|name| format!("`{name}`")).collect();
        let help = format!("in {} there is {}", self.readable.place, names.join(" and "));
        self.bad(node, format!("`{root}` is not known"), help)
    }

    fn is_input(&self, word: &str) -> bool {
        self.readable
            .inputs
            .is_some_and(|inputs| inputs.contains_key(word))
    }

    fn input(&mut self, node: &IdedExpr, name: Option<&str>) -> Trust {
        let Some(inputs) = self.readable.inputs else {
            let place = self.readable.place;
            return self.bad(
                node,
                format!("`inputs` cannot be read in {place}: they are not known yet"),
                None,
            );
        };
        let hidden = |input: &InputFacts| input.hidden && !self.readable.hidden;
        let read = match name {
            Some(name) => inputs.get(name).is_some_and(hidden),
            None => inputs.values().any(hidden),
        };
        if read {
            let help = "it can be given to a check's or step's plugin as it is, `with = { NAME = \"${inputs.NAME}\" }`, and to nothing else";
            return self.bad(
                node,
                format!(
                    "what only a few may see (`visible_to`) cannot be read in {}",
                    self.readable.place
                ),
                help.to_owned(),
            );
        }
        let Some(name) = name else {
            return inputs
                .values()
                .map(|input| input.trust)
                .max()
                .unwrap_or(Trust::Ours);
        };
        match inputs.get(name) {
            Some(input) => input.trust,
            None => {
                let help = did_you_mean(name, inputs.keys().map(String::as_str))
                    .unwrap_or_else(|| format!("declare it: `[inputs.{name}]` with `type = \"string\"`"));
                self.bad(node, format!("there is no input `{name}`"), help)
            }
        }
    }

    fn vars(&mut self, node: &IdedExpr, path: &[String]) -> Trust {
        let mut here = self.readable.vars;
        let mut so_far = "vars".to_owned();
        for name in path.iter().skip(1) {
            match here.as_object().map(|members| (members.get(name), members)) {
                Some((Some(inner), _)) => here = inner,
                Some((None, members)) => {
                    let help = did_you_mean(name, members.keys().map(String::as_str))
                        .unwrap_or_else(|| format!("add `{name}` to `[vars]` in stanch.toml"));
                    return self.bad(node, format!("`{so_far}` of stanch.toml has no `{name}`"), help);
                }
                None => {
                    return self.bad(
                        node,
                        format!("`{so_far}` is {}, which has no members", crate::expr::kind(here)),
                        None,
                    );
                }
            }
            so_far = format!("{so_far}.{name}");
        }
        Trust::Ours
    }

    fn result(&mut self, node: &IdedExpr, part: Part, path: &[String]) -> Trust {
        let readable = self.readable;
        let (steps, word) = (readable.steps, part.word());
        let Some(before) = readable.before else {
            return self.bad(
                node,
                format!("results cannot be read in {}: there are none yet", readable.place),
                None,
            );
        };
        let Some(id) = path.get(1) else {
            let known = known_ids(steps, |step| step.part == part);
            let help = format!("name one and what of it: `{word}.ID.yes`{}", listed(&known));
            return self.bad(node, format!("`{word}` is read by name"), help);
        };
        let known = known_ids(steps, |step| {
            step.part == part && (step < before || before.part == Part::Diagnosis)
        });
        match steps.get(id) {
            Some(step) if step.part != part && step.part != Part::Recovery => {
                let right = step.part.word();
                return self.bad(
                    node,
                    format!("`{id}` is in {right}, not in {word}"),
                    format!("write `{right}.{id}`"),
                );
            }
            Some(step) if step.part == part => {
                let is_itself = *step == before;
                if is_itself || (*step > before && before.part != Part::Diagnosis) {
                    let when = if is_itself {
                        "here, where it is made"
                    } else {
                        "before it has run"
                    };
                    let help = format!("a step reads only earlier ones{}", listed(&known));
                    return self.bad(node, format!("`{word}.{id}` cannot be read {when}"), help);
                }
            }
            _ => {
                let help = match did_you_mean(id, known.iter().copied()) {
                    Some(help) => help,
                    None => format!("there is nothing in {word} to read here"),
                };
                return self.bad(node, format!("there is no `{id}` in {word}"), help);
            }
        }
        let Some(field) = path.get(2) else {
            let help = format!(
                "write `{word}.{id}.yes`, or one of {}",
                RESULT.map(|f| format!("`.{f}`")).join(", ")
            );
            return self.bad(node, format!("what of `{word}.{id}`?"), help);
        };
        let step = StepId(id.clone());
        if !self.found.reads.contains(&step) {
            self.found.reads.push(step);
        }
        match field.as_str() {
            "data" | "summary" => Trust::Outside,
            field if RESULT.contains(&field) => Trust::Ours,
            field => self.bad(
                node,
                format!("a result has no `{field}`"),
                did_you_mean(field, RESULT),
            ),
        }
    }
}

fn known_ids(steps: &Steps, wanted: impl Fn(Step) -> bool) -> Vec<&str> {
    let mut known: Vec<(&Step, &str)> = steps
        .iter()
        .filter(|(_, step)| wanted(**step))
        .map(|(id, step)| (step, id.as_str()))
        .collect();
    known.sort();
    known.into_iter().map(|(_, id)| id).collect()
}

fn listed(ids: &[&str]) -> String {
    if ids.is_empty() {
        String::new()
    } else {
        format!("; here: `{}`", ids.join("`, `"))
    }
}

fn is_operator(name: &str) -> bool {
    !name.chars().any(|c| c.is_ascii_alphanumeric())
        || name == operators::IN
        || name == operators::NOT_STRICTLY_FALSE
}

/// `a.b["c"].d` as its parts, where it begins with a name and every index is a literal text.
fn path(node: &IdedExpr) -> Option<Vec<String>> {
    match &node.expr {
        Cel::Ident(name) => Some(vec![name.clone()]),
        Cel::Select(select) if select.test => {
            // What is only tested for is not read.
            None
        }
        Cel::Select(select) => {
            let mut path = path(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Cel::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [
                operand,
                IdedExpr {
                    expr: Cel::Literal(LiteralValue::String(key)),
                    ..
                },
            ] => {
                let mut path = path(operand)?;
                path.push(key.inner().to_owned());
                Some(path)
            }
            _ => None,
        },
        _ => None,
    }
}
