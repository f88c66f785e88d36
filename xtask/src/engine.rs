//! Building the engine's programs.
//!
//! Always for the whole workspace, and never package by package: cargo chooses the features of what is depended on by what
//! is asked for, and each choice would build wasmtime once more.

use std::path::PathBuf;

use crate::shell::{TaskError, Workspace, cargo, run, step};

/// How they are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Soon.
    Dev,
    /// Soon, and the tests with them.
    WithTests,
    /// Fast.
    Release,
}

/// The programs, once they are built.
pub(crate) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Builds them.
    pub(crate) fn build(workspace: &Workspace, how: Build) -> Result<Self, TaskError> {
        let (what, profile) = match how {
            Build::Dev => ("build the engine", "debug"),
            Build::WithTests => ("build the engine and the tests", "debug"),
            Build::Release => ("build the engine, optimised", "release"),
        };
        step(what, || {
            let mut build = cargo();
            build.args(["build", "--locked", "--workspace"]);
            match how {
                Build::Dev => build.arg("--bins"),
                Build::WithTests => build.args(["--bins", "--tests"]),
                // Each program is optimised as a whole when it is linked, so only what is measured is, and what measures.
                Build::Release => build.args([
                    "--release",
                    "--bin",
                    "stanch",
                    "--bin",
                    "cluster-bench",
                    "--bin",
                    "pages-bench",
                ]),
            };
            run(&mut build)
        })?;
        Ok(Self {
            folder: workspace.target().join(profile),
        })
    }

    /// Those of a development build that is there already. Building them without the tests would choose other features once more,
    /// and put others in their place while the tests run.
    pub(crate) fn built(workspace: &Workspace) -> Self {
        Self {
            folder: workspace.target().join("debug"),
        }
    }

    /// Where a program is.
    pub(crate) fn get(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}
