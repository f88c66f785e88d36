//! The city: a process of its own, told to break and to mend.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use stanch_outside::http::Connection;

use super::TOKEN;
use crate::shell::TaskError;

/// A city. It ends with this value.
pub(super) struct City {
    child: Child,
    places: Value,
    control: SocketAddr,
}

impl City {
    /// Opens it; it tells this engine of its alerts.
    pub(super) fn open(program: &Path, engine: SocketAddr, folder: &Path) -> Result<Self, TaskError> {
        let failed = |why: &dyn std::fmt::Display| TaskError::Other(format!("the city: {why}"));
        let mut child = Command::new(program)
            .arg(engine.to_string())
            .arg(folder)
            .env("ALERTMANAGER_TOKEN", TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| failed(&why))?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said)
                .read_line(&mut line)
                .map_err(|why| failed(&why))?;
        }
        let places: Value = serde_json::from_str(&line).map_err(|why| failed(&why))?;
        let control = places.get("control").and_then(Value::as_str).unwrap_or_default();
        let control = control.parse().map_err(|why| failed(&why))?;
        Ok(Self {
            child,
            places,
            control,
        })
    }

    /// Where something of it is.
    pub(super) fn place(&self, name: &str) -> &str {
        self.places.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// How it is now.
    pub(super) fn state(&self) -> Result<String, TaskError> {
        self.ask("GET", "/state")
    }

    /// Presses one of its buttons, `break/latency`; what it says to that.
    pub(super) fn press(&self, button: &str) -> Result<String, TaskError> {
        self.ask("POST", &format!("/{button}"))
    }

    /// Has it end this engine, and remove this folder, should whoever started it be killed.
    pub(super) fn keep(&self, process: u32, folder: &Path) -> Result<(), TaskError> {
        let what = json!({ "process": process, "folder": folder }).to_string();
        self.say("POST", "/keep", &what).map(drop)
    }

    fn ask(&self, method: &str, path: &str) -> Result<String, TaskError> {
        self.say(method, path, "")
    }

    fn say(&self, method: &str, path: &str, body: &str) -> Result<String, TaskError> {
        let answer = Connection::open(self.control).and_then(|mut city| city.send(method, path, &[], body));
        match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(TaskError::Other(format!(
                "the city: {} {}",
                answer.status, answer.body
            ))),
            Err(why) => Err(TaskError::Other(format!("the city: {why}"))),
        }
    }
}

impl Drop for City {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
