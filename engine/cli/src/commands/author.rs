//! What a plugin's author does: begins, builds, checks, packs and compares plugins. Works on files; no engine is asked.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use stanch_contract::PluginKind;
use stanch_plugin_tools::{Language, Project, ToolError, Toolbox};
use stanch_sandbox::{InstallError, Plugin, Sandbox, SandboxOptions};
use stanch_service::report::words;

use super::compile;
use crate::args::{BuildPlugin, KindWord, LanguageWord, NewPlugin};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

/// A sandbox for one command.
pub fn sandbox() -> Result<Sandbox, CliError> {
    let options = SandboxOptions {
        cache: None,
        calls: 1,
        compiler: Some(compile::compiler()),
    };
    Ok(Sandbox::new(&options).map_err(ToolError::from)?)
}

/// The component's file, where that is what a plugin is named by, and not by its key in stanch.toml.
pub fn component(plugin: &str) -> Option<&Path> {
    let path = Path::new(plugin);
    path.extension().is_some_and(|end| end == "wasm").then_some(path)
}

/// A file, installed as an engine would; what is wrong with it is said with its name.
pub async fn installed(sandbox: &Sandbox, file: &Path) -> Result<Arc<Plugin>, CliError> {
    sandbox
        .install_file(file)
        .await
        .map_err(|error| refused(file, error))
}

fn refused(file: &Path, error: InstallError) -> CliError {
    let hint = error.hint().map(str::to_owned);
    CliError::Plugin {
        path: file.display().to_string(),
        why: error.to_string(),
        hint,
    }
}

pub fn new(it: &NewPlugin, console: &Console) -> Result<Exit, CliError> {
    let files = stanch_plugin_tools::begin(&it.name, it.lang.into(), it.kind.into())?;
    let folder = it.name.display();
    let next = stanch_plugin_tools::setup(it.lang.into());
    if console.is_json() {
        console.json(&json!({ "folder": it.name, "files": files }))?;
        return Ok(Exit::Done);
    }
    console.say(&format!("`{folder}` is there; next:\n  cd {folder}"))?;
    for line in next {
        console.say(&format!("  {line}"))?;
    }
    console.say("  stanch plugin build")?;
    let name = it.name.file_name().unwrap_or_default().to_string_lossy();
    console.say(&format!("  stanch plugin test build/{name}.wasm"))?;
    Ok(Exit::Done)
}

pub async fn build(it: &BuildPlugin, console: &Console) -> Result<Exit, CliError> {
    let project = Project::read(&it.project)?;
    let built = stanch_plugin_tools::build(&project, &Toolbox::of_environment(), &sandbox()?).await?;
    let value = json!({ "path": built.path, "bytes": built.bytes, "manifest": built.manifest });
    if console.is_json() {
        console.json(&value)?;
    } else {
        console.say(&format!(
            "{}, {}",
            built.path.display(),
            words::bytes(built.bytes)
        ))?;
    }
    Ok(Exit::Done)
}

pub async fn check(file: &Path, console: &Console) -> Result<Exit, CliError> {
    let report = match stanch_plugin_tools::check(&sandbox()?, file).await {
        Err(ToolError::Install(error)) => return Err(refused(file, error)),
        other => other?,
    };
    let value = json!({
        "kind": report.plugin.kind(), "digest": report.plugin.digest(), "bytes": report.plugin.bytes(),
        "compile-ms": u64::try_from(report.compiled.as_millis()).unwrap_or(u64::MAX),
        "notes": report.notes,
    });
    console.show(&value, |width| screens::plugin_check(file, &report, width))?;
    Ok(Exit::Done)
}

pub async fn pack(from: &Path, to: &Path, console: &Console) -> Result<Exit, CliError> {
    let component = Sandbox::read(from).await.map_err(|error| refused(from, error))?;
    let packed = match stanch_plugin_tools::pack(&sandbox()?, &component).await {
        Err(ToolError::Install(error)) => return Err(refused(from, error)),
        other => other?,
    };
    stanch_plugin_tools::write(to, &packed)?;
    console.done(&format!(
        "{}, {}",
        to.display(),
        words::bytes(packed.len() as u64)
    ))?;
    Ok(Exit::Done)
}

pub async fn diff(old: &Path, new: &Path, console: &Console) -> Result<Exit, CliError> {
    let sandbox = sandbox()?;
    let (was, is) = (installed(&sandbox, old).await?, installed(&sandbox, new).await?);
    let found = stanch_plugin_tools::diff(&was, &is);
    console.show(&found, |width| screens::plugin_diff(&was, &is, &found, width))?;
    Ok(Exit::Done)
}

impl From<LanguageWord> for Language {
    fn from(word: LanguageWord) -> Self {
        match word {
            LanguageWord::Rust => Self::Rust,
            LanguageWord::Python => Self::Python,
            LanguageWord::JavaScript => Self::JavaScript,
            LanguageWord::TypeScript => Self::TypeScript,
            LanguageWord::Go => Self::Go,
            LanguageWord::C => Self::C,
        }
    }
}

impl From<KindWord> for PluginKind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Diagnosis => Self::Diagnosis,
            KindWord::Remediation => Self::Remediation,
            KindWord::Notification => Self::Notification,
        }
    }
}
