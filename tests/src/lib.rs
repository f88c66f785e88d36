//! What the tests with real parts share: plugins as they are shipped, installed in the real sandbox, and a local server.
//!
//! Nothing here stands in for a part of the engine. What the engine's run would do around a call (check the plan, keep the
//! journal of an apply) is done by [`Installed`] in the few lines that a test can see through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests call this, and they must stop here"
)]

pub mod disk;
pub mod first;
mod installed;
mod languages;
mod released;
mod server;

pub use installed::{Installed, code, context, http_grant, packed, sandbox};
pub use languages::{begun, built, compiled, kept, toolbox, tools_path};
pub use released::Released;
pub use server::{Received, Server};
