//! Metrics that a test sets, for Prometheus to scrape.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stanch_outside::http::Server;

use crate::PartError;

/// A place to scrape.
#[derive(Debug)]
pub struct Metrics {
    /// Where it is; the path is `/metrics`.
    pub address: SocketAddr,
    values: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Metrics {
    /// Opens it, with no metrics.
    ///
    /// # Errors
    /// Where there is no port.
    pub fn open() -> Result<Self, PartError> {
        let values: Arc<Mutex<BTreeMap<String, f64>>> = Arc::default();
        let shown = Arc::clone(&values);
        let server = Server::open(move |_| {
            let lines = locked(&shown)
                .iter()
                .map(|(series, value)| format!("{series} {value}\n"))
                .collect();
            (200, lines)
        });
        let server = server.map_err(|why| PartError::of("a place for metrics", why))?;
        Ok(Self {
            address: server.address,
            values,
        })
    }

    /// Sets a series, as `name{label="value"}`, to a value.
    pub fn set(&self, series: &str, value: f64) {
        locked(&self.values).insert(series.to_owned(), value);
    }

    /// Keeps only the series that are wanted: those of a pod go when it does.
    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        locked(&self.values).retain(|series, _| wanted(series));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
