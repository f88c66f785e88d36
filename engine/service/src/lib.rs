//! What runs all day: alerts come in ([`intake`]), runs are driven, people decide, and runbooks, plugins and settings are
//! swapped while this goes on ([`snapshot`]).

pub mod audit;
pub mod channels;
pub mod clock;
pub mod config;
pub mod control;
pub mod doctor;
mod door;
pub mod executor;
pub mod intake;
pub mod oidc;
pub mod rbac;
pub mod rehearsal;
pub mod reload;
pub mod report;
pub mod secrets;
pub mod serve;
pub mod snapshot;
pub mod telemetry;

pub use snapshot::{Current, Installed, LoadedRunbook, Problem, ProblemKind, Snapshot};
mod web;
