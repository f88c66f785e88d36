//! `stanch runs`, `stanch report` and `stanch export`.

use stanch_service::control::types::{Report, RunSummary, RunView};
use stanch_service::report::markdown::run_markdown;
use stanch_service::report::{Detail, run_page};

use crate::args::{self, Export, ExportFormat, Runs, RunsCommand, ShowRun};
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::{live, screens};

pub async fn run(client: &Client, console: &Console, runs: Runs) -> Result<Exit, CliError> {
    match runs.command {
        Some(RunsCommand::Show(show)) => show_run(client, console, show).await,
        None => list(client, console, runs).await,
    }
}

/// A run, whole.
pub async fn fetch(client: &Client, run: &str) -> Result<RunView, CliError> {
    client.get(&format!("/runs/{}", segment(run))).await
}

async fn show_run(client: &Client, console: &Console, show: ShowRun) -> Result<Exit, CliError> {
    if show.follow {
        return live::follow(client, console, &show.run).await;
    }
    let run = fetch(client, &show.run).await?;
    let detail = if show.all { Detail::All } else { Detail::Short };
    console.show(&run, |width| run_page(&run, run.now, width, detail))?;
    Ok(Exit::Done)
}

async fn list(client: &Client, console: &Console, runs: Runs) -> Result<Exit, CliError> {
    let mut query = format!("?open={}&waiting={}", runs.open, runs.waiting);
    if let Some(runbook) = &runs.runbook {
        query.push_str(&format!("&runbook={}", segment(runbook)));
    }
    if let Some(limit) = runs.limit {
        query.push_str(&format!("&limit={limit}"));
    }
    let found: Vec<RunSummary> = client.get(&format!("/runs{query}")).await?;
    console.show(&found, |width| screens::runs(&found, width))?;
    Ok(Exit::Done)
}

pub async fn report(client: &Client, console: &Console, asked: args::Report) -> Result<Exit, CliError> {
    let mut query = format!("?within={}", asked.since.as_millis());
    if let Some(runbook) = &asked.runbook {
        query.push_str(&format!("&runbook={}", segment(runbook)));
    }
    let report: Report = client.get(&format!("/report{query}")).await?;
    console.show(&report, |width| screens::report(&report, width))?;
    Ok(Exit::Done)
}

pub async fn export(client: &Client, console: &Console, export: Export) -> Result<Exit, CliError> {
    let run = fetch(client, &export.run).await?;
    if console.is_json() || export.format == ExportFormat::Json {
        console.json(&run)?;
    } else {
        console.raw(&run_markdown(&run))?;
    }
    Ok(Exit::Done)
}
