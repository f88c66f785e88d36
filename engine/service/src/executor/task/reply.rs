//! Who waits for the run, and what is said to them.

use stanch_run::Withheld;
use tokio::sync::oneshot;

use crate::executor::mail::{Letter, Refusal};

/// Who is answered when a batch is durable.
pub(super) enum Reply {
    Input(oneshot::Sender<Result<(), Refusal>>),
    Starting(oneshot::Sender<Result<(), (Option<Withheld>, String)>>),
    Ended(oneshot::Sender<()>),
}

pub(super) fn answer(reply: Reply) {
    match reply {
        Reply::Input(reply) => drop(reply.send(Ok(()))),
        Reply::Starting(reply) => drop(reply.send(Ok(()))),
        Reply::Ended(reply) => drop(reply.send(())),
    }
}

pub(super) fn reject(reply: Reply, refusal: &Refusal) {
    match reply {
        Reply::Input(reply) => drop(reply.send(Err(refusal.clone()))),
        Reply::Starting(reply) => drop(reply.send(Err((Some(Withheld::Stopping), refusal.to_string())))),
        // What was answered and could not be kept is in doubt, and stays so: the sender's wait just ends.
        Reply::Ended(reply) => drop(reply),
    }
}

pub(super) fn refuse(letter: Letter, refusal: &Refusal) {
    match letter {
        Letter::Input(_, reply) => drop(reply.send(Err(refusal.clone()))),
        Letter::Starting { reply, .. } => {
            drop(reply.send(Err((Some(Withheld::Stopping), refusal.to_string()))))
        }
        _ => {}
    }
}
