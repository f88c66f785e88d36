//! Inputs: what a runbook is told when it starts, from the alert or by a person, converted to its declared type.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::text;

use crate::expr::{EvalError, Scope};
use crate::model::{Input, InputType, Runbook};

/// Why an input has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The value is of another type and cannot be converted without loss.
    #[error("the input `{input}` has to be {wanted}; it is {got}")]
    Wrong {
        /// The input.
        input: String,
        /// Its type.
        wanted: &'static str,
        /// What was given.
        got: String,
    },
    /// Nothing gives it and it has no default.
    #[error("the input `{input}` is needed: {reason}")]
    Missing {
        /// The input.
        input: String,
        /// What would give it.
        reason: String,
    },
    /// Its expression has no value for another reason than a missing one.
    #[error("the input `{input}`: {error}")]
    Eval {
        /// The input.
        input: String,
        /// What its expression says.
        error: EvalError,
    },
}

/// "a whole number": for messages.
pub(crate) fn type_word(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "text",
        InputType::Integer => "a whole number",
        InputType::Number => "a number",
        InputType::Boolean => "true or false",
    }
}

/// `value` as the type of `input`: texts are read as numbers and truths, whole numbers taken as numbers. Nothing is
/// rounded and nothing guessed.
///
/// # Errors
/// Where it is something else.
pub fn convert_input(input: &Input, value: Value) -> Result<Value, InputError> {
    let whole = |number: f64| {
        // Beyond 2^53 a float does not say which whole number it is.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    };
    let converted = match (input.kind, &value) {
        (InputType::String, Value::String(_)) => Some(value.clone()),
        (InputType::String, Value::Number(_) | Value::Bool(_)) => Some(Value::String(value.to_string())),
        (InputType::Integer, Value::Number(number)) => number
            .as_i64()
            .or_else(|| number.as_f64().and_then(whole))
            .map(Value::from),
        (InputType::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (InputType::Number, Value::Number(_)) => Some(value.clone()),
        (InputType::Number, Value::String(text)) => {
            let number = text
                .trim()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64);
            number.map(Value::Number)
        }
        (InputType::Boolean, Value::Bool(_)) => Some(value.clone()),
        (InputType::Boolean, Value::String(text)) => match text.trim() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    };
    converted.ok_or_else(|| InputError::Wrong {
        input: input.name.clone(),
        wanted: type_word(input.kind),
        got: text::clean_line_to(&value.to_string(), 80),
    })
}

impl Runbook {
    /// The inputs of a run that an alert starts, each from its `from`, else its default; and why others have no value.
    pub fn inputs_from_alert(&self, scope: &Scope<'_>) -> (BTreeMap<String, Value>, Vec<InputError>) {
        self.inputs(&mut BTreeMap::new(), Some(scope))
    }

    /// The inputs of a run that a person starts: what was given, else (where there is an alert) its `from`, else its default.
    ///
    /// # Errors
    /// Everything that has no value or the wrong type, by input; also what was given and is not an input.
    pub fn inputs_with(
        &self,
        mut given: BTreeMap<String, Value>,
        scope: Option<&Scope<'_>>,
    ) -> Result<BTreeMap<String, Value>, Vec<InputError>> {
        let (values, mut errors) = self.inputs(&mut given, scope);
        for name in given.into_keys() {
            let known: Vec<String> = self
                .inputs
                .iter()
                .map(|input| format!("`{}`", input.name))
                .collect();
            let reason = if known.is_empty() {
                format!("the runbook `{}` has no inputs", self.name)
            } else {
                format!("the runbook `{}` has only {}", self.name, known.join(", "))
            };
            errors.push(InputError::Missing { input: name, reason });
        }
        if errors.is_empty() {
            Ok(values)
        } else {
            Err(errors)
        }
    }

    fn inputs(
        &self,
        given: &mut BTreeMap<String, Value>,
        scope: Option<&Scope<'_>>,
    ) -> (BTreeMap<String, Value>, Vec<InputError>) {
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for input in &self.inputs {
            match input_value(input, given.remove(&input.name), scope) {
                Ok(value) => {
                    values.insert(input.name.clone(), value);
                }
                Err(error) => errors.push(error),
            }
        }
        (values, errors)
    }
}

fn input_value(input: &Input, given: Option<Value>, scope: Option<&Scope<'_>>) -> Result<Value, InputError> {
    if let Some(value) = given {
        return convert_input(input, value);
    }
    let mut reason = "give it with `--input`".to_owned();
    if let (Some(from), Some(scope)) = (&input.from, scope) {
        match from.eval(scope) {
            Ok(value) => return convert_input(input, value),
            Err(error @ EvalError::Missing { .. }) => reason = error.to_string(),
            Err(error) => {
                return Err(InputError::Eval {
                    input: input.name.clone(),
                    error,
                });
            }
        }
    }
    input.default.clone().ok_or_else(|| InputError::Missing {
        input: input.name.clone(),
        reason,
    })
}
