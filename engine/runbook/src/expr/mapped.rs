//! Expressions over what a sender sent: the mapping of an intake. The same language, with the same functions and the same
//! errors at load; what it can read is what came, by its name, and nothing of a runbook.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::expr::{EvalError, Expr, Readable, StepFacts, resolve, template_text};
use crate::load::expression;
use crate::reading::{Got, Problems};

static NO_VARS: Value = Value::Null;
static NO_STEPS: BTreeMap<String, StepFacts> = BTreeMap::new();

/// An expression of a mapping, checked when its file loads.
#[derive(Debug, Clone)]
pub struct Mapped(Expr);

impl PartialEq for Mapped {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Mapped {}

impl Mapped {
    /// From the text of a file, where it can read what has these names. `place` is what messages call it: "an intake's mapping".
    /// What is wrong with it is told at its place.
    pub fn read(
        written: &Got<&str>,
        names: &[&str],
        place: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let readable = Readable {
            inputs: None,
            vars: &NO_VARS,
            run: false,
            steps: &NO_STEPS,
            before: None,
            place,
            gives: false,
            hidden: false,
            given: Some(names),
        };
        expression(written, &readable, problems).map(Self)
    }

    /// As the file says it.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// Its value where this came, by the names that it was read with.
    ///
    /// # Errors
    /// Where it has none.
    pub fn value(&self, given: &[(&str, &Value)]) -> Result<Value, EvalError> {
        resolve::evaluate_given(self.0.tree(), given).map_err(|error| match error {
            resolve::NoValue::Key(key) => resolve::blame_given(&self.0, &key, given),
            resolve::NoValue::Other(reason) => self.0.failed(reason),
        })
    }

    /// Its value as text: text, a number, true or false.
    ///
    /// # Errors
    /// Where it has none, or another one.
    pub fn text(&self, given: &[(&str, &Value)]) -> Result<String, EvalError> {
        template_text(&self.value(given)?).map_err(|reason| self.0.failed(reason))
    }
}
