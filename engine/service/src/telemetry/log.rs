//! Logs to standard error, as text for a person or JSON for a program.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error(
        "`{filter}` is not a log filter ({reason}): write a level such as `info`, or `warn,stanch_service=debug`"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong.
        reason: String,
    },
    /// The process has a subscriber already.
    #[error("logging was set up before")]
    Again,
}

/// Sets up logging for this process. `filter` is a level or `target=level` pairs, as `STANCH_LOG` has them; `info` unless
/// given.
///
/// # Errors
/// Where the filter does not parse, or logging was set up before.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    let text = filter.unwrap_or("info");
    let filter = EnvFilter::builder()
        .parse(text)
        .map_err(|error| LogError::Filter {
            filter: text.to_owned(),
            reason: error.to_string(),
        })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .finish()
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    };
    done.map_err(|_| LogError::Again)
}
