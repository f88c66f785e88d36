//! What Debian has, installed: a program of it looks for its files where the package puts them.

use std::path::PathBuf;
use std::process::Command;

use crate::BuildError;
use crate::tell::{self, Tell};

/// A program of a package.
pub(crate) struct DebianProgram {
    package: &'static str,
    /// Its names: Debian's, then what others call it.
    names: &'static [&'static str],
}

pub(crate) const PROMETHEUS: DebianProgram = DebianProgram {
    package: "prometheus",
    names: &["prometheus"],
};

pub(crate) const ALERTMANAGER: DebianProgram = DebianProgram {
    package: "prometheus-alertmanager",
    names: &["prometheus-alertmanager", "alertmanager"],
};

pub(crate) const CHROMIUM: DebianProgram = DebianProgram {
    package: "chromium",
    names: &["chromium", "chromium-browser"],
};

pub(crate) const CHROMEDRIVER: DebianProgram = DebianProgram {
    package: "chromium-driver",
    names: &["chromedriver"],
};

impl DebianProgram {
    /// Where it is on the path.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut files = self
            .names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        files.find(|file| file.is_file())
    }

    /// Installs it.
    pub(crate) fn get(&self, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
        if let Some(program) = self.program() {
            return Ok(program);
        }
        install(self.package, tell)?;
        self.program().ok_or_else(|| {
            BuildError::Odd(format!(
                "Debian's package `{}` brings no `{}`: put the program on the path",
                self.package,
                self.names.join("` or `")
            ))
        })
    }
}

/// Installs a package, with what it needs and no more.
pub(crate) fn install(package: &str, tell: Tell<'_>) -> Result<(), BuildError> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        // Somebody else may be installing something.
        apt.args(["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]);
        apt
    };
    // A new machine knows no packages yet.
    tell::run(apt().arg("update"), tell)?;
    let mut installs = apt();
    tell::run(
        installs.args(["install", "--yes", "--no-install-recommends", package]),
        tell,
    )
}
