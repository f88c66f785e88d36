//! From a metric that flips to a healed alert, on a real cluster.
//!
//! All parts are real: pods under a budget on a Kubernetes control plane, Prometheus that scrapes and fires, Alertmanager that
//! posts, the engine as `stanch serve` starts it with the plugins as they ship, the command line as a person uses it. Only the
//! metrics are a test's own, because no pod here runs anything; a pod that is gone reports none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and the bench call this, and they must stop here"
)]

pub mod hangs;
mod kept;
mod plugins;
mod setting;
mod stage;
mod users;

pub use kept::kept;
pub use plugins::{packed, shipped};
pub use setting::{Around, Setting};
pub use stage::{Scenery, Stage};
pub use users::Users;
