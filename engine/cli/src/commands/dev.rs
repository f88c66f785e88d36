//! `stanch plugin dev`: builds a project each time that it is saved, plays its cases, and swaps what was built into a running
//! engine.
//!
//! What does not build or fails a case takes the place of nothing: the component that was there stays, and with it the one in
//! service.

use std::time::Duration;

use serde_json::{Value, json};
use stanch_contract::Digest;
use stanch_plugin_tools::{Project, Sources, ToolError, Toolbox, make, write};
use stanch_service::control::types::{PluginView, Reloaded};
use stanch_service::report::words;

use super::{Whereabouts, author, cases};
use crate::args::DevPlugin;
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

/// A look at the files this often: a project has a few dozen, and a look works on every file system.
const LOOK: Duration = Duration::from_millis(300);
/// Nothing written for this long: an editor writes several files.
const SETTLE: Duration = Duration::from_millis(100);

/// Until somebody ends it.
pub async fn dev(it: &DevPlugin, at: &Whereabouts, console: &Console) -> Result<Exit, CliError> {
    // A folder that is no project is told at once.
    let mut project = Project::read(&it.project)?;
    let mut built_of = None;
    loop {
        let now = settled(&project).await?;
        if built_of.as_ref() != Some(&now) {
            built_of = Some(now);
            // The file that says what it is may have changed, too.
            let round = match Project::read(&it.project) {
                Ok(read) => {
                    project = read;
                    round(it, &project, at, console).await
                }
                Err(error) => Err(error.into()),
            };
            match round {
                Err(error @ CliError::Output(_)) => return Err(error),
                Err(error) => console.error(&error),
                Ok(()) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The project once nobody writes.
async fn settled(project: &Project) -> Result<Sources, CliError> {
    let mut seen = Sources::of(project)?;
    loop {
        tokio::time::sleep(SETTLE).await;
        let now = Sources::of(project)?;
        if now == seen {
            return Ok(now);
        }
        seen = now;
    }
}

/// Builds, puts what was built in its places, and says what the engine made of it.
async fn round(
    it: &DevPlugin,
    project: &Project,
    at: &Whereabouts,
    console: &Console,
) -> Result<(), CliError> {
    let sandbox = author::sandbox()?;
    let (component, manifest) = make(project, &Toolbox::of_environment(), &sandbox).await?;
    let plugin = sandbox
        .install(component.as_slice().into())
        .await
        .map_err(ToolError::from)?;
    let tried = Box::pin(cases::of_project(&sandbox, &plugin, &project.folder, console)).await?;
    let failed = tried.iter().filter(|tried| !tried.wrong.is_empty()).count();
    if failed > 0 {
        if console.is_json() {
            let all: Vec<Value> = tried.iter().map(cases::as_json).collect();
            console.json_line(&json!({ "cases": all }))?;
        } else {
            console.page(&screens::tried(&tried, console.width()))?;
        }
        let one = if failed == 1 { "a case fails" } else { "cases fail" };
        return Err(CliError::BadFiles(format!("{one}: nothing was swapped")));
    }
    let path = project.output().join(format!("{}.wasm", manifest.name));
    write(&path, &component)?;
    if let Some(to) = &it.to {
        write(to, &component)?;
    }
    let digest = Digest::of(&component);
    let engine = swapped(at, digest).await?;
    if console.is_json() {
        return console.json_line(&json!({
            "path": path, "bytes": component.len(), "digest": digest, "cases": tried.len(), "engine": engine.json(),
        }));
    }
    let size = words::bytes(component.len() as u64);
    let passed = words::count(tried.len() as u64, "case");
    console.say(&format!(
        "{} {}, {size}, {}; {passed} passed",
        manifest.name,
        manifest.version,
        digest.short()
    ))?;
    engine.tell(console)
}

/// What became of it in the engine.
enum Engine {
    /// There is none here.
    Absent,
    /// It is in service.
    Swapped { key: String, generation: u64 },
    /// The engine has other plugins, and this is none of them.
    Elsewhere,
    /// The engine does not take it, and says why.
    Refused(Reloaded),
}

/// Asks the engine, where one answers, to look at its files, and whether what was built is in service then.
async fn swapped(at: &Whereabouts, digest: Digest) -> Result<Engine, CliError> {
    let asked = async {
        let client = at.client()?;
        let reloaded: Reloaded = client.post("/reload", &json!({})).await?;
        let plugins: Vec<PluginView> = client.get("/plugins").await?;
        Ok((reloaded, plugins))
    };
    let (reloaded, plugins) = match asked.await {
        Err(CliError::NoEngine { .. } | CliError::NoConfig { .. }) => return Ok(Engine::Absent),
        other => other?,
    };
    let own = plugins.into_iter().find(|plugin| plugin.digest == digest);
    Ok(match own {
        Some(plugin) => Engine::Swapped {
            key: plugin.key.to_string(),
            generation: reloaded.generation,
        },
        None if reloaded.problems.is_empty() => Engine::Elsewhere,
        None => Engine::Refused(reloaded),
    })
}

impl Engine {
    fn json(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Swapped { key, generation } => json!({ "in-service": key, "generation": generation }),
            Self::Elsewhere => json!({ "in-service": null }),
            Self::Refused(reloaded) => json!({ "in-service": null, "problems": reloaded.problems }),
        }
    }

    fn tell(&self, console: &Console) -> Result<(), CliError> {
        match self {
            Self::Absent => console.say("  no engine answers here: `--config` names the stanch.toml of one"),
            Self::Swapped { key, generation } => {
                console.say(&format!("  in service as `{key}`, generation {generation}"))
            }
            Self::Elsewhere => console.say(
                "  the engine has no plugin of this file: name it as `source` in [plugins.KEY] of stanch.toml, or put it \
                 there with --to",
            ),
            Self::Refused(reloaded) => console.page(&screens::reloaded(reloaded, console.width())),
        }
    }
}
