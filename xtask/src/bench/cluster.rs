//! The bench on a real cluster, a program of its own: called, and its figures read.

use std::process::Command;

use super::figure::{Goal, Table};
use crate::engine::Binaries;
use crate::shell::{TaskError, output};

/// Measures, and adds every figure to the table.
pub(super) fn measured(binaries: &Binaries, table: &mut Table) -> Result<(), TaskError> {
    let said = output(&mut Command::new(binaries.get("cluster-bench")))?;
    table.read("cluster-bench", &said, Goal::None)
}
