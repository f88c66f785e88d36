//! What starts runs, or says what would: `run`, `alert`, `plan`, `explain`.

use std::path::Path;

use serde_json::Value;
use stanch_contract::{Alert, RunId};
use stanch_service::control::types::{Accepted, DryRun, ExplainRequest, Explanation, PlanRequest, StartRun};
use stanch_service::report::{Detail, run_page};

use crate::args;
use crate::client::Client;
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::{files, live, screens};

pub async fn run(client: &Client, console: &Console, run: args::Run) -> Result<Exit, CliError> {
    let request = StartRun {
        runbook: run.runbook,
        inputs: files::inputs(&run.inputs.inputs)?,
        again: run.again,
    };
    let id: RunId = client.post("/runs", &request).await?;
    if run.follow {
        return live::follow(client, console, id.as_str()).await;
    }
    if console.is_json() {
        console.json(&id)?;
    } else {
        console.say(&format!(
            "started run {id}\nsee it with `stanch runs show {id} --follow`"
        ))?;
    }
    Ok(Exit::Done)
}

pub async fn alert(client: &Client, console: &Console, alert: args::AlertFile) -> Result<Exit, CliError> {
    let accepted: Accepted = client.post("/alerts", &alerts(&alert.file)?).await?;
    if let Some(run) = accepted.runs.first().filter(|_| alert.follow) {
        return live::follow(client, console, run.as_str()).await;
    }
    console.show(&accepted, |width| screens::accepted(&accepted, width))?;
    Ok(Exit::Done)
}

pub async fn plan(client: &Client, console: &Console, plan: args::Plan) -> Result<Exit, CliError> {
    let request = PlanRequest {
        runbook: plan.runbook,
        alerts: plan.alert.as_deref().map(alerts).transpose()?.unwrap_or_default(),
        inputs: files::inputs(&plan.inputs.inputs)?,
    };
    let dry: DryRun = client.post("/plan", &request).await?;
    console.show(&dry, |width| run_page(&dry.run, dry.run.now, width, Detail::All))?;
    Ok(Exit::Done)
}

pub async fn explain(client: &Client, console: &Console, explain: args::Explain) -> Result<Exit, CliError> {
    let path = Path::new(&explain.alert);
    let requests = if explain.alert == "-" || path.is_file() {
        alerts(path)?
            .into_iter()
            .map(|alert| ExplainRequest::Alert(Box::new(alert)))
            .collect()
    } else {
        vec![ExplainRequest::Fingerprint(explain.alert.clone())]
    };
    let mut explanations = Vec::new();
    for request in &requests {
        let explanation: Explanation = client.post("/explain", request).await?;
        explanations.push(explanation);
    }
    console.show(&explanations, |width| screens::explained(&explanations, width))?;
    Ok(Exit::Done)
}

/// The alerts of a file: as an intake would read them, or in the engine's own form.
fn alerts(path: &Path) -> Result<Vec<Alert>, CliError> {
    let given = files::json(path)?;
    let wrong = |why: String| CliError::File {
        path: path.display().to_string(),
        why,
    };
    let items = match given {
        Value::Array(items) => items,
        one => vec![one],
    };
    items
        .into_iter()
        .map(|item| {
            serde_json::from_value(item).map_err(|error| wrong(format!("it is not an alert: {error}")))
        })
        .collect()
}
