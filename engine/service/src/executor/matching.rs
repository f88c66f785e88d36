//! Which runbooks an alert fits, what it meets in each, and what a run of one is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, AlertStatus, Timestamp};
use stanch_run::firings::Firings;
use stanch_runbook::expr::Scope;
use stanch_runbook::{InputError, Runbook};

use crate::snapshot::{LoadedRunbook, Snapshot};

/// What an expression of a trigger can see.
fn with_scope<T>(runbook: &Runbook, alerts: &[Alert], use_it: impl FnOnce(&Scope<'_>) -> T) -> T {
    let (inputs, results) = (BTreeMap::new(), BTreeMap::new());
    use_it(&Scope {
        alerts,
        inputs: &inputs,
        vars: &runbook.vars,
        run: None,
        impact: Some(&runbook.impact),
        results: &results,
    })
}

/// The runbooks that an alert fits, and why the condition of others has no value.
pub(super) fn fitting(snapshot: &Snapshot, alert: &Alert) -> (Vec<Arc<LoadedRunbook>>, Vec<String>) {
    let (mut fitting, mut errors) = (Vec::new(), Vec::new());
    for found in snapshot.index.matches(alert) {
        match found.when {
            Ok(true) => fitting.extend(snapshot.runbooks.get(&found.runbook.name).cloned()),
            Ok(false) => {}
            Err(error) => errors.push(format!("{}: {error}", found.runbook.name)),
        }
    }
    (fitting, errors)
}

/// The inputs of a run that alerts start, and why others have no value.
pub(super) fn inputs(runbook: &Runbook, alerts: &[Alert]) -> (BTreeMap<String, Value>, Vec<String>) {
    let (inputs, errors) = with_scope(runbook, alerts, |scope| runbook.inputs_from_alert(scope));
    (inputs, errors.iter().map(ToString::to_string).collect())
}

/// The inputs of a run that a person starts: those given, converted; else what the alerts give, else the defaults.
pub(super) fn given_inputs(
    runbook: &Runbook,
    alerts: &[Alert],
    given: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, String> {
    with_scope(runbook, alerts, |scope| {
        runbook.inputs_with(given, (!alerts.is_empty()).then_some(scope))
    })
    .map_err(said)
}

fn said(errors: Vec<InputError>) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}

/// One condition of a trigger, with what the alert has there.
pub use stanch_runbook::Condition;

/// What an alert meets in one runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The runbook.
    pub runbook: String,
    /// The conditions in order, up to and with the first that stopped it.
    pub conditions: Vec<Condition>,
    /// All hold.
    pub fits: bool,
    /// The group key that it would have.
    pub group_key: Option<String>,
}

/// For each runbook: the conditions with their values.
pub(super) fn explain(
    snapshot: &Snapshot,
    firings: &Firings,
    alert: &Alert,
    now: Timestamp,
) -> Vec<Explained> {
    let each = snapshot.runbooks.values().filter_map(|loaded| {
        let trigger = loaded.runbook.trigger.as_ref()?;
        let mut conditions = stanch_runbook::explain(&loaded.runbook, alert, now);
        conditions.extend(at_least(&loaded.runbook, firings, alert, now));
        let fits = conditions.iter().all(|condition| condition.holds == Ok(true));
        let group_key = fits.then(|| stanch_run::episode::group_key(alert, &trigger.group_by));
        Some(Explained {
            runbook: loaded.runbook.name.clone(),
            conditions,
            fits,
            group_key,
        })
    });
    let mut all: Vec<Explained> = each.collect();
    all.sort_by_key(|explained| !explained.fits);
    all
}

/// `at_least` held against what was counted so far; this firing counts with them where it did not come in yet.
fn at_least(runbook: &Runbook, firings: &Firings, alert: &Alert, now: Timestamp) -> Option<Condition> {
    let trigger = runbook.trigger.as_ref()?;
    let wanted = trigger.at_least?;
    let key = stanch_run::episode::group_key(alert, &trigger.group_by);
    let mut count = firings.count(&runbook.name, &key, now, wanted);
    let mut value = match count {
        1 => "it fired once".to_owned(),
        count => format!("it fired {count} times"),
    };
    value = format!("{value} within the last {}", wanted.within);
    let is_new = alert.status == AlertStatus::Firing && !firings.knows(&runbook.name, &key, alert);
    if is_new {
        count = count.saturating_add(1);
        value = format!("{value}, not counting this one");
    }
    Some(Condition {
        text: format!(
            "at_least = {{ count = {}, within = \"{}\" }}",
            wanted.count, wanted.within
        ),
        value,
        holds: Ok(count >= wanted.count),
    })
}
