//! Workers in pods, as far as the demo needs a cluster: the part of Kubernetes' API by which pods are looked at and evicted, over HTTP on
//! loopback, and what sends users' requests into them.
//!
//! It is no cluster: nothing is scheduled and no container runs. What its API answers is what a real one answers (uids,
//! preconditions, a disruption budget's 429, dry runs), because the engine's ordinary client speaks with it; the tests of the plugins
//! for pods have a real control plane (`tests/tests/pods.rs`).

mod api;

pub(crate) use api::TOKEN;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stanch_outside::alertmanager::now;
use stanch_outside::http::Server;

/// How many there are. A quarter of them may be acted on.
const COUNT: usize = 4;
/// As many must be Ready: what the disruption budget says.
const MUST_STAY: usize = 3;
/// The one that hangs.
pub(crate) const HANGS: &str = "llm-2";
/// What a worker takes for a prompt.
const FAST: Duration = Duration::from_millis(40);
/// Whoever sends requests into the pods tries another one after this.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// So many requests into a pod, one after the other, and no answer: it hangs.
const UNANSWERED: u64 = 3;
/// How long an evicted pod takes to be gone, and a fresh one to be Ready.
const GOES: Duration = Duration::from_secs(1);
const LOADS: Duration = Duration::from_secs(2);

/// The workers.
#[derive(Clone)]
pub(crate) struct Pods {
    /// Where their API is.
    pub(crate) api: SocketAddr,
    /// Where users ask: `/v1/complete`.
    pub(crate) front: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// A worker's pod.
struct Pod {
    name: String,
    uid: String,
    version: u64,
    created: String,
    ready_at: Instant,
    ready_since: String,
    /// Since when it is being deleted, and when that is due.
    going: Option<(Instant, String)>,
    hangs: bool,
    /// Requests that came in since it last answered one.
    unanswered: u64,
    answered: u64,
}

/// All of them.
struct State {
    pods: Vec<Pod>,
    /// For uids and versions.
    made: u64,
    next: usize,
}

/// How a pod is, for the page.
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) ready: bool,
    pub(crate) hangs: bool,
    pub(crate) answered: u64,
}

impl Pods {
    pub(crate) fn open() -> std::io::Result<Self> {
        let mut state = State {
            pods: Vec::new(),
            made: 0,
            next: 0,
        };
        for at in 0..COUNT {
            let mut pod = state.fresh(&format!("llm-{at}"))?;
            pod.ready_at = Instant::now();
            state.pods.push(pod);
        }
        let state = Arc::new(Mutex::new(state));
        let (kept, asked) = (Arc::clone(&state), Arc::clone(&state));
        let api = Server::open(move |request| api::answered(&mut locked(&kept), request))?;
        let front = Server::open(move |request| match request.asked() {
            ("GET", "/v1/complete") => completed(&asked),
            ("GET", path) => match path.strip_prefix("/health/") {
                Some(pod) => health(&asked, pod),
                None => (404, String::new()),
            },
            _ => (404, String::new()),
        })?;
        Ok(Self {
            api: api.address,
            front: front.address,
            state,
        })
    }

    /// A worker hangs from now on.
    pub(crate) fn hang(&self) {
        let mut state = locked(&self.state);
        for pod in state.pods.iter_mut().filter(|pod| pod.name == HANGS) {
            pod.hangs = true;
        }
    }

    /// Whether requests go into the worker and none comes out.
    pub(crate) fn is_zombie(&self) -> bool {
        let state = locked(&self.state);
        let hung = |pod: &Pod| pod.name == HANGS && pod.unanswered >= UNANSWERED;
        state.pods.iter().any(hung)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut state = locked(&self.state);
        state.settle();
        let seen = |pod: &Pod| Seen {
            name: pod.name.clone(),
            ready: pod.is_ready(),
            hangs: pod.hangs,
            answered: pod.answered,
        };
        state.pods.iter().map(seen).collect()
    }
}

impl Pod {
    fn is_ready(&self) -> bool {
        self.going.is_none() && self.ready_at <= Instant::now()
    }
}

impl State {
    fn fresh(&mut self, name: &str) -> std::io::Result<Pod> {
        self.made += 1;
        let now = now()?;
        Ok(Pod {
            name: name.to_owned(),
            uid: format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), self.made),
            version: self.made,
            created: now.clone(),
            ready_at: Instant::now() + LOADS,
            ready_since: now,
            going: None,
            hangs: false,
            unanswered: 0,
            answered: 0,
        })
    }

    /// What time has brought about: evicted pods are gone, and others of their names are there.
    fn settle(&mut self) {
        for at in 0..self.pods.len() {
            let gone = self.pods.get(at).filter(|pod| {
                let going = pod.going.as_ref();
                going.is_some_and(|(since, _)| since.elapsed() >= GOES)
            });
            let Some(name) = gone.map(|pod| pod.name.clone()) else {
                continue;
            };
            if let Ok(fresh) = self.fresh(&name)
                && let Some(pod) = self.pods.get_mut(at)
            {
                *pod = fresh;
            }
        }
    }

    fn ready(&self) -> usize {
        self.pods.iter().filter(|pod| pod.is_ready()).count()
    }

    /// The next pod that takes requests, by its uid, and whether it hangs; the request is counted.
    fn take(&mut self, not: Option<&str>) -> Option<(String, bool)> {
        self.settle();
        let count = self.pods.len();
        for _ in 0..count {
            self.next = (self.next + 1) % count;
            let pod = self.pods.get_mut(self.next)?;
            if pod.is_ready() && not != Some(pod.uid.as_str()) {
                pod.unanswered += 1;
                return Some((pod.uid.clone(), pod.hangs));
            }
        }
        None
    }

    fn answers(&mut self, uid: &str) {
        for pod in self.pods.iter_mut().filter(|pod| pod.uid == uid) {
            pod.unanswered = 0;
            pod.answered += 1;
        }
    }
}

/// One prompt: into a pod, and where that does not answer, into another.
fn completed(state: &Mutex<State>) -> (u16, String) {
    let Some((first, hangs)) = locked(state).take(None) else {
        return (503, "no worker is Ready".to_owned());
    };
    if !hangs {
        std::thread::sleep(FAST);
        locked(state).answers(&first);
        return (200, "llm".to_owned());
    }
    std::thread::sleep(TIMEOUT);
    let second = locked(state).take(Some(&first));
    match second {
        Some((other, false)) => {
            locked(state).answers(&other);
            (200, "llm".to_owned())
        }
        _ => (504, "no worker answers".to_owned()),
    }
}

/// One prompt to this very pod, as who looks after it sends it.
fn health(state: &Mutex<State>, name: &str) -> (u16, String) {
    let hangs = {
        let mut state = locked(state);
        state.settle();
        let pod = state.pods.iter().find(|pod| pod.name == name && pod.is_ready());
        pod.map(|pod| pod.hangs)
    };
    match hangs {
        None => (503, "it is not Ready".to_owned()),
        Some(false) => (200, "an answer".to_owned()),
        Some(true) => {
            std::thread::sleep(TIMEOUT);
            (504, "it does not answer".to_owned())
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
