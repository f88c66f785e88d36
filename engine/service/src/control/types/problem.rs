//! Why a request was not done: RFC 9457 problem details with a stable code.

use std::fmt;

use serde::{Deserialize, Serialize};

// The words are tokens, not literals: a derive does not see into a literal that a macro was given.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:tt, $status:literal, $title:literal;)*) => {
        /// What kind of problem. The words are stable: programs may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A few words for a person.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The request's form is wrong.
    BadRequest = "bad-request", 400, "the request is not understood";
    /// Nobody knows who is asking.
    NotAuthenticated = "not-authenticated", 401, "who is asking is not known";
    /// The role does not reach.
    Forbidden = "forbidden", 403, "not allowed";
    /// The question is for others, or the asker asked for the run.
    NotYours = "not-yours", 403, "somebody else decides this";
    /// There is no such run.
    RunNotFound = "run-not-found", 404, "no such run";
    /// Several runs fit what was given.
    RunAmbiguous = "run-ambiguous", 409, "several runs fit";
    /// The run has no such step or check.
    StepNotFound = "step-not-found", 404, "no such step";
    /// There is no such runbook.
    RunbookNotFound = "runbook-not-found", 404, "no such runbook";
    /// There is no such plugin.
    PluginNotFound = "plugin-not-found", 404, "no such plugin";
    /// There is no such alert.
    AlertNotFound = "alert-not-found", 404, "no such alert";
    /// There is no such pause, generation or other thing.
    NotFound = "not-found", 404, "not found";
    /// Nothing is asked there now.
    NothingAsked = "nothing-asked", 409, "nothing is asked";
    /// The plan is another one than the one that was decided on.
    PlanChanged = "plan-changed", 409, "the plan changed";
    /// The run's state does not allow it.
    WrongState = "wrong-state", 409, "not now";
    /// The episode has a run already.
    AlreadyOpen = "already-open", 409, "a run is open already";
    /// An input is missing or of the wrong type.
    BadInput = "bad-input", 422, "an input is wrong";
    /// A file does not load.
    BadFiles = "bad-files", 422, "a file does not load";
    /// The key was used for another request.
    KeyReused = "key-reused", 422, "the key was used before";
    /// The same request is under way.
    UnderWay = "under-way", 409, "it is under way";
    /// It cannot be made durable, or the engine is ending.
    Unavailable = "unavailable", 503, "not available now";
    /// The engine's own fault.
    Internal = "internal", 500, "the engine failed";
}

/// A problem, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error, utoipa::ToSchema)]
#[error("{detail}")]
pub struct Problem {
    /// What kind, as the address of a page that says what to do, on the engine that answered.
    #[serde(rename = "type", default)]
    pub page: String,
    /// What kind, for programs.
    pub code: Code,
    /// What kind, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, on what, and why.
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Of this kind, with what failed, on what, and why.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            page: format!("/problems/{code}"),
            code,
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            hint: None,
        }
    }

    /// With what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
