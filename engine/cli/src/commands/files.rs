//! What works on files alone: `check`, `show`, `test`. They load exactly what the engine would, aside, and start nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stanch_contract::PluginKey;
use stanch_contract::text::clean;
use stanch_runbook::LoadErrors;
use stanch_runbook::render;
use stanch_runbook::testfile::RunbookTest;
use stanch_sandbox::gate::Tape;
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_service::control::types::FileProblem;
use stanch_service::rehearsal::{Rehearsed, rehearse};
use stanch_service::reload::{self, LoadError};
use stanch_service::secrets::Secrets;
use stanch_service::serve::{ServeError, facilities, read_settings};
use stanch_service::telemetry::Metrics;
use stanch_service::{Installed, LoadedRunbook, Snapshot};

use super::compile;
use crate::args::{Paths, Show};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

/// Calls that may be under way at once: in a test's world all checks of a runbook can wait at the same time.
const CALLS: u32 = 64;

/// What the operator's file names, and what it was loaded with.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    pub(super) parts: reload::Parts,
}

impl Loaded {
    /// The plugin of this key.
    pub(super) fn plugin(&self, key: &str) -> Result<&Arc<Installed>, CliError> {
        let found = self.snapshot.plugins.get(&PluginKey::from(key));
        found.ok_or_else(|| CliError::Usage {
            message: format!(
                "`{key}` is no plugin that `{}` installs",
                self.parts.path.display()
            ),
            hint: "name a .wasm file, or a key of [plugins] in stanch.toml".to_owned(),
        })
    }
}

/// Everything that the operator's file names, as the engine would load it.
pub(super) async fn load(config: &Path, console: &Console) -> Result<Loaded, CliError> {
    load_with(config, console, None).await
}

/// As [`load`], with somebody who listens to what plugins are answered.
pub(super) async fn load_with(
    config: &Path,
    console: &Console,
    tape: Option<Arc<dyn Tape>>,
) -> Result<Loaded, CliError> {
    let settings = read_settings(config).map_err(|error| unusable(console, error))?;
    let compiled = settings.store.path.join("compiled");
    let cache = compiled.is_dir().then_some(compiled);
    let fresh = || {
        Sandbox::new(&SandboxOptions {
            cache: None,
            calls: CALLS,
            compiler: Some(compile::compiler()),
        })
    };
    let sandbox = match cache {
        // A cache that is not ours to use only costs the time to compile.
        Some(cache) => Sandbox::new(&SandboxOptions {
            cache: Some(cache),
            calls: CALLS,
            compiler: Some(compile::compiler()),
        })
        .or_else(|_| fresh()),
        None => fresh(),
    };
    let sandbox = sandbox.map_err(|error| CliError::Serve(Box::new(error.into())))?;
    let secrets = Arc::new(Secrets::default());
    secrets.refresh(&settings.secrets);
    let parts = reload::Parts {
        path: config.to_owned(),
        sandbox,
        facilities: facilities(&secrets, tape).map_err(|error| unusable(console, error))?,
        secrets,
        metrics: Arc::new(Metrics::new()),
    };
    let snapshot = reload::aside(parts.clone()).await.map_err(|error| match error {
        LoadError::Wrong(errors) => told(console, &errors),
        other => CliError::Serve(Box::new(other.into())),
    })?;
    Ok(Loaded { snapshot, parts })
}

/// Why settings cannot be used; what is wrong with the file is printed with its place.
pub fn unusable(console: &Console, error: ServeError) -> CliError {
    match error {
        ServeError::Settings(errors) => told(console, &errors),
        ServeError::Unreadable { path, why } => CliError::File {
            path: path.display().to_string(),
            why: why.to_string(),
        },
        other => CliError::Serve(Box::new(other)),
    }
}

/// Prints what is wrong with a file, each mistake with its place.
pub(super) fn told(console: &Console, errors: &LoadErrors) -> CliError {
    if !console.is_json() {
        console.aside(&errors.render(console.is_coloured(), console.width()));
    }
    CliError::BadFiles(format!("`{}` does not load", errors.path()))
}

pub async fn check(config: &Path, paths: Paths, console: &Console) -> Result<Exit, CliError> {
    let Loaded { snapshot, .. } = load(config, console).await?;
    let chosen = Chosen::new(&snapshot, config, &paths.paths)?;
    let problems: Vec<&FileProblem> = snapshot
        .problems
        .iter()
        .filter(|problem| chosen.has(&problem.path))
        .collect();
    let runbooks = snapshot
        .runbooks
        .values()
        .filter(|loaded| chosen.has(Path::new(&loaded.source.path)))
        .count();
    if console.is_json() {
        console.json(
            &json!({ "runbooks": runbooks, "plugins": snapshot.plugins.len(), "problems": problems }),
        )?;
    } else {
        console.page(&screens::checked(
            runbooks,
            snapshot.plugins.len(),
            &problems,
            console.width(),
        ))?;
    }
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::BadFiles
    })
}

