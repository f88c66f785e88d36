//! `stanch plugin`.

use stanch_service::control::types::PluginView;

use super::Whereabouts;
use crate::args::Plugin;
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

pub fn run(command: Plugin, at: &Whereabouts, console: &Console) -> Result<Exit, CliError> {
    match command {
        Plugin::List => at.ask(async |client| list(client, console).await),
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
