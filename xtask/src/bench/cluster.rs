//! The bench on a real cluster, a program of its own: called, and its figures read.

use std::process::Command;

use super::figure::{Goal, Table};
use crate::engine::Binaries;
use crate::shell::{TaskError, output};

/// Measures, and adds every figure to the table.
pub(super) fn measured(binaries: &Binaries, table: &mut Table) -> Result<(), TaskError> {
    let said = output(&mut Command::new(binaries.get("cluster-bench")))?;
    for line in said.lines() {
        let (name, value, goal) = figure(line)
            .ok_or_else(|| TaskError::Other(format!("`cluster-bench` says `{line}`, which is no figure")))?;
        table.add(name, goal, value);
    }
    Ok(())
}

/// Its name, its value, its unit, with tabs between.
fn figure(line: &str) -> Option<(&str, f64, Goal)> {
    let mut parts = line.split('\t');
    let (name, value) = (parts.next()?, parts.next()?.parse().ok()?);
    let goal = match parts.next()? {
        "ms" => Goal::None("ms"),
        "×" => Goal::None("×"),
        _ => return None,
    };
    Some((name, value, goal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_name_a_value_and_a_unit() {
        let (name, value, goal) = figure("alert to recycle\t12.5\tms").unwrap();
        assert_eq!(
            (name, value, goal.to_string().as_str()),
            ("alert to recycle", 12.5, "")
        );
        for odd in ["", "alert", "alert\tmany\tms", "alert\t1\tparsecs"] {
            assert!(figure(odd).is_none(), "{odd}");
        }
    }
}
