//! What a body means that says nothing of alerts by itself: the mapping of its intake, held against what came.
//!
//! An expression without a value is an error of the body with its place, never an alert with a hole in it. The whole body is
//! refused then: half of it taken would be half of it lost. What came was cleaned before, and what is made of it is cleaned again
//! where it stands in one line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_contract::{Alert, AlertStatus, Digest, Timestamp, text};
use stanch_runbook::expr::{EvalError, Mapped};

use super::alertmanager::Notification;
use super::form::{FINGERPRINT, Malformed, PAYLOAD};
use crate::config::settings::Mapping;

/// The most alerts of one body.
const MOST: usize = 10_000;
/// The longest that the mapping of one body may take.
const LONGEST: Duration = Duration::from_secs(3);

/// What of an event is no label: what tells one message from another, and what only says how it is written.
const NO_LABEL: [&str; 7] = [
    "id",
    "time",
    "specversion",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

/// What one alert is made of.
struct One<'a> {
    /// Values by the names that the mapping reads them with.
    given: &'a [(&'a str, &'a Value)],
    /// The body, the item of a list, or the event.
    whole: &'a Value,
    /// Its place, where there are several.
    index: Option<usize>,
    is_event: bool,
}

/// The alerts of any JSON.
pub(super) fn of_body(mapping: &Mapping, body: &Value, now: Timestamp) -> Result<Notification, Malformed> {
    let Some(each) = &mapping.each else {
        let one = One {
            given: &[("body", body)],
            whole: body,
            index: None,
            is_event: false,
        };
        return gathered([one.alert(mapping, now)].into_iter());
    };
    let items = each.value(&[("body", body)]);
    let items = items.map_err(|error| Malformed::new("map.each", shown(&error)))?;
    let Value::Array(items) = items else {
        return Err(Malformed::new(
            "map.each",
            format!("`{}` is no list", each.source()),
        ));
    };
    bounded(items.len())?;
    gathered(items.iter().enumerate().map(|(index, item)| {
        let one = One {
            given: &[("item", item), ("body", body)],
            whole: item,
            index: Some(index),
            is_event: false,
        };
        one.alert(mapping, now)
    }))
}

/// The alerts of CloudEvents.
pub(super) fn of_events(
    mapping: &Mapping,
    events: &[Value],
    now: Timestamp,
) -> Result<Notification, Malformed> {
    bounded(events.len())?;
    gathered(events.iter().enumerate().map(|(index, event)| {
        let one = One {
            given: &[("event", event)],
            whole: event,
            index: (events.len() > 1).then_some(index),
            is_event: true,
        };
        one.alert(mapping, now)
    }))
}

fn bounded(count: usize) -> Result<(), Malformed> {
    if count <= MOST {
        return Ok(());
    }
    let why = format!("the body has {count} alerts: at most {MOST} are taken at once");
    Err(Malformed::new("", why))
}

fn gathered(
    found: impl Iterator<Item = Result<Option<Alert>, Malformed>>,
) -> Result<Notification, Malformed> {
    let began = Instant::now();
    let mut alerts = Vec::new();
    for alert in found {
        alerts.extend(alert?);
        if began.elapsed() > LONGEST {
            let why = format!("the mapping takes more than {} seconds", LONGEST.as_secs());
            return Err(Malformed::new("map", why));
        }
    }
    Ok(Notification { alerts, truncated: 0 })
}

