//! Alertmanager: it groups alerts, and posts them.

use std::net::SocketAddr;

use serde_json::Value;
use stanch_outside::http::free_port;

use crate::place::Place;
use crate::process::Process;
use crate::prometheus::{look, ready};
use crate::{Part, PartError, program};

/// A configuration that posts every group of alerts alike in these labels to a URL with a bearer token, soon.
pub fn config(url: &str, token: &str, group_by: &[&str]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let labels: Vec<String> = group_by.iter().map(|label| quoted(label)).collect();
    format!(
        "route: {{receiver: engine, group_by: [{}], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: engine\n  webhook_configs:\n  - url: {}\n    send_resolved: true\n    \
         http_config: {{authorization: {{type: Bearer, credentials: {}}}}}\n",
        labels.join(", "),
        quoted(url),
        quoted(token)
    )
}

/// A running Alertmanager. It ends with this value.
#[derive(Debug)]
pub struct Alertmanager {
    /// Where it is.
    pub address: SocketAddr,
    process: Process,
    _place: Place,
}

impl Alertmanager {
    /// Starts it with a configuration (see [`config`]), and waits until it is ready.
    ///
    /// # Errors
    /// Where it is not there, or does not take what it is given.
    pub fn start(config: &str) -> Result<Self, PartError> {
        let program = program(Part::Alertmanager)?;
        let place = Place::new("alertmanager")?;
        place.write("alertmanager.yml", config)?;
        let address = free_port().map_err(|why| PartError::of("a free port", why))?;
        let arguments = [
            "--config.file=alertmanager.yml".to_owned(),
            "--storage.path=data".to_owned(),
            format!("--web.listen-address={address}"),
            // None: it is alone.
            "--cluster.listen-address=".to_owned(),
        ];
        let mut process = Process::start(place.path(), "alertmanager", &program, &arguments)?;
        ready("Alertmanager", address, &mut process)?;
        Ok(Self {
            address,
            process,
            _place: place,
        })
    }

    /// The alerts that it holds.
    pub fn alerts(&self) -> Option<Vec<Value>> {
        look(self.address, "/api/v2/alerts")?.as_array().cloned()
    }

    /// An error with the end of what it said.
    pub fn trouble(&self, what: &str) -> PartError {
        self.process.trouble(what)
    }
}
