//! Gives an expression its values out of a [`Scope`], converting only what it reads.

use std::collections::{BTreeMap, HashMap};

use cel::common::ast::IdedExpr;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError};
use serde_json::Value;
use stanch_contract::{Alert, StepId};

use crate::expr::check::RESULT;
use crate::expr::functions::environment;
use crate::expr::{Answer, EvalError, Expr, Scope, StepResult};
use crate::model::Severity;

/// Why an expression has no value.
pub(crate) enum NoValue {
    /// A member of this name is not there.
    Key(String),
    Other(String),
}

/// The value of `tree` in `scope`.
pub(crate) fn evaluate(tree: &IdedExpr, scope: &Scope<'_>) -> Result<Value, NoValue> {
    resolved(tree, &Resolver { scope })
}

/// The value of `tree` with these values by their names.
pub(crate) fn evaluate_given(tree: &IdedExpr, given: &[(&str, &Value)]) -> Result<Value, NoValue> {
    resolved(tree, &Given(given))
}

fn resolved(tree: &IdedExpr, resolver: &dyn VariableResolver) -> Result<Value, NoValue> {
    let mut context = Context::with_env(environment());
    context.set_variable_resolver(resolver);
    let value = cel::Value::resolve(tree, &context).map_err(|error| match error {
        ExecutionError::NoSuchKey(key) => NoValue::Key(key.to_string()),
        ExecutionError::FunctionError { function, message } => {
            NoValue::Other(format!("`{function}`: {message}"))
        }
        other => NoValue::Other(other.to_string()),
    })?;
    to_json(&value)
}

fn to_json(value: &cel::Value) -> Result<Value, NoValue> {
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(truth) => Value::Bool(*truth),
        cel::Value::Int(number) => Value::from(*number),
        cel::Value::UInt(number) => Value::from(*number),
        cel::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| NoValue::Other(format!("its value is {number}, which is not a finite number")))?,
        cel::Value::String(text) => Value::String(text.as_str().to_owned()),
        cel::Value::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        cel::Value::Map(map) => {
            let mut members = serde_json::Map::new();
            for (key, value) in map.map.iter() {
                members.insert(key.to_string(), to_json(value)?);
            }
            Value::Object(members)
        }
        other => {
            return Err(NoValue::Other(format!(
                "its value is of type {}: turn it into text with `string(…)`",
                other.type_of()
            )));
        }
    })
}

/// What is missing: the first path of the expression that leads to nothing and ends in `key`.
pub(crate) fn blame(expr: &Expr, key: &str, scope: &Scope<'_>) -> EvalError {
    let expression = || expr.source().to_owned();
    for path in expr.paths() {
        let Some(depth) = missing_at(path, scope) else {
            continue;
        };
        if path.get(depth).is_none_or(|name| name != key) {
            continue;
        }
        if let [part, id, field, ..] = path.as_slice()
            && depth == 2
            && matches!(part.as_str(), "diagnosis" | "mitigation" | "resolution")
        {
            let state = match scope.results.get(&StepId(id.clone())).map(|result| result.answer) {
                None => "has no answer yet",
                Some(Answer::Unknown) => "is unknown",
                Some(Answer::Skipped) => "was skipped",
                Some(Answer::Failed) => "failed",
                Some(Answer::Planned) => "was only planned",
                Some(Answer::Yes | Answer::No) => "has no such answer",
            };
            return EvalError::Unanswered {
                expression: expression(),
                step: format!("{part}.{id}"),
                field: field.clone(),
                state: state.to_owned(),
            };
        }
        let what = path.get(..=depth).unwrap_or(path).join(".");
        return EvalError::Missing {
            expression: expression(),
            what,
        };
    }
    EvalError::Missing {
        expression: expression(),
        what: key.to_owned(),
    }
}

/// The same where the values are given by their names.
pub(crate) fn blame_given(expr: &Expr, key: &str, given: &[(&str, &Value)]) -> EvalError {
    let given = Given(given);
    let missing = expr.paths().iter().find_map(|path| {
        let depth = missing_in(path, |prefix| given.find(prefix).is_some())?;
        let path = path.get(..=depth)?;
        path.last().filter(|name| *name == key).map(|_| path.join("."))
    });
    EvalError::Missing {
        expression: expr.source().to_owned(),
        what: missing.unwrap_or_else(|| key.to_owned()),
    }
}

/// How far along `path` there is something; `None` where all of it is there.
fn missing_at(path: &[String], scope: &Scope<'_>) -> Option<usize> {
    let resolver = Resolver { scope };
    missing_in(path, |prefix| resolver.has(prefix))
}

