//! The real parts that tests start: what they are built from, where they are kept, and how they are got.
//!
//! What is built is built once and kept outside the checkout, under a key of what it is made of, because a control plane
//! takes minutes; the rest is installed from Debian. `cargo xtask test --install` gets them, tests only look.

mod cache;
mod debian;
mod go;
mod tell;

use std::path::{Path, PathBuf};

pub use tell::Tell;

/// Why a part could not be got.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program could not be started.
    #[error("`{program}` could not be started: {why}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// A program ended badly; what it said was told.
    #[error("`{0}` failed")]
    Failed(String),
    /// The place where parts are kept is not as it must be.
    #[error("the parts of tests cannot be kept in {}: {why}", place.display())]
    Cache {
        /// The folder or file.
        place: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// What was got is not what it must be.
    #[error("{0}")]
    Odd(String),
}

/// A program, or several that are one, that tests start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// etcd, the API server, the controllers, the scheduler, kwok and kubectl, in one program.
    ControlPlane,
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
    /// Caddy.
    Caddy,
    /// Chromium.
    Chromium,
    /// What drives Chromium.
    Chromedriver,
}

impl Part {
    /// All of them; what takes longest is first.
    pub const ALL: [Self; 6] = [
        Self::ControlPlane,
        Self::Caddy,
        Self::Prometheus,
        Self::Alertmanager,
        Self::Chromium,
        Self::Chromedriver,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::ControlPlane => "a Kubernetes control plane",
            Self::Prometheus => "Prometheus",
            Self::Alertmanager => "Alertmanager",
            Self::Caddy => "Caddy",
            Self::Chromium => "Chromium",
            Self::Chromedriver => "Chromium's driver",
        }
    }

    /// How it is got, for people.
    pub fn how(self) -> &'static str {
        match self {
            Self::ControlPlane | Self::Caddy => {
                "built with Go, which is got first where it is missing or too old"
            }
            Self::Prometheus | Self::Alertmanager | Self::Chromium | Self::Chromedriver => {
                "from Debian's package"
            }
        }
    }

    /// Where it is; none where it has to be got first.
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Self::ControlPlane => go::CONTROL_PLANE.program(&cache::folder()),
            Self::Caddy => go::CADDY.program(&cache::folder()),
            Self::Prometheus => debian::PROMETHEUS.program(),
            Self::Alertmanager => debian::ALERTMANAGER.program(),
            Self::Chromium => debian::CHROMIUM.program(),
            Self::Chromedriver => debian::CHROMEDRIVER.program(),
        }
    }

    /// Gets it, unless it is there. `root` is the checkout; every line that is said on the way is told. Where it is being
    /// got already, by whomever, that is waited for.
    ///
    /// # Errors
    /// Where it cannot be got: what is missing for it, and what to do.
    pub fn get(self, root: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
        match self {
            Self::ControlPlane => go::CONTROL_PLANE.get(&cache::folder(), root, tell),
            Self::Caddy => go::CADDY.get(&cache::folder(), root, tell),
            Self::Prometheus => debian::PROMETHEUS.get(tell),
            Self::Alertmanager => debian::ALERTMANAGER.get(tell),
            Self::Chromium => debian::CHROMIUM.get(tell),
            Self::Chromedriver => debian::CHROMEDRIVER.get(tell),
        }
    }
}
