//! The engine itself: `pause`, `resume`, `status`, `reload`, `rollback`.

use serde_json::json;
use stanch_service::control::types::{PauseRequest, Reloaded, RollbackRequest, Status};

use crate::args;
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

pub async fn pause(client: &Client, console: &Console, pause: args::Pause) -> Result<Exit, CliError> {
    let request = PauseRequest {
        scope: pause.scope,
        reason: pause.reason,
    };
    client.act("/pauses", &request).await?;
    let scope = &request.scope;
    console.done(&format!(
        "paused {scope}: no further change is made until `stanch resume {scope}`"
    ))?;
    Ok(Exit::Done)
}

pub async fn resume(client: &Client, console: &Console, resume: args::Resume) -> Result<Exit, CliError> {
    client
        .delete(&format!("/pauses/{}", segment(&resume.scope.to_string())))
        .await?;
    console.done(&format!("resumed {}", resume.scope))?;
    Ok(Exit::Done)
}

pub async fn status(client: &Client, console: &Console) -> Result<Exit, CliError> {
    let status: Status = client.get("/status").await?;
    console.show(&status, |width| screens::status(&status, width))?;
    Ok(Exit::Done)
}

pub async fn reload(client: &Client, console: &Console) -> Result<Exit, CliError> {
    let reloaded: Reloaded = client.post("/reload", &json!({})).await?;
    told(console, &reloaded)
}

pub async fn rollback(
    client: &Client,
    console: &Console,
    rollback: args::Rollback,
) -> Result<Exit, CliError> {
    let request = RollbackRequest {
        generation: rollback.generation,
    };
    let reloaded: Reloaded = client.post("/rollback", &request).await?;
    told(console, &reloaded)
}

fn told(console: &Console, reloaded: &Reloaded) -> Result<Exit, CliError> {
    console.show(reloaded, |width| screens::reloaded(reloaded, width))?;
    Ok(if reloaded.problems.is_empty() {
        Exit::Done
    } else {
        Exit::BadFiles
    })
}
