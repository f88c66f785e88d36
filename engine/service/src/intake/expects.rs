//! `expects`: an alert that always fires (a Watchdog), so that its silence means that alerts do not come any more. Then people
//! are told, once, by the first plugin that delivers it; and told again when it is heard once more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use stanch_contract::{
    Alert, AlertStatus, Failure, FailureCode, IdempotencyKey, RunId, Span, StepId, Timestamp,
};
use stanch_sandbox::{CallContext, Message};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::settings::{Channel, Expects, Intake};
use crate::executor::Engine;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// How soon people are told again where nobody could be.
const AGAIN: Span = Span::from_secs(30);

/// When each intake's alert was heard last, by the intake's path.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<HashMap<String, Timestamp>>);

impl Heard {
    /// These came.
    pub(crate) fn came(&self, intake: &Intake, alerts: &[Alert], now: Timestamp) {
        let Some(expects) = &intake.expects else { return };
        let is_it = |alert: &Alert| alert.name == expects.alert && alert.status == AlertStatus::Firing;
        if alerts.iter().any(is_it) {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.insert(intake.path.clone(), now);
        }
    }

    fn last(&self, path: &str) -> Option<Timestamp> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .copied()
    }
}

/// What is known of one intake's silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Silence {
    /// Since when it is expected, or when it was heard last.
    since: Timestamp,
    /// People know of the silence.
    told: bool,
    /// Not before then they are told again.
    again: Timestamp,
}

/// What is to be said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Nothing,
    Silent,
    HeardAgain,
}

impl Silence {
    fn from(now: Timestamp) -> Self {
        Self {
            since: now,
            told: false,
            again: now,
        }
    }

    fn look(&mut self, heard: Option<Timestamp>, within: Span, now: Timestamp) -> Say {
        if let Some(heard) = heard.filter(|heard| *heard > self.since) {
            self.since = heard;
        }
        let silent = now > self.since.plus(within);
        match (silent, self.told) {
            (true, false) if now >= self.again => Say::Silent,
            (false, true) => Say::HeardAgain,
            _ => Say::Nothing,
        }
    }
}

/// Watches until the engine ends.
pub(crate) async fn watch(engine: Engine, heard: std::sync::Arc<Heard>, ending: CancellationToken) {
    let mut known: HashMap<String, Silence> = HashMap::new();
    loop {
        let (settings, now) = (engine.current().load().settings.clone(), clock::now());
        known.retain(|path, _| {
            settings
                .intakes
                .iter()
                .any(|intake| intake.path == *path && intake.expects.is_some())
        });
        for intake in &settings.intakes {
            let Some(expects) = &intake.expects else { continue };
            let silence = known
                .entry(intake.path.clone())
                .or_insert_with(|| Silence::from(now));
            let say = silence.look(heard.last(&intake.path), expects.within, now);
            let Some(text) = words(say, intake, expects) else {
                continue;
            };
            match tell(&engine, intake, expects, say, text, now).await {
                Ok(()) => silence.told = say == Say::Silent,
                // That all is well again nobody needs to hear twice.
                Err(_) if say == Say::HeardAgain => silence.told = false,
                Err(failure) => {
                    tracing::error!(intake = %intake.path, %failure, "nobody could be told that alerts do not come");
                    silence.again = now.plus(AGAIN);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = ending.cancelled() => return,
        }
    }
}

fn words(say: Say, intake: &Intake, expects: &Expects) -> Option<String> {
    let Expects { alert, within, .. } = expects;
    let path = &intake.path;
    match say {
        Say::Nothing => None,
        Say::Silent => Some(format!(
            "`{alert}` did not come to `{path}` within {within}: alerts may not reach the engine any more"
        )),
        Say::HeardAgain => Some(format!("`{alert}` comes to `{path}` again")),
    }
}

async fn tell(
    engine: &Engine,
    intake: &Intake,
    expects: &Expects,
    say: Say,
    text: String,
    now: Timestamp,
) -> Result<(), Failure> {
    tracing::error!(intake = %intake.path, %text, "the alert that is expected");
    let mut last = Failure::new(FailureCode::Denied, "`expects.tell` names nobody");
    for channel in &expects.tell {
        let Channel::Plugin { key, to } = channel else {
            continue;
        };
        let snapshot = engine.current().load();
        let Some(installed) = snapshot.plugins.get(key) else {
            last = Failure::new(
                FailureCode::Denied,
                format!("the plugin `{key}` is not installed"),
            );
            continue;
        };
        let thread = format!("expects{}", intake.path.replace('/', "-"));
        let context = CallContext {
            run: RunId(thread.clone()),
            step: StepId("expects".to_owned()),
            attempt: 1,
            idempotency_key: IdempotencyKey(format!("{thread}.{}", now.0)),
            alerts: Vec::new().into(),
            on: None,
            quiet: false,
            extra: Value::Null,
            cancel: CancellationToken::new(),
        };
        let message = Message {
            kind: if say == Say::Silent {
                "escalation"
            } else {
                "progress"
            }
            .to_owned(),
            severity: "critical".to_owned(),
            title: text.clone(),
            text: text.clone(),
            link: None,
            report: json!({ "intake": intake.path, "alert": expects.alert }),
            thread,
            extra: Value::Null,
        };
        let params = to.as_ref().map_or_else(|| json!({}), |to| json!({ "to": to }));
        match engine
            .notify(&installed.installation, &context, &params, &message)
            .await
        {
            Ok(()) => return Ok(()),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_and_that_it_is_over_once() {
        let within = Span::from_secs(60);
        let at = |seconds: i64| Timestamp(seconds * 1_000);
        let mut silence = Silence::from(at(0));
        assert_eq!(silence.look(None, within, at(60)), Say::Nothing);
        assert_eq!(silence.look(None, within, at(61)), Say::Silent);
        // Nobody could be told: again, but not at once.
        silence.again = at(91);
        assert_eq!(silence.look(None, within, at(62)), Say::Nothing);
        assert_eq!(silence.look(None, within, at(91)), Say::Silent);
        silence.told = true;
        assert_eq!(silence.look(None, within, at(500)), Say::Nothing);
        assert_eq!(silence.look(Some(at(505)), within, at(506)), Say::HeardAgain);
        silence.told = false;
        assert_eq!(silence.look(Some(at(505)), within, at(560)), Say::Nothing);
        assert_eq!(silence.look(Some(at(505)), within, at(566)), Say::Silent);
    }

    #[test]
    fn an_alert_that_comes_often_enough_is_never_missed() {
        let within = Span::from_secs(60);
        let mut silence = Silence::from(Timestamp(0));
        for minute in 1..100 {
            let heard = Timestamp(minute * 50_000);
            assert_eq!(silence.look(Some(heard), within, heard), Say::Nothing);
        }
    }
}
