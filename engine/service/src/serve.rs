//! `stanch serve`: puts the rooms together, serves until it is told to end, and ends without losing anything.
//!
//! In this order: settings, journal, sandbox, what is loaded, the engine with the runs that it goes on with, then the
//! doors. Nothing is taken in before every run of the journal is on the board, so that an alert cannot open a second run of
//! an episode. At the end the doors close first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stanch_contract::RunId;
use stanch_journal::{Disk, SqliteStore, Store, StoreError};
use stanch_run::{Ending, Event, EventKind, Lapse, State};
use stanch_sandbox::gate::{Decision, Facilities, RecordedCall, Tape};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::kubernetes::Clusters;
use stanch_sandbox::{Compiler, Sandbox, SandboxError, SandboxOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::channels::{self, Desk};
use crate::clock;
use crate::config::{self, LoadErrors, Settings};
use crate::control;
use crate::control::socket::SocketError;
use crate::control::{Live, Pulse};
use crate::door;
use crate::door::tls::{Tls, TlsError};
use crate::executor::{self, Engine, Observer, StartError};
use crate::intake::reconcile::Reconciler;
use crate::intake::{self, AlertSink, Front, Health, expects};
use crate::oidc::Provider;
use crate::reload::{self, LoadError, Reloader, Watch};
use crate::secrets::Secrets;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{JournalReadings, Readings};
use crate::web;

/// How often what is older than `store.keep` is dropped.
const COLLECT: Duration = Duration::from_secs(3_600);
/// How many may be connected at the same time where alerts and the API come in. Few against the 1,024 open files that a process has
/// where nobody says otherwise.
const CONNECTIONS: usize = 512;
/// How often clusters are asked whether they answer, and how long one may take.
const PROBE: Duration = Duration::from_secs(60);
const PROBE_TIME: Duration = Duration::from_secs(10);
/// How many plugin calls run at the same time.
const CALLS: u32 = 128;

/// Why the engine does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// stanch.toml cannot be read.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// stanch.toml is wrong.
    #[error("{0}")]
    Settings(LoadErrors),
    /// What stanch.toml names does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The journal does not open.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// Wasm cannot be run here.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// TLS for outgoing requests cannot be set up.
    #[error("outgoing HTTP cannot be set up: {0}")]
    Http(String),
    /// The runs of the journal cannot go on.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The control socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// TLS cannot be spoken with the files that stanch.toml names.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("`{address}` cannot be listened on: {why}; set another `server.listen`, or stop what uses it")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        why: io::Error,
    },
}

/// Reads stanch.toml, as far as is needed to open the store.
///
/// # Errors
/// Where it cannot be read, or is wrong.
pub fn read_settings(path: &Path) -> Result<Settings, ServeError> {
    let text = std::fs::read_to_string(path).map_err(|why| ServeError::Unreadable {
        path: path.to_owned(),
        why,
    })?;
    config::parse(path, &text).map_err(ServeError::Settings)
}

/// What all plugin calls share. `tape` listens to what they are answered, where somebody makes a test of it.
///
/// # Errors
/// Where TLS cannot be set up.
pub fn facilities(
    secrets: &Arc<Secrets>,
    tape: Option<Arc<dyn Tape>>,
) -> Result<Arc<Facilities>, ServeError> {
    let http = HttpClients::new(HttpSettings::default()).map_err(ServeError::Http)?;
    Ok(Arc::new(Facilities {
        secrets: secrets.clone(),
        http,
        clusters: Clusters::default(),
        folders: Default::default(),
        time: Default::default(),
        tape,
    }))
}

/// The engine with its doors open.
pub struct Served {
    engine: Engine,
    reloader: Arc<Reloader>,
    health: Arc<Health>,
    address: std::net::SocketAddr,
    /// Cancelled when the doors close.
    ending: CancellationToken,
    doors: Vec<tokio::task::JoinHandle<()>>,
}

/// Starts the engine and opens its doors. Plugins are compiled in this process.
///
/// # Errors
/// Where it cannot serve; nothing was begun then.
pub async fn start(path: &Path) -> Result<Served, ServeError> {
    start_on(path, None, |store| Arc::new(store)).await
}

