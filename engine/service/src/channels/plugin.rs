//! A channel through a notification plugin: it tells people, who answer on the command line or the web.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::{Alert, Failure, FailureCode, IdempotencyKey, PluginKey, StepId, Timestamp};
use stanch_sandbox::{CallContext, Message};
use tokio_util::sync::CancellationToken;

use super::{Card, Channel, Details, Standing};
use crate::executor::Engine;
use crate::report::words;

/// Tells people of one run's questions.
pub(super) struct Told {
    pub(super) engine: Engine,
    pub(super) key: PluginKey,
    pub(super) to: Option<String>,
    pub(super) alerts: Arc<[Alert]>,
    /// When it came up: another time is another message.
    pub(super) asked: Timestamp,
}

impl Told {
    async fn tell(&self, card: &Card, kind: &str, title: String, text: String) -> Result<(), Failure> {
        let snapshot = self.engine.current().load();
        let Some(installed) = snapshot.plugins.get(&self.key) else {
            let why = format!("the plugin `{}` is not installed", self.key);
            return Err(Failure::new(FailureCode::Denied, why));
        };
        let plan = match &card.standing {
            Standing::Open { digest, .. } => digest.as_str(),
            Standing::Waits { .. } | Standing::Over { .. } => "",
        };
        // What a plugin is told of the run as a whole is of no step of it.
        let step = card.step.clone().unwrap_or_else(|| StepId("run".to_owned()));
        let context = CallContext {
            run: card.run.clone(),
            attempt: 1,
            idempotency_key: IdempotencyKey(format!("{}.{step}.{kind}.{plan}{}", card.run, self.asked.0)),
            step,
            alerts: self.alerts.clone(),
            on: None,
            quiet: false,
            extra: Value::Null,
            cancel: CancellationToken::new(),
        };
        let params = match &self.to {
            Some(to) => json!({ "to": to }),
            None => json!({}),
        };
        let message = Message {
            kind: match &card.standing {
                Standing::Waits { press, .. } if press.is_empty() => "escalation",
                // What is over by now was an escalation: nothing else is told afterwards.
                Standing::Over { .. } => "escalation",
                Standing::Open { .. } | Standing::Waits { .. } => "question",
            }
            .to_owned(),
            severity: words::severity(card.severity).0.to_owned(),
            title,
            text,
            link: card.link.clone(),
            report: serde_json::to_value(card).unwrap_or_default(),
            thread: card.run.to_string(),
            extra: Value::Null,
        };
        self.engine
            .notify(&installed.installation, &context, &params, &message)
            .await
    }
}

#[async_trait]
impl Channel for Told {
    async fn ask(&self, card: &Card, _details: &Details) -> Result<String, Failure> {
        self.tell(card, "question", card.headline(), card.text())
            .await
            .map(|()| String::new())
    }

    /// What was told cannot be changed, and whoever was woken is not woken again by each step that goes well.
    async fn show(&self, _reference: &str, _card: &Card) -> Result<(), Failure> {
        Ok(())
    }

    async fn warn(&self, _reference: &str, card: &Card) -> Result<(), Failure> {
        let title = match &card.standing {
            Standing::Open { .. } => format!("Soon a no: {}", card.headline()),
            _ => format!("Soon too late: {}", card.headline()),
        };
        self.tell(card, "warning", title, card.text()).await
    }
}
