//! Expressions (CEL), templates with `${…}`, and the scope they are evaluated in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Alert, RunId, StepId};

use crate::model::Impact;

/// A CEL expression that was parsed and checked at load.
#[derive(Debug, Clone)]
pub struct Expr {
    source: String,
}

/// A string with `${…}` in it.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
}

/// The parameters of a step: any TOML value with templates in its strings.
#[derive(Debug, Clone)]
pub struct Params {
    source: Value,
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
    /// As the runbook wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Its truth.
    ///
    /// # Errors
    /// Where it has no value, or one that is not true or false.
    pub fn eval_bool(&self, _scope: &Scope<'_>) -> Result<bool, EvalError> {
        Err(EvalError::Failed { expression: self.source.clone(), reason: "not built yet".into() })
    }
    /// Its value.
    ///
    /// # Errors
    /// Where it has none.
    pub fn eval(&self, _scope: &Scope<'_>) -> Result<Value, EvalError> {
        Err(EvalError::Failed { expression: self.source.clone(), reason: "not built yet".into() })
    }
    /// The checks and steps whose results it reads.
    pub fn reads(&self) -> &[StepId] {
        &[]
    }
}

impl Template {
    /// As the runbook wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Its text.
    ///
    /// # Errors
    /// Where one of its expressions has no value.
    pub fn render(&self, _scope: &Scope<'_>) -> Result<String, EvalError> {
        Err(EvalError::Failed { expression: self.source.clone(), reason: "not built yet".into() })
    }
}

impl Params {
    /// As the runbook wrote them, as JSON.
    pub fn source(&self) -> &Value {
        &self.source
    }
    /// Their values.
    ///
    /// # Errors
    /// Where one of their expressions has no value.
    pub fn render(&self, _scope: &Scope<'_>) -> Result<Value, EvalError> {
        Err(EvalError::Failed { expression: self.source.to_string(), reason: "not built yet".into() })
    }
    /// The checks and steps whose results they read.
    pub fn reads(&self) -> &[StepId] {
        &[]
    }
}