async fn start_on(
    path: &Path,
    compiler: Option<Compiler>,
    journal: impl FnOnce(SqliteStore) -> Arc<dyn Store>,
) -> Result<Served, ServeError> {
    let settings = read_settings(path)?;
    let store = journal(SqliteStore::open(stanch_journal::Settings {
        folder: settings.store.path.clone(),
        keep: settings.store.keep,
        reserve: settings.store.reserve,
    })?);
    let options = SandboxOptions {
        cache: Some(settings.store.path.join("compiled")),
        calls: CALLS,
        compiler,
    };
    let sandbox = Sandbox::new(&options)?;
    let secrets = Arc::new(Secrets::default());
    secrets.refresh(&settings.secrets);
    let metrics = Arc::new(Metrics::new());
    let facilities = facilities(&secrets, None)?;
    let reloader = Arc::new(
        Reloader::start(reload::Parts {
            path: path.to_owned(),
            sandbox: sandbox.clone(),
            facilities: facilities.clone(),
            secrets: secrets.clone(),
            metrics: metrics.clone(),
        })
        .await?,
    );
    let tls = settings
        .server
        .tls
        .as_ref()
        .map(Tls::load)
        .transpose()?
        .map(Arc::new);
    // The socket first: it is also what tells a second engine on this folder that there is one.
    let socket = control::Server::bind(&settings.store.path)?;
    let address = settings.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|why| ServeError::Listen { address, why })?;
    let address = listener.local_addr().unwrap_or(address);
    let pulse = Pulse::default();
    let (asking, asked) = mpsc::unbounded_channel();
    let engine = Engine::start(executor::Parts {
        store: store.clone(),
        sandbox: sandbox.clone(),
        current: reloader.current().clone(),
        observer: Arc::new(Counting {
            metrics: metrics.clone(),
            pulse: pulse.clone(),
            asking,
        }),
        folder: settings.store.path.clone(),
    })
    .await?;
    let audited = audit::Loads::new(store.clone()).await?.run(reloader.swaps());
    metrics.read_from(readings(&engine, sandbox));
    let health = Arc::new(Health::new(writable(&store)));
    let ending = CancellationToken::new();
    let desk = Arc::new(Desk::new(
        engine.clone(),
        facilities.clone(),
        secrets.clone(),
        ending.clone(),
    ));
    let sink: Arc<dyn AlertSink> = Arc::new(engine.clone());
    let (probed, certified, looked) = (metrics.clone(), metrics.clone(), metrics.clone());
    let reconciler = Reconciler {
        engine: engine.clone(),
        facilities: facilities.clone(),
        secrets: secrets.clone(),
    };
    let provider = Provider::new(facilities.clone(), secrets.clone()).map_err(ServeError::Http)?;
    let provider = Arc::new(provider);
    let front = Front::new(reloader.current().clone(), secrets, metrics, health.clone(), sink);
    let heard = front.heard().clone();
    let live = Arc::new(Live::new(
        engine.clone(),
        reloader.clone(),
        pulse,
        provider.clone(),
        tls.clone(),
    ));
    let followers = control::followers();
    let router = intake::router(Arc::new(front))
        .merge(control::network(live.clone(), followers.clone(), ending.clone()))
        .merge(web::router(live.clone(), followers, ending.clone()))
        .merge(desk.slack().clone().router());
    let mut doors = vec![
        tokio::spawn(network(listener, router, tls.clone(), ending.clone())),
        tokio::spawn(people(socket, live, ending.clone())),
        tokio::spawn(until(audited, ending.clone())),
        tokio::spawn(desk.run(asked)),
        tokio::spawn(reconciler.run(ending.clone())),
        tokio::spawn(expects::watch(engine.clone(), heard, ending.clone())),
        tokio::spawn(Watch::default().run(reloader.clone(), ending.clone())),
        tokio::spawn(follow(engine.clone(), reloader.clone(), ending.clone())),
        tokio::spawn(collect(store, ending.clone())),
        tokio::spawn(probe(reloader.clone(), probed, ending.clone())),
        tokio::spawn(until(look(provider, reloader.clone(), looked), ending.clone())),
    ];
    if let Some(tls) = tls {
        doors.push(tokio::spawn(tls.watch(certified, ending.clone())));
    }
    tracing::info!(%address, generation = reloader.current().load().generation, runs = engine.open_runs(), "serving");
    Ok(Served {
        engine,
        reloader,
        health,
        address,
        ending,
        doors,
    })
}

impl Served {
    /// Where alerts and the API come in.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What loads files.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Takes nothing new, lets what is in flight end within its limit, closes the doors and the journal. Runs go on at the
    /// next start.
    pub async fn drain(self) {
        tracing::info!(
            runs = self.engine.open_runs(),
            "ending: no new calls, those in flight end within their limit"
        );
        self.health.drain();
        self.engine.drain().await;
        self.ending.cancel();
        for door in self.doors {
            if let Err(error) = door.await {
                tracing::error!(%error, "a door did not close cleanly");
            }
        }
        tracing::info!("ended");
    }
}

/// Serves until SIGTERM or SIGINT; SIGHUP loads everything again. Plugins are compiled by that program.
///
/// # Errors
/// Where it cannot serve.
pub async fn serve(path: &Path, compiler: Compiler) -> Result<(), ServeError> {
    until_told(path, Some(compiler), |store| Arc::new(store)).await
}

