//! Drives runs: carries out what a run's state asks for and feeds back what happened.
//!
//! [`stanch_run`] decides, this folder does. Each run has one task (`task`), which owns its state and is the only writer
//! of its events; everybody else sends it messages. What runs share is the `board`: the ledger of locks and budgets, the
//! episodes, and where each run's task is reached; one lock around it, never held over a wait. An alert's way is
//! `accept`, a plugin call's is `calls`, an action's is `actions`; a restart is `recover`, which folds the journal
//! and then does what any run does.
//!
//! What waits for the disk is named by the events themselves ([`stanch_run::event::Barrier`]); all else joins the next
//! commit.

mod accept;
mod actions;
mod again;
mod board;
pub(crate) mod calls;
mod dry;
mod engine;
mod hidden;
mod id;
pub(crate) mod mail;
mod matching;
pub(crate) mod notify;
mod people;
mod pins;
pub(crate) mod reach;
mod recover;
mod rows;
mod task;
#[cfg(test)]
mod tests;

pub use dry::DryRunError;
pub use engine::{Engine, Observer, Parts, Silent, StartError, StuckRun};
pub use mail::Refusal;
pub use matching::{Condition, Explained};
pub use people::StartRefused;
pub(crate) use pins::pins_of;
pub use reach::NotTheirs;
pub use rows::{Listed, WaitingFor};
