//! From alert to healed, in a small city on loopback: something breaks, the city says so, and the engine mends it, with a person
//! deciding on the engine's own page beside the city's (`--once`: with this program deciding, in the terminal).
//!
//! The engine is the real one: the release's plugins, as `stanch serve` starts it, the command line as a person uses it. The city
//! is a process of its own (`xtask/city`) whose services the plugins call as they would any other. Only waits are shortened,
//! because nobody watches a demo for five minutes; what the city's router is not is said in `xtask/city/src/router.rs`.

mod city;
mod page;
mod scenario;
mod settings;

use std::net::SocketAddr;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stanch_outside::http::{Connection, Sink, free_port};
use stanch_outside::run::{appeared, asked, ending, phase};
use stanch_outside::serve::{Engine, Scratch};

use crate::engine::{Binaries, Build};
use crate::plugins;
use crate::shell::{TaskError, Workspace, root};
use city::City;
use page::Page;
pub(crate) use scenario::Scenario;

/// What the intake is told, and what pages are signed with.
const TOKEN: &str = "a-token-for-the-demo-only";
/// The longest that a run may take where nobody has to be waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// The city, and the engine that looks after it.
struct Demo {
    engine: Engine,
    listens: SocketAddr,
    city: City,
    // Last: the folder that both work in goes after them.
    _scratch: Scratch,
}

impl Demo {
    /// The page at this address may have the engine's in a frame.
    fn begin(
        binaries: &Binaries,
        plugins: &std::path::Path,
        page: Option<SocketAddr>,
    ) -> Result<Self, TaskError> {
        let io = |what: &'static str| move |why: std::io::Error| TaskError::Other(format!("{what}: {why}"));
        let scratch = Scratch::new("demo").map_err(io("the demo's folder"))?;
        let pages = Sink::open("{}").map_err(io("the place that pages go to"))?;
        let listens = free_port().map_err(io("a free port"))?;
        let full = scratch.path().join("scratch");
        let city = City::open(&binaries.get("stanch-city"), listens, &full)?;
        let disk_full =
            std::fs::read_to_string(root().join("runbooks/disk-full.toml")).map_err(io("the runbook"))?;
        let latency = include_str!("demo/high-latency.toml");
        let latency = latency
            .replace("US-EAST/", &format!("{}/", city.place("us_east")))
            .replace("EU/", &format!("{}/", city.place("eu")));
        let provider = ["assistant", "provider", "local"].iter().fold(
            include_str!("demo/provider-outage.toml").to_owned(),
            |text, name| {
                text.replace(
                    &format!("http://{}/", name.to_uppercase()),
                    &format!("http://{}/", city.place(name)),
                )
            },
        );
        let toxic = include_str!("demo/toxic-loop.toml");
        let toxic = toxic.replace("http://KEYS/", &format!("http://{}/", city.place("keys")));
        let hangs = include_str!("demo/hanged-gpu.toml");
        let hangs = hangs.replace("http://WORKERS/", &format!("http://{}/", city.place("workers")));
        scratch
            .write("kubeconfig.yaml", settings::kubeconfig(&city))
            .map_err(io("the kubeconfig"))?;
        let samples =
            (0..1_000).map(|at| format!("Write letter number {at} to our customers, in short sentences.\n"));
        scratch
            .write("samples/prompts.txt", samples.collect::<String>())
            .map_err(io("the ordinary prompts"))?;
        let runbooks = [
            (
                "disk-full",
                disk_full.replace("stable_for = \"5m\"", "stable_for = \"3s\""),
            ),
            ("high-latency", latency),
            ("provider-outage", provider),
            ("toxic-loop", toxic),
            ("hanged-gpu", hangs),
        ];
        for (name, text) in runbooks {
            scratch
                .write(&format!("runbooks/{name}.toml"), text)
                .map_err(io("the runbook"))?;
        }
        let around = settings::Around {
            folder: scratch.path(),
            listens,
            pages: pages.address,
            page,
        };
        let settings = settings::operators(plugins, &city, &around);
        scratch
            .write("stanch.toml", settings)
            .map_err(io("stanch.toml"))?;
        let engine = Engine::start(&binaries.get("stanch"), scratch.path(), listens, TOKEN)?;
        city.keep(engine.process(), scratch.path())?;
        Ok(Self {
            engine,
            listens,
            city,
            _scratch: scratch,
        })
    }

