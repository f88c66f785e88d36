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

use crate::engine::{Binaries, Build};
use crate::plugins;
use crate::shell::{TaskError, Workspace, output, root};
use folder::{filled, held, settings};
use stanch_outside::alertmanager::notification;
use stanch_outside::http::{Connection, Sink, free_port};
use stanch_outside::serve::{Engine, Scratch};

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
    let now = output(std::process::Command::new("date").args(["--utc", "+%Y-%m-%dT%H:%M:%S.000Z"]))?;
    let labels = [
        ("instance", "demo:9100"),
        ("mountpoint", "/var/tmp/app"),
        ("severity", "high"),
    ];
    let body = notification("DiskFull", &labels, firing, now.trim()).to_string();
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
    let run = appeared(engine)?;
    let mut showing = Showing::start(engine, &run)?;
    let mut resolved = false;
    let mut began = Instant::now();
    loop {
        let view = engine.ask(&["runs", "show", &run])?;
        if let Some(ending) = view.get("ending").and_then(Value::as_str) {
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

fn appeared(engine: &Engine) -> Result<String, TaskError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let runs = engine.ask(&["runs", "--runbook", "disk-full"])?;
        let first = runs.as_array().and_then(|runs| runs.first());
        if let Some(run) = first.and_then(|run| run.get("id")).and_then(Value::as_str) {
            return Ok(run.to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(engine.trouble("the alert started no run").into())
}

/// What a person has to say now.
struct Asked {
    step: String,
    ask: String,
    /// What a yes is about; a step by hand has none.
    digest: Option<String>,
}

impl Asked {
    fn answer(&self, engine: &Engine, run: &str, yes: bool) -> Result<(), TaskError> {
        let words: Vec<&str> = match (&self.digest, yes) {
            (Some(digest), true) => vec!["approve", run, &self.step, "--digest", digest],
            (Some(digest), false) => vec!["deny", run, &self.step, "--digest", digest],
            (None, true) => vec!["done", run, &self.step],
            (None, false) => vec!["not-done", run, &self.step],
        };
        engine.tell(&words)?;
        Ok(())
    }
}

fn steps(view: &Value) -> impl Iterator<Item = &Value> {
    view.get("steps").and_then(Value::as_array).into_iter().flatten()
}

fn asked(view: &Value) -> Option<Asked> {
    steps(view).find_map(|step| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let question = step.get("question").filter(|question| !question.is_null());
        let by_hand = step.get("kind")?.as_str()? == "by-hand" && step.get("state")?.as_str()? == "asked";
        if question.is_none() && !by_hand {
            return None;
        }
        let digest = if by_hand {
            None
        } else {
            text(question?.get("digest"))
        };
        let ask =
            text(question.and_then(|question| question.get("ask"))).or_else(|| text(step.get("what")))?;
        Some(Asked {
            step: text(step.get("id"))?,
            ask,
            digest,
        })
    })
}

/// Whether what was to be changed is changed.
fn changed(view: &Value) -> bool {
    steps(view).any(|step| {
        let is = |key: &str, word: &str| step.get(key).and_then(Value::as_str) == Some(word);
        is("kind", "change") && is("state", "done")
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(steps: &[Value]) -> Value {
        json!({ "id": "r", "ending": null, "steps": steps })
    }

    #[test]
    fn an_open_question_is_found_with_what_a_yes_is_about() {
        let waiting =
            json!({ "id": "a", "kind": "change", "state": "planning", "what": "A", "question": null });
        let open = json!({ "ask": "Remove them?", "digest": "ab12" });
        let open = json!({ "id": "b", "kind": "change", "state": "asked", "what": "B", "question": open });
        assert!(asked(&run(std::slice::from_ref(&waiting))).is_none());
        let asked = asked(&run(&[waiting, open])).unwrap();
        assert_eq!((asked.step.as_str(), asked.ask.as_str()), ("b", "Remove them?"));
        assert_eq!(asked.digest.as_deref(), Some("ab12"));
    }

    #[test]
    fn a_step_by_hand_is_asked_about_and_a_look_is_not() {
        let step =
            |kind: &str| json!({ "id": "c", "kind": kind, "state": "asked", "what": "Find the writer" });
        let found = asked(&run(&[step("by-hand")])).unwrap();
        assert_eq!((found.ask.as_str(), found.digest), ("Find the writer", None));
        assert!(asked(&run(&[step("look")])).is_none());
    }

    #[test]
    fn the_alert_is_resolved_only_after_a_change() {
        let step = |kind: &str, state: &str| json!({ "id": "a", "kind": kind, "state": state });
        assert!(changed(&run(&[step("change", "done")])));
        assert!(!changed(&run(&[
            step("change", "verifying"),
            step("by-hand", "done")
        ])));
    }
}
