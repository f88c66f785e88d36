//! Expressions (CEL), templates with `${…}`, and the scope they are evaluated in.
//!
//! An expression is parsed and checked once, when its runbook loads: every name it reads is known to exist and to be
//! readable at its place. What is left for evaluation are values: a label that this alert has not, an answer that this
//! check did not give. Those are errors too, never an empty text and never false.

mod check;
mod compile;
mod functions;
mod mapped;
mod resolve;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Alert, RunId, StepId, text};

use crate::model::Impact;

pub(crate) use check::{InputFacts, Part, Readable, Step as StepFacts, Steps, Trust};
pub(crate) use compile::compile;
pub use mapped::Mapped;
pub(crate) use resolve::severity as severity_word;
pub(crate) use template::{Check, Piece, Put, Tree, as_text as template_text, split};
pub use template::{Params, Template};

/// A CEL expression that was parsed and checked at load.
#[derive(Debug, Clone)]
pub struct Expr {
    inner: Arc<Compiled>,
}

/// What compiling an expression gives; shared by its clones.
#[derive(Debug)]
pub(crate) struct Compiled {
    source: String,
    tree: IdedExpr,
    reads: Vec<StepId>,
    /// Every path that is read, such as `alert.labels.cluster`, in the order of the expression: to name what is missing.
    paths: Vec<Vec<String>>,
    trust: Trust,
    /// The whole expression is `raw(…)`.
    raw: bool,
}

/// How a check or step ended, as later expressions read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// `.yes` is true. A change that was applied and verified is a yes.
    Yes,
    /// `.no` is true.
    No,
    /// `.unknown` is true.
    Unknown,
    /// `.skipped` is true.
    Skipped,
    /// `.failed` is true.
    Failed,
    /// `.planned` is true (shadow).
    Planned,
}

/// What later expressions can read of a check or step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// How it ended.
    pub answer: Answer,
    /// One sentence.
    pub summary: String,
    /// What it found or did.
    pub data: Value,
}

/// Everything an expression can see.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The alerts of the run's episode, the first first. `alert` has the labels that all of them share.
    pub alerts: &'a [Alert],
    /// Inputs, by name.
    pub inputs: &'a BTreeMap<String, Value>,
    /// `[vars]`.
    pub vars: &'a Value,
    /// The run: `run.id`; `run.report` is the evidence bundle. Absent while matching.
    pub run: Option<(&'a RunId, &'a Value)>,
    /// The runbook's impact.
    pub impact: Option<&'a Impact>,
    /// Results so far, by id.
    pub results: &'a BTreeMap<StepId, StepResult>,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EvalError {
    /// It reads the answer of a step that has none.
    #[error("`{expression}` reads `{step}.{field}`, but `{step}` {state}")]
    Unanswered {
        /// The expression.
        expression: String,
        /// The step that it reads.
        step: String,
        /// `yes` or `no`.
        field: String,
        /// Why there is no answer: `is unknown`, `was skipped`, ….
        state: String,
    },
    /// A label, annotation or other member that is not there.
    #[error("`{expression}` needs `{what}`, which is not there")]
    Missing {
        /// The expression.
        expression: String,
        /// What is missing, such as `alert.labels.cluster`.
        what: String,
    },
    /// Anything else: types that do not fit, a conversion that fails.
    #[error("`{expression}`: {reason}")]
    Failed {
        /// The expression.
        expression: String,
        /// Why.
        reason: String,
    },
}

impl Expr {
    pub(crate) fn new(compiled: Compiled) -> Self {
        Self {
            inner: Arc::new(compiled),
        }
    }

    /// As the runbook wrote it.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Its truth.
    ///
    /// # Errors
    /// Where it has no value, or one that is not true or false.
    pub fn eval_bool(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match self.eval(scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(self.failed(format!("its value is {}, not true or false", kind(&other)))),
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// Where it has none.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        resolve::evaluate(&self.inner.tree, scope).map_err(|error| match error {
            resolve::NoValue::Key(key) => resolve::blame(self, &key, scope),
            resolve::NoValue::Other(reason) => self.failed(reason),
        })
    }

    /// The checks and steps whose results it reads.
    pub fn reads(&self) -> &[StepId] {
        &self.inner.reads
    }

    /// What it reads and what is there, such as `alert.labels.cluster` and `"b"`; absent where there is nothing.
    pub fn readings(&self, scope: &Scope<'_>) -> Vec<(String, Option<Value>)> {
        let mut readings: Vec<(String, Option<Value>)> = Vec::new();
        for path in self.paths() {
            let name = path.join(".");
            if !readings.iter().any(|(known, _)| *known == name) {
                readings.push((name, resolve::lookup(path, scope)));
            }
        }
        readings
    }

    /// Whether its value can hold text that came from outside.
    pub(crate) fn trust(&self) -> Trust {
        self.inner.trust
    }

    /// Whether the whole of it is `raw(…)`.
    pub(crate) fn is_raw(&self) -> bool {
        self.inner.raw
    }

    pub(crate) fn tree(&self) -> &IdedExpr {
        &self.inner.tree
    }

    pub(crate) fn paths(&self) -> &[Vec<String>] {
        &self.inner.paths
    }

    pub(crate) fn failed(&self, reason: impl AsRef<str>) -> EvalError {
        EvalError::Failed {
            expression: self.inner.source.clone(),
            reason: text::clean_line_to(reason.as_ref(), 300),
        }
    }
}

/// "text", "a list": for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
