//! stanch.toml: the operator's file, as text and as checked settings.
//!
//! [`parse`] reads the whole file in one go and tells every mistake with its place. It opens no other file: that a folder
//! or a plugin is there is found out when it is loaded, and is that folder's or plugin's problem, not the file's.

mod approvals;
mod clusters;
mod folders;
mod grants;
mod guardrails;
mod intake_map;
mod intake_watch;
mod intakes;
pub(crate) mod oidc;
mod parse;
mod people;
mod plugins;
mod secrets;
mod server;
pub mod settings;
mod values;

pub use parse::parse;
pub use settings::Settings;
pub use stanch_runbook::LoadErrors;
