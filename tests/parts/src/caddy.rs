//! Caddy: traffic that is routed and refused as its admin API is told while it runs.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stanch_outside::http::{Connection, free_port};

use crate::place::Place;
use crate::process::Process;
use crate::wait::until;
use crate::{Part, PartError, program};

/// A running Caddy. It ends with this value.
#[derive(Debug)]
pub struct Caddy {
    /// Where its admin API is; it speaks HTTP without a credential.
    pub admin: SocketAddr,
    /// Where its only server is.
    pub address: SocketAddr,
    process: Process,
    _place: Place,
}

impl Caddy {
    /// Starts it with one server that has these routes, in the words of its JSON configuration, and waits until it is ready.
    /// The routes are at `/config/apps/http/servers/test/routes` of the admin API.
    ///
    /// # Errors
    /// Where it is not there, or does not take what it is given.
    pub fn start(routes: &Value) -> Result<Self, PartError> {
        let program = program(Part::Caddy)?;
        let place = Place::new("caddy")?;
        let port = || free_port().map_err(|why| PartError::of("a free port", why));
        let (admin, address) = (port()?, port()?);
        let server = json!({
            "listen": [address.to_string()],
            "routes": routes,
            "automatic_https": { "disable": true },
        });
        let config = json!({
            "admin": { "listen": admin.to_string(), "config": { "persist": false } },
            "storage": { "module": "file_system", "root": place.path() },
            "apps": { "http": { "servers": { "test": server } } },
        });
        place.write("caddy.json", config.to_string())?;
        let mut process = Process::start(
            place.path(),
            "caddy",
            &program,
            &["run", "--config", "caddy.json"],
        )?;
        let ready = until("Caddy to be ready", || {
            if !process.is_running() {
                return Some(Err(process.trouble("it ended")));
            }
            let said = Connection::open(admin).and_then(|mut admin| admin.get("/config/apps/http"));
            let serves = said.is_ok_and(|answer| answer.status == 200) && Connection::open(address).is_ok();
            serves.then_some(Ok(()))
        });
        ready.map_err(|why| process.trouble(&why.to_string()))??;
        Ok(Self {
            admin,
            address,
            process,
            _place: place,
        })
    }

    /// As [`Self::start`], as a proxy with this `@id` that goes by weight.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn by_weight(id: &str, upstreams: [SocketAddr; 2], weights: [u64; 2]) -> Result<Self, PartError> {
        Self::start(&json!([{ "handle": [{
            "@id": id,
            "handler": "reverse_proxy",
            "upstreams": upstreams.map(|upstream| json!({ "dial": upstream.to_string() })),
            "load_balancing": { "selection_policy": { "policy": "weighted_round_robin", "weights": weights } },
        }] }]))
    }

    /// What its configuration has there now. Each change has Caddy put up its admin API anew, and a connection that came in that
    /// moment is closed without an answer: it is asked again.
    ///
    /// # Errors
    /// Where it does not answer, or has nothing there.
    pub fn configured(&self, path: &str) -> Result<Value, PartError> {
        let answer = until("Caddy's admin API to answer", || {
            let mut admin = Connection::open(self.admin).ok()?;
            admin.get(path).ok()
        })?;
        if answer.status != 200 {
            let said = format!(
                "its admin API answers {} at {path}: {}",
                answer.status, answer.body
            );
            return Err(self.trouble(&said));
        }
        serde_json::from_str(&answer.body).map_err(|why| PartError::of("what Caddy's admin API answers", why))
    }

    /// An error with the end of what it said.
    pub fn trouble(&self, what: &str) -> PartError {
        self.process.trouble(what)
    }
}
