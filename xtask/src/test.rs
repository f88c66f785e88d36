//! All tests: the plugins are built, the runbooks that ship are checked and tested with them, then cargo's tests run, in
//! one invocation, so that its summary is the last that is said.

use crate::shell::{TaskError, cargo, root, run, step};
use crate::{needs, plugins};

/// Passes all tests.
pub(crate) fn all(install: bool) -> Result<(), TaskError> {
    needs::met(install)?;
    plugins::build()?;
    step("check and test the runbooks that ship", || {
        let settings = root().join("runbooks/stanch.toml");
        for what in ["check", "test"] {
            let mut stanch = cargo();
            stanch.args([
                "run",
                "--quiet",
                "--locked",
                "--package",
                "stanch-cli",
                "--",
                what,
                "--config",
            ]);
            run(stanch.arg(&settings))?;
        }
        Ok(())
    })?;
    step("cargo test", || {
        run(cargo().args(["test", "--workspace", "--locked"]))
    })
}
