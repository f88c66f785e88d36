//! `stanch plugin test`: a plugin's cases, played in the worlds that they give; and a case made of a live call.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::Alert;
use stanch_recorded::case::{Case, Live, Played, Recorder, Unplayable, Wrong, play};
use stanch_sandbox::{Plugin, Sandbox};
use stanch_service::clock;

use super::author;
use super::files::{load, load_with, told};
use crate::args::{Record, TestPlugin};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::{files, screens};

/// Where a plugin's cases are where nobody says.
const FOLDER: &str = "cases";
/// The end of a case's name.
const END: &str = ".case.toml";

/// A case that was played, or why it could not be.
pub struct Tried {
    /// The file.
    pub path: PathBuf,
    /// What it shows; the file's name where that is not known.
    pub name: String,
    /// What is wrong; empty: it passed.
    pub wrong: Vec<Wrong>,
}

/// Plays the cases, or makes one.
pub async fn test(config: &Path, test: TestPlugin, console: &Console) -> Result<Exit, CliError> {
    if let Some(file) = test.record.record.clone() {
        return record(config, &test, &file, console).await;
    }
    let (sandbox, plugin) = installed(config, &test.plugin, console).await?;
    let paths = cases(&test.cases)?;
    let mut tried = Vec::with_capacity(paths.len());
    for path in paths {
        tried.push(try_case(&sandbox, &plugin, path, console).await?);
    }
    let failed = tried.iter().any(|tried| !tried.wrong.is_empty());
    if console.is_json() {
        let all: Vec<Value> = tried.iter().map(as_json).collect();
        console.json(&all)?;
    } else {
        console.page(&screens::tried(&tried, console.width()))?;
    }
    Ok(if failed { Exit::BadFiles } else { Exit::Done })
}

/// A plugin by its file, or by its key in stanch.toml.
async fn installed(
    config: &Path,
    plugin: &str,
    console: &Console,
) -> Result<(Sandbox, Arc<Plugin>), CliError> {
    if let Some(file) = author::component(plugin) {
        let sandbox = author::sandbox()?;
        let plugin = author::installed(&sandbox, file).await?;
        return Ok((sandbox, plugin));
    }
    let loaded = load(config, console).await?;
    let plugin = loaded.plugin(plugin)?.installation.plugin().clone();
    Ok((loaded.parts.sandbox, plugin))
}

