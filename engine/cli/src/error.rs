//! Why a command did not do what it was asked, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use stanch_plugin_tools::ToolError;
use stanch_service::audit::Broken;
use stanch_service::control::types::Problem;
use stanch_service::serve::ServeError;
use stanch_service::telemetry::log::LogError;

use crate::client::Place;

/// What a command ends with. The numbers are documented in docs/cli.md and `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It failed or was refused.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No engine answers.
    NoEngine = 3,
    /// A file does not load, or a test of a runbook fails.
    BadFiles = 4,
}

/// The exit codes with their meanings, for help and documentation.
pub const EXITS: [(Exit, &str); 5] = [
    (Exit::Done, "done"),
    (
        Exit::Failed,
        "failed or refused, or `doctor` found something wrong; with --follow also: the run ended as failed",
    ),
    (Exit::Usage, "the command line is wrong"),
    (
        Exit::NoEngine,
        "no engine answers on the control socket, or at the server",
    ),
    (
        Exit::BadFiles,
        "a file does not load, or a test of a runbook or plugin fails",
    ),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments do not go together, in a way that clap cannot know.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// The engine does not start.
    #[error("{0}")]
    Serve(Box<ServeError>),
    /// Logging cannot be set up.
    #[error("{0}")]
    Log(#[from] LogError),
    /// Nobody listens there.
    #[error("no engine answers on `{place}`: {why}")]
    NoEngine {
        /// Where it was looked for.
        place: Place,
        /// Why not.
        why: String,
    },
    /// It is not known where the engine's socket is.
    #[error("`{}` does not say where the engine's data is: {why}", config.display())]
    NoConfig {
        /// The operator's file.
        config: PathBuf,
        /// Why not.
        why: String,
    },
    /// The engine refused or failed.
    #[error("{0}")]
    Problem(#[from] Box<Problem>),
    /// The engine's answer is not understood.
    #[error("the engine's answer is not understood: {0}")]
    Answer(String),
    /// A file that was named cannot be used.
    #[error("`{path}`: {why}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        why: String,
    },
    /// Files do not load; why was printed before.
    #[error("{0}")]
    BadFiles(String),
    /// A file is not a plugin that an engine would run.
    #[error("`{path}`: {why}")]
    Plugin {
        /// Which.
        path: String,
        /// Why not.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A plugin was not begun, built or examined.
    #[error("{error}")]
    Tool {
        /// Why.
        error: Box<ToolError>,
        /// What to do.
        hint: Option<String>,
    },
    /// No runbook of this name is loaded.
    #[error("there is no runbook `{name}`")]
    NoRunbook {
        /// What was asked for.
        name: String,
        /// A name that is like it.
        hint: Option<String>,
    },
    /// The audit is not what was written.
    #[error("the audit was touched: {0}")]
    Audit(Broken),
    /// The terminal or a pipe.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Serve(error) => match **error {
                ServeError::Settings(_) | ServeError::Unreadable { .. } | ServeError::Load(_) => {
                    Exit::BadFiles
                }
                _ => Exit::Failed,
            },
            Self::Log(_) => Exit::Usage,
            Self::Usage { .. } => Exit::Usage,
            Self::NoEngine { .. } | Self::NoConfig { .. } => Exit::NoEngine,
            Self::File { .. } | Self::BadFiles(_) | Self::Plugin { .. } => Exit::BadFiles,
            Self::Tool { error, .. } => match **error {
                ToolError::BadName(_) => Exit::Usage,
                ToolError::Taken(_) | ToolError::MissingTool { .. } | ToolError::Sandbox(_) => Exit::Failed,
                _ => Exit::BadFiles,
            },
            // Whoever reads no further has seen what they wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Problem(_)
            | Self::Answer(_)
            | Self::NoRunbook { .. }
            | Self::Audit(_)
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Usage { hint, .. } => Some(hint),
            Self::NoEngine {
                place: Place::Server(_),
                ..
            } => Some("start it with `stanch serve`, or name the address that it listens on with --server"),
            Self::NoEngine { .. } => {
                Some("start it with `stanch serve`, or name its stanch.toml with --config")
            }
            Self::NoConfig { .. } => {
                Some("name it with --config or STANCH_CONFIG, or the socket with --socket")
            }
            Self::Answer(_) => {
                Some("engine and command line may be of different versions: see `stanch --version`")
            }
            Self::Audit(Broken::Forgotten { .. }) => Some("what lies before it cannot be compared any more"),
            Self::Audit(_) => Some(
                "compare it with an earlier export: the entries before that place are as they were written",
            ),
            Self::Problem(problem) => problem.hint.as_deref(),
            Self::NoRunbook { hint, .. } | Self::Tool { hint, .. } | Self::Plugin { hint, .. } => {
                hint.as_deref()
            }
            _ => None,
        }
    }
}

impl From<ToolError> for CliError {
    fn from(error: ToolError) -> Self {
        let hint = error.hint();
        Self::Tool {
            error: Box::new(error),
            hint,
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
