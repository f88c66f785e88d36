//! A folder with everything that an engine reads, the server that its plugins reach, and who sends alerts.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod story;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_outside::alertmanager::notification;
use stanch_outside::control::Control;
use stanch_outside::counter::Counter;
use stanch_outside::http::{Connection, free_port};
use stanch_outside::serve::{Engine, Scratch, pack, program};
use stanch_outside::settings;

pub(crate) const TOKEN: &str = "a-token-for-the-tests-only";
const NOW: &str = "2026-06-01T12:00:00.000Z";

/// Long enough for two slow cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The component of a crate with its manifest in it, as it is installed. In cargo's own folder for what tests make.
pub(crate) fn packed(name: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let to = folder.join(format!("{name}.wasm"));
    let half = folder.join(format!("{name}.{}", std::process::id()));
    let component = stanch_test_support::component(name);
    pack(&program("stanch").unwrap(), &component, &half).unwrap();
    // Whole at once: an engine of another test may be reading it.
    std::fs::rename(half, &to).unwrap();
    to
}

/// Where an engine lives, and dies.
pub(crate) struct World {
    pub(crate) scratch: Scratch,
    pub(crate) counter: Counter,
    pub(crate) control: Control,
    pub(crate) listens: SocketAddr,
}

impl World {
    /// With these runbooks (name and text; `URL` is the counter) and these plugins (key and file).
    pub(crate) fn new(counter: Counter, runbooks: &[(&str, String)], plugins: &[(&str, PathBuf)]) -> Self {
        let scratch = Scratch::new("world").unwrap();
        let listens = free_port().unwrap();
        let url = format!("http://{}", counter.address);
        let mut settings = settings::engine(listens, "tests", "auto");
        settings.push_str(
            r#"[guardrails]
actions = "1000000/1s"
max_open = 100000
storm = { alerts = 1000000, within = "1m" }
"#,
        );
        for (key, file) in plugins {
            settings.push_str(&settings::plugin(key, file, ""));
            settings.push_str(&format!(
                r#"[[plugins.{key}.grant.http]]
url = "{url}/**"
read = ["GET"]
change = ["POST", "DELETE"]
addresses = ["127.0.0.0/8"]
"#
            ));
        }
        scratch.write("stanch.toml", settings).unwrap();
        for (name, text) in runbooks {
            let text = text.replace("URL", &url);
            scratch.write(&format!("runbooks/{name}.toml"), text).unwrap();
        }
        let control = Control::of(&scratch.path().join("data"));
        Self {
            scratch,
            counter,
            control,
            listens,
        }
    }

    /// The engine, ready, on whatever the last one left.
    pub(crate) fn start(&self) -> Engine {
        Engine::start(
            &program("stanch").unwrap(),
            self.scratch.path(),
            self.listens,
            TOKEN,
        )
        .unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same with a journal that kills it where [`World::lay`] says.
    pub(crate) fn start_mortal(&self) -> Engine {
        let mortal = program("stanch-mortal").unwrap();
        let engine = Engine::start(&mortal, self.scratch.path(), self.listens, TOKEN);
        engine
            .unwrap_or_else(|why| panic!("{why}"))
            .commanded_by(&program("stanch").unwrap())
    }

    /// Lays the fuse: on which side of which append the engine dies, the nth from now or the next with an event.
    pub(crate) fn lay(&self, side: &str, append: &str) {
        // Whole at once: the engine reads it at any moment.
        self.scratch
            .write("fuse.new", format!("{side} {append}"))
            .unwrap();
        let folder = self.scratch.path();
        std::fs::rename(folder.join("fuse.new"), folder.join("fuse")).unwrap();
    }

    /// Takes it away.
    pub(crate) fn unlay(&self) {
        let folder = self.scratch.path();
        let _ = std::fs::rename(folder.join("fuse"), folder.join("fuse.old"));
    }

    /// Sends a notification once; whether it was answered with 202.
    pub(crate) fn post(&self, body: &Value) -> bool {
        let sent = Connection::open(self.listens)
            .and_then(|mut engine| engine.post("/alerts/alertmanager", TOKEN, &body.to_string()));
        match sent {
            Ok(answer) if answer.status == 202 => true,
            Ok(answer) if answer.status == 503 => false,
            Ok(answer) => panic!("{}: {}", answer.status, answer.body),
            Err(_) => false,
        }
    }

    /// Sends it until it was answered with 202, as Alertmanager does.
    pub(crate) fn deliver(&self, body: &Value) {
        let began = Instant::now();
        while !self.post(body) {
            assert!(began.elapsed() < PATIENCE, "nobody takes the alert");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The runs, the newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let runs = self.control.get("/runs?limit=1000");
        runs.and_then(|runs| runs.as_array().cloned()).unwrap_or_default()
    }

    /// A run, whole.
    pub(crate) fn run(&self, id: &str) -> Option<Value> {
        self.control.get(&format!("/runs/{id}"))
    }

    /// The run of a case.
    pub(crate) fn run_of(&self, case: &str) -> Option<Value> {
        let runs = self.runs();
        let id = runs
            .iter()
            .find(|run| run["group"].as_str().unwrap().contains(case))?;
        self.run(id["id"].as_str().unwrap())
    }
}

/// A notification about these cases.
pub(crate) fn about(alert: &str, cases: &[String], firing: bool) -> Value {
    let mut all = notification(alert, &[], firing, NOW);
    let alerts = cases.iter().map(|case| {
        let one = notification(alert, &[("case", case)], firing, NOW);
        one["alerts"][0].clone()
    });
    all["alerts"] = json!(alerts.collect::<Vec<_>>());
    all
}
