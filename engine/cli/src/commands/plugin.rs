//! `stanch plugin`.

use std::path::Path;

use serde_json::json;
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_service::control::types::PluginView;

use super::{Whereabouts, block_on};
use crate::args::Plugin;
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

pub fn run(command: Plugin, at: &Whereabouts, console: &Console) -> Result<Exit, CliError> {
    match command {
        Plugin::List => at.ask(async |client| list(client, console).await),
        Plugin::Inspect { plugin } if Path::new(&plugin).extension().is_some_and(|end| end == "wasm") => {
            block_on(inspect_file(console, Path::new(&plugin)))
        }
        Plugin::Inspect { plugin } => at.ask(async |client| inspect(client, console, &plugin).await),
    }
}

async fn list(client: &Client, console: &Console) -> Result<Exit, CliError> {
    let plugins: Vec<PluginView> = client.get("/plugins").await?;
    console.show(&plugins, |width| screens::plugins(&plugins, width))?;
    Ok(Exit::Done)
}

async fn inspect(client: &Client, console: &Console, key: &str) -> Result<Exit, CliError> {
    let plugin: PluginView = client.get(&format!("/plugins/{}", segment(key))).await?;
    console.show(&plugin, |width| screens::plugin(&plugin, width))?;
    Ok(Exit::Done)
}

/// Installs the file in a sandbox of its own, as the engine would, so that what does not load there is not called good.
async fn inspect_file(console: &Console, path: &Path) -> Result<Exit, CliError> {
    let failed = |why: String| CliError::File {
        path: path.display().to_string(),
        why,
    };
    let options = SandboxOptions {
        cache: None,
        calls: 1,
    };
    let sandbox = Sandbox::new(&options).map_err(|error| failed(error.to_string()))?;
    let plugin = sandbox
        .install_file(path)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let value = json!({
        "kind": plugin.kind(), "digest": plugin.digest(), "bytes": plugin.bytes(),
        "manifest": plugin.manifest(), "imports": plugin.imports(),
    });
    console.show(&value, |width| screens::plugin_file(path, &plugin, width))?;
    Ok(Exit::Done)
}
