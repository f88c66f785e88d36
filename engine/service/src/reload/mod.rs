//! Hot reload: the files as they are now become the next snapshot, whole, aside, and are put in place at once.
//!
//! Two rules decide what happens to a file that is no good:
//!
//! - A mistake never takes a good one down. For each file the last good version stays, and so does the plugin whose new
//!   version a loaded runbook could not be loaded with: runbooks and plugins are checked together, as they would run.
//! - What the operator takes away is gone at once. A removed file, a removed section, a withdrawn plugin and a smaller
//!   `max_mode` take hold also where a file beside them is broken.
//!
//! What stays in place of what is a [`Problem`] of the snapshot, until it is no more.

mod build;
mod changes;
mod disk;
mod lock;
mod plugins;
mod runbooks;
mod settings;
mod watch;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use stanch_contract::Timestamp;
use stanch_sandbox::Sandbox;
use stanch_sandbox::gate::Facilities;
use stanch_sandbox::kubernetes::Clusters;
use tokio::sync::{Mutex, mpsc, watch as channel};

use crate::audit::Swap;
use crate::clock;
use crate::config::LoadErrors;
use crate::control::types::Reloaded;
use crate::secrets::Secrets;
use crate::snapshot::{Current, Problem, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Loaded;

pub use watch::Watch;

/// How many generations before this one can be put back.
pub const HISTORY: usize = 10;

/// What reloading needs.
#[derive(Clone)]
pub struct Parts {
    /// stanch.toml, as the operator named it.
    pub path: PathBuf,
    /// Where plugins are installed.
    pub sandbox: Sandbox,
    /// What all plugin calls share.
    pub facilities: Arc<Facilities>,
    /// The values of `[secrets]`: read again with every look.
    pub secrets: Arc<Secrets>,
    /// Where reloads are counted.
    pub metrics: Arc<Metrics>,
}

/// Why there is no first snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// stanch.toml cannot be read.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// stanch.toml is wrong.
    #[error("{0}")]
    Wrong(LoadErrors),
}

/// Why a generation was not put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// Nothing was loaded before.
    #[error("there is no generation before this one: nothing was replaced since the engine started")]
    NothingBefore,
    /// That one is not kept.
    #[error("generation {wanted} is not kept; these are: {}", kept.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))]
    NotKept {
        /// What was asked for.
        wanted: u64,
        /// What there is, oldest first.
        kept: Vec<u64>,
    },
    /// It is loaded.
    #[error("generation {0} is what is loaded")]
    IsLoaded(u64),
}

/// Makes snapshots and puts them in place.
pub struct Reloader {
    parts: Parts,
    current: Arc<Current>,
    generations: channel::Sender<u64>,
    swaps: OnceLock<mpsc::UnboundedSender<Swap>>,
    state: Mutex<State>,
}

struct State {
    builder: build::Builder,
    /// Generations before this one, oldest first.
    history: VecDeque<Arc<Snapshot>>,
    /// The highest generation there was.
    latest: u64,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader")
            .field("path", &self.parts.path)
            .finish_non_exhaustive()
    }
}

/// What would be loaded now, put nowhere and recorded nowhere: for commands that look at files.
///
/// # Errors
/// Where stanch.toml does not load.
pub async fn aside(parts: Parts) -> Result<Snapshot, LoadError> {
    let built = build::Builder::new(parts).first(clock::now()).await?;
    Ok(first(built))
}

fn first(built: build::Built) -> Snapshot {
    Snapshot {
        generation: 1,
        built: clock::now(),
        settings: built.settings,
        runbooks: built.runbooks,
        index: built.index,
        plugins: built.plugins,
        problems: built.problems,
        held: None,
    }
}

impl Reloader {
    /// Loads everything for the first time. Runbooks and plugins that do not load are problems of the snapshot; without
    /// stanch.toml there is nothing to serve.
    ///
    /// # Errors
    /// Where stanch.toml does not load.
    pub async fn start(parts: Parts) -> Result<Self, LoadError> {
        let mut builder = build::Builder::new(parts.clone());
        let built = builder.first(clock::now()).await?;
        let snapshot = first(built);
        say(&snapshot.problems, &[]);
        tell(&parts.metrics, &snapshot);
        lock::write(&snapshot);
        let reloader = Self {
            parts,
            current: Arc::new(Current::new(snapshot)),
            generations: channel::Sender::new(1),
            swaps: OnceLock::new(),
            state: Mutex::new(State {
                builder,
                history: VecDeque::new(),
                latest: 1,
            }),
        };
        Ok(reloader)
    }

    /// The snapshot of now, and of every later now.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// The operator's clusters.
    pub fn clusters(&self) -> &Clusters {
        &self.parts.facilities.clusters
    }

    /// What is loaded now, and each swap from now on, in their order. Given once.
    pub fn swaps(&self) -> mpsc::UnboundedReceiver<Swap> {
        let (told, swaps) = mpsc::unbounded_channel();
        let _ = told.send(Swap {
            snapshot: self.current.load(),
            changes: Vec::new(),
        });
        let _ = self.swaps.set(told);
        swaps
    }

    /// Says each time that another generation is loaded.
    pub fn generations(&self) -> channel::Receiver<u64> {
        self.generations.subscribe()
    }

    /// Reads everything again, as a person asked, also what did not change; ends a rollback.
    pub async fn reload(&self) -> Reloaded {
        self.turn(true).await
    }

    /// Looks whether a file changed, and loads what did.
    pub async fn look(&self) -> Reloaded {
        self.turn(false).await
    }

