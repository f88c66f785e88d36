//! Whether a runbook applies to an alert, and why not.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{Alert, AlertStatus, Timestamp};

use crate::expr::{EvalError, Scope};
use crate::model::{Runbook, Trigger};

/// One condition of a trigger, held against an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The condition, as the runbook writes it.
    pub text: String,
    /// What it was held against.
    pub value: String,
    /// Whether it holds, or why that cannot be said.
    pub holds: Result<bool, EvalError>,
}

impl Trigger {
    /// Whether names and labels fit; `when` and `after` are not looked at.
    pub fn fits(&self, alert: &Alert) -> bool {
        (self.alerts.is_empty() || self.alerts.contains(&alert.name))
            && self.matchers.iter().all(|matcher| matcher.matches(&alert.labels))
    }
}

impl Runbook {
    /// Whether names, labels and `when` of the trigger hold for one alert; a runbook without a trigger applies to none.
    ///
    /// # Errors
    /// Where `when` has no value: the runbook neither applies nor does not, and somebody has to know.
    pub fn applies(&self, alert: &Alert) -> Result<bool, EvalError> {
        let Some(trigger) = &self.trigger else {
            return Ok(false);
        };
        if !trigger.fits(alert) {
            return Ok(false);
        }
        match &trigger.when {
            None => Ok(true),
            Some(when) => self.before_run(alert, |scope| when.eval_bool(scope)),
        }
    }

    /// Evaluates something about one alert before there is a run.
    fn before_run<T>(&self, alert: &Alert, evaluate: impl FnOnce(&Scope<'_>) -> T) -> T {
        let (inputs, results) = (BTreeMap::new(), BTreeMap::new());
        evaluate(&Scope {
            alerts: std::slice::from_ref(alert),
            inputs: &inputs,
            vars: &self.vars,
            run: None,
            impact: Some(&self.impact),
            results: &results,
        })
    }
}

/// Every condition of a runbook's trigger with the values of this alert, in the order in which they are looked at. The
/// first that does not hold is what stopped it.
pub fn explain(runbook: &Runbook, alert: &Alert, now: Timestamp) -> Vec<Condition> {
    let Some(trigger) = &runbook.trigger else {
        let value = "it has none: it is started by hand only".to_owned();
        return vec![Condition {
            text: "[trigger]".to_owned(),
            value,
            holds: Ok(false),
        }];
    };
    let mut conditions = vec![Condition {
        text: "the alert fires".to_owned(),
        value: alert.status.as_str().to_owned(),
        holds: Ok(alert.status == AlertStatus::Firing),
    }];
    if !trigger.alerts.is_empty() {
        conditions.push(Condition {
            text: format!("alert = {}", quoted_list(&trigger.alerts)),
            value: format!("the alert is {:?}", alert.name),
            holds: Ok(trigger.alerts.contains(&alert.name)),
        });
    }
    for matcher in &trigger.matchers {
        let value = match alert.labels.get(&matcher.label) {
            Some(value) => format!("{} is {value:?}", matcher.label),
            None => format!("there is no label {}, which counts as \"\"", matcher.label),
        };
        let holds = Ok(matcher.matches(&alert.labels));
        conditions.push(Condition {
            text: matcher.to_string(),
            value,
            holds,
        });
    }
    if let Some(when) = &trigger.when {
        conditions.push(runbook.before_run(alert, |scope| {
            let readings: Vec<String> = when
                .readings(scope)
                .into_iter()
                .map(|(path, value)| match value {
                    Some(value) => format!("{path} is {value}"),
                    None => format!("{path} is not there"),
                })
                .collect();
            Condition {
                text: format!("when = {}", when.source()),
                value: readings.join(", "),
                holds: when.eval_bool(scope),
            }
        }));
    }
    if let Some(after) = trigger.after {
        let (value, holds) = match Timestamp::parse_rfc3339(&alert.starts_at) {
            Some(start) => {
                let age = now.since(start);
                (format!("it fires for {age}"), age >= after)
            }
            // The intake counts from the first notification where the sender does not say.
            None => (format!("its start {:?} cannot be read", alert.starts_at), false),
        };
        conditions.push(Condition {
            text: format!("after = \"{after}\""),
            value,
            holds: Ok(holds),
        });
    }
    conditions
}

/// The first condition that does not hold, or whose truth cannot be said.
pub fn stopped_by(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.holds != Ok(true))
}

fn quoted_list(names: &[String]) -> String {
    match names {
        [one] => Value::from(one.as_str()).to_string(),
        several => Value::from(several.to_vec()).to_string(),
    }
}
