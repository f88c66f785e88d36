//! Wasm: compile, cache, link and call plugins with limits; the gate, and the capabilities behind it.

pub mod files;
pub mod gate;
pub mod http;
pub mod secret;
