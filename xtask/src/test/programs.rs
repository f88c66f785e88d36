//! Cargo's tests, several of its test programs at a time.
//!
//! `cargo test` runs one program after the other, and most of the longer ones wait: for a control plane, an alert that has to
//! last, a browser. So they are run side by side, as cargo would run each, the longest of the last time first; what one
//! printed is shown in one piece when it is through. Not nextest: that runs each test in a process of its own, and the tests
//! of a program share what takes long to start.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::serve::Scratch;

use crate::engine::Binaries;
use crate::shell::{TaskError, Workspace, cargo, output, step};

/// What the test harness reads its number of threads from.
const THREADS: &str = "RUST_TEST_THREADS";

/// Something that runs tests and says how they went with its exit code.
struct Program {
    /// As cargo is asked for it: package and target.
    name: String,
    command: Command,
}

/// How it went.
struct Ended {
    name: String,
    took: Duration,
    /// What it printed, and what became of it.
    printed: PathBuf,
    passed: Result<bool, std::io::Error>,
}

/// Runs all of them; each is run to its end, whatever became of another.
pub(super) fn run(workspace: &Workspace, binaries: &Binaries) -> Result<(), TaskError> {
    let times = workspace.target().join("test-times.json");
    let mut known: BTreeMap<String, f64> = fs::read(&times)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut programs = programs(binaries)?;
    // What is not known yet may be long.
    let long = |program: &Program| known.get(&program.name).copied().unwrap_or(f64::MAX);
    programs.sort_by(|one, other| long(other).total_cmp(&long(one)));
    let scratch = Scratch::new("tests")
        .map_err(|why| TaskError::Other(format!("a folder for what tests print: {why}")))?;
    let failed = side_by_side(programs, scratch.path(), &mut known)?;
    remember(&times, &known);
    if failed.is_empty() {
        return Ok(());
    }
    for ended in &failed {
        show(ended);
    }
    let names: Vec<&str> = failed.iter().map(|ended| ended.name.as_str()).collect();
    Err(TaskError::Other(format!("tests failed in: {}", names.join(", "))))
}

/// For the order of the next time, and nothing else: so it matters little whether it can be written.
#[allow(clippy::disallowed_methods, reason = "in cargo's own folder")]
fn remember(times: &Path, known: &BTreeMap<String, f64>) {
    if let Ok(text) = serde_json::to_vec_pretty(known) {
        let _ = fs::write(times, text);
    }
}

/// One more at a time than there are processors, as most of them wait. Gives those that failed.
fn side_by_side(
    programs: Vec<Program>,
    folder: &Path,
    known: &mut BTreeMap<String, f64>,
) -> Result<Vec<Ended>, TaskError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (all, waiting) = (programs.len(), Mutex::new(VecDeque::from(programs)));
    let (tell, told) = mpsc::channel();
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..=processors {
            let (tell, waiting) = (tell.clone(), &waiting);
            scope.spawn(move || {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(program) = next else { return };
                    let _ = tell.send(one(program, folder));
                }
            });
        }
        drop(tell);
        for (at, ended) in told.iter().enumerate() {
            eprint!("[{}/{all}] ", at + 1);
            show(&ended);
            known.insert(ended.name.clone(), ended.took.as_secs_f64().round());
            if !matches!(ended.passed, Ok(true)) {
                failed.push(ended);
            }
        }
    });
    Ok(failed)
}

fn one(mut program: Program, folder: &Path) -> Ended {
    let began = Instant::now();
    let printed = folder.join(program.name.replace(['/', ' '], "-"));
    let mut run = || {
        let file = fs::File::create(&printed)?;
        let status = program
            .command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()?;
        Ok(status.success())
    };
    Ended {
        passed: run(),
        took: began.elapsed(),
        name: program.name,
        printed,
    }
}

fn show(ended: &Ended) {
    let mark = match &ended.passed {
        Ok(true) => "✔".to_owned(),
        Ok(false) => "✘".to_owned(),
        Err(why) => format!("✘ could not be run: {why}:"),
    };
    eprintln!("{mark} {} ({:.1} s)", ended.name, ended.took.as_secs_f64());
    let printed = fs::read(&ended.printed).unwrap_or_default();
    eprintln!("{}", String::from_utf8_lossy(&printed).trim());
}

/// Every program with tests, as cargo built it, the examples in the documentation, and the demo.
fn programs(binaries: &Binaries) -> Result<Vec<Program>, TaskError> {
    let built = step("build what is not built of the tests", || {
        output(cargo().args([
            "test",
            "--workspace",
            "--locked",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]))
    })?;
    let artifacts = built.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut programs: Vec<Program> = artifacts.filter_map(|artifact| program(&artifact)).collect();
    if programs.is_empty() {
        return Err(TaskError::Other("cargo named no program with tests".to_owned()));
    }
    let mut documentation = cargo();
    documentation.args(["test", "--workspace", "--locked", "--doc"]);
    programs.push(Program {
        name: "documentation".to_owned(),
        command: documentation,
    });
    // This one may have been built anew meanwhile, and is not there under its old name then.
    let mut demo = Command::new(binaries.get("xtask"));
    demo.args(["demo", "--built", "--once", "all"]);
    programs.push(Program {
        name: "demo".to_owned(),
        command: demo,
    });
    let threads = threads();
    for program in &mut programs {
        program.command.env(THREADS, &threads);
    }
    Ok(programs)
}

/// An artifact that cargo tells of, if it is such a program. It runs in its package's folder and knows it, as under cargo.
fn program(artifact: &Value) -> Option<Program> {
    if artifact.get("profile")?.get("test")? != true {
        return None;
    }
    let executable = artifact.get("executable")?.as_str()?;
    let package = Path::new(artifact.get("manifest_path")?.as_str()?).parent()?;
    let target = artifact.get("target")?;
    let kind = target.get("kind")?.get(0)?.as_str()?;
    let package_name = package.file_name()?.to_str()?;
    let mut command = Command::new(executable);
    command
        .current_dir(package)
        .env("CARGO_MANIFEST_DIR", package)
        .env("CARGO_MANIFEST_PATH", package.join("Cargo.toml"));
    Some(Program {
        name: format!("{package_name} {kind} {}", target.get("name")?.as_str()?),
        command,
    })
}

/// What somebody asks for, or twice as many as there are processors: most of the longer tests wait for a real part.
fn threads() -> String {
    std::env::var(THREADS).unwrap_or_else(|_| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (2 * processors).to_string()
    })
}
