//! stanch.toml: the operator's file, as text and as checked settings.

pub mod settings;

pub use settings::Settings;
