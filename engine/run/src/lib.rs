//! What the engine does with a run, and nothing else: (state, event) → state, and state → next commands.
//!
//! A run is the fold of its events. What happened outside comes in as an [`Input`]; [`State::handle`] makes events of it;
//! [`State::commands`] says from the state alone what is to be done next. So recovery after a crash is: fold, then
//! commands. What runs share (locks, rates, cooldowns, pauses, places) is decided by the [`ledger`], a fold of the same
//! events of all runs; which run an alert belongs to by [`episode`]. No I/O, no clock, no randomness: time and ids are
//! arguments.

pub mod actor;
pub mod codec;
pub mod command;
pub mod episode;
pub mod event;
pub mod firings;
pub mod input;
pub mod ledger;
pub mod opened;
pub mod words;

mod cancel;
mod diagnosis;
mod ending;
mod escalation;
mod people;
mod posting;
mod recovery;
mod scope;
mod state;
mod step;
mod view;

pub use actor::{Actor, Bound, Role, Scope};
pub use codec::{DecodeError, decode, encode};
pub use command::{ApplyCall, Call, Command, CommandId, Key, Notify, PluginCall, Slot};
pub use event::{Barrier, Event, EventKind, Question};
pub use input::{CallResult, Input, Refused};
pub use ledger::{Blocked, Budget, Claim, Guard, Ledger};
pub use opened::{Opened, Pin};
pub use posting::{Awaited, Notice, Post, Posted};
pub use scope::idempotency_key;
pub use state::{FoldError, Now, Phase, State};
pub use step::Stage;
pub use view::{BatchView, CheckView, OpenQuestion, QuestionKind, RampView, RunView, StepView};
pub use words::*;

#[cfg(test)]
mod tests;
