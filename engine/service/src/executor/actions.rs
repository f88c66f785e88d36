//! The journal's side of an apply: each action is made durable before it is sent and after it was answered.
//!
//! The gate's sending of an action runs in a task of its own, so these outlive the plugin's call: what came of an action
//! that was sent is recorded whatever became of the plugin.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use stanch_contract::ActionState;
use stanch_run::Key;
use stanch_run::words::Withheld;
use stanch_sandbox::gate::{ActionLog, Stop};
use tokio::sync::oneshot;

use super::hidden::Veil;
use super::mail::{Letter, Mailbox};

/// One apply's actions.
pub(super) struct Actions {
    pub(super) key: Key,
    pub(super) mail: Mailbox,
    /// Why actions were withheld: the first reason.
    pub(super) withheld: Arc<OnceLock<Withheld>>,
    /// What hides what only a few may see.
    pub(super) veil: Arc<Veil>,
}

#[async_trait]
impl ActionLog for Actions {
    async fn started(&self, action: u32) -> Result<(), Stop> {
        let (reply, answer) = oneshot::channel();
        let _ = self.mail.send(Letter::Starting {
            key: self.key.clone(),
            action,
            reply,
        });
        // A task that is gone answers nothing: then nothing may be sent.
        let gone = || (Some(Withheld::Stopping), "the engine is stopping".to_owned());
        answer
            .await
            .unwrap_or_else(|_| Err(gone()))
            .map_err(|(why, reason)| {
                if let Some(why) = why {
                    let _ = self.withheld.set(why);
                }
                Stop { reason }
            })
    }

    async fn ended(&self, action: u32, state: ActionState, answer: Option<Vec<u8>>) {
        let (reply, kept) = oneshot::channel();
        let _ = self.mail.send(Letter::Ended {
            key: self.key.clone(),
            action,
            state: self.veil.state(state),
            answer: answer.map(|answer| self.veil.answer(answer)),
            left: self.veil.left(),
            reply,
        });
        let _ = kept.await;
    }
}
