//! The runbook language: TOML text to a checked [`Runbook`], its expressions, its matching, and the page that a person
//! reads. No I/O, no clock: everything comes in as an argument.

pub mod expr;
pub mod guardrails;
pub mod matcher;
pub mod model;
pub mod source;

pub use guardrails::EngineGuardrails;
pub use model::Runbook;
pub use source::{Catalogue, PluginFacts, RunbookSource};
