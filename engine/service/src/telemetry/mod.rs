//! What the engine says of itself: logs ([`log`]) and metrics ([`metrics`]).
//!
//! Neither ever has a secret: secrets have no text form, and what comes from outside is cleaned before it gets here. Labels
//! of metrics are words of the engine or keys of the operator's file, and of the latter only a bounded number.

pub mod log;
pub mod metrics;

pub use metrics::Metrics;
