//! Everything that this crate can answer instead of what it was asked for, as one type.

use crate::expr::EvalError;
use crate::input::InputError;
use crate::matcher::MatcherError;
use crate::problem::LoadErrors;
use crate::schema::SchemaError;

/// An error of the runbook language.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A file does not load.
    #[error(transparent)]
    Load(#[from] LoadErrors),
    /// An expression has no value.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// An input has no value, or one of the wrong type.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Parameters do not fit what the plugin takes.
    #[error(transparent)]
    Params(#[from] SchemaError),
    /// A text is not a matcher.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
}
