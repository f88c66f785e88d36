//! All tests: the plugins are built, the runbooks that ship are checked and tested with them, then cargo's tests run and the demo
//! is played. The real parts that tests start are got meanwhile.

mod programs;

use std::path::Path;
use std::process::Command;

use stanch_outside::serve::Scratch;

use crate::engine::{Binaries, Build};
use crate::parts::Getting;
use crate::shell::{TaskError, Workspace, root, run, step};
use crate::{needs, plugins};

/// Passes all tests.
pub(crate) fn all(install: bool) -> Result<(), TaskError> {
    needs::met(install)?;
    let parts = Getting::begin();
    let workspace = Workspace::read()?;
    let binaries = Binaries::build(&workspace, Build::WithTests)?;
    let plugins = plugins::build(&workspace, &binaries)?;
    step("check and test the runbooks that ship", || {
        shipped_runbooks(&binaries, &plugins)
    })?;
    step("wait for the parts of tests", || parts.done())?;
    step("pass the tests", || programs::run(&workspace, &binaries))
}

/// The way to a cluster that is nowhere: no test of a runbook asks one.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{ name: eu, cluster: { server: \"https://127.0.0.1:1\" } }]
users: [{ name: engine, user: { token: none } }]
contexts: [{ name: eu, context: { cluster: eu, user: engine } }]
current-context: eu
";

/// As the example of an operator's file has them, with the plugins that were just built.
fn shipped_runbooks(binaries: &Binaries, plugins: &Path) -> Result<(), TaskError> {
    let io = |what: &'static str| move |why: std::io::Error| TaskError::Other(format!("{what}: {why}"));
    let example =
        std::fs::read_to_string(root().join("stanch.example.toml")).map_err(io("stanch.example.toml"))?;
    let settings = example
        .replace(
            "source = \"plugins/",
            &format!("source = \"{}/", plugins.display()),
        )
        .replace(
            "path = \"runbooks\"",
            &format!("path = \"{}\"", root().join("runbooks").display()),
        );
    let scratch = Scratch::new("runbooks").map_err(io("a folder for stanch.toml"))?;
    scratch
        .write("stanch.toml", settings)
        .map_err(io("stanch.toml"))?;
    std::fs::create_dir(scratch.path().join("clusters")).map_err(io("clusters"))?;
    scratch
        .write("clusters/eu.yaml", KUBECONFIG)
        .map_err(io("clusters/eu.yaml"))?;
    for what in ["check", "test"] {
        run(Command::new(binaries.get("stanch"))
            .current_dir(scratch.path())
            .env("ALERTMANAGER_TOKEN", "nobody-is-told-anything")
            .env("WEBHOOK_SECRET", "nobody-is-told-anything")
            .arg(what))?;
    }
    Ok(())
}
