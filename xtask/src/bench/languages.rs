//! What a plugin costs in each language: measured by a bench of the tests, which have the plugins, and read here.

use serde_json::Value;

use super::figure::{Goal, Table};
use crate::shell::{TaskError, cargo, output};

/// The bench.
pub(super) const BENCH: &str = "languages";

/// Measures, and adds what was told to the table.
pub(super) fn measured(table: &mut Table) -> Result<(), TaskError> {
    let mut bench = cargo();
    bench.args(["bench", "--locked", "--workspace", "--bench", BENCH]);
    let said = output(&mut bench)?;
    let lines = said.lines().filter_map(|line| serde_json::from_str(line).ok());
    let told: Vec<(String, f64, &str)> = lines.filter_map(|line: Value| figure(&line)).collect();
    if told.is_empty() {
        return Err(TaskError::Other(format!("the bench `{BENCH}` told nothing")));
    }
    for (name, value, unit) in told {
        table.add(&name, Goal::None(unit), value);
    }
    Ok(())
}

fn figure(line: &Value) -> Option<(String, f64, &'static str)> {
    let text = |member: &str| line.get(member)?.as_str();
    let value = line.get("value")?.as_f64()?;
    Some((text("name")?.to_owned(), value, unit_of(text("unit")?)))
}

/// Units are few, and known while the table is kept.
fn unit_of(unit: &str) -> &'static str {
    match unit {
        "ms" => "ms",
        "KiB" => "KiB",
        "MiB" => "MiB",
        _ => "",
    }
}
