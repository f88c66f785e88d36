//! What was asked for and not given, with how to give it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Something that a plugin asked for and the test does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What was asked for, by whom, and why what is given is not it; a sentence without its full stop.
    pub what: String,
    /// What to write into the test, as TOML.
    pub write: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write into the test:\n{}", self.what, self.write)
    }
}

/// All of them, each once.
pub(crate) struct Misses {
    /// What messages put before the names of tables.
    pub(crate) prefix: &'static str,
    found: Mutex<Vec<Missing>>,
}

impl Misses {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            found: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, missing: Missing) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.contains(&missing) {
            found.push(missing);
        }
    }

    pub(crate) fn all(&self) -> Vec<Missing> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