/// As [`serve`], on what `journal` makes of the store in one file: a test's that fails when it is told to. Plugins are
/// compiled in this process.
///
/// # Errors
/// Where it cannot serve.
pub async fn serve_on(
    path: &Path,
    journal: impl FnOnce(SqliteStore) -> Arc<dyn Store>,
) -> Result<(), ServeError> {
    until_told(path, None, journal).await
}

async fn until_told(
    path: &Path,
    compiler: Option<Compiler>,
    journal: impl FnOnce(SqliteStore) -> Arc<dyn Store>,
) -> Result<(), ServeError> {
    // Before the doors open: whoever sees the engine serve may tell it to end in the same moment.
    let mut signals = Signals::new();
    let served = start_on(path, compiler, journal).await?;
    while let Signal::Hangup = signals.next().await {
        served.reloader.reload().await;
    }
    served.drain().await;
    Ok(())
}

enum Signal {
    Hangup,
    End,
}

struct Signals {
    ends: Vec<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let one = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::error!(%error, "a signal cannot be listened for");
                None
            }
        };
        let ends = [SignalKind::terminate(), SignalKind::interrupt()]
            .into_iter()
            .filter_map(one)
            .collect();
        Self {
            ends,
            hangup: one(SignalKind::hangup()),
        }
    }

    async fn next(&mut self) -> Signal {
        let ends = self.ends.iter_mut().map(|signal| Box::pin(signal.recv()));
        let end = async {
            if ends.len() == 0 {
                std::future::pending::<()>().await;
            }
            let _ = futures_util::future::select_all(ends).await;
        };
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end => Signal::End,
            () = hangup => Signal::Hangup,
        }
    }
}

async fn network(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<Arc<Tls>>,
    ending: CancellationToken,
) {
    let peer = |stream: &TcpStream| {
        // An answer is small, and its sender waits for it.
        let _ = stream.set_nodelay(true);
        stream.peer_addr().ok()
    };
    door::serve(listener, router, peer, door::Limits::of(CONNECTIONS), tls, ending).await;
}

async fn people(socket: control::Server, live: Arc<Live>, ending: CancellationToken) {
    if let Err(error) = socket.serve(live, ending).await {
        tracing::error!(%error, "the control socket is not served any more");
    }
}

/// Does this until the doors close.
async fn until(work: impl Future<Output = ()>, ending: CancellationToken) {
    tokio::select! {
        () = work => {}
        () = ending.cancelled() => {}
    }
}

/// Looks now and then at the provider that says who people are.
async fn look(provider: Arc<Provider>, reloader: Arc<Reloader>, metrics: Arc<Metrics>) {
    let settings = || reloader.current().load().settings.clone();
    provider.watch(settings, &metrics).await;
}

/// Tells the engine each time that something else is loaded.
async fn follow(engine: Engine, reloader: Arc<Reloader>, ending: CancellationToken) {
    let mut generations = reloader.generations();
    loop {
        tokio::select! {
            changed = generations.changed() => match changed {
                Ok(()) => engine.reloaded(),
                Err(_) => return,
            },
            () = ending.cancelled() => return,
        }
    }
}

/// Asks the clusters whether they answer, now, after each change of what is loaded, and now and then.
async fn probe(reloader: Arc<Reloader>, metrics: Arc<Metrics>, ending: CancellationToken) {
    let mut generations = reloader.generations();
    loop {
        let clusters = reloader.clusters();
        tokio::select! {
            () = clusters.probe(tokio::time::Instant::now() + PROBE_TIME) => {}
            () = ending.cancelled() => return,
        }
        let states = clusters.states();
        metrics.clusters(
            states
                .iter()
                .map(|state| (state.name.as_str(), state.problem.is_none())),
        );
        tokio::select! {
            () = tokio::time::sleep(PROBE) => {}
            changed = generations.changed() => if changed.is_err() { return },
            () = ending.cancelled() => return,
        }
    }
}

async fn collect(store: Arc<dyn Store>, ending: CancellationToken) {
    loop {
        match store.collect(clock::now()).await {
            Ok(dropped) => tracing::debug!(?dropped, "dropped what is older than `store.keep`"),
            Err(error) => tracing::warn!(%error, "what is older than `store.keep` could not be dropped"),
        }
        tokio::select! {
            () = tokio::time::sleep(COLLECT) => {}
            () = ending.cancelled() => return,
        }
    }
}

