//! Types for parameters: strings of which the engine knows what they are, lengths of time and sizes.
//!
//! Labels of an alert come from outside. Where the schema says that a string is PromQL, a URL, a regex or JSON
//! (`x-stanch-format`), the engine escapes what a runbook puts into it for its position. A type says it once and cannot
//! be misspelt; into a plain `String` an outside value does not load unless the runbook wraps it in `text(…)`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use stanch_contract::{ByteSize, units};

macro_rules! format {
    ($($(#[$doc:meta])* $name:ident = $format:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "minLength": 1, "x-stanch-format": $format })
            }
        }
    )*};
}

format! {
    /// A PromQL expression.
    Promql = "promql";
    /// An `http` or `https` URL.
    Url = "url";
    /// A regular expression.
    Regex = "regex";
    /// A JSON document, as text.
    JsonText = "json";
}

/// A length of time, written `90s` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub units::Span);

impl Span {
    /// This many milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(units::Span::from_millis(ms))
    }

    /// In milliseconds, never negative.
    pub const fn as_millis(self) -> i64 {
        self.0.as_millis()
    }

    /// As the standard library has it.
    pub fn to_std(self) -> std::time::Duration {
        self.0.to_std()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["90s", "1h30m"] })
    }
}

/// A size, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub ByteSize);

impl Bytes {
    /// As a number of bytes.
    pub const fn get(self) -> u64 {
        self.0.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Bytes {
    fn from(bytes: u64) -> Self {
        Self(ByteSize(bytes))
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$", "examples": ["64MiB"] })
    }
}