    /// Presses one of the city's buttons. A prompt that got past the filters is reported by mira, of Trust & Safety.
    fn press(&self, button: &str) -> Result<(), TaskError> {
        let said = self.city.press(button)?;
        if button != "break/toxic" {
            return Ok(());
        }
        let inputs = json!({ "prompt": said, "user": "mallory", "key": "k1" });
        let body = json!({ "runbook": "toxic-loop", "inputs": inputs }).to_string();
        let answer = Connection::open(self.listens)
            .and_then(|mut engine| engine.post("/api/v1/runs", settings::MIRA, &body));
        match answer {
            Ok(answer) if answer.status == 201 => Ok(()),
            Ok(answer) => Err(TaskError::Other(format!(
                "mira's report: {} {}",
                answer.status, answer.body
            ))),
            Err(why) => Err(TaskError::Other(format!("mira's report: {why}"))),
        }
    }
}

/// What the demo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// All of it is built first.
    Built,
    /// It is there: a test runs beside others that use it too.
    WhatIsThere,
}

fn begin(with: With, page: Option<SocketAddr>) -> Result<Demo, TaskError> {
    let workspace = Workspace::read()?;
    let (binaries, plugins) = match with {
        With::Built => {
            let binaries = Binaries::build(&workspace, Build::Dev)?;
            let plugins = plugins::build(&workspace, &binaries)?;
            (binaries, plugins)
        }
        With::WhatIsThere => (Binaries::built(&workspace), workspace.target().join("plugins")),
    };
    Demo::begin(&binaries, &plugins, page)
}

/// Opens the page, and stays until somebody presses Enter.
pub(crate) fn show(with: With) -> Result<(), TaskError> {
    let page = Page::open()?;
    let demo = Arc::new(begin(with, Some(page.address))?);
    page.show(&demo);
    say(&format!(
        "The city is at http://{}. Break something there. Enter ends all of it.",
        page.address
    ));
    std::io::stdin()
        .read_line(&mut String::new())
        .map_err(|why| TaskError::Other(format!("the terminal: {why}")))?;
    Ok(())
}

/// Plays these in the terminal, one after the other; how the runs end is how this ends.
pub(crate) fn once(with: With, word: &str) -> Result<(), TaskError> {
    let scenarios = Scenario::named(word)?;
    let demo = begin(with, None)?;
    played(&demo, &scenarios)
}

fn played(demo: &Demo, scenarios: &[Scenario]) -> Result<(), TaskError> {
    for scenario in scenarios {
        say(scenario.story());
        if let Some(breaks) = scenario.buttons().first() {
            demo.press(breaks)?;
        }
        let ending = followed(demo, *scenario)?;
        let city = demo.city.state()?;
        say(&format!("The run ended as {ending}. The city: {city}"));
        if ending != "healed" {
            return Err(TaskError::Other(format!(
                "{}: the run ended as {ending}",
                scenario.name()
            )));
        }
        if !city.contains("\"dropped\":0") {
            return Err(TaskError::Other(format!(
                "{}: requests of users were dropped: {city}",
                scenario.name()
            )));
        }
    }
    Ok(())
}

fn say(text: &str) {
    println!("\n── {text}\n");
}

/// The command line showing a run; ended with this value.
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

/// Shows the run to its end, with questions answered and what is by hand done; says how it ended.
fn followed(demo: &Demo, scenario: Scenario) -> Result<String, TaskError> {
    let run = appeared(&demo.engine, scenario.runbook(), PATIENCE)?;
    let showing = Showing::start(&demo.engine, &run)?;
    let began = Instant::now();
    let mut comes_back = scenario.comes_back();
    loop {
        let view = demo.engine.ask(&["runs", "show", &run])?;
        if let Some(ending) = ending(&view) {
            showing.ended();
            return Ok(ending.to_owned());
        }
        if let Some(asked) = asked(&view) {
            if let Some(button) = scenario.by_hand(&asked.step) {
                demo.city.press(button)?;
            }
            asked.answer(&demo.engine, &run, true)?;
        }
        // Not before the alert is quiet: so it is seen that this ends nothing.
        if phase(&view) == Some("recovery")
            && let Some(button) = comes_back.take()
        {
            demo.city.press(button)?;
        }
        if began.elapsed() > PATIENCE {
            return Err(demo.engine.trouble("the run did not end in time").into());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
