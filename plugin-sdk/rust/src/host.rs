//! What the host tells a plugin, and the log.

use std::time::Duration;

use serde::de::DeserializeOwned;
use stanch_contract::Timestamp;

use crate::{Failure, sys};

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Worth keeping.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Writes one line to the run's log. There is a limit of bytes for each call of the plugin.
pub fn log(level: Level, message: &str) {
    sys::log(level, message);
}

/// Now, as the host has it (recorded with the run).
pub fn now() -> Timestamp {
    Timestamp(sys::now_ms() as i64)
}

/// How long this call may still take.
pub fn remaining() -> Duration {
    Duration::from_millis(u64::from(sys::remaining_ms()))
}

/// Whether the engine wants this call to end: a person cancelled the run, or the engine is shutting down.
pub fn is_cancelled() -> bool {
    sys::is_cancelled()
}

/// Waits. Ends early where the call is cancelled; counts against the call's time.
pub fn sleep(time: Duration) {
    sys::sleep(time);
}

/// The operator's settings for this installation of the plugin (`settings` in stanch.toml).
pub fn settings<T: DeserializeOwned>() -> Result<T, Failure> {
    let text = sys::settings();
    serde_json::from_str(&text).map_err(|error| {
        Failure::invalid_params(format!(
            "The plugin's `settings` in stanch.toml do not fit: {error}"
        ))
    })
}

/// A line for the plugin's author.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::host::log($crate::host::Level::Debug, &format!($($message)*)) };
}

/// A line worth keeping.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::host::log($crate::host::Level::Info, &format!($($message)*)) };
}

/// Something is odd.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::host::log($crate::host::Level::Warn, &format!($($message)*)) };
}

/// Something went wrong.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::host::log($crate::host::Level::Error, &format!($($message)*)) };
}
