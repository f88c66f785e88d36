//! `reconcile`: Alertmanager is asked what fires, at the start and every five minutes, so that an alert whose notification
//! was lost is not.
//!
//! Only what is new to the engine is taken in, as if it had been sent: an alert of no run that is open, which was not recorded
//! with the same begin before. What Alertmanager does not list is not taken for resolved: it may be restarting, or be asked
//! under another name; that an alert is resolved, its sender says.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use stanch_contract::{Alert, text};
use stanch_journal::AlertFilter;
use stanch_sandbox::gate::Facilities;
use stanch_sandbox::http::OwnRequest;
use stanch_sandbox::http::address::AddressPolicy;
use tokio_util::sync::CancellationToken;

use super::{AlertSink as _, alertmanager};
use crate::config::settings::{Intake, Reconcile};
use crate::executor::Engine;
use crate::secrets::Secrets;

/// How often it is asked, and how soon again where it does not answer.
const EVERY: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_secs(30);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it takes.
pub(crate) struct Reconciler {
    pub(crate) engine: Engine,
    pub(crate) facilities: Arc<Facilities>,
    pub(crate) secrets: Arc<Secrets>,
}

impl Reconciler {
    /// Asks until the engine ends.
    pub(crate) async fn run(self, ending: CancellationToken) {
        loop {
            let settings = self.engine.current().load().settings.clone();
            let mut rest = EVERY;
            for intake in &settings.intakes {
                let Some(reconcile) = &intake.reconcile else {
                    continue;
                };
                match self.once(intake, reconcile).await {
                    Ok(0) => tracing::info!(intake = %intake.path, "what fires was read: all of it had come"),
                    Ok(taken) => {
                        tracing::warn!(intake = %intake.path, taken, "what fires was read: some had not come and is taken in");
                    }
                    Err(why) => {
                        tracing::warn!(intake = %intake.path, %why, "it cannot be read what fires; it is tried again");
                        rest = AGAIN;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = ending.cancelled() => return,
            }
        }
    }

    /// How many alerts were taken in.
    async fn once(&self, intake: &Intake, reconcile: &Reconcile) -> Result<usize, String> {
        let listed = self.ask(reconcile).await?;
        let mut new = Vec::new();
        for alert in firing(&listed, reconcile.receiver.as_deref())? {
            if self.is_new(&alert).await? {
                new.push(alert);
            }
        }
        let count = new.len();
        if count > 0 {
            self.engine
                .accept(new, &intake.path)
                .await
                .map_err(|why| why.to_string())?;
        }
        Ok(count)
    }

    async fn ask(&self, reconcile: &Reconcile) -> Result<Vec<u8>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(bearer) = &reconcile.bearer {
            let token = self.secrets.value(bearer)?;
            let value = HeaderValue::from_bytes(&[b"Bearer ".as_slice(), token.expose()].concat());
            let mut value = value.map_err(|_| format!("the secret `{bearer}` cannot be a token"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let request = OwnRequest {
            client: "reconcile",
            addresses: AddressPolicy::everywhere(),
            method: http::Method::GET,
            // What is silenced or inhibited is not sent to anybody either.
            url: format!(
                "{}/api/v2/alerts?active=true&silenced=false&inhibited=false&unprocessed=false",
                reconcile.url
            ),
            headers,
            body: Vec::new(),
            patience: PATIENCE,
        };
        let answer = self
            .facilities
            .http
            .send(request)
            .await
            .map_err(|error| error.why)?;
        match answer.status.as_u16() {
            200 => Ok(answer.body),
            status => Err(format!("Alertmanager answers {status}")),
        }
    }

    /// Whether the engine does not know that it fires.
    async fn is_new(&self, alert: &Alert) -> Result<bool, String> {
        if !self.engine.runs_of(&alert.fingerprint).is_empty() {
            return Ok(false);
        }
        let filter = AlertFilter {
            fingerprint: Some(alert.fingerprint.clone()),
            limit: 1,
            ..AlertFilter::default()
        };
        let known = self
            .engine
            .store()
            .alerts(&filter)
            .await
            .map_err(|error| error.to_string())?;
        let Some(known) = known.first() else {
            return Ok(true);
        };
        let stored: Value = serde_json::from_slice(&known.payload).unwrap_or_default();
        let began = stored.pointer("/alert/starts_at").and_then(Value::as_str);
        Ok(began != Some(alert.starts_at.as_str()))
    }
}

/// The alerts of an answer of the API, in the form of the webhook: where that says `firing`, the API has an object.
fn firing(listed: &[u8], receiver: Option<&str>) -> Result<Vec<Alert>, String> {
    let listed: Vec<Value> =
        serde_json::from_slice(listed).map_err(|_| "the answer is not a list of alerts".to_owned())?;
    let goes_to = |alert: &Value| {
        let Some(wanted) = receiver else { return true };
        let receivers = alert.get("receivers").and_then(Value::as_array);
        receivers.is_some_and(|all| {
            all.iter()
                .any(|of| of.get("name").and_then(Value::as_str) == Some(wanted))
        })
    };
    let active = |alert: &Value| alert.pointer("/status/state").and_then(Value::as_str) == Some("active");
    let mut alerts: Vec<Value> = listed
        .into_iter()
        .filter(|alert| active(alert) && goes_to(alert))
        .collect();
    for alert in &mut alerts {
        if let Some(members) = alert.as_object_mut() {
            members.insert("status".to_owned(), json!("firing"));
        }
    }
    let body = json!({ "version": "4", "alerts": alerts }).to_string();
    let parsed = alertmanager::parse(body.as_bytes());
    parsed
        .map(|notification| notification.alerts)
        .map_err(|malformed| format!("{}: {}", text::clean_line_to(&malformed.at, 80), malformed.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<u8> {
        let alert = |name: &str, state: &str, receiver: &str| {
            json!({
                "annotations": {}, "endsAt": "2026-11-24T00:17:19.568Z", "fingerprint": format!("f-{name}"),
                "receivers": [{ "name": receiver }], "startsAt": "2026-11-24T00:12:19.568Z",
                "status": { "inhibitedBy": [], "silencedBy": [], "state": state }, "updatedAt": "2026-11-24T00:13:19.572Z",
                "generatorURL": "", "labels": { "alertname": name },
            })
        };
        let all = [
            alert("A", "active", "engine"),
            alert("B", "suppressed", "engine"),
            alert("C", "unprocessed", "engine"),
            alert("D", "active", "another"),
        ];
        json!(all).to_string().into_bytes()
    }

    #[test]
    fn what_fires_and_goes_to_the_receiver_is_an_alert_and_nothing_else_is() {
        let names = |receiver| -> Vec<String> {
            firing(&listed(), receiver)
                .unwrap()
                .into_iter()
                .map(|alert| alert.name)
                .collect()
        };
        assert_eq!(names(Some("engine")), ["A"]);
        assert_eq!(names(None), ["A", "D"]);
        let one = firing(&listed(), Some("engine")).unwrap().remove(0);
        assert_eq!(
            (one.fingerprint.as_str(), one.starts_at.as_str()),
            ("f-A", "2026-11-24T00:12:19.568Z")
        );
    }

    #[test]
    fn what_is_not_a_list_of_alerts_is_an_error() {
        for wrong in ["", "{}", "<html>", r#"[{"status":{"state":"active"}}]"#] {
            assert!(firing(wrong.as_bytes(), None).is_err(), "{wrong}");
        }
    }
}