fn missing_in(path: &[String], has: impl Fn(&[&str]) -> bool) -> Option<usize> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    (1..names.len()).find(|depth| names.get(..=*depth).is_none_or(|prefix| !has(prefix)))
}

/// What a path leads to.
pub(crate) fn lookup(path: &[String], scope: &Scope<'_>) -> Option<Value> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let resolver = Resolver { scope };
    let value = resolver.find(&names)?;
    cel::Value::try_from(value.as_ref())
        .ok()
        .and_then(|value| to_json(&value).ok())
}

struct Resolver<'a> {
    scope: &'a Scope<'a>,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        named(variable, |names| self.find(names))
    }
}

/// Values by their names.
struct Given<'a>(&'a [(&'a str, &'a Value)]);

impl VariableResolver for Given<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        named(variable, |names| self.find(names))
    }
}

impl Given<'_> {
    fn find<'b>(&'b self, path: &[&str]) -> Option<CowVal<'b, 'b>> {
        let (root, rest) = path.split_first()?;
        let (_, value) = self.0.iter().find(|(name, _)| name == root)?;
        descend(value, rest)
    }
}

/// CEL asks for `a.b.c`, then `a.b`, then `a`: so only what is read is converted.
fn named<'b>(variable: &str, find: impl Fn(&[&str]) -> Option<CowVal<'b, 'b>>) -> Option<CowVal<'b, 'b>> {
    let mut names = [""; 8];
    let mut count = 0;
    for name in variable.split('.') {
        *names.get_mut(count)? = name;
        count += 1;
    }
    find(names.get(..count)?)
}

fn string<'b>(text: &'b str) -> CowVal<'b, 'b> {
    CowVal::owned(CelString::from(text))
}

fn truth<'b>(truth: bool) -> CowVal<'b, 'b> {
    CowVal::owned(CelBool::from(truth))
}

fn map<'b>(members: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>>) -> CowVal<'b, 'b> {
    CowVal::owned(CelMap::from(members))
}

