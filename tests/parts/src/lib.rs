//! Real parts for tests: a Kubernetes control plane, Prometheus, Alertmanager, Caddy, toxiproxy, a provider of OpenID
//! Connect, a browser.
//!
//! Each is started on free ports of loopback, in a folder of its own, and is ready when it is returned. It ends with its
//! value, and with the test's process whatever ends that. What the parts said is in their folder, which stays where a test
//! fails, and whose name the test then says. Where a part is not there, the error says how it is got.
//!
//! A control plane takes seconds to start and most of a gigabyte: the tests of a program share [`shared`], each in a
//! [`Space`] of its own. A test that kills the API server starts a [`ControlPlane`] for itself.

pub mod alertmanager;
mod api;
pub mod audit;
mod browser;
mod caddy;
mod control_plane;
mod door;
mod metrics;
pub mod oidc;
mod people;
mod place;
mod process;
pub mod prometheus;
mod space;
mod toxiproxy;
mod wait;

pub use alertmanager::Alertmanager;
pub use api::{Answer, Api};
pub use browser::Browser;
pub use caddy::Caddy;
pub use control_plane::{ControlPlane, shared};
pub use door::Door;
pub use metrics::Metrics;
pub use oidc::OidcProvider;
pub use people::User;
pub use place::Place;
pub use process::Process;
pub use prometheus::Prometheus;
pub use space::{Space, is_ready};
pub use stanch_outside::counter::Moment;
pub use stanch_parts_build::Part;
pub use toxiproxy::{Toxic, Toxiproxy};
pub use wait::{PATIENCE, until};

/// Why a part does not do as a test needs.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PartError(String);

impl PartError {
    fn of(what: &str, why: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

impl From<String> for PartError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Where a part is.
///
/// # Errors
/// Where it has to be got first.
fn program(part: Part) -> Result<std::path::PathBuf, PartError> {
    part.program().ok_or_else(|| {
        PartError(format!(
            "{} is not there: `cargo xtask test --install` gets it ({})",
            part.words(),
            part.how()
        ))
    })
}