fn writable(store: &Arc<dyn Store>) -> intake::health::StoreProbe {
    let store = store.clone();
    Box::new(move || {
        let health = store.health();
        match (health.disk, health.failing) {
            (Disk::Full, _) => Err("the disk under the journal is full".to_owned()),
            (_, Some(error)) => Err(error.to_string()),
            _ => Ok(()),
        }
    })
}

fn readings(engine: &Engine, sandbox: Sandbox) -> crate::telemetry::metrics::Reader {
    let engine = engine.clone();
    Box::new(move || {
        let (health, counters) = (engine.store().health(), engine.store().counters());
        Readings {
            runs_open: engine.open_runs() as u64,
            runs_waiting: engine.asking_runs() as u64,
            storm: engine.storms(),
            pauses: engine.pauses().len() as u64,
            compiled: sandbox.compiled(),
            journal: JournalReadings {
                writable: health.disk != Disk::Full && health.failing.is_none(),
                commits: counters.commits,
                flushes: counters.flushes,
                queue: counters.queued,
                bytes: counters.bytes,
            },
        }
    })
}

/// Counts what happens in runs, says that something did, and tells which of them ask something.
struct Counting {
    metrics: Arc<Metrics>,
    pulse: Pulse,
    asking: mpsc::UnboundedSender<RunId>,
}

impl Observer for Counting {
    fn opened(&self, _runbook: &str) {
        self.metrics.run_opened();
        self.pulse.beat();
    }

    fn recorded(&self, run: &RunId, events: &[Event]) {
        self.pulse.beat();
        if events.iter().any(channels::asks) {
            // Where nobody follows any more, the engine is ending.
            let _ = self.asking.send(run.clone());
        }
        for event in events {
            match &event.kind {
                EventKind::DecisionGiven { .. } => self.metrics.decision("yes"),
                EventKind::DecisionRefused { .. } => self.metrics.decision("no"),
                EventKind::DecisionExpired {
                    why: Lapse::Unanswered,
                    ..
                } => self.metrics.decision("expired"),
                EventKind::DecisionExpired { .. } => self.metrics.decision("withdrawn"),
                EventKind::ActionEnded { state, .. } => self.metrics.action(state.as_str()),
                _ => {}
            }
        }
    }

    fn closed(&self, state: &State, ending: Ending) {
        self.pulse.beat();
        let took = state
            .closed_at()
            .unwrap_or_default()
            .since(state.opened_at())
            .to_std();
        self.metrics
            .run_closed(ending.as_str(), !state.escalated().is_empty(), took);
    }

    fn called(
        &self,
        plugin: &str,
        function: &'static str,
        result: Result<(), &stanch_contract::Failure>,
        calls: &[RecordedCall],
        took: Duration,
    ) {
        self.metrics.plugin_call(
            plugin,
            result.map_or_else(|failure| failure.code.as_str(), |()| "ok"),
            took,
        );
        for call in calls {
            if let Decision::Refused(refusal) = &call.decision {
                self.metrics.gate_refusal(refusal.layer.as_str());
            }
        }
        if function == "notify" {
            self.metrics.escalation(result.is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_contract::{ActionState, Digest, Timestamp};
    use stanch_run::Side;

    #[test]
    fn decisions_and_actions_are_counted_when_they_are_kept_and_nothing_else_is() {
        let metrics = Arc::new(Metrics::new());
        let event = |kind| Event {
            at: Timestamp(1),
            kind,
            calls: serde_json::Value::Null,
        };
        let (step, side) = ("reroute".into(), Side::Do);
        let given = EventKind::DecisionGiven {
            step,
            side,
            by: "dana".into(),
            alone: false,
            via: String::new(),
            digest: Digest::of(b"plan").into(),
            reason: String::new(),
        };
        let ended = EventKind::ActionEnded {
            step: "reroute".into(),
            side,
            attempt: 1,
            action: 0,
            state: ActionState::Unknown {
                detail: "no answer".into(),
            },
            answer: None,
        };
        let undone = EventKind::StepUndone {
            step: "reroute".into(),
        };
        let (asking, mut asked) = mpsc::unbounded_channel();
        let counting = Counting {
            metrics: metrics.clone(),
            pulse: Pulse::default(),
            asking,
        };
        counting.recorded(&"run1".into(), &[event(given), event(ended), event(undone)]);
        assert!(asked.try_recv().is_err(), "nothing was asked");
        let text = metrics.encode();
        let of = |name: &str| -> Vec<&str> {
            text.lines()
                .filter(|line| line.starts_with(name) && !line.ends_with(" 0"))
                .collect()
        };
        assert_eq!(
            of("stanch_decisions_total"),
            [r#"stanch_decisions_total{kind="yes"} 1"#]
        );
        assert_eq!(
            of("stanch_actions_total"),
            [r#"stanch_actions_total{kind="unknown"} 1"#]
        );
    }
}
