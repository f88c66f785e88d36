//! The cases of the shipped plugins, played with the components as they are shipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanch_recorded::case::{Case, play};
use stanch_sandbox::{Plugin, Sandbox};
use stanch_tests::{packed, sandbox};

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A plugin as it is shipped, compiled once for all its cases.
async fn shipped(name: &str) -> (Sandbox, Arc<Plugin>) {
    let sandbox = sandbox();
    let plugin = sandbox.install(packed(&sandbox, name).await).await.unwrap();
    (sandbox, plugin)
}

/// What is wrong with a case; nothing where it passes.
async fn wrong((sandbox, plugin): &(Sandbox, Arc<Plugin>), text: &str, path: &Path) -> String {
    let case = match Case::read(&path.display().to_string(), text, plugin.kind()) {
        Ok(case) => case,
        Err(errors) => return errors.to_string(),
    };
    let played = play(sandbox, plugin, &case).await.unwrap();
    let wrong: Vec<String> = played.wrong.iter().map(ToString::to_string).collect();
    wrong.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_plugin_has_cases_and_they_pass() {
    let mut all = String::new();
    for folder in sorted(&stanch_test_support::root().join("plugins")) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let paths: Vec<PathBuf> = sorted(&folder.join("cases"))
            .into_iter()
            .filter(|path| path.to_string_lossy().ends_with(".case.toml"))
            .collect();
        // Something it does, something it is refused, and a host that fails.
        assert!(paths.len() >= 3, "{name} has {} cases", paths.len());
        let plugin = shipped(&name).await;
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let wrong = wrong(&plugin, &text, &path).await;
            if !wrong.is_empty() {
                writeln!(all, "{}:\n{wrong}\n", path.display()).unwrap();
            }
        }
    }
    assert!(all.is_empty(), "{all}");
}

/// A case of which one thing is changed fails where that thing is: none passes whatever comes out.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_a_shipped_plugin_that_expects_something_else_fails_there() {
    let table: BTreeMap<(&str, &str), (&str, &str, &str)> = BTreeMap::from([
        (
            ("disk-cleanup", "old-files"),
            (
                "\"scratch/orders.db\"]",
                "\"scratch/orders.db\", \"scratch/upload.tmp\"]",
                "left\n- ",
            ),
        ),
        (
            ("http-probe", "slow"),
            ("passed = 1 }", "passed = 2 }", "finding.data.passed\n- 2\n+ 1"),
        ),
        (
            ("webhook", "delivered"),
            (
                "to = \"oncall\", report",
                "to = \"sales\", report",
                "`notify` asked for `POST https://hooks.example/stanch`, and ",
            ),
        ),
        (
            ("config-switch", "switched"),
            (
                "old = \"fast\"",
                "old = \"slow\"",
                "plan.data.old\n- \"slow\"\n+ \"fast\"",
            ),
        ),
        (
            ("prometheus-query", "no-data"),
            (
                "\"unknown\"",
                "\"no\"",
                "finding.verdict\n- \"no\"\n+ \"unknown\"",
            ),
        ),
    ]);
    for ((plugin, case), (from, to, says)) in table {
        let path = stanch_test_support::root().join(format!("plugins/{plugin}/cases/{case}.case.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{plugin} {case}");
        let wrong = wrong(&shipped(plugin).await, &text.replace(from, to), &path).await;
        assert!(wrong.contains(says), "{plugin} {case}: {wrong}");
    }
}
