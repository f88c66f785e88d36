//! All tests: the plugins are built, the runbooks that ship are checked and tested with them, then cargo's tests run, in
//! one invocation, so that its summary is the last that is said.

use std::process::Command;

use crate::engine::{Binaries, Build};
use crate::shell::{TaskError, Workspace, cargo, root, run, step};
use crate::{needs, plugins};

/// Passes all tests.
pub(crate) fn all(install: bool) -> Result<(), TaskError> {
    needs::met(install)?;
    let workspace = Workspace::read()?;
    let binaries = Binaries::build(&workspace, Build::WithTests)?;
    plugins::build(&workspace, &binaries)?;
    step("check and test the runbooks that ship", || {
        for what in ["check", "test"] {
            run(Command::new(binaries.get("stanch"))
                .current_dir(root())
                .arg(what)
                .arg("runbooks"))?;
        }
        Ok(())
    })?;
    step("cargo test", || {
        run(cargo().args(["test", "--workspace", "--locked"]))
    })
}
