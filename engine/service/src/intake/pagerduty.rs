//! PagerDuty's webhooks, version 3: one event of an incident for each request.
//!
//! An incident is an alert: it fires when it is triggered or opened again, and is resolved when PagerDuty says so. What
//! people do with it in between (acknowledge, reassign, escalate) is no firing and starts nothing; it is taken, so that
//! PagerDuty does not send it again. PagerDuty signs no time, so a request that somebody recorded can be sent again: it is the
//! same incident with the same begin, a repeat of an episode that is known.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stanch_contract::{Alert, AlertStatus, Timestamp, text};

use super::alertmanager::Notification;
use super::form::{FINGERPRINT, Malformed, PAYLOAD, clean_members};

/// Reads an event.
///
/// # Errors
/// Where it is not one, with what is wrong and where.
pub fn parse(body: &[u8]) -> Result<Notification, Malformed> {
    let Value::Object(mut members) = super::form::json(body)? else {
        return Err(Malformed::new("", "the body has to be an object"));
    };
    clean_members(&mut members);
    let Some(Value::Object(event)) = members.remove("event") else {
        return Err(Malformed::new(
            "event",
            "there is no `event`: this is not PagerDuty's webhook, version 3",
        ));
    };
    let kind = needed(&event, "event", "event_type")?;
    let (status, begins) = match kind {
        "incident.triggered" => (AlertStatus::Firing, "created_at"),
        // It fires anew, from when it was opened again.
        "incident.reopened" => (AlertStatus::Firing, ""),
        "incident.resolved" => (AlertStatus::Resolved, "created_at"),
        _ => {
            return Ok(Notification {
                alerts: Vec::new(),
                truncated: 0,
            });
        }
    };
    let Some(Value::Object(incident)) = event.get("data") else {
        return Err(Malformed::new("event.data", "there is no `data` of the incident"));
    };
    let occurred_at = time(&event, "event", "occurred_at")?;
    let starts_at = match incident.get(begins) {
        None | Some(Value::Null) => occurred_at,
        Some(_) => time(incident, "event.data", begins)?,
    }
    .to_owned();
    let fingerprint = needed(incident, "event.data", "id")?.to_owned();
    if fingerprint.len() > FINGERPRINT {
        return Err(Malformed::new(
            "event.data.id",
            "`id` has to be text of 1 to 128 characters",
        ));
    }
    let name = text::clean_line(needed(incident, "event.data", "title")?);
    let labels = labels(&name, incident);
    let annotations = annotations(incident);
    let payload = if body.len() <= PAYLOAD {
        Value::Object(event)
    } else {
        Value::Null
    };
    Ok(Notification {
        alerts: vec![Alert {
            name,
            fingerprint,
            status,
            labels,
            annotations,
            starts_at,
            payload,
        }],
        truncated: 0,
    })
}

/// What a trigger can match. The service's name is what people call it; its id is what stays when it is renamed.
fn labels(name: &str, incident: &Map<String, Value>) -> BTreeMap<String, String> {
    let found = [
        ("alertname", Some(name)),
        ("service", told(incident, &["service", "summary"])),
        ("service_id", told(incident, &["service", "id"])),
        ("urgency", told(incident, &["urgency"])),
        ("priority", told(incident, &["priority", "summary"])),
        (
            "escalation_policy",
            told(incident, &["escalation_policy", "summary"]),
        ),
    ];
    gathered(found)
}

fn annotations(incident: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut annotations = gathered([
        ("url", told(incident, &["html_url"])),
        ("incident_key", told(incident, &["incident_key"])),
    ]);
    if let Some(number) = incident.get("number").and_then(Value::as_u64) {
        annotations.insert("number".to_owned(), number.to_string());
    }
    annotations
}

fn gathered<const N: usize>(found: [(&str, Option<&str>); N]) -> BTreeMap<String, String> {
    let there = found
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), text::clean_line(value?))));
    there.collect()
}

/// The text at the end of this path, where there is one.
fn told<'a>(members: &'a Map<String, Value>, path: &[&str]) -> Option<&'a str> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(members.get(*first)?, |value, name| value.get(name))?
        .as_str()
}

fn needed<'a>(members: &'a Map<String, Value>, at: &str, name: &str) -> Result<&'a str, Malformed> {
    match members.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(Malformed::new(
            format!("{at}.{name}"),
            format!("`{name}` has to be text"),
        )),
    }
}

fn time<'a>(members: &'a Map<String, Value>, at: &str, name: &str) -> Result<&'a str, Malformed> {
    let told = needed(members, at, name)?;
    match Timestamp::parse_rfc3339(told) {
        Some(_) => Ok(told),
        None => Err(Malformed::new(
            format!("{at}.{name}"),
            format!("`{name}` has to be a time as RFC 3339 writes it"),
        )),
    }
}
