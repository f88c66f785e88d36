//! The control socket, read directly: a look takes a millisecond and not a process.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::http::message;

/// The socket of an engine, running or not.
#[derive(Debug, Clone)]
pub struct Control(PathBuf);

impl Control {
    /// In this data folder.
    pub fn of(data: &Path) -> Self {
        Self(data.join("control.sock"))
    }

    /// What the engine says under `/api/v1`; none where it does not answer, or not with JSON.
    pub fn get(&self, path: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(&self.0).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let request = format!("GET /api/v1{path} HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let answer = message(&mut BufReader::new(stream)).ok()?;
        if !answer.first.contains(" 200 ") {
            return None;
        }
        serde_json::from_slice(&answer.body).ok()
    }
}
