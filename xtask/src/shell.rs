//! Starting other programs, and saying so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// Why a task ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A program could not be started.
    #[error("`{program}` could not be started: {why}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// A program ended badly; what is wrong it has said itself.
    #[error("`{0}` failed")]
    Failed(String),
    /// The engine did not do as it was told.
    #[error(transparent)]
    Engine(#[from] stanch_outside::serve::Trouble),
    /// Something else, said in full.
    #[error("{0}")]
    Other(String),
}

/// Says what is done, does it, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T, TaskError>) -> Result<T, TaskError> {
    eprintln!("──▶ {what}");
    let began = Instant::now();
    let result = work();
    let took = began.elapsed().as_secs_f64();
    match &result {
        Ok(_) => eprintln!("  ✔ {what} ({took:.1} s)"),
        Err(_) => eprintln!("  ✘ {what} ({took:.1} s)"),
    }
    result
}

/// Runs a program to its end; it shares the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    let status = command.status().map_err(|why| not_started(command, why))?;
    if status.success() {
        Ok(())
    } else {
        Err(TaskError::Failed(line(command)))
    }
}

/// What a program prints.
pub(crate) fn output(command: &mut Command) -> Result<String, TaskError> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| not_started(command, why))?;
    if !output.status.success() {
        return Err(TaskError::Failed(line(command)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program runs to a good end; it says nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn not_started(command: &Command, why: std::io::Error) -> TaskError {
    TaskError::NotStarted {
        program: command.get_program().to_string_lossy().into_owned(),
        why,
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    xtask
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that started this, in the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo tells this program about itself would make what it starts believe that something had changed.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    command
}

/// What cargo knows of the workspace.
pub(crate) struct Workspace {
    metadata: Value,
}

/// A package of the workspace that is built as a component.
pub(crate) struct Guest {
    /// The package.
    pub(crate) package: String,
    /// The name of the file that cargo makes of it, without its end.
    pub(crate) library: String,
    /// Whether it ships with the engine; else it is for tests.
    pub(crate) ships: bool,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self, TaskError> {
        let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata =
            serde_json::from_str(&text).map_err(|why| TaskError::Other(format!("cargo metadata: {why}")))?;
        Ok(Self { metadata })
    }

    /// Where cargo puts what it makes.
    pub(crate) fn target(&self) -> PathBuf {
        PathBuf::from(
            self.metadata
                .get("target_directory")
                .and_then(Value::as_str)
                .unwrap_or("target"),
        )
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata
            .get("packages")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// The names of the benches.
    pub(crate) fn benches(&self) -> Vec<String> {
        let targets = self
            .packages()
            .filter_map(|package| package.get("targets")?.as_array())
            .flatten();
        let benches = targets.filter(|target| is_kind(target, "bench"));
        benches
            .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
            .collect()
    }

    /// The packages that are built as components.
    pub(crate) fn guests(&self) -> Vec<Guest> {
        let plugins = root().join("plugins");
        self.packages()
            .filter_map(|package| {
                let name = package.get("name")?.as_str()?;
                let manifest = Path::new(package.get("manifest_path")?.as_str()?);
                let targets = package.get("targets")?.as_array()?;
                let library = targets.iter().find(|target| is_kind(target, "cdylib"))?;
                Some(Guest {
                    package: name.to_owned(),
                    library: library.get("name")?.as_str()?.replace('-', "_"),
                    ships: manifest.starts_with(&plugins),
                })
            })
            .collect()
    }
}

fn is_kind(target: &Value, kind: &str) -> bool {
    let kinds = target.get("kind").and_then(Value::as_array);
    kinds.into_iter().flatten().any(|known| known == kind)
}