pub async fn show(config: &Path, show: Show, console: &Console) -> Result<Exit, CliError> {
    let Loaded { snapshot, .. } = load(config, console).await?;
    let Some(loaded) = snapshot.runbooks.get(&show.name) else {
        if let Some(problem) = snapshot.problems.iter().find(|problem| problem.name == show.name) {
            console.aside(&problem.rendered);
            return Err(CliError::BadFiles(format!(
                "`{}` does not load",
                problem.path.display()
            )));
        }
        let near =
            stanch_runbook::problem::did_you_mean(&show.name, snapshot.runbooks.keys().map(String::as_str));
        return Err(CliError::NoRunbook {
            name: show.name,
            hint: near,
        });
    };
    let text = if show.resolved {
        render::resolved(&loaded.runbook)
    } else {
        render::page(&loaded.runbook)
    };
    if console.is_json() {
        console.json(&json!({ "name": show.name, "path": loaded.source.path, "text": text }))?;
    } else {
        console.raw(&text)?;
    }
    Ok(Exit::Done)
}

pub async fn test(config: &Path, paths: Paths, console: &Console) -> Result<Exit, CliError> {
    let Loaded { snapshot, .. } = load(config, console).await?;
    let chosen = Chosen::new(&snapshot, config, &paths.paths)?;
    let mut failed = false;
    for problem in snapshot
        .problems
        .iter()
        .filter(|problem| chosen.has(&problem.path))
    {
        failed = true;
        console.aside(&problem.rendered);
    }
    for orphan in orphans(&snapshot).iter().filter(|path| chosen.has(path)) {
        failed = true;
        console.aside(&clean(&format!(
            "`{}` tests no runbook: it belongs beside the `.toml` of the same name",
            orphan.display()
        )));
    }
    let mut all: Vec<(String, Rehearsed)> = Vec::new();
    for loaded in snapshot.runbooks.values() {
        let path = Path::new(&loaded.source.path).with_extension("test.toml");
        if !(chosen.has(Path::new(&loaded.source.path)) || chosen.has(&path)) || !path.is_file() {
            continue;
        }
        match tests_of(loaded, &path)? {
            Err(errors) => {
                failed = true;
                console.aside(&errors.render(console.is_coloured(), console.width()));
            }
            Ok(tests) => {
                for test in &tests {
                    let played = rehearse(&snapshot, loaded, test).await;
                    failed |= !played.wrong.is_empty();
                    all.push((loaded.runbook.name.clone(), played));
                }
            }
        }
    }
    if console.is_json() {
        let tests: Vec<_> = all
            .iter()
            .map(|(runbook, played)| json!({ "runbook": runbook, "test": played.test, "wrong": played.wrong, "run": played.run }))
            .collect();
        console.json(&tests)?;
    } else {
        console.page(&screens::tested(&all, console.width()))?;
    }
    Ok(if failed { Exit::BadFiles } else { Exit::Done })
}

/// Test files without their runbook: a misspelt name must not pass for a test.
fn orphans(snapshot: &Snapshot) -> Vec<PathBuf> {
    let folders = snapshot.settings.folders.iter();
    let entries = folders.filter_map(|folder| std::fs::read_dir(&folder.path).ok());
    let mut orphans: Vec<PathBuf> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let stem = path.file_name()?.to_str()?.strip_suffix(".test.toml")?;
            let lost = !stem.starts_with('.') && !path.with_file_name(format!("{stem}.toml")).exists();
            lost.then_some(path)
        })
        .collect();
    orphans.sort();
    orphans
}

fn tests_of(loaded: &LoadedRunbook, path: &Path) -> Result<Result<Vec<RunbookTest>, LoadErrors>, CliError> {
    let text = crate::files::text(path)?;
    Ok(RunbookTest::read(
        &path.display().to_string(),
        &text,
        &loaded.runbook,
    ))
}

/// The files that a command is about: all, or those under the paths that were given.
struct Chosen(Option<Vec<PathBuf>>);

impl Chosen {
    fn new(snapshot: &Snapshot, config: &Path, paths: &[PathBuf]) -> Result<Self, CliError> {
        if paths.is_empty() {
            return Ok(Self(None));
        }
        let folders = snapshot
            .settings
            .folders
            .iter()
            .map(|folder| folder.path.as_path());
        let plugins = snapshot
            .settings
            .plugins
            .values()
            .map(|plugin| plugin.path.as_path());
        let known: Vec<PathBuf> = folders
            .chain(plugins)
            .chain([config])
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        let mut chosen = Vec::new();
        for path in paths {
            let real = path.canonicalize().map_err(|error| CliError::File {
                path: path.display().to_string(),
                why: error.to_string(),
            })?;
            if !known
                .iter()
                .any(|known| real.starts_with(known) || known.starts_with(&real))
            {
                return Err(CliError::Usage {
                    message: format!("`{}` is none of the files of `{}`", path.display(), config.display()),
                    hint: "name a runbook in one of its `[[runbooks]]` folders, or name another file with --config".to_owned(),
                });
            }
            chosen.push(real);
        }
        Ok(Self(Some(chosen)))
    }

    fn has(&self, path: &Path) -> bool {
        let Some(chosen) = &self.0 else { return true };
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        chosen.iter().any(|chosen| real.starts_with(chosen))
    }
}
