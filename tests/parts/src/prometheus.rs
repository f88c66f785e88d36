//! Prometheus: it scrapes, and fires.

use std::net::SocketAddr;

use serde_json::Value;
use stanch_outside::http::{Connection, free_port};

use crate::place::Place;
use crate::process::Process;
use crate::wait::until;
use crate::{Part, PartError, program};

/// A configuration that scrapes these every second and tells an Alertmanager; the rules are in `rules.yml`.
pub fn config(scraped: &[SocketAddr], alertmanager: Option<SocketAddr>) -> String {
    let list = |targets: &[SocketAddr]| {
        let quoted: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
        quoted.join(", ")
    };
    let told: Vec<SocketAddr> = alertmanager.into_iter().collect();
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{api_version: v2, static_configs: [{{targets: [{}]}}]}}]}}\n\
         scrape_configs: [{{job_name: test, static_configs: [{{targets: [{}]}}]}}]\n",
        list(&told),
        list(scraped)
    )
}

/// A running Prometheus. It ends with this value.
#[derive(Debug)]
pub struct Prometheus {
    /// Where it is.
    pub address: SocketAddr,
    process: Process,
    _place: Place,
}

impl Prometheus {
    /// Starts it with a configuration (see [`config`]) and rules, and waits until it is ready.
    ///
    /// # Errors
    /// Where it is not there, or does not take what it is given.
    pub fn start(config: &str, rules: &str) -> Result<Self, PartError> {
        let program = program(Part::Prometheus)?;
        let place = Place::new("prometheus")?;
        place.write("prometheus.yml", config)?;
        place.write("rules.yml", rules)?;
        let address = free_port().map_err(|why| PartError::of("a free port", why))?;
        let arguments = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            format!("--web.listen-address={address}"),
            // A firing alert is told again so soon, so that an Alertmanager that starts later knows it too.
            "--rules.alert.resend-delay=1s".to_owned(),
        ];
        let mut process = Process::start(place.path(), "prometheus", &program, &arguments)?;
        ready("Prometheus", address, &mut process)?;
        Ok(Self {
            address,
            process,
            _place: place,
        })
    }

    /// Where it is, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of an instant query's only sample; none where it has none or several.
    pub fn value(&self, query: &str) -> Option<f64> {
        let said = look(self.address, &format!("/api/v1/query?query={}", encoded(query)))?;
        match said.pointer("/data/result")?.as_array()?.as_slice() {
            [only] => only.pointer("/value/1")?.as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The alerts that it fires now.
    pub fn firing(&self) -> Option<Vec<Value>> {
        let said = look(self.address, "/api/v1/alerts")?;
        let alerts = said.pointer("/data/alerts")?.as_array()?.iter();
        let firing = alerts.filter(|alert| alert.get("state").is_some_and(|state| state == "firing"));
        Some(firing.cloned().collect())
    }

    /// An error with the end of what it said.
    pub fn trouble(&self, what: &str) -> PartError {
        self.process.trouble(what)
    }
}

/// Waits until a part says at `/-/ready` that it is.
pub(crate) fn ready(name: &str, address: SocketAddr, process: &mut Process) -> Result<(), PartError> {
    let ready = until(&format!("{name} to be ready"), || {
        if !process.is_running() {
            return Some(Err(process.trouble("it ended")));
        }
        let said = Connection::open(address).and_then(|mut part| part.get("/-/ready"));
        said.is_ok_and(|answer| answer.status == 200).then_some(Ok(()))
    });
    ready.map_err(|why| process.trouble(&why.to_string()))?
}

/// What a part says, as JSON.
pub(crate) fn look(address: SocketAddr, path: &str) -> Option<Value> {
    let answer = Connection::open(address).ok()?.get(path).ok()?;
    serde_json::from_str(&answer.body).ok()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let parts = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_so_that_it_arrives_as_it_is() {
        assert_eq!(encoded("up{a=\"ü\"} > 1"), "up%7Ba%3D%22%C3%BC%22%7D%20%3E%201");
    }
}
