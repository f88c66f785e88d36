//! What is shown besides a run: lists, status, explanations.

mod engine;
mod plugins;
mod runs;

pub use engine::{reloaded, status};
pub use plugins::{plugin, plugin_file, plugins};
pub use runs::{accepted, explained, runs};