/// The files that are named, and those in the folders that are.
fn cases(named: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let default = [PathBuf::from(FOLDER)];
    let named = if named.is_empty() { &default } else { named };
    let mut paths = Vec::new();
    for path in named {
        let failed = |error: std::io::Error| CliError::File {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        if !path.is_dir() {
            std::fs::metadata(path).map_err(failed)?;
            paths.push(path.clone());
            continue;
        }
        paths.extend(within(path)?);
    }
    if paths.is_empty() {
        return Err(CliError::Usage {
            message: format!("there is no case in `{}`", shown(named)),
            hint: format!("write one as NAME{END}, or make one of a live call with --record"),
        });
    }
    Ok(paths)
}

/// The cases of a folder.
fn within(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: std::io::Error| CliError::File {
        path: folder.display().to_string(),
        why: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.to_string_lossy().ends_with(END) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Plays the cases of a project; none where it has none.
pub(super) async fn of_project(
    sandbox: &Sandbox,
    plugin: &Arc<Plugin>,
    project: &Path,
    console: &Console,
) -> Result<Vec<Tried>, CliError> {
    let folder = project.join(FOLDER);
    let mut tried = Vec::new();
    if folder.is_dir() {
        for path in within(&folder)? {
            tried.push(try_case(sandbox, plugin, path, console).await?);
        }
    }
    Ok(tried)
}

/// Plays a case and gives what came of it, whatever it expects; with other parameters where some are given.
pub(super) async fn came(
    config: &Path,
    plugin: &str,
    (file, params): (&Path, Option<Value>),
    console: &Console,
) -> Result<Played, CliError> {
    let (sandbox, plugin) = installed(config, plugin, console).await?;
    let path = file.display().to_string();
    let read = Case::read(&path, &files::text(file)?, plugin.kind());
    let mut case = read.map_err(|errors| told(console, &errors))?;
    if let Some(params) = params {
        case.params = params;
    }
    let played = Box::pin(play(&sandbox, &plugin, &case)).await;
    played.map_err(|unplayable| CliError::BadFiles(format!("`{path}`: {}", said(&unplayable))))
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join("`, `")
}

async fn try_case(
    sandbox: &Sandbox,
    plugin: &Arc<Plugin>,
    path: PathBuf,
    console: &Console,
) -> Result<Tried, CliError> {
    let text = files::text(&path)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let case = match Case::read(&path.display().to_string(), &text, plugin.kind()) {
        Ok(case) => case,
        Err(errors) => {
            told(console, &errors);
            let wrong = vec![Wrong::Said(format!("it does not load: {errors}"))];
            return Ok(Tried { path, name, wrong });
        }
    };
    Ok(match play(sandbox, plugin, &case).await {
        Ok(Played { name, wrong, .. }) => Tried { path, name, wrong },
        Err(unplayable) => Tried {
            path,
            name: case.name,
            wrong: vec![Wrong::Said(said(&unplayable))],
        },
    })
}

fn said(unplayable: &Unplayable) -> String {
    format!("it cannot be played: {unplayable}")
}

pub(super) fn as_json(tried: &Tried) -> Value {
    let wrong = tried.wrong.iter().map(|wrong| match wrong {
        Wrong::Differs { at, expected, found } => json!({ "at": at, "expected": expected, "found": found }),
        Wrong::Said(why) => json!({ "said": why }),
    });
    json!({ "case": tried.path, "name": tried.name, "wrong": wrong.collect::<Vec<_>>() })
}

/// Makes a case of a live call of an installed plugin.
async fn record(config: &Path, test: &TestPlugin, file: &Path, console: &Console) -> Result<Exit, CliError> {
    let Record {
        with,
        alert,
        on,
        name,
        ..
    } = &test.record;
    if file.exists() {
        return Err(CliError::File {
            path: file.display().to_string(),
            why: "it is there already: name another file, or remove it".to_owned(),
        });
    }
    let params = files::object("--with", with.as_deref())?;
    let alerts: Vec<Alert> = match alert {
        None => Vec::new(),
        Some(path) => super::start::alerts(path)?,
    };
    let recorder = Arc::new(Recorder::default());
    let loaded = load_with(config, console, Some(recorder.clone())).await?;
    let installed = loaded.plugin(&test.plugin)?;
    let stem = file.file_name().unwrap_or_default().to_string_lossy();
    let live = Live {
        name: name.as_deref().unwrap_or_else(|| stem.trim_end_matches(END)),
        installation: &installed.installation,
        params,
        alerts,
        on: on.clone(),
        now: clock::now(),
    };
    let recorded = Box::pin(recorder.record(&loaded.parts.sandbox, live)).await;
    let recorded = recorded.map_err(|error| CliError::Usage {
        message: error.to_string(),
        hint: "nothing was written".to_owned(),
    })?;
    let mut written = std::fs::File::create_new(file)?;
    std::io::Write::write_all(&mut written, recorded.text.as_bytes())?;
    if console.is_json() {
        let otherwise: Vec<String> = recorded.otherwise.iter().map(ToString::to_string).collect();
        console.json(&json!({ "case": file, "otherwise": otherwise }))?;
    } else {
        console.say(&format!("wrote {}", file.display()))?;
        if !recorded.otherwise.is_empty() {
            console.page(&screens::otherwise(&recorded.otherwise, console.width()))?;
        }
    }
    Ok(Exit::Done)
}
