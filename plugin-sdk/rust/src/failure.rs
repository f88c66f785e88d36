//! Why something did not work, and how any error becomes that.

use std::fmt;

use serde_json::Value;
use stanch_contract::FailureCode;

/// Why something did not work: a code that the engine acts on and a sentence for a tired reader.
///
/// Like `anyhow::Error` it is not itself a [`std::error::Error`], so that `?` turns every error into one (with the code
/// `failed` and the chain of causes as message). The host's own failures arrive as they are.
#[derive(Clone, PartialEq)]
pub struct Failure {
    /// What kind. The engine retries `unavailable` and `timeout` where nothing was changed, and plans again on `conflict`.
    pub code: FailureCode,
    /// What failed, on what, and why.
    pub message: String,
    /// When it may be worth another try, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
    /// What else there is to say; null where nothing is.
    pub extra: Value,
}

impl Failure {
    /// A failure with a code and a sentence.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
            extra: Value::Null,
        }
    }

    /// The runbook, or the operator's settings, gave something that this plugin cannot use.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(FailureCode::InvalidParams, message)
    }

    /// The host, or the system acted on, refused.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Denied, message)
    }

    /// What was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureCode::NotFound, message)
    }

    /// The world changed since the plan was made; it is planned again.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Conflict, message)
    }

    /// Not reachable now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Unavailable, message)
    }

    /// A time limit was reached.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Timeout, message)
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, message)
    }

    /// The same, with when it may be worth another try.
    pub fn retry_after(mut self, ms: u32) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The same, with what was being done put before the message.
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::failed(message)
    }
}

/// `.context("reading the list")?` on a result, and on an option that should have been there.
pub trait FailureContext<T> {
    /// The failure, with what was being done put before its message.
    fn context(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> FailureContext<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().context(what))
    }
}

impl<T> FailureContext<T> for Option<T> {
    fn context(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::failed(what.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u32, Failure> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn any_error_becomes_a_failure_and_keeps_what_it_said() {
        let failure = read("x").context("the limit").unwrap_err();
        assert_eq!(failure.code, FailureCode::Failed);
        assert_eq!(failure.message, "the limit: invalid digit found in string");
    }

    #[test]
    fn a_failure_keeps_its_code_through_context() {
        let failed: Result<(), _> = Err(Failure::denied("no grant").retry_after(5));
        let failure = failed.context("asking").unwrap_err();
        assert_eq!(
            (failure.code, failure.retry_after_ms),
            (FailureCode::Denied, Some(5))
        );
        assert_eq!(failure.message, "asking: no grant");
    }
}