impl One<'_> {
    /// The alert; nothing where `when` says that it is none.
    fn alert(&self, mapping: &Mapping, now: Timestamp) -> Result<Option<Alert>, Malformed> {
        if let Some(when) = &mapping.when {
            match self.value("when", when)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                _ => return Err(self.bad("when", "it has to be true or false")),
            }
        }
        let name = match &mapping.name {
            Some(mapped) => self.line("name", mapped)?,
            None => self.attribute("type").unwrap_or_default(),
        };
        if name.is_empty() {
            return Err(self.bad("name", "an alert needs a name: this one is empty"));
        }
        let status = match self.value("status", &mapping.status)? {
            Value::Bool(true) => AlertStatus::Firing,
            Value::Bool(false) => AlertStatus::Resolved,
            Value::String(word) if word == "firing" => AlertStatus::Firing,
            Value::String(word) if word == "resolved" => AlertStatus::Resolved,
            _ => return Err(self.bad("status", "it has to be true, false, `firing` or `resolved`")),
        };
        let fingerprint = match &mapping.fingerprint {
            Some(mapped) => self.line("fingerprint", mapped)?,
            None => self.of_event().ok_or_else(|| {
                let why = "the event has no `subject`, and its source alone is too little: say in the mapping what tells it from others";
                self.bad("fingerprint", why)
            })?,
        };
        if fingerprint.is_empty() || fingerprint.len() > FINGERPRINT {
            return Err(self.bad("fingerprint", "it has to be text of 1 to 128 characters"));
        }
        let starts_at = match &mapping.starts_at {
            Some(mapped) => began(&self.value("starts_at", mapped)?).ok_or_else(|| {
                let why = "it has to be a time as RFC 3339 writes it, or seconds since 1970";
                self.bad("starts_at", why)
            })?,
            None => self.attribute("time").unwrap_or_else(|| now.to_string()),
        };
        let mut labels = self.attributes();
        labels.extend(self.several("labels", &mapping.labels)?);
        labels.insert("alertname".to_owned(), name.clone());
        let annotations = self.several("annotations", &mapping.annotations)?;
        let fits = self.whole.to_string().len() <= PAYLOAD;
        Ok(Some(Alert {
            name,
            fingerprint,
            status,
            labels,
            annotations,
            starts_at,
            payload: if fits { self.whole.clone() } else { Value::Null },
        }))
    }

    fn value(&self, key: &str, mapped: &Mapped) -> Result<Value, Malformed> {
        mapped
            .value(self.given)
            .map_err(|error| self.bad(key, &shown(&error)))
    }

    /// A value that is one line of text.
    fn line(&self, key: &str, mapped: &Mapped) -> Result<String, Malformed> {
        let words = mapped.text(self.given);
        let words = words.map_err(|error| self.bad(key, &shown(&error)))?;
        Ok(text::clean_line(&words))
    }

    /// Texts by their names; what is null is not there.
    fn several(
        &self,
        key: &str,
        mapped: &BTreeMap<String, Mapped>,
    ) -> Result<BTreeMap<String, String>, Malformed> {
        let mut all = BTreeMap::new();
        for (name, mapped) in mapped {
            let key = format!("{key}.{name}");
            let value = match self.value(&key, mapped)? {
                Value::Null => continue,
                Value::String(words) => text::clean(&words),
                value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    let why = format!("`{}` is no text, number, true or false", mapped.source());
                    return Err(self.bad(&key, &why));
                }
            };
            all.insert(name.clone(), value);
        }
        Ok(all)
    }

    /// An attribute of an event.
    fn attribute(&self, name: &str) -> Option<String> {
        let value = self.whole.get(name).filter(|_| self.is_event)?;
        value.as_str().map(text::clean_line)
    }

    /// What an event says of itself, extensions included.
    fn attributes(&self) -> BTreeMap<String, String> {
        let members = self.whole.as_object().filter(|_| self.is_event);
        let members = members.into_iter().flatten();
        members
            .filter(|(name, _)| !NO_LABEL.contains(&name.as_str()))
            .filter_map(|(name, value)| {
                let words = match value {
                    Value::String(words) => text::clean_line(words),
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    _ => return None,
                };
                Some((name.clone(), words))
            })
            .collect()
    }

    /// What tells an event's alert from others, whatever happens to it: where it comes from and what it is about.
    fn of_event(&self) -> Option<String> {
        let (source, subject) = (self.whole.get("source")?, self.whole.get("subject")?);
        let digest = Digest::of_json(&json!([source, subject])).to_string();
        Some(digest.chars().take(16).collect())
    }

    fn bad(&self, key: &str, why: &str) -> Malformed {
        let at = match self.index {
            None => format!("map.{key}"),
            Some(index) => format!("map.{key} of [{index}]"),
        };
        Malformed::new(at, why)
    }
}

fn began(value: &Value) -> Option<String> {
    match value {
        Value::String(time) => Timestamp::parse_rfc3339(time).map(|_| time.clone()),
        Value::Number(seconds) => {
            let millis = seconds.as_f64()? * 1_000.0;
            // Until the year 9999, which is what RFC 3339 can write.
            (0.0..=253_402_300_799_999.0)
                .contains(&millis)
                .then(|| Timestamp(millis as i64).to_string())
        }
        _ => None,
    }
}

fn shown(error: &EvalError) -> String {
    text::clean_line_to(&error.to_string(), 300)
}
