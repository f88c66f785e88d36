//! Why a plugin was not begun, built or examined.

use std::path::{Path, PathBuf};

use stanch_plugin_pack::PackError;
use stanch_sandbox::{InstallError, SandboxError};

/// Why something was not done, and in [`ToolError::hint`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The folder is no project.
    #[error("`{}` has no {}", .0.display(), crate::FILE)]
    NoProject(PathBuf),
    /// The project's file is wrong.
    #[error("`{}`: {why}", file.display())]
    BadProject {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        why: String,
    },
    /// A new project's name cannot be one.
    #[error("`{0}` is not a name for a plugin")]
    BadName(String),
    /// There is something already.
    #[error("`{}` is there already", .0.display())]
    Taken(PathBuf),
    /// A tool of the language is not installed.
    #[error("`{tool}` is not there: {what}")]
    MissingTool {
        /// The program.
        tool: String,
        /// What it is needed for.
        what: &'static str,
        /// How to get it.
        install: String,
    },
    /// A tool of the language failed.
    #[error("`{tool}` failed:\n{said}")]
    Tool {
        /// The program.
        tool: String,
        /// What it said last.
        said: String,
    },
    /// A core module is not a plugin's.
    #[error("the module does not become a component of the world `{world}`: {why}")]
    Encode {
        /// The world.
        world: String,
        /// What the encoder said.
        why: String,
    },
    /// The component is not one that an engine would run.
    #[error("{0}")]
    Install(#[from] InstallError),
    /// Its manifest could not be written into it.
    #[error("{0}")]
    Pack(#[from] PackError),
    /// The engine does not run here.
    #[error("{0}")]
    Sandbox(#[from] SandboxError),
    /// The plugin is of another kind than the project says.
    #[error(
        "{} says that this is a {said} plugin, and what was built is a {built} plugin",
        crate::FILE
    )]
    Kind {
        /// The project's word.
        said: &'static str,
        /// What the component exports.
        built: &'static str,
    },
    /// A file could not be read or written.
    #[error("`{}`: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
}

impl ToolError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProject(_) => {
                "begin one with `stanch plugin new`, or name the folder of one with --project".into()
            }
            Self::BadName(_) => {
                "write lower-case letters, digits and hyphens, beginning with a letter, at most 64".into()
            }
            Self::Taken(_) => "choose another name, or move it away: nothing is overwritten".into(),
            Self::MissingTool { install, .. } => install.clone(),
            Self::Encode { .. } => {
                "the module has to export what the kit's bindings for this world export, and to import nothing else".into()
            }
            Self::Install(error) => error.hint()?.into(),
            Self::Kind { .. } => format!("write the right `kind` into {}", crate::FILE),
            _ => return None,
        })
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::File { path, why }
    }
}
