//! The state machine with a world that answers from scripts, a virtual clock and the real ledger.

mod basics;
mod batch;
mod endings;
mod generated;
mod objects;
mod posting;
mod ramp;
mod rules;
mod shared;
mod sim;
mod undo;

pub(crate) use sim::alert;
