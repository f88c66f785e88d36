//! What is said to a run's task.

use std::sync::Arc;

use bytes::Bytes;
use stanch_contract::{ActionState, Digest};
use stanch_run::command::Key;
use stanch_run::words::Withheld;
use stanch_run::{Input, Refused, State};
use tokio::sync::{mpsc, oneshot};

use super::reach::NotTheirs;

/// A content that a call left, too large to be part of the events.
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

/// Something for a run's task.
pub(crate) enum Letter {
    /// A person, or an alert: answered once it is durable.
    Input(Box<Input>, oneshot::Sender<Result<(), Refusal>>),
    /// A call ended, or another thing that nobody waits for, with the contents it left.
    Happened(Box<Input>, Vec<Content>),
    /// The gate is about to send an action: answered once that is durable, or with why it must not.
    Starting {
        key: Key,
        action: u32,
        reply: oneshot::Sender<Result<(), (Option<Withheld>, String)>>,
    },
    /// The gate has what became of it: answered once that is durable.
    Ended {
        key: Key,
        action: u32,
        state: ActionState,
        answer: Option<Vec<u8>>,
        left: Vec<Content>,
        reply: oneshot::Sender<()>,
    },
    /// What runs share changed: something that was in the way may not be any more.
    Shared,
    /// The state, as it is now: answered once all that it says is in the journal.
    Look(oneshot::Sender<Arc<State>>),
    /// The run's closing, which nobody waited for, is in the journal; or it is not.
    Closed(bool),
    /// No new calls: the engine is stopping.
    Drain,
}

/// Where a run's task is reached.
pub(crate) type Mailbox = mpsc::UnboundedSender<Letter>;

/// Why something that a person or an alert wanted of a run did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run does not take it.
    #[error(transparent)]
    Run(#[from] Refused),
    /// Their role does not reach there.
    #[error(transparent)]
    NotTheirs(#[from] NotTheirs),
    /// It could not be made durable, so it did not happen.
    #[error("the journal cannot keep it now: {0}")]
    NotDurable(String),
    /// There is no such run, or nothing is to be expected of it any more.
    #[error("there is no open run `{0}`")]
    NoRun(String),
    /// The engine is stopping.
    #[error("the engine is stopping; it goes on with its runs when it is started again")]
    Stopping,
}
