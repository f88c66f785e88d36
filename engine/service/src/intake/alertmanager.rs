//! Alertmanager's webhook, version 4 (`notify/webhook` of Alertmanager; 0.25 to 0.34 differ by fields that are added, so
//! unknown ones are fine), and Grafana's, version 1, which is Alertmanager's with fields of its own: Grafana's alerting is
//! built on it.
//!
//! A group can be mixed: each alert says itself whether it fires. `endsAt` of a firing one is the zero time and means
//! nothing. Text is cleaned here, once, before anything else sees it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stanch_contract::{Alert, AlertStatus, Digest, Timestamp, text};

use super::form::{FINGERPRINT, PAYLOAD, clean_members};

pub use super::form::Malformed;

/// What a notification says.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its alerts, in its order.
    pub alerts: Vec<Alert>,
    /// How many alerts of the group Alertmanager left out (`max_alerts` of its receiver).
    pub truncated: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    alerts: Option<Vec<&'a RawValue>>,
    #[serde(default, rename = "truncatedAlerts")]
    truncated: u64,
}

/// Reads a notification of Alertmanager.
///
/// # Errors
/// Where it is not one, with what is wrong and where.
pub fn parse(body: &[u8]) -> Result<Notification, Malformed> {
    parse_version(body, "4", "Alertmanager's webhook")
}

/// Reads a notification of Grafana's webhook contact point.
///
/// # Errors
/// Where it is not one, with what is wrong and where.
pub fn parse_grafana(body: &[u8]) -> Result<Notification, Malformed> {
    parse_version(body, "1", "Grafana's webhook")
}

fn parse_version(body: &[u8], version: &str, sender: &str) -> Result<Notification, Malformed> {
    let text = super::form::text(body)?;
    // serde would read a list as the fields in their order.
    if text.trim_start().starts_with('[') {
        return Err(Malformed::new(
            "byte 0",
            "the body is not a notification: it has to be an object",
        ));
    }
    let body: Body<'_> = serde_json::from_str(text).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        let what = if error.is_data() {
            "the body is not a notification"
        } else {
            "the body is not JSON"
        };
        Malformed::new(at, format!("{what}: {}", text::clean_line_to(reason, 200)))
    })?;
    match body.version.as_deref() {
        Some(found) if found == version => {}
        Some(other) => {
            let other = text::clean_line_to(other, 20);
            return Err(Malformed::new(
                "version",
                format!("version `{other}` is not understood: `{version}` is"),
            ));
        }
        None => {
            return Err(Malformed::new(
                "version",
                format!("there is no `version`: this is not {sender}"),
            ));
        }
    }
    let alerts = body
        .alerts
        .ok_or_else(|| Malformed::new("alerts", "there are no `alerts`"))?;
    let alerts = alerts
        .iter()
        .enumerate()
        .map(|(index, raw)| alert(index, raw))
        .collect::<Result<_, _>>()?;
    Ok(Notification {
        alerts,
        truncated: body.truncated,
    })
}

fn alert(index: usize, raw: &RawValue) -> Result<Alert, Malformed> {
    let at = |member: &str| format!("alerts[{index}]{member}");
    let value: Value = serde_json::from_str(raw.get())
        .map_err(|error| Malformed::new(at(""), text::clean_line_to(&error.to_string(), 200)))?;
    let Value::Object(mut members) = value else {
        return Err(Malformed::new(at(""), "an alert has to be an object"));
    };
    clean_members(&mut members);
    let status = match members.get("status").and_then(Value::as_str) {
        Some("firing") => AlertStatus::Firing,
        Some("resolved") => AlertStatus::Resolved,
        _ => {
            return Err(Malformed::new(
                at(".status"),
                "`status` has to be `firing` or `resolved`",
            ));
        }
    };
    let starts_at = members
        .get("startsAt")
        .and_then(Value::as_str)
        .filter(|time| Timestamp::parse_rfc3339(time).is_some())
        .ok_or_else(|| {
            Malformed::new(
                at(".startsAt"),
                "`startsAt` has to be a time as RFC 3339 writes it",
            )
        })?
        .to_owned();
    let labels = texts(&members, "labels").map_err(|m| Malformed::new(at(&m.at), m.reason))?;
    let annotations = texts(&members, "annotations").map_err(|m| Malformed::new(at(&m.at), m.reason))?;
    let fingerprint = match members.get("fingerprint") {
        Some(Value::String(fingerprint)) if !fingerprint.is_empty() && fingerprint.len() <= FINGERPRINT => {
            fingerprint.clone()
        }
        None | Some(Value::Null) => of_labels(&labels),
        Some(_) => {
            return Err(Malformed::new(
                at(".fingerprint"),
                "`fingerprint` has to be text of 1 to 128 characters",
            ));
        }
    };
    Ok(Alert {
        name: labels.get("alertname").cloned().unwrap_or_default(),
        fingerprint,
        status,
        labels,
        annotations,
        starts_at,
        payload: if raw.get().len() <= PAYLOAD {
            Value::Object(members)
        } else {
            Value::Null
        },
    })
}

