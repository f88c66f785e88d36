//! The tools of a language: found where a project has its own, then where the system has them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ToolError;

/// Lines of a failed tool's output that are kept, and the most characters of them.
const LINES: usize = 60;
const CHARACTERS: usize = 8_000;

/// Where tools are looked for.
#[derive(Debug, Clone)]
pub struct Toolbox {
    folders: Vec<PathBuf>,
}

impl Toolbox {
    /// The folders of `PATH`.
    pub fn of_environment() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            folders: std::env::split_paths(&path).collect(),
        }
    }

    /// With these folders and no others.
    #[must_use]
    pub fn only(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.folders = folders.into_iter().collect();
        self
    }

    /// With these folders looked at first.
    #[must_use]
    pub fn with(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.folders.splice(0..0, folders);
        self
    }

    /// With what a project, or a folder around it, has installed for itself looked at first: a virtual environment of Python,
    /// the modules of Node.
    pub(crate) fn of_project(&self, project: &Path) -> Self {
        let own = project
            .ancestors()
            .flat_map(|folder| [".venv/bin", "node_modules/.bin"].map(|bin| folder.join(bin)))
            .filter(|bin| bin.is_dir());
        self.clone().with(own)
    }

    /// Where a tool is.
    pub(crate) fn find(&self, tool: &str) -> Option<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.join(tool))
            .find(|file| file.is_file())
    }

    /// Where a tool is that is needed `for_what`, and `install` says how to get.
    pub(crate) fn need(
        &self,
        tool: &str,
        for_what: &'static str,
        install: impl Into<String>,
    ) -> Result<PathBuf, ToolError> {
        self.find(tool).ok_or_else(|| ToolError::MissingTool {
            tool: tool.to_owned(),
            what: for_what,
            install: install.into(),
        })
    }

    /// A command that finds its own helpers as this finds it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        if let Ok(path) = std::env::join_paths(&self.folders) {
            command.env("PATH", path);
        }
        command
    }
}

/// Runs a tool to its end. What it says is shown only where it fails.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>, ToolError> {
    let tool = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let output = command.output().map_err(|why| ToolError::Tool {
        tool: tool.clone(),
        said: why.to_string(),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(ToolError::Tool {
        tool,
        said: ending(&String::from_utf8_lossy(&said)),
    })
}

/// The end of what a tool said, which is where the reason is. A tool's account of its own insides is left out.
fn ending(said: &str) -> String {
    let said = said.split("\nStack backtrace:").next().unwrap_or(said);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines
        .get(lines.len().saturating_sub(LINES)..)
        .unwrap_or_default()
        .join("\n");
    let skipped = text.chars().count().saturating_sub(CHARACTERS);
    stanch_contract::text::clean(&text.chars().skip(skipped).collect::<String>())
}
