//! Clusters at the gate, with a real API server: every verb with its denied twin, preconditions, budgets, dry runs, the
//! population, and what a lost answer means.
//!
//! The API server's audit log says what really arrived: what is refused leaves no trace in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod doubts;
mod guest;
mod plans;
mod population;
mod reach;
mod reads;
mod secrets;
mod turned_away;
mod world;