/// The texts of an object of texts; none where it is missing, as Go writes an empty map.
fn texts(members: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, String>, Malformed> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                _ => {
                    let key = text::cut(key, 80);
                    Err(Malformed::new(
                        format!(".{name}.{key}"),
                        format!("`{key}` has to be text"),
                    ))
                }
            })
            .collect(),
        Some(_) => Err(Malformed::new(
            format!(".{name}"),
            format!("`{name}` has to be an object of texts"),
        )),
    }
}

/// An identity for an alert whose sender gives none: the same labels are the same alert.
fn of_labels(labels: &BTreeMap<String, String>) -> String {
    Digest::of_json(&serde_json::json!(labels))
        .to_string()
        .chars()
        .take(16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(change: impl FnOnce(&mut Value)) -> Result<Notification, Malformed> {
        let mut body = json!({"version": "4", "status": "firing", "alerts": [{
            "status": "firing", "labels": {"alertname": "A", "pod": "p"}, "annotations": {"s": "t"},
            "startsAt": "2026-11-24T00:12:19.568Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "10c0"
        }]});
        change(&mut body);
        parse(body.to_string().as_bytes())
    }

    #[test]
    fn an_alert_is_what_was_sent() {
        let notification = one(|_| {}).unwrap();
        let [alert] = notification.alerts.as_slice() else {
            panic!()
        };
        assert_eq!((alert.name.as_str(), alert.fingerprint.as_str()), ("A", "10c0"));
        assert_eq!(
            (alert.status, alert.labels["pod"].as_str()),
            (AlertStatus::Firing, "p")
        );
        assert_eq!(alert.payload["endsAt"], "0001-01-01T00:00:00Z");
        assert_eq!(notification.truncated, 0);
    }

    #[test]
    fn every_wrong_type_is_told_with_its_place() {
        type Spoil = fn(&mut Value);
        let table: [(Spoil, &str); 12] = [
            (|b| b["version"] = json!("3"), "version"),
            (|b| b["version"] = json!(null), "version"),
            (|b| b["alerts"] = json!(null), "alerts"),
            (|b| b["alerts"][0] = json!(7), "alerts[0]"),
            (
                |b| b["alerts"][0]["status"] = json!("suppressed"),
                "alerts[0].status",
            ),
            (|b| b["alerts"][0]["status"] = json!(1), "alerts[0].status"),
            (
                |b| b["alerts"][0]["startsAt"] = json!("yesterday"),
                "alerts[0].startsAt",
            ),
            (|b| b["alerts"][0]["labels"] = json!([]), "alerts[0].labels"),
            (
                |b| b["alerts"][0]["labels"]["pod"] = json!(7),
                "alerts[0].labels.pod",
            ),
            (
                |b| b["alerts"][0]["annotations"]["s"] = json!({}),
                "alerts[0].annotations.s",
            ),
            (
                |b| b["alerts"][0]["fingerprint"] = json!(12),
                "alerts[0].fingerprint",
            ),
            (
                |b| b["alerts"][0]["fingerprint"] = json!(""),
                "alerts[0].fingerprint",
            ),
        ];
        for (change, at) in table {
            assert_eq!(one(change).unwrap_err().at, at);
        }
        assert_eq!(
            one(|b| b["alerts"] = json!({}))
                .unwrap_err()
                .reason
                .split(':')
                .next(),
            Some("the body is not a notification")
        );
    }

    #[test]
    fn what_hides_or_turns_text_is_gone_from_labels_annotations_and_payload() {
        let notification = one(|b| {
            b["alerts"][0]["labels"]["pod"] = json!("a\u{202e}b\u{1b}[31m");
            b["alerts"][0]["annotations"] = json!({"k\u{200b}ey": "two\nlines"});
        })
        .unwrap();
        let alert = &notification.alerts[0];
        assert_eq!(alert.labels["pod"], "ab[31m");
        assert_eq!(alert.annotations["key"], "two\nlines");
        assert_eq!(alert.payload["labels"]["pod"], "ab[31m");
    }

    #[test]
    fn a_payload_is_kept_up_to_64_kib_and_the_alert_beyond() {
        let large =
            |n: usize| one(move |b| b["alerts"][0]["annotations"]["s"] = json!("x".repeat(n))).unwrap();
        assert!(large(60 << 10).alerts[0].payload.is_object());
        let beyond = large(65 << 10);
        assert_eq!(beyond.alerts[0].payload, Value::Null);
        assert_eq!(beyond.alerts[0].annotations["s"].len(), 65 << 10);
    }

    #[test]
    fn without_a_fingerprint_the_same_labels_are_the_same_alert() {
        let without = |pod: &'static str| {
            one(move |b| {
                b["alerts"][0].as_object_mut().unwrap().remove("fingerprint");
                b["alerts"][0]["labels"]["pod"] = json!(pod);
            })
            .unwrap()
            .alerts[0]
                .fingerprint
                .clone()
        };
        assert_eq!(without("a"), without("a"));
        assert_ne!(without("a"), without("b"));
        assert_eq!(without("a").len(), 16);
    }
}
