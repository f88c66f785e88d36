//! The criterion benches of the crates: called, and their medians read.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::figure::{Goal, Table};
use super::languages;
use crate::shell::{TaskError, Workspace, cargo, run};

/// The medians that have a goal: criterion's name, the figure's, how many nanoseconds its unit has.
const GOALS: [(&str, &str, Goal, f64); 2] = [
    (
        "fresh instance and call, 1 KiB in and out",
        "fresh instance and call, 1 KiB in and out, p50",
        Goal::AtMost(30.0, "µs"),
        1e3,
    ),
    (
        "load of a compiled plugin",
        "load of a compiled plugin, p50",
        Goal::AtMost(1.0, "ms"),
        1e6,
    ),
];

/// Measures, and adds every median to the table.
pub(super) fn measured(workspace: &Workspace, table: &mut Table) -> Result<(), TaskError> {
    let mut bench = cargo();
    bench.args(["bench", "--locked", "--workspace"]);
    for name in workspace
        .benches()
        .iter()
        .filter(|name| *name != languages::BENCH)
    {
        bench.args(["--bench", name]);
    }
    run(&mut bench)?;
    let mut found = Vec::new();
    medians(&workspace.target().join("criterion"), "", &mut found);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, nanoseconds) in found {
        match GOALS.iter().find(|(known, ..)| *known == name) {
            Some((_, words, goal, unit)) => table.add(words, *goal, nanoseconds / unit),
            None => table.add(&name, Goal::None("µs"), nanoseconds / 1e3),
        }
    }
    Ok(())
}

/// Criterion keeps each bench's estimates in `GROUP/NAME/new/estimates.json`, or without a group in
/// `NAME/new/estimates.json`.
fn medians(folder: &Path, name: &str, found: &mut Vec<(String, f64)>) {
    if let Some(median) = median(&folder.join("new/estimates.json")) {
        found.push((name.to_owned(), median));
        return;
    }
    for below in fs::read_dir(folder).into_iter().flatten().flatten() {
        let part = below.file_name();
        let part = part.to_string_lossy();
        if below.path().is_dir() && part != "report" {
            let name = if name.is_empty() {
                part.into_owned()
            } else {
                format!("{name}/{part}")
            };
            medians(&below.path(), &name, found);
        }
    }
}

fn median(file: &Path) -> Option<f64> {
    let estimates: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}
