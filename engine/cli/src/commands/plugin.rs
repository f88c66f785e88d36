//! `stanch plugin`.

use std::path::Path;

use serde_json::json;
use stanch_sandbox::gate::Suggestion;
use stanch_service::control::types::{PluginView, Suggested};

use super::{Whereabouts, author, block_on, call, cases, cluster, dev, grant};
use crate::args::Plugin;
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

pub fn run(command: Plugin, at: &Whereabouts, console: &Console) -> Result<Exit, CliError> {
    match command {
        Plugin::New(it) => author::new(&it, console),
        Plugin::Build(it) => block_on(author::build(&it, console)),
        Plugin::Check { file } => block_on(author::check(&file, console)),
        Plugin::Pack { from, to } => block_on(author::pack(&from, &to, console)),
        Plugin::Diff { old, new } => block_on(author::diff(&old, &new, console)),
        Plugin::Run(it) => block_on(call::run(&at.config, &it, console)),
        Plugin::Suggest(it) => match &it.run {
            Some(run) => at.ask(async |client| suggested(client, console, run, &it.call.plugin).await),
            None => block_on(call::suggest(&at.config, &it.call, console)),
        },
        Plugin::Dev(it) => block_on(dev::dev(&it, at, console)),
        Plugin::Rbac(it) => cluster::rbac(&at.config, &it, console),
        Plugin::List => at.ask(async |client| list(client, console).await),
        Plugin::Test(it) => block_on(cases::test(&at.config, it, console)),
        Plugin::Inspect { plugin } => match author::component(&plugin) {
            Some(file) => block_on(inspect_file(console, file)),
            None => at.ask(async |client| inspect(client, console, &plugin).await),
        },
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

/// What it asked for in a run.
async fn suggested(client: &Client, console: &Console, run: &str, plugin: &str) -> Result<Exit, CliError> {
    let path = format!("/runs/{}/suggested/{}", segment(run), segment(plugin));
    let Suggested {
        plugin,
        grant: spec,
        notes,
        failed,
    } = client.get(&path).await?;
    let found = Suggestion { grant: spec, notes };
    grant::show(&plugin, &found, failed.as_deref(), console)
}

/// Installs the file in a sandbox of its own, as the engine would, so that what does not load there is not called good.
async fn inspect_file(console: &Console, path: &Path) -> Result<Exit, CliError> {
    let plugin = author::installed(&author::sandbox()?, path).await?;
    let value = json!({
        "kind": plugin.kind(), "digest": plugin.digest(), "bytes": plugin.bytes(),
        "manifest": plugin.manifest(), "imports": plugin.imports(),
    });
    console.show(&value, |width| screens::plugin_file(path, &plugin, width))?;
    Ok(Exit::Done)
}
