//! What is shown besides a run: lists, status, explanations.

mod audit;
mod call;
mod cases;
mod doctor;
mod engine;
mod files;
mod plugins;
mod report;
mod runs;

pub use audit::audit;
pub use call::{called, played};
pub use cases::{otherwise, tried};
pub use doctor::examined;
pub use engine::{reloaded, status};
pub use files::{checked, tested};
pub use plugins::{plugin, plugin_check, plugin_diff, plugin_file, plugins};
pub use report::report;
pub use runs::{accepted, explained, runs};
