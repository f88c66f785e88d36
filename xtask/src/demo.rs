//! From alert to healed, in a terminal: a folder is filled, the alert is posted as Alertmanager would post it, and the
//! engine cleans up, with the person at the keyboard deciding (`--once`: with this program deciding).
//!
//! Everything is the real thing: the release's plugins and runbook, the engine as `stanch serve` starts it, the command
//! line as a person uses it. Only the runbook's waits are shortened, because nobody watches a demo for five minutes.

mod folder;

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::alertmanager::{notification, now};
use stanch_outside::http::{Connection, Sink, free_port};
use stanch_outside::run::{appeared, asked, changed, ending};
use stanch_outside::serve::{Engine, Scratch};

use crate::engine::{Binaries, Build};
use crate::plugins;
use crate::shell::{TaskError, Workspace, root};
use folder::{filled, held, settings};

/// What the intake is told, and what pages are signed with.
const TOKEN: &str = "a-token-for-the-demo-only";
/// The longest that a run may take where nobody has to be waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// Shows it. With `once`, nobody is asked, and how the run ends is how this ends.
pub(crate) fn show(once: bool) -> Result<(), TaskError> {
    let workspace = Workspace::read()?;
    let binaries = Binaries::build(&workspace, Build::Dev)?;
    let plugins = plugins::build(&workspace, &binaries)?;
    let io = |what: &'static str| move |why: std::io::Error| TaskError::Other(format!("{what}: {why}"));

    let scratch = Scratch::new("demo").map_err(io("the demo's folder"))?;
    let pages = Sink::open("{}").map_err(io("the place that pages go to"))?;
    let listens = free_port().map_err(io("a free port"))?;
    let full = scratch.path().join("scratch");
    filled(&full).map_err(io("the folder to fill"))?;
    let runbook =
        std::fs::read_to_string(root().join("runbooks/disk-full.toml")).map_err(io("the runbook"))?;
    let runbook = runbook.replace("stable_for = \"5m\"", "stable_for = \"3s\"");
    scratch
        .write("runbooks/disk-full.toml", &runbook)
        .map_err(io("the runbook"))?;
    scratch
        .write("stanch.toml", settings(&plugins, &full, listens, pages.address))
        .map_err(io("stanch.toml"))?;

    let engine = Engine::start(&binaries.get("stanch"), scratch.path(), listens, TOKEN)?;
    let before = held(&full);
    say(&format!(
        "{} holds {} MiB. Alertmanager says DiskFull.",
        full.display(),
        before >> 20
    ));
    post(listens, true)?;
    let ending = followed(&engine, once, || post(listens, false))?;
    let after = held(&full);
    say(&format!(
        "The run ended as {ending}. {} MiB of {} MiB were freed; {} pages were sent.",
        before.saturating_sub(after) >> 20,
        before >> 20,
        pages.came.changes.load(Ordering::Relaxed)
    ));
    engine.stop()?;
    if ending == "healed" {
        Ok(())
    } else {
        Err(TaskError::Other(format!("the run ended as {ending}")))
    }
}

fn say(text: &str) {
    println!("\n── {text}\n");
}

fn post(listens: std::net::SocketAddr, firing: bool) -> Result<(), TaskError> {
    let now = now().map_err(|why| TaskError::Other(format!("`date`: {why}")))?;
    let labels = [
        ("instance", "demo:9100"),
        ("mountpoint", "/var/tmp/app"),
        ("severity", "high"),
    ];
    let body = notification("DiskFull", &labels, firing, &now).to_string();
    let answer =
        Connection::open(listens).and_then(|mut engine| engine.post("/alerts/alertmanager", TOKEN, &body));
    match answer {
        Ok(answer) if answer.status == 202 => Ok(()),
        Ok(answer) => Err(TaskError::Other(format!(
            "the alert was answered with {}: {}",
            answer.status, answer.body
        ))),
        Err(why) => Err(TaskError::Other(format!("the alert could not be posted: {why}"))),
    }
}

/// The command line showing the run; ended where somebody has to be asked, or at the end.
struct Showing(Child);

impl Showing {
    fn start(engine: &Engine, run: &str) -> Result<Self, TaskError> {
        let child = engine.command(&["runs", "show", run, "--follow"]).spawn();
        child
            .map(Self)
            .map_err(|why| TaskError::Other(format!("the run cannot be shown: {why}")))
    }

    /// Waits for it to end by itself.
    fn ended(mut self) {
        let _ = self.0.wait();
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows the run to its end, with questions answered; says how it ended. `resolve` is called once the change is made.
fn followed(
    engine: &Engine,
    once: bool,
    resolve: impl Fn() -> Result<(), TaskError>,
) -> Result<String, TaskError> {
    let run = appeared(engine, "disk-full", PATIENCE)?;
    let mut showing = Showing::start(engine, &run)?;
    let mut resolved = false;
    let mut began = Instant::now();
    loop {
        let view = engine.ask(&["runs", "show", &run])?;
        if let Some(ending) = ending(&view) {
            showing.ended();
            return Ok(ending.to_owned());
        }
        if let Some(asked) = asked(&view) {
            if once {
                asked.answer(engine, &run, true)?;
            } else {
                // Let it draw the question first.
                std::thread::sleep(Duration::from_millis(500));
                drop(showing);
                asked.answer(engine, &run, yes(&asked.ask)?)?;
                showing = Showing::start(engine, &run)?;
                began = Instant::now();
            }
        }
        if !resolved && changed(&view) {
            resolve()?;
            resolved = true;
        }
        if began.elapsed() > PATIENCE {
            return Err(engine.trouble("the run did not end in time").into());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Asks at the keyboard. No answer is a no.
fn yes(ask: &str) -> Result<bool, TaskError> {
    let failed = |why: std::io::Error| TaskError::Other(format!("the terminal: {why}"));
    print!("\n{ask} [y/N] ");
    std::io::stdout().flush().map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// For messages and TOML.
fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
}
