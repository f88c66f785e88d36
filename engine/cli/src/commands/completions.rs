//! `stanch completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::console::Console;
use crate::error::{CliError, Exit};

pub fn print(shell: Shell, console: &Console) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "stanch", &mut script);
    console.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