impl Resolver<'_> {
    fn has(&self, path: &[&str]) -> bool {
        self.find(path).is_some()
    }

    fn find<'b>(&'b self, path: &[&str]) -> Option<CowVal<'b, 'b>> {
        let scope = self.scope;
        match path {
            ["alert", rest @ ..] => self.alert(rest),
            ["alerts"] => {
                let alerts: Vec<Box<dyn Val + 'b>> = scope
                    .alerts
                    .iter()
                    .map(|alert| alert_members(alert, labels_of(alert)).into_owned())
                    .collect();
                Some(CowVal::owned(CelList::from(alerts)))
            }
            ["inputs"] => Some(map(scope
                .inputs
                .iter()
                .map(|(name, value)| (name.as_str().into(), json(value).into_owned()))
                .collect())),
            ["inputs", name, rest @ ..] => scope.inputs.get(*name).and_then(|value| descend(value, rest)),
            ["vars", rest @ ..] => descend(scope.vars, rest),
            ["run"] => scope.run.map(|(id, report)| {
                map(HashMap::from([
                    ("id".into(), string(id.as_str()).into_owned()),
                    ("report".into(), json(report).into_owned()),
                ]))
            }),
            ["run", "id"] => scope.run.map(|(id, _)| string(id.as_str())),
            ["run", "report", rest @ ..] => scope.run.and_then(|(_, report)| descend(report, rest)),
            ["impact"] => scope.impact.map(|impact| {
                map(HashMap::from([
                    ("severity".into(), string(severity(impact.severity)).into_owned()),
                    ("summary".into(), string(&impact.summary).into_owned()),
                ]))
            }),
            ["impact", "severity"] => scope.impact.map(|impact| string(severity(impact.severity))),
            ["impact", "summary"] => scope.impact.map(|impact| string(&impact.summary)),
            ["diagnosis" | "mitigation" | "resolution", id, rest @ ..] => {
                self.result(scope.results.get(&StepId((*id).to_owned())), rest)
            }
            _ => None,
        }
    }

    fn alert<'b>(&'b self, path: &[&str]) -> Option<CowVal<'b, 'b>> {
        let alerts = self.scope.alerts;
        let first = alerts.first()?;
        match path {
            [] => Some(alert_members(first, self.shared(|alert| &alert.labels, true))),
            ["labels"] => Some(map(self.shared(|alert| &alert.labels, true))),
            ["annotations"] => Some(map(self.shared(|alert| &alert.annotations, false))),
            ["labels", name] => {
                let value = first.labels.get(*name).filter(|value| !value.is_empty())?;
                alerts
                    .iter()
                    .all(|alert| alert.labels.get(*name) == Some(value))
                    .then(|| string(value))
            }
            ["annotations", name] => {
                let value = first.annotations.get(*name)?;
                alerts
                    .iter()
                    .all(|alert| alert.annotations.get(*name) == Some(value))
                    .then(|| string(value))
            }
            ["name"] => Some(string(&first.name)),
            ["status"] => Some(string(first.status.as_str())),
            ["fingerprint"] => Some(string(&first.fingerprint)),
            ["starts_at"] => Some(string(&first.starts_at)),
            ["payload", rest @ ..] => descend(&first.payload, rest),
            _ => None,
        }
    }

    /// What all alerts of the group have alike. An empty label is none, as Prometheus has it.
    fn shared<'b>(
        &'b self,
        of: impl Fn(&'b Alert) -> &'b BTreeMap<String, String>,
        without_empty: bool,
    ) -> HashMap<CelMapKey<'b>, Box<dyn Val + 'b>> {
        let alerts = self.scope.alerts;
        let Some(first) = alerts.first() else {
            return HashMap::new();
        };
        of(first)
            .iter()
            .filter(|(name, value)| {
                !(without_empty && value.is_empty())
                    && alerts
                        .iter()
                        .all(|alert| of(alert).get(name.as_str()) == Some(value))
            })
            .map(|(name, value)| (name.as_str().into(), string(value).into_owned()))
            .collect()
    }

    fn result<'b>(&'b self, result: Option<&'b StepResult>, path: &[&str]) -> Option<CowVal<'b, 'b>> {
        let answer = result.map(|result| result.answer);
        match path {
            [] => {
                // What has no value is no member: reading it is an error, `has(…)` of it is false.
                let members = RESULT.iter().filter_map(|name| {
                    self.result(result, &[name])
                        .map(|value| ((*name).into(), value.into_owned()))
                });
                Some(map(members.collect()))
            }
            ["yes"] => {
                matches!(answer, Some(Answer::Yes | Answer::No)).then(|| truth(answer == Some(Answer::Yes)))
            }
            ["no"] => {
                matches!(answer, Some(Answer::Yes | Answer::No)).then(|| truth(answer == Some(Answer::No)))
            }
            ["unknown"] => Some(truth(answer == Some(Answer::Unknown))),
            ["skipped"] => Some(truth(answer == Some(Answer::Skipped))),
            ["failed"] => Some(truth(answer == Some(Answer::Failed))),
            ["planned"] => Some(truth(answer == Some(Answer::Planned))),
            ["summary"] => result.map(|result| string(&result.summary)),
            ["data", rest @ ..] => result.and_then(|result| descend(&result.data, rest)),
            _ => None,
        }
    }
}

fn labels_of(alert: &Alert) -> HashMap<CelMapKey<'_>, Box<dyn Val + '_>> {
    alert
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.as_str().into(), string(value).into_owned()))
        .collect()
}

fn alert_members<'b>(alert: &'b Alert, labels: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>>) -> CowVal<'b, 'b> {
    let annotations = alert
        .annotations
        .iter()
        .map(|(name, value)| (CelMapKey::from(name.as_str()), string(value).into_owned()))
        .collect();
    map(HashMap::from([
        ("labels".into(), map(labels).into_owned()),
        ("annotations".into(), map(annotations).into_owned()),
        ("name".into(), string(&alert.name).into_owned()),
        ("status".into(), string(alert.status.as_str()).into_owned()),
        ("fingerprint".into(), string(&alert.fingerprint).into_owned()),
        ("starts_at".into(), string(&alert.starts_at).into_owned()),
        ("payload".into(), json(&alert.payload).into_owned()),
    ]))
}

/// The word of a severity, as runbooks write it.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn descend<'b>(value: &'b Value, path: &[&str]) -> Option<CowVal<'b, 'b>> {
    let mut here = value;
    for name in path {
        here = here.as_object()?.get(*name)?;
    }
    Some(json(here))
}

fn json<'b>(value: &'b Value) -> CowVal<'b, 'b> {
    match value {
        Value::Null => CowVal::owned(CelNull),
        Value::Bool(b) => truth(*b),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => CowVal::owned(CelInt::from(whole)),
            (None, Some(whole)) => CowVal::owned(CelUInt::from(whole)),
            (None, None) => CowVal::owned(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val + 'b>> = items.iter().map(|item| json(item).into_owned()).collect();
            CowVal::owned(CelList::from(items))
        }
        Value::Object(members) => map(members
            .iter()
            .map(|(name, value)| (name.as_str().into(), json(value).into_owned()))
            .collect()),
    }
}
