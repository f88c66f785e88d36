//! Running a program and telling each line that it says, whichever of its two outputs it is on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::BuildError;

/// Who is told: lines, as they come.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

/// Runs a program to a good end.
pub(crate) fn run(command: &mut Command, tell: Tell<'_>) -> Result<(), BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    let not_started = |why| BuildError::NotStarted { program, why };

    let (said, saying) = match std::io::pipe() {
        Ok((said, saying)) => match saying.try_clone() {
            Ok(other) => (said, (saying, other)),
            Err(why) => return Err(not_started(why)),
        },
        Err(why) => return Err(not_started(why)),
    };
    command.stdin(Stdio::null()).stdout(saying.0).stderr(saying.1);
    let child = command.spawn();
    // The command holds this side of the pipe too, and the pipe ends only when nobody does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.map_err(not_started)?;
    let mut said = BufReader::new(said);
    let mut bytes = Vec::new();
    while said.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        tell(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(BuildError::Failed(line)),
        Err(why) => Err(BuildError::NotStarted { program: line, why }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_a_program_says_on_either_output_is_told_line_by_line() {
        let told = Mutex::new(Vec::new());
        let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
        run(
            Command::new("sh").args(["-c", "echo out; echo err >&2; printf end"]),
            &tell,
        )
        .unwrap();
        assert_eq!(*told.lock().unwrap(), ["out", "err", "end"]);
    }

    #[test]
    fn a_bad_end_is_an_error_that_names_the_command() {
        let failed = run(Command::new("sh").args(["-c", "exit 3"]), &|_| {}).unwrap_err();
        assert_eq!(failed.to_string(), "`sh -c exit 3` failed");
        let missing = run(&mut Command::new("no-such-program"), &|_| {}).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("`no-such-program` could not be started")
        );
    }
}
