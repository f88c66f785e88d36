//! Where questions are put, and how people hear of them and of what else they have to do or should know: beside the executor,
//! which never waits for any of it.
//!
//! A run asks; its question is in the journal before anything here knows of it (`desk`). Whose turn it is, is decided by
//! `turn`, what people see by `card`; both are pure. A `Channel` puts it somewhere and follows it. What became of
//! each post is an event of the run, so a restart goes on with the messages that are there. Where a channel is down the run
//! goes on, and the next channel is asked.
//!
//! An answer goes the way of every answer: to the run, which alone says whether it counts. So the same yes from two channels
//! counts once, and whoever may not decide may not, wherever they say it.

mod card;
mod desk;
mod matter;
mod notice;
mod plugin;
pub mod slack;
mod turn;

use async_trait::async_trait;
use stanch_contract::Failure;

use crate::report::curve::Curve;

pub use self::card::{Card, Press, Standing};
pub use self::desk::Desk;
pub(crate) use self::matter::asks;

/// What there is to a question for who wants more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    /// All that can be said of it.
    pub(crate) text: String,
    /// The curves that the checks saw.
    pub(crate) curves: Vec<Curve>,
}

/// A place where people are asked.
#[async_trait]
pub(crate) trait Channel: Send + Sync {
    /// Puts the question there. Gives what the message is known by; empty where it cannot be changed any more.
    ///
    /// # Errors
    /// Where it is not there.
    async fn ask(&self, card: &Card, details: &Details) -> Result<String, Failure>;

    /// Shows how the question stands now.
    ///
    /// # Errors
    /// Where it still shows what it did.
    async fn show(&self, reference: &str, card: &Card) -> Result<(), Failure>;

    /// Says that the question will soon be a no.
    ///
    /// # Errors
    /// Where it does not say so.
    async fn warn(&self, reference: &str, card: &Card) -> Result<(), Failure>;
}
