//! A region of the AI service: it answers prompts. A worker that hangs makes all of them wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stanch_outside::http::Server;

/// What a prompt takes.
const FAST: Duration = Duration::from_millis(40);
/// What it takes while a worker hangs.
const SLOW: Duration = Duration::from_millis(1_600);

/// A region.
pub(crate) struct Region {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    hangs: AtomicBool,
    answered: AtomicU64,
}

impl Region {
    /// Prompts at `/v1/generate`; `/health` answers one of its own; `/metrics` for Prometheus.
    pub(crate) fn open(name: &'static str) -> std::io::Result<Self> {
        let state: Arc<State> = Arc::default();
        let own = Arc::clone(&state);
        let server = Server::open(move |request| match request.asked() {
            ("GET", "/metrics") => (200, own.metrics(name)),
            ("GET", "/v1/generate" | "/health") => {
                let hangs = own.hangs.load(Ordering::SeqCst);
                std::thread::sleep(if hangs { SLOW } else { FAST });
                own.answered.fetch_add(1, Ordering::SeqCst);
                (200, name.to_owned())
            }
            _ => (404, String::new()),
        })?;
        Ok(Self {
            address: server.address,
            state,
        })
    }

    /// Its worker hangs, or was restarted.
    pub(crate) fn hangs(&self, hangs: bool) {
        self.state.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Whether its worker hangs.
    pub(crate) fn is_hung(&self) -> bool {
        self.state.hangs.load(Ordering::SeqCst)
    }
}

impl State {
    fn metrics(&self, name: &str) -> String {
        let (answered, hangs) = (
            self.answered.load(Ordering::SeqCst),
            u8::from(self.hangs.load(Ordering::SeqCst)),
        );
        format!(
            "# TYPE city_requests_total counter\ncity_requests_total{{region=\"{name}\"}} {answered}\n\
             # TYPE city_workers_hung gauge\ncity_workers_hung{{region=\"{name}\"}} {hangs}\n"
        )
    }
}
