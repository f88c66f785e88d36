//! Packages of Python's registry, installed beside cargo's work and not into the system.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::tell::{self, Tell};
use crate::{BuildError, debian};

/// Installs packages into `packages` of the folder `to`.
pub(crate) fn packages(to: &Path, packages: &[&str], tell: Tell<'_>) -> Result<(), BuildError> {
    if !runs("python3", &["-c", "import venv, ensurepip"]) {
        debian::install("python3-venv", tell)?;
    }
    let venv = to.join("venv");
    tell::run(Command::new("python3").args(["-m", "venv"]).arg(&venv), tell)?;
    let mut pip = Command::new(venv.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(packages);
    // Beside the environment, which does not work where it is moved to; what is in the packages does.
    tell::run(pip.arg("--target").arg(to.join("packages")), tell)
}

/// Whether a program of this name is on the path.
pub(crate) fn starts(program: &str) -> bool {
    runs(program, &["--version"])
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
