//! Names of things, each a type of its own so that one cannot stand for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A run: 16 lower-case letters and digits, the first ten of which order runs by when they were opened.
    RunId
}
name! {
    /// A check or step of a runbook (`diagnosis.ID`), unique in its runbook; snake_case.
    StepId
}
name! {
    /// A plugin as the operator installed it: its key in stanch.toml, which is what a runbook's `uses` says.
    PluginKey
}
name! {
    /// The same for every attempt at one application of one step of one run, and different between them.
    IdempotencyKey
}
