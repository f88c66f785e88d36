//! A program that runs beside a test and ends with it, whatever ends the test.
//!
//! The system kills it: it is started with a parent-death signal, so that also a test that is itself killed leaves nothing
//! behind. Such a signal is about the thread that started the program, not about its process; so that a part can be shared
//! by tests, each of which has a thread of its own, all are started by one thread that never ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::PartError;

/// Of util-linux: sets the signal, then becomes the program.
const WITH_SIGNAL: &str = "setpriv";
/// In between: whoever was killed before the signal was set is nobody's parent any more, and nothing is started.
const STILL_THERE: &str = r#"[ "$PPID" = "$1" ] || exit; shift; exec "$@""#;

/// A running program. It ends with this value.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

/// A program to start, and who waits for it.
type Start = (Command, Sender<std::io::Result<Child>>);

fn starter() -> &'static Mutex<Sender<Start>> {
    static STARTER: OnceLock<Mutex<Sender<Start>>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, starts): (_, Receiver<Start>) = channel();
        std::thread::spawn(move || {
            for (mut command, answer) in starts {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    })
}

impl Process {
    /// Starts a program in a folder; what it says is added to `NAME.log` there.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(
        folder: &Path,
        name: &str,
        program: &Path,
        arguments: &[impl AsRef<std::ffi::OsStr>],
    ) -> Result<Self, PartError> {
        let failed = |why| PartError::of(&format!("`{}` as {name}", program.display()), why);
        let output = folder.join(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&output)
            .map_err(failed)?;
        let mut command = Command::new(WITH_SIGNAL);
        command
            .args(["--pdeathsig", "KILL", "--", "sh", "-c", STILL_THERE, "sh"])
            .arg(std::process::id().to_string())
            .arg(program)
            .args(arguments);
        command.current_dir(folder);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        let (answer, started) = channel();
        let sent = starter()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send((command, answer));
        let child = match (sent, started.recv()) {
            (Ok(()), Ok(child)) => child.map_err(failed)?,
            _ => {
                return Err(PartError::from(
                    "the thread that starts programs has ended".to_owned(),
                ));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
        })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// An error with the end of what it said.
    pub fn trouble(&self, what: &str) -> PartError {
        let said = fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        PartError::from(format!(
            "{}: {what}; it said last:\n{}",
            self.name,
            last.join("\n")
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::wait::until;

    fn sleeper(place: &Place) -> Process {
        Process::start(place.path(), "sleeper", Path::new("sleep"), &["600"]).unwrap()
    }

    fn exists(process: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    }

    #[test]
    fn a_program_outlives_the_thread_that_asked_for_it_and_ends_with_its_value() {
        let place = Place::new("process").unwrap();
        let (mut process, thread) = std::thread::scope(|scope| {
            let asks = scope.spawn(|| (sleeper(&place), fs::read_link("/proc/thread-self").unwrap()));
            asks.join().unwrap()
        });
        let thread = Path::new("/proc").join(thread);
        until("the end of the thread", || (!thread.exists()).then_some(())).unwrap();
        assert!(process.is_running());
        let id = process.id().to_string();
        drop(process);
        assert!(!exists(&id));
    }

    #[test]
    fn nothing_is_left_of_a_test_that_is_killed() {
        const TOLD: &str = "STANCH_PARTS_KILLED";
        if let Some(told) = std::env::var_os(TOLD) {
            let place = Place::new("killed").unwrap();
            let process = sleeper(&place);
            let words = format!("{} {}", process.id(), place.path().display());
            #[allow(clippy::disallowed_methods, reason = "told to the test that started this one")]
            fs::write(told, words).unwrap();
            std::thread::park();
        }
        let place = Place::new("process").unwrap();
        let told = place.path().join("told");
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args([
            "--exact",
            "process::tests::nothing_is_left_of_a_test_that_is_killed",
        ]);
        let mut test = test.env(TOLD, &told).stdout(Stdio::null()).spawn().unwrap();
        let words = until("the other test", || {
            fs::read_to_string(&told).ok().filter(|words| words.contains('/'))
        });
        let words = words.unwrap();
        let (process, folder) = words.split_once(' ').unwrap();
        assert!(exists(process) && Path::new(folder).exists());
        test.kill().unwrap();
        test.wait().unwrap();
        until("the end of what it started", || {
            (!exists(process) && !Path::new(folder).exists()).then_some(())
        })
        .unwrap();
    }

    #[test]
    fn what_it_said_last_is_in_an_error_about_it() {
        let place = Place::new("process").unwrap();
        let words = ["-c", "echo so far so good; echo it burns >&2"];
        let mut process = Process::start(place.path(), "speaker", Path::new("sh"), &words).unwrap();
        until("its end", || (!process.is_running()).then_some(())).unwrap();
        let text = process.trouble("it ended").to_string();
        assert_eq!(text, "speaker: it ended; it said last:\nso far so good\nit burns");
    }
}
