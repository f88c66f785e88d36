//! Wasm plugins, run where they can do no harm.
//!
//! A plugin is compiled once, when it is installed ([`Sandbox::install`]), and every call of it gets a fresh instance
//! with limits of its own ([`Installation`]). What a plugin can reach is in two places only: `host`, which turns the
//! contract's imports into calls of the gate, and `gate`, which knows the grant, the phase and the plan and decides.
//! WASI is linked, because most toolchains import it, and empty: no environment, folders, sockets or look-ups.
//!
//! Not protected against: a flaw in wasmtime itself. A plugin shares the engine's process.

mod bindings;
mod cache;
mod call;
mod clock;
mod compiler;
mod convert;
mod engine;
mod error;
pub mod files;
pub mod gate;
mod host;
pub mod http;
mod inspect;
mod installation;
pub mod kubernetes;
mod limits;
mod notebook;
mod output;
mod plugin;
mod redact;
mod schema;
pub mod secret;
mod shape;
mod time;

pub use call::CallReport;
pub use compiler::{Compiler, compile_for_parent};
pub use engine::{Allocation, Sandbox, SandboxError, SandboxOptions};
pub use error::{CallFault, InstallError, LimitHit};
pub use installation::{CallContext, Installation, InstallationParts, Message};
pub use limits::{Limit, Limits, LimitsError, MOST_MEMORY};
pub use notebook::{LogLevel, LogLine, Reading, Readings};
pub use plugin::Plugin;
pub use time::{CallTime, GivenTime, Time};
