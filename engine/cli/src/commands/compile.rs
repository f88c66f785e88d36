//! `compile-plugin`: what the engine starts to have a plugin compiled, this program itself. Not for people.

use stanch_contract::ByteSize;
use stanch_sandbox::{Compiler, compile_for_parent};

use crate::console::Console;
use crate::error::{CliError, Exit};

/// This program, as it runs: also where another one has taken its place in the file system.
const ITSELF: &str = "/proc/self/exe";
/// The command's name.
const COMMAND: &str = "compile-plugin";

/// Who compiles for this process.
pub fn compiler() -> Compiler {
    Compiler {
        program: ITSELF.into(),
        arguments: vec![COMMAND.into()],
        memory: Compiler::MEMORY,
    }
}

/// Compiles what comes on the standard input.
pub fn compile(memory: u64, console: &Console) -> Result<Exit, CliError> {
    match compile_for_parent(ByteSize(memory)) {
        Ok(()) => Ok(Exit::Done),
        Err(why) => {
            console.aside(&why);
            Ok(Exit::Failed)
        }
    }
}
