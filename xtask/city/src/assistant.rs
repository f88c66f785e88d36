//! An assistant that users ask to search and to write. A provider's model answers; in fallback a smaller one of its own, which can
//! search and cannot write.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stanch_outside::http::{Connection, Server};

/// What a prompt takes.
const THINKS: Duration = Duration::from_millis(20);
/// How far back [`Assistant::provider_fails`] looks.
const WINDOW: Duration = Duration::from_secs(20);

/// A model: prompts at `/v1/complete`; `/health` says whether it takes any.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it is.
    pub address: SocketAddr,
    state: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    down: AtomicBool,
    prompts: AtomicU64,
    probes: AtomicU64,
}

impl Model {
    /// Opens one that says its name.
    ///
    /// # Errors
    /// Where there is no port for it.
    pub fn open(name: &'static str) -> std::io::Result<Self> {
        let state: Arc<Counts> = Arc::default();
        let own = Arc::clone(&state);
        let server = Server::open(move |request| {
            let counted = match request.asked().1 {
                "/v1/complete" => &own.prompts,
                "/health" => &own.probes,
                _ => return (404, String::new()),
            };
            counted.fetch_add(1, Ordering::SeqCst);
            if own.down.load(Ordering::SeqCst) {
                return (503, "no capacity".to_owned());
            }
            std::thread::sleep(THINKS);
            (200, name.to_owned())
        })?;
        Ok(Self {
            address: server.address,
            state,
        })
    }

    /// It takes no requests and answers each with 503, or takes them again.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// Whether it takes none.
    pub fn is_down(&self) -> bool {
        self.state.down.load(Ordering::SeqCst)
    }

    /// How many prompts came until now.
    pub fn prompts(&self) -> u64 {
        self.state.prompts.load(Ordering::SeqCst)
    }

    /// How often its health was asked for until now.
    pub fn probes(&self) -> u64 {
        self.state.probes.load(Ordering::SeqCst)
    }
}

/// The assistant: `/v1/search`, `/v1/write`, and `/metrics` for Prometheus.
#[derive(Debug, Clone)]
pub struct Assistant {
    /// Where it is.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What became of requests, by status.
#[derive(Debug, Default)]
struct Seen {
    users: BTreeMap<u16, u64>,
    provider: BTreeMap<u16, u64>,
    /// Of the provider, of late.
    late: VecDeque<(Instant, u16)>,
}

impl Assistant {
    /// Opens it before two models; `local_only` is its flag, which it reads at each request.
    ///
    /// # Errors
    /// Where there is no port for it.
    pub fn open(
        provider: SocketAddr,
        local: SocketAddr,
        local_only: impl Fn() -> bool + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        // Those that Prometheus has to know before the first of them happens.
        let none = || BTreeMap::from([(200, 0), (503, 0)]);
        let seen = Arc::new(Mutex::new(Seen {
            users: none(),
            provider: none(),
            late: VecDeque::new(),
        }));
        let own = Arc::clone(&seen);
        let server = Server::open(move |request| {
            let (status, body) = match (request.asked().1, local_only()) {
                ("/metrics", _) => return (200, locked(&own).metrics()),
                ("/v1/search", true) => prompt(local),
                ("/v1/write", true) => (200, "Creative Writing is not available".to_owned()),
                ("/v1/search" | "/v1/write", false) => {
                    let answer = prompt(provider);
                    locked(&own).heard(answer.0);
                    answer
                }
                _ => return (404, String::new()),
            };
            *locked(&own).users.entry(status).or_default() += 1;
            (status, body)
        })?;
        Ok(Self {
            address: server.address,
            seen,
        })
    }

    /// Whether more than half of what it asked the provider of late was answered with 503. Where it asked nothing, nothing failed.
    pub fn provider_fails(&self) -> bool {
        let seen = locked(&self.seen);
        let late = seen.late.iter().filter(|(at, _)| at.elapsed() <= WINDOW);
        let bad = late.clone().filter(|(_, status)| *status == 503).count();
        bad * 2 > late.count()
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prompt(model: SocketAddr) -> (u16, String) {
    let answer = Connection::open(model).and_then(|mut model| model.get("/v1/complete"));
    answer.map_or_else(
        |why| (502, why.to_string()),
        |answer| (answer.status, answer.body),
    )
}

impl Seen {
    fn heard(&mut self, status: u16) {
        *self.provider.entry(status).or_default() += 1;
        while self.late.front().is_some_and(|(at, _)| at.elapsed() > WINDOW) {
            self.late.pop_front();
        }
        self.late.push_back((Instant::now(), status));
    }

    fn metrics(&self) -> String {
        let series = |name: &str, label: &str, counts: &BTreeMap<u16, u64>| {
            let lines = counts
                .iter()
                .map(|(code, count)| format!("{name}{{{label}code=\"{code}\"}} {count}\n"));
            format!("# TYPE {name} counter\n{}", lines.collect::<String>())
        };
        series("gateway_requests_total", "", &self.users)
            + &series("provider_requests_total", "provider=\"acme\",", &self.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_fallback_it_searches_and_does_not_write_and_asks_the_provider_nothing() {
        let (provider, local) = (Model::open("provider").unwrap(), Model::open("local").unwrap());
        let flag = Arc::new(AtomicBool::new(false));
        let read = Arc::clone(&flag);
        let assistant = Assistant::open(provider.address, local.address, move || {
            read.load(Ordering::SeqCst)
        })
        .unwrap();
        let ask = |path: &str| {
            let mut connection = Connection::open(assistant.address).unwrap();
            let answer = connection.get(path).unwrap();
            (answer.status, answer.body)
        };
        assert_eq!(ask("/v1/write"), (200, "provider".to_owned()));
        assert!(!assistant.provider_fails());
        provider.set_down(true);
        assert_eq!(ask("/v1/search").0, 503);
        assert_eq!(ask("/v1/search").0, 503);
        assert!(assistant.provider_fails());
        flag.store(true, Ordering::SeqCst);
        assert_eq!(ask("/v1/search"), (200, "local".to_owned()));
        assert!(ask("/v1/write").1.contains("not available"));
        assert_eq!(provider.prompts(), 3);
        let metrics = ask("/metrics").1;
        assert!(
            metrics.contains("provider_requests_total{provider=\"acme\",code=\"503\"} 2\n"),
            "{metrics}"
        );
        assert!(
            metrics.contains("gateway_requests_total{code=\"200\"} 3\n"),
            "{metrics}"
        );
    }
}
