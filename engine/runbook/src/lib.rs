//! The runbook language: TOML text to a checked [`Runbook`], its expressions, its matching, and the page that a person
//! reads. No I/O, no clock: everything comes in as an argument.

pub mod channel;
mod error;
mod escape;
pub mod expr;
pub mod given;
pub mod guardrails;
pub mod index;
pub mod input;
pub mod load;
pub mod matcher;
pub mod model;
pub mod problem;
pub mod render;
pub mod schema;
pub mod source;
pub mod testfile;
pub mod trigger;

pub use channel::Channel;
pub use error::Error;
pub use guardrails::EngineGuardrails;
pub use index::{Index, Match};
pub use input::{InputError, convert_input};
pub use load::{Loader, load};
pub use model::Runbook;
pub use problem::{LoadErrors, Problem};
pub use schema::{Schema, SchemaError, validate};
pub use source::{Catalogue, PluginFacts, RunbookSource};
pub use trigger::{Condition, explain, stopped_by};

/// Reading a TOML file key by key, with every mistake told at its place: what runbooks and the operator's file are read
/// with.
pub mod reading {
    pub use crate::load::fields::{Fields, Got, is_key, one_of, text, wrong_type};
    pub use crate::load::node::{Data, Entry, Node, Table, parse};
    pub use crate::problem::{At, Problems, did_you_mean};
}
