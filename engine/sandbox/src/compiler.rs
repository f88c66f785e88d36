//! The compiler, in a process of its own.
//!
//! It is the largest piece of code that a file from outside is handed to, and how much memory and time it takes is decided by
//! that file: what is bounded before (bytes, functions, the size of one) bounds both only roughly. So the engine has a child
//! compile, which gets the component on its input and nothing else: no environment, no files to write, so much memory and no more
//! by the kernel's word (`RLIMIT_DATA`; what is reserved and cannot be written does not count), and an end after a time, or with
//! the engine. A compiler that runs out of memory or falls over a flaw of its own takes nothing else down, and what it used
//! is the system's again when it is done.
//!
//! What it does not protect against: the child runs as the engine's user, and the machine code that it answers with is believed.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use stanch_contract::{ByteSize, text};
use wasmtime::Engine;

use crate::engine;
use crate::error::InstallError;
use crate::inspect::MOST_BYTES;

/// What a child says last, beyond which nobody reads.
const MOST_SAID: u64 = 8 << 10;
/// The code of a child that has compiled nothing, because the component does not compile.
const REFUSED: i32 = 1;

/// A program that compiles: it is started with the arguments and the memory in bytes, and calls [`compile_for_parent`].
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; one more follows.
    pub arguments: Vec<OsString>,
    /// How much memory one component may take.
    pub memory: ByteSize,
}

impl Compiler {
    /// What is enough for every component within the bounds that anybody is known to have built, and not for the machine to notice.
    pub const MEMORY: ByteSize = ByteSize(2 << 30);

    /// Compiles in a child, which is killed after this time. Blocks.
    ///
    /// # Errors
    /// What kept it: the component, its time or memory, the compiler itself, or that it could not be started.
    pub fn compile(&self, component: &[u8], time: Duration) -> Result<Vec<u8>, InstallError> {
        let host = |why: std::io::Error| InstallError::Host {
            why: format!("the compiler cannot be started: {why}"),
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(self.memory.0.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(host)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (done, over) = mpsc::channel::<()>();
        let mut compiled = Vec::new();
        let (said, killed) = std::thread::scope(|scope| {
            scope.spawn(move || {
                // A child that has gone says why by its end.
                let _ = stdin.map(|mut stdin| stdin.write_all(component));
            });
            let says = scope.spawn(move || {
                let mut said = Vec::new();
                let _ = stderr.map(|stderr| stderr.take(MOST_SAID).read_to_end(&mut said));
                text::clean_line_to(String::from_utf8_lossy(&said).trim(), 400)
            });
            let child = &mut child;
            let watch = scope.spawn(move || {
                let late = over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                late && child.kill().is_ok()
            });
            let _ = stdout.map(|mut stdout| stdout.read_to_end(&mut compiled));
            drop(done);
            (says.join().unwrap_or_default(), watch.join().unwrap_or_default())
        });
        let ended = child.wait().map_err(host)?;
        match ended.code() {
            Some(0) => Ok(compiled),
            _ if killed => Err(InstallError::CompileTime { most: time }),
            _ if is_out_of_memory(&said) => Err(InstallError::CompileMemory { most: self.memory }),
            Some(REFUSED) => Err(InstallError::Compile { why: said }),
            _ => {
                let how = match ended.signal() {
                    Some(signal) => format!("signal {signal}"),
                    None => format!("exit code {}", ended.code().unwrap_or_default()),
                };
                Err(InstallError::CompilerEnded { how, said })
            }
        }
    }
}

/// As Rust says it before it gives up, and as an error of the system says it.
fn is_out_of_memory(said: &str) -> bool {
    said.contains("memory allocation of") || said.contains("Cannot allocate memory")
}

/// The child's part: the component is read from the standard input, and what was compiled is written to the standard output.
/// From its beginning on this process may use so much memory, write no file, and ends with its parent. To be called with nothing
/// else going on.
///
/// # Errors
/// Why the component does not compile, in a line; the process should end with code 1 and that on its standard error stream.
pub fn compile_for_parent(memory: ByteSize) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| text::clean_line_to(&error.to_string(), 400);
    let most = |most: u64| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| said(&error))?;
    for (what, limit) in [
        (Resource::Data, memory.0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(what, most(limit)).map_err(|error| said(&error))?;
    }
    let mut component = Vec::new();
    std::io::stdin()
        .take(MOST_BYTES)
        .read_to_end(&mut component)
        .map_err(|error| said(&error))?;
    // Without the pool, which has no part in what is compiled.
    let engine = Engine::new(&engine::config()).map_err(|error| said(&error))?;
    let compiled = engine
        .precompile_component(&component)
        .map_err(|error| said(&format!("{error:#}")))?;
    std::io::stdout()
        .write_all(&compiled)
        .map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Compiler {
        Compiler {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            memory: ByteSize(1 << 20),
        }
    }

    #[test]
    fn however_a_compiler_ends_it_is_told_apart() {
        let long = Duration::from_secs(60);
        let why = |script: &str, time: Duration| shell(script).compile(b"component", time).unwrap_err();
        assert_eq!(
            shell("cat; exit 0").compile(b"component", long).unwrap(),
            b"component"
        );
        assert_eq!(
            why("cat > /dev/null; echo 'it has no body' >&2; exit 1", long),
            InstallError::Compile {
                why: "it has no body".to_owned()
            }
        );
        for said in [
            "memory allocation of 268435456 bytes failed",
            "mmap: Cannot allocate memory (os error 12)",
        ] {
            assert_eq!(
                why(&format!("echo '{said}' >&2; kill -ABRT $$"), long),
                InstallError::CompileMemory {
                    most: ByteSize(1 << 20)
                }
            );
        }
        assert_eq!(
            why("kill -SEGV $$", long),
            InstallError::CompilerEnded {
                how: "signal 11".to_owned(),
                said: String::new()
            }
        );
        assert_eq!(
            why("echo 'thread panicked' >&2; exit 101", long),
            InstallError::CompilerEnded {
                how: "exit code 101".to_owned(),
                said: "thread panicked".to_owned()
            }
        );
        // What does not read, and what never ends, is not waited for.
        let soon = Duration::from_millis(100);
        assert_eq!(
            why("exec sleep 1000", soon),
            InstallError::CompileTime { most: soon }
        );
        let nowhere = Compiler {
            program: "/no/such/program".into(),
            ..shell("")
        };
        let error = nowhere.compile(b"component", long).unwrap_err();
        assert!(
            error.to_string().contains("the compiler cannot be started"),
            "{error}"
        );
    }

    #[test]
    fn nothing_of_the_engines_environment_reaches_the_compiler() {
        let told = shell("env").compile(b"", Duration::from_secs(60)).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(std::env::var_os("PATH").is_some() && std::env::var_os("HOME").is_some());
        assert!(!told.contains("HOME=") && !told.contains("CARGO"), "{told}");
    }
}
