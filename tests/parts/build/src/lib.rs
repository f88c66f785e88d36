//! The real parts that tests start: what they are built from, where they are kept, and how they are got.
//!
//! What is built is built once and kept outside the checkout, under a key of what it is made of, because a control plane
//! takes minutes; the rest is installed from Debian. `cargo xtask test --install` gets them, tests only look.

mod axe;
mod cache;
mod debian;
mod go;
mod languages;
mod oidc;
mod python;
mod slack;
mod tell;

use std::path::{Path, PathBuf};

pub use languages::node;
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

/// What is kept at `name` in the folder of parts, made by `make` where nothing was made yet of these inputs: `make` fills a
/// folder. One at a time on this machine; what is old of the same name goes.
///
/// # Errors
/// As `make` fails, and where nothing can be kept.
pub fn keep<'a>(
    name: &str,
    inputs: impl IntoIterator<Item = &'a [u8]>,
    make: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let place = cache::folder()
        .join("parts")
        .join(format!("{name}-{}", cache::key(inputs)));
    cache::kept(&place, make)?;
    Ok(place)
}

/// A folder of parts that several may write to, each by its own rules.
pub fn shared(name: &str) -> PathBuf {
    cache::folder().join("parts").join(name)
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
    /// toxiproxy.
    Toxiproxy,
    /// Chromium.
    Chromium,
    /// What drives Chromium.
    Chromedriver,
    /// Go, for plugins in it.
    Go,
    /// componentize-py and zig, for plugins in Python and C: a folder of programs.
    PythonTools,
    /// componentize-qjs, esbuild and the compiler of TypeScript, for plugins in JavaScript and TypeScript: a folder of
    /// programs.
    ScriptTools,
    /// axe-core, which finds what keeps people from using a page: a script to be run in it.
    Axe,
    /// Slack's own SDK and its framework for apps, which sign and judge what Slack would send: a folder of Python's packages.
    SlackSdk,
    /// A provider of OpenID Connect: a folder of Node's packages.
    OidcProvider,
}

impl Part {
    /// All of them; what takes longest is first.
    pub const ALL: [Self; 13] = [
        Self::ControlPlane,
        Self::Caddy,
        Self::Toxiproxy,
        Self::PythonTools,
        Self::ScriptTools,
        Self::SlackSdk,
        Self::Go,
        Self::Prometheus,
        Self::Alertmanager,
        Self::Chromium,
        Self::Chromedriver,
        Self::Axe,
        Self::OidcProvider,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::ControlPlane => "a Kubernetes control plane",
            Self::Prometheus => "Prometheus",
            Self::Alertmanager => "Alertmanager",
            Self::Caddy => "Caddy",
            Self::Toxiproxy => "toxiproxy",
            Self::Chromium => "Chromium",
            Self::Chromedriver => "Chromium's driver",
            Self::Go => "Go",
            Self::PythonTools => "componentize-py and zig",
            Self::ScriptTools => "componentize-qjs, esbuild and TypeScript",
            Self::Axe => "axe-core",
            Self::SlackSdk => "Slack's SDK for Python",
            Self::OidcProvider => "a provider of OpenID Connect",
        }
    }

    /// How it is got, for people.
    pub fn how(self) -> &'static str {
        match self {
            Self::ControlPlane | Self::Caddy | Self::Toxiproxy => {
                "built with Go, which is got first where it is missing or too old"
            }
            Self::Prometheus | Self::Alertmanager | Self::Chromium | Self::Chromedriver => {
                "from Debian's package"
            }
            Self::Go | Self::PythonTools | Self::SlackSdk => "from Python's registry",
            Self::ScriptTools | Self::Axe | Self::OidcProvider => "from npm's registry",
        }
    }

    /// Where it is; none where it has to be got first.
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Self::ControlPlane => go::CONTROL_PLANE.program(&cache::folder()),
            Self::Caddy => go::CADDY.program(&cache::folder()),
            Self::Toxiproxy => go::TOXIPROXY.program(&cache::folder()),
            Self::Prometheus => debian::PROMETHEUS.program(),
            Self::Alertmanager => debian::ALERTMANAGER.program(),
            Self::Chromium => debian::CHROMIUM.program(),
            Self::Chromedriver => debian::CHROMEDRIVER.program(),
            Self::Go => go::found(&cache::folder()),
            Self::PythonTools => languages::python_tools(&cache::folder()),
            Self::ScriptTools => languages::script_tools(&cache::folder()),
            Self::Axe => axe::found(&cache::folder()),
            Self::SlackSdk => slack::sdk(&cache::folder()),
            Self::OidcProvider => oidc::found(&cache::folder()),
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
            Self::Toxiproxy => go::TOXIPROXY.get(&cache::folder(), root, tell),
            Self::Prometheus => debian::PROMETHEUS.get(tell),
            Self::Alertmanager => debian::ALERTMANAGER.get(tell),
            Self::Chromium => debian::CHROMIUM.get(tell),
            Self::Chromedriver => debian::CHROMEDRIVER.get(tell),
            Self::Go => go::go(&cache::folder(), tell),
            Self::PythonTools => languages::get_python_tools(&cache::folder(), tell),
            Self::ScriptTools => languages::get_script_tools(&cache::folder(), tell),
            Self::Axe => axe::get(&cache::folder(), tell),
            Self::SlackSdk => slack::get_sdk(&cache::folder(), tell),
            Self::OidcProvider => oidc::get(&cache::folder(), tell),
        }
    }
}
