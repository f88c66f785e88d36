//! What starts runs, or says what would: `run`, `alert`, `plan`, `explain`.

use std::path::Path;

use serde_json::{Value, json};
use stanch_contract::{Alert, RunId};
use stanch_service::control::types::{
    Accepted, DryRun, ExplainRequest, Explanation, PlanRequest, ReadAlerts, StartRun,
};
use stanch_service::intake::alertmanager;
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
    let accepted: Accepted = client
        .post("/alerts", &sent(client, &alert.file, alert.sent).await?)
        .await?;
    if let Some(run) = accepted.runs.first().filter(|_| alert.follow) {
        return live::follow(client, console, run.as_str()).await;
    }
    console.show(&accepted, |width| screens::accepted(&accepted, width))?;
    Ok(Exit::Done)
}

pub async fn plan(client: &Client, console: &Console, plan: args::Plan) -> Result<Exit, CliError> {
    let alerts = match &plan.alert {
        Some(file) => sent(client, file, plan.sent).await?,
        None => Vec::new(),
    };
    let request = PlanRequest {
        runbook: plan.runbook,
        alerts,
        inputs: files::inputs(&plan.inputs.inputs)?,
    };
    let dry: DryRun = client.post("/plan", &request).await?;
    console.show(&dry, |width| run_page(&dry.run, dry.run.now, width, Detail::All))?;
    Ok(Exit::Done)
}

pub async fn explain(client: &Client, console: &Console, explain: args::Explain) -> Result<Exit, CliError> {
    let path = Path::new(&explain.alert);
    let requests = if explain.alert == "-" || path.is_file() || explain.sent.intake.is_some() {
        sent(client, path, explain.sent)
            .await?
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

/// The alerts of a file, read as the intake would that it is sent to, where one is named: what its words mean, only the
/// engine's stanch.toml says.
async fn sent(client: &Client, path: &Path, sent: args::Sent) -> Result<Vec<Alert>, CliError> {
    let Some(intake) = sent.intake else {
        return alerts(path);
    };
    let body = files::json(path)?;
    client.post("/alerts/read", &ReadAlerts { intake, body }).await
}

/// The alerts of a file: what Alertmanager's webhook sends, the list that its API gives, or the engine's own form.
pub(super) fn alerts(path: &Path) -> Result<Vec<Alert>, CliError> {
    let wrong = |why: String| CliError::File {
        path: path.display().to_string(),
        why,
    };
    let given = files::json(path)?;
    if given.get("alerts").is_some() {
        return notified(&given).map_err(wrong);
    }
    let items = match given {
        Value::Array(items) => items,
        one => vec![one],
    };
    if items
        .iter()
        .any(|item| item.get("name").is_none() && item.get("labels").is_some())
    {
        let alerts: Vec<Value> = items.into_iter().map(of_api).collect();
        return notified(&json!({ "version": "4", "status": "firing", "alerts": alerts })).map_err(wrong);
    }
    items
        .into_iter()
        .map(|item| {
            serde_json::from_value(item).map_err(|error| wrong(format!("it is not an alert: {error}")))
        })
        .collect()
}

fn notified(notification: &Value) -> Result<Vec<Alert>, String> {
    let parsed = alertmanager::parse(notification.to_string().as_bytes());
    parsed
        .map(|notification| notification.alerts)
        .map_err(|error| error.to_string())
}

/// An alert of Alertmanager's API has an object where its webhook says `firing`: what the API lists fires.
fn of_api(mut alert: Value) -> Value {
    if let Some(members) = alert
        .as_object_mut()
        .filter(|members| !members.get("status").is_some_and(Value::is_string))
    {
        members.insert("status".to_owned(), Value::from("firing"));
    }
    alert
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use stanch_contract::AlertStatus;

    use super::*;

    fn read(content: &Value) -> Result<Vec<Alert>, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alert.json");
        std::fs::File::create(&path)
            .unwrap()
            .write_all(content.to_string().as_bytes())
            .unwrap();
        alerts(&path)
    }

    fn sent(status: Value) -> Value {
        json!({
            "status": status, "labels": { "alertname": "DiskFull" }, "annotations": {},
            "startsAt": "2026-11-24T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://p", "fingerprint": "a1b2",
        })
    }

    #[test]
    fn each_form_of_an_alert_is_the_same_alert() {
        let own = json!({
            "name": "DiskFull", "fingerprint": "a1b2", "status": "firing",
            "labels": { "alertname": "DiskFull" }, "starts_at": "2026-11-24T00:00:00Z",
        });
        let webhook = json!({
            "version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://a", "alerts": [sent(json!("firing"))],
        });
        let forms = [
            own.clone(),
            json!([own]),
            webhook,
            json!([sent(json!({ "state": "active" }))]),
        ];
        for form in forms {
            let read = read(&form).unwrap();
            assert_eq!(read.len(), 1, "{form}");
            let found = (
                read[0].name.as_str(),
                read[0].fingerprint.as_str(),
                read[0].status,
            );
            assert_eq!(found, ("DiskFull", "a1b2", AlertStatus::Firing), "{form}");
        }
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for wrong in [
            json!(7),
            json!({ "alerts": 7 }),
            json!([{ "labels": 7 }]),
            json!({ "name": "A" }),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