    async fn turn(&self, asked: bool) -> Reloaded {
        let mut state = self.state.lock().await;
        let before = self.current.load();
        let now = clock::now();
        if asked {
            state.builder.forget();
        }
        let Some(built) = state.builder.next(&before, now, asked).await else {
            return Reloaded {
                generation: before.generation,
                changes: Vec::new(),
                problems: before.problems.clone(),
            };
        };
        say(&built.problems, &before.problems);
        let failed = built
            .problems
            .iter()
            .any(|problem| !before.problems.contains(problem));
        let changes = changes::between(&before, &built);
        // Where only problems came or went, the content is the same, and so is its number.
        let same = changes.is_empty();
        let generation = if same { before.generation } else { state.latest + 1 };
        let snapshot = Snapshot {
            generation,
            built: if same { before.built } else { now },
            settings: built.settings,
            runbooks: built.runbooks,
            index: built.index,
            plugins: built.plugins,
            problems: built.problems,
            held: None,
        };
        self.parts.metrics.reload(match (failed, same) {
            (true, _) => "failed",
            (false, true) => "unchanged",
            (false, false) => "swapped",
        });
        let reloaded = Reloaded {
            generation,
            changes,
            problems: snapshot.problems.clone(),
        };
        self.put(&mut state, snapshot, &reloaded.changes).await;
        reloaded
    }

    /// Puts an earlier generation back, the one before this one unless another is named, and holds it until a file
    /// changes or a reload is asked for.
    ///
    /// # Errors
    /// Where it is not kept, or is the one that is loaded.
    pub async fn rollback(&self, to: Option<u64>) -> Result<Reloaded, RollbackError> {
        let mut state = self.state.lock().await;
        let before = self.current.load();
        let back = match to {
            Some(wanted) if wanted == before.generation => return Err(RollbackError::IsLoaded(wanted)),
            Some(wanted) => state
                .history
                .iter()
                .find(|snapshot| snapshot.generation == wanted)
                .cloned()
                .ok_or_else(|| RollbackError::NotKept {
                    wanted,
                    kept: state.history.iter().map(|snapshot| snapshot.generation).collect(),
                })?,
            // Rolled back twice, it goes back twice.
            None => {
                let from = before.held.unwrap_or(before.generation);
                let earlier = state
                    .history
                    .iter()
                    .rev()
                    .find(|s| s.held.is_none() && s.generation < from);
                earlier.cloned().ok_or(RollbackError::NothingBefore)?
            }
        };
        let generation = state.latest + 1;
        let snapshot = Snapshot {
            generation,
            built: clock::now(),
            // What is wrong with the files is wrong with them still.
            problems: before.problems.clone(),
            held: Some(back.generation),
            ..(*back).clone()
        };
        let changes = changes::between_snapshots(&before, &snapshot);
        tracing::warn!(
            generation,
            content_of = back.generation,
            "an earlier generation was put back"
        );
        self.parts.metrics.reload("rolled-back");
        let reloaded = Reloaded {
            generation,
            changes,
            problems: snapshot.problems.clone(),
        };
        self.put(&mut state, snapshot, &reloaded.changes).await;
        Ok(reloaded)
    }

    async fn put(&self, state: &mut State, next: Snapshot, changes: &[String]) {
        self.parts.secrets.refresh(&next.settings.secrets);
        self.parts
            .facilities
            .clusters
            .refresh(&next.settings.clusters)
            .await;
        tell(&self.parts.metrics, &next);
        let generation = next.generation;
        let swapped = generation != state.latest;
        if swapped {
            lock::write(&next);
        }
        let before = self.current.swap(next);
        if swapped {
            state.latest = generation;
            state.history.push_back(before);
            while state.history.len() > HISTORY {
                state.history.pop_front();
            }
            tracing::info!(generation, "loaded");
            if let Some(swaps) = self.swaps.get() {
                let (snapshot, changes) = (self.current.load(), changes.to_vec());
                let _ = swaps.send(Swap { snapshot, changes });
            }
            self.generations.send_replace(generation);
        }
    }

    /// What has to be watched for changes: folders and, where links lead elsewhere, what they lead to.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        watch::folders(&self.parts.path, &self.current.load().settings)
    }
}

fn say(problems: &[Problem], before: &[Problem]) {
    for problem in problems.iter().filter(|problem| !before.contains(problem)) {
        let stays = problem.kept.map(|digest| digest.short());
        tracing::error!(path = %problem.path.display(), stays, "does not load: {}\n{}", problem.message, problem.rendered);
    }
    for problem in before.iter().filter(|problem| {
        !problems
            .iter()
            .any(|p| p.path == problem.path && p.name == problem.name)
    }) {
        tracing::info!(path = %problem.path.display(), "loads again, or is gone");
    }
}

fn tell(metrics: &Metrics, snapshot: &Snapshot) {
    use crate::snapshot::ProblemKind::{Cluster, Plugin, Runbook, Settings};
    let count = |kind| {
        snapshot
            .problems
            .iter()
            .filter(|problem| problem.kind == kind)
            .count()
    };
    metrics.loaded(&Loaded {
        generation: snapshot.generation,
        runbooks: snapshot.runbooks.len(),
        plugins: snapshot.plugins.len(),
        problems: [
            ("settings", count(Settings)),
            ("runbook", count(Runbook)),
            ("plugin", count(Plugin)),
            ("cluster", count(Cluster)),
        ],
    });
}

/// When a problem that was there before began.
fn since(before: &[Problem], problem: &Problem, now: Timestamp) -> Timestamp {
    before
        .iter()
        .find(|old| {
            old.kind == problem.kind
                && old.path == problem.path
                && old.name == problem.name
                && old.message == problem.message
        })
        .map_or(now, |old| old.since)
}
