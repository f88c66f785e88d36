//! A region of a model gateway: it answers prompts, some slower than others, and counts what it took and how long it took.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stanch_outside::http::Server;

/// The upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
/// What a prompt takes.
const FAST: Duration = Duration::from_millis(20);
/// What it takes where requests wait for pods that hang.
const SLOW: Duration = Duration::from_millis(2_300);

#[derive(Default)]
struct State {
    slow: AtomicBool,
    /// Prompts that came through the router, and the number of each.
    routed: AtomicU64,
    numbers: Mutex<HashSet<String>>,
    buckets: [AtomicU64; BOUNDS.len()],
    answered: AtomicU64,
}

/// A region.
pub(crate) struct Region {
    /// Where it is: prompts at `/v1/generate`, its own health at `/health`, `/metrics`.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Region {
    pub(crate) fn open(cluster: &'static str) -> Self {
        let state: Arc<State> = Arc::default();
        let own = Arc::clone(&state);
        let server = Server::open(move |request| match request.asked().1 {
            "/metrics" => (200, own.metrics(cluster)),
            "/health" => (200, own.prompt(cluster)),
            path => {
                if path.starts_with("/v1/generate?") {
                    own.numbers.lock().unwrap().insert(path.to_owned());
                    own.routed.fetch_add(1, Ordering::SeqCst);
                }
                (200, own.prompt(cluster))
            }
        });
        Self {
            address: server.unwrap().address,
            state,
        }
    }

    pub(crate) fn set_slow(&self, slow: bool) {
        self.state.slow.store(slow, Ordering::SeqCst);
    }

    /// Whether prompts came to it, told by their path.
    pub(crate) fn came(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |path| state.numbers.lock().unwrap().contains(path)
    }

    /// How many prompts came through the router until now.
    pub(crate) fn routed(&self) -> u64 {
        self.state.routed.load(Ordering::SeqCst)
    }
}

impl State {
    fn prompt(&self, cluster: &str) -> String {
        let began = Instant::now();
        std::thread::sleep(if self.slow.load(Ordering::SeqCst) {
            SLOW
        } else {
            FAST
        });
        let took = began.elapsed().as_secs_f64();
        for (bucket, _) in self
            .buckets
            .iter()
            .zip(BOUNDS)
            .filter(|(_, bound)| took <= *bound)
        {
            bucket.fetch_add(1, Ordering::SeqCst);
        }
        self.answered.fetch_add(1, Ordering::SeqCst);
        cluster.to_owned()
    }

    fn metrics(&self, cluster: &str) -> String {
        let answered = self.answered.load(Ordering::SeqCst);
        let name = "inference_request_seconds";
        let mut text = format!("# TYPE {name} histogram\n");
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            let count = bucket.load(Ordering::SeqCst);
            text.push_str(&format!(
                "{name}_bucket{{cluster=\"{cluster}\",le=\"{bound}\"}} {count}\n"
            ));
        }
        text.push_str(&format!(
            "{name}_bucket{{cluster=\"{cluster}\",le=\"+Inf\"}} {answered}\n\
             {name}_count{{cluster=\"{cluster}\"}} {answered}\n{name}_sum{{cluster=\"{cluster}\"}} 0\n\
             # TYPE provider_requests_total counter\n\
             provider_requests_total{{cluster=\"{cluster}\",code=\"200\"}} {answered}\n"
        ));
        text
    }
}
