//! What the control socket and the command line say to each other.
//!
//! The shapes are those of the routes under `/api/v1`. Every view is whole: a reader needs no second question to show
//! it, and a later message replaces an earlier one. Texts that came from outside were cleaned before they got here
//! ([`stanch_contract::text`]); times are milliseconds since 1970, lengths of time are milliseconds.

mod engine;
mod listed;
mod problem;
mod ready;
mod request;
mod run;

pub use engine::*;
pub use listed::*;
pub use problem::{Code, Problem};
pub use ready::*;
pub use request::*;
pub use run::*;
