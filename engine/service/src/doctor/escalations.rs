//! Calls for help: who is called by which runbooks, and with a test message, whether it goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::{Alert, AlertStatus, Failure, IdempotencyKey, PluginKey, RunId, StepId};
use stanch_runbook::expr::Scope;
use stanch_sandbox::{CallContext, Message};
use tokio_util::sync::CancellationToken;

use super::{Area, Finding, Health};
use crate::clock;
use crate::snapshot::{LoadedRunbook, Snapshot};

/// One way to call for help: a plugin and its parameters, as canonical text.
type Way = (PluginKey, String);

pub(super) async fn examine(snapshot: &Snapshot, send: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut silent = BTreeSet::new();
    let mut ways: BTreeMap<Way, (Result<Value, String>, BTreeSet<&str>)> = BTreeMap::new();
    for (name, loaded) in &snapshot.runbooks {
        if loaded.runbook.escalation.is_empty() {
            silent.insert(name.as_str());
        }
        for notice in &loaded.runbook.escalation {
            let params = rendered(loaded, &notice.with, &snapshot.settings.vars);
            let text = params.as_ref().map_or_else(
                |_| stanch_contract::canonical::to_string(notice.with.source()),
                stanch_contract::canonical::to_string,
            );
            let way = ways
                .entry((notice.uses.clone(), text))
                .or_insert_with(|| (params, BTreeSet::new()));
            way.1.insert(name);
        }
    }
    for ((plugin, with), (params, runbooks)) in ways {
        let about = format!("`{plugin}` with {with}");
        let by = listed(&runbooks);
        let finding = match (send, params) {
            (_, Err(why)) => Finding::new(
                Area::Escalation,
                about,
                Health::Attention,
                format!("not tried, as it reads the run: {why}; used by {by}"),
            ),
            (false, Ok(_)) => Finding::new(
                Area::Escalation,
                about,
                Health::Attention,
                format!("not tried; used by {by}"),
            )
            .todo("`stanch doctor --send` sends a test message"),
            (true, Ok(params)) => match told(snapshot, &plugin, &params).await {
                Ok(()) => Finding::new(
                    Area::Escalation,
                    about,
                    Health::Good,
                    format!("a test message went out; used by {by}"),
                ),
                Err(failure) => Finding::new(
                    Area::Escalation,
                    about,
                    Health::Bad,
                    format!("{}; used by {by}", failure.message),
                )
                .todo(format!(
                    "look at `[plugins.{plugin}]`, its `grant.notify` and secrets: until then nobody is called this way"
                )),
            },
        };
        found.push(finding);
    }
    if !silent.is_empty() {
        let found_so = "these runbooks call nobody when they need a person";
        found.push(
            Finding::new(Area::Escalation, listed(&silent), Health::Attention, found_so).todo(
                "write `[[escalation]]` in them, or `escalation` in `[runbooks.defaults]` of their folder",
            ),
        );
    }
    found
}

fn listed(names: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
}

/// The parameters, as a run without results would have them.
fn rendered(
    loaded: &LoadedRunbook,
    with: &stanch_runbook::expr::Params,
    vars: &Value,
) -> Result<Value, String> {
    let (run, report) = (RunId("doctor".to_owned()), json!({}));
    let alerts = [alert()];
    let (inputs, results) = (BTreeMap::new(), BTreeMap::new());
    let scope = Scope {
        alerts: &alerts,
        inputs: &inputs,
        vars,
        run: Some((&run, &report)),
        impact: Some(&loaded.runbook.impact),
        results: &results,
    };
    with.render(&scope).map_err(|error| error.to_string())
}

fn alert() -> Alert {
    Alert {
        name: "StanchDoctor".to_owned(),
        fingerprint: "stanch-doctor".to_owned(),
        status: AlertStatus::Firing,
        labels: BTreeMap::from([("alertname".to_owned(), "StanchDoctor".to_owned())]),
        annotations: BTreeMap::new(),
        starts_at: clock::now().to_string(),
        payload: Value::Null,
    }
}

async fn told(snapshot: &Snapshot, plugin: &PluginKey, params: &Value) -> Result<(), Failure> {
    let Some(installed) = snapshot.plugins.get(plugin) else {
        return Err(Failure::new(
            stanch_contract::FailureCode::Denied,
            format!("the plugin `{plugin}` is not installed"),
        ));
    };
    // Another one each time: a pager takes two messages with one key for one.
    let key = format!("doctor-{}", clock::now().0);
    let context = CallContext {
        run: RunId(key.clone()),
        step: StepId("escalation_1".to_owned()),
        attempt: 1,
        idempotency_key: IdempotencyKey(key.clone()),
        alerts: Arc::from([alert()]),
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    };
    let message = Message {
        kind: "escalation".to_owned(),
        severity: "low".to_owned(),
        title: "A test by stanch doctor: nothing is wrong".to_owned(),
        text: "Somebody checks whether calls for help of stanch arrive here. There is nothing to do."
            .to_owned(),
        link: None,
        report: json!({}),
        thread: key,
        extra: Value::Null,
    };
    let report = installed.installation.notify(&context, params, &message).await;
    report.result.map_err(Failure::from)
}
