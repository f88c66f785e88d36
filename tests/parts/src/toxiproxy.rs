//! toxiproxy, between the engine and what it speaks with: slow, silent, gone, or with its answers lost.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stanch_outside::http::{Connection, free_port};

use crate::place::Place;
use crate::process::Process;
use crate::wait::until;
use crate::{Part, PartError, program};

/// What happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Answers take so many milliseconds longer.
    Slow(u64),
    /// Requests arrive, and with the first byte of an answer the connection ends.
    AnswerLost,
    /// What is sent does not arrive, and after so many milliseconds the connection ends.
    Silent(u64),
    /// Connections are refused.
    Gone,
}

/// A running toxiproxy before one server. It ends with this value.
#[derive(Debug)]
pub struct Toxiproxy {
    /// Where whoever is to have it in between connects.
    pub address: SocketAddr,
    api: SocketAddr,
    process: Process,
    _place: Place,
}

impl Toxiproxy {
    /// Starts it before this server; nothing happens on the way.
    ///
    /// # Errors
    /// Where it is not there, or does not come up.
    pub fn before(server: SocketAddr) -> Result<Self, PartError> {
        let free = free_port().map_err(|why| PartError::of("a free port", why))?;
        Self::at(free, server)
    }

    /// As [`Self::before`], to be connected to at this address: for a server that has to know it.
    ///
    /// # Errors
    /// As [`Self::before`].
    pub fn at(address: SocketAddr, server: SocketAddr) -> Result<Self, PartError> {
        let program = program(Part::Toxiproxy)?;
        let place = Place::new("toxiproxy")?;
        let api = free_port().map_err(|why| PartError::of("a free port", why))?;
        let process = Process::start(place.path(), "toxiproxy", &program, &[api.port().to_string()])?;
        let mut toxiproxy = Self {
            address,
            api,
            process,
            _place: place,
        };
        let ready = until("toxiproxy to be ready", || {
            if !toxiproxy.process.is_running() {
                return Some(Err(toxiproxy.process.trouble("it ended")));
            }
            let said = Connection::open(api).and_then(|mut api| api.get("/version"));
            said.is_ok_and(|answer| answer.status == 200).then_some(Ok(()))
        });
        ready.map_err(|why| toxiproxy.process.trouble(&why.to_string()))??;
        let proxy = json!({
            "name": "the", "listen": address.to_string(), "upstream": server.to_string(), "enabled": true,
        });
        toxiproxy.tell("POST", "/proxies", &proxy)?;
        Ok(toxiproxy)
    }

    /// From now on this happens on the way, and nothing else.
    ///
    /// # Errors
    /// Where it does not take it.
    pub fn set(&self, toxic: Toxic) -> Result<(), PartError> {
        self.heal()?;
        let downstream = |kind: &str, attributes: Value| json!({ "name": "the", "type": kind, "stream": "downstream", "attributes": attributes });
        match toxic {
            Toxic::Gone => self.tell("POST", "/proxies/the", &json!({ "enabled": false })),
            Toxic::Slow(ms) => self.toxic(&downstream("latency", json!({ "latency": ms }))),
            Toxic::AnswerLost => self.toxic(&downstream("limit_data", json!({ "bytes": 0 }))),
            Toxic::Silent(ms) => self.toxic(&json!({
                "name": "the", "type": "timeout", "stream": "upstream", "attributes": { "timeout": ms },
            })),
        }
    }

    /// From now on nothing happens on the way.
    ///
    /// # Errors
    /// Where it does not take that.
    pub fn heal(&self) -> Result<(), PartError> {
        self.tell("POST", "/reset", &json!({}))
    }

    fn toxic(&self, what: &Value) -> Result<(), PartError> {
        self.tell("POST", "/proxies/the/toxics", what)
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Result<(), PartError> {
        let headers = [("content-type", "application/json")];
        let answer = Connection::open(self.api)
            .and_then(|mut api| api.send(method, path, &headers, &body.to_string()))
            .map_err(|why| PartError::of("toxiproxy", why))?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(self.process.trouble(&format!(
                "it answers {status} to {method} {path}: {}",
                answer.body
            ))),
        }
    }
}
