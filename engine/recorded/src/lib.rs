//! A recorded world behind the real gate: servers, clusters, folders and a clock that answer what a test says.
//!
//! A plugin that runs in it is the real one, in the real sandbox, at the real gate: grant, phase, plan, action, redaction and
//! records are what they are in production. Only what is beyond the gate is given, through the seams of the sandbox's
//! [`Facilities`]: HTTP exchanges and objects of clusters instead of connections, real folders in a temporary place instead
//! of the operator's, a clock that stands still until everybody waits, secrets that are none.
//!
//! What a test does not give is refused, and told with how to write it: a test never passes on a guess.
//!
//! A call in this world is a [`Visit`]. One is at work at any moment, and the others wait on the clock, so that what happens
//! is the same each time, however many checks a runbook asks at once.

pub mod case;
mod clock;
mod cluster;
mod disk;
pub mod like;
mod missing;
mod secrets;
mod toml;
mod web;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::Timestamp;
use stanch_runbook::given::Given;
use stanch_sandbox::Time;
use stanch_sandbox::files::Folders;
use stanch_sandbox::gate::{Facilities, Grant};
use stanch_sandbox::http::{HttpClients, NoAnswer};
use stanch_sandbox::kubernetes::{ClusterRequest, Clusters};

pub use clock::Clock;
pub use missing::Missing;
pub use web::{Passed, Sending};

use disk::Disk;
use missing::Misses;
use web::Web;

/// A world.
pub struct World {
    clock: Clock,
    web: Arc<Web>,
    disk: Arc<Disk>,
    clusters: Arc<cluster::Clusters>,
    misses: Arc<Misses>,
}

/// How often each answer of a world was used.
pub(crate) struct Used {
    web: Vec<u32>,
    clusters: BTreeMap<String, Vec<u32>>,
}

/// One plugin call in a world.
pub struct Visit {
    /// What is beyond the gate for this call.
    pub facilities: Arc<Facilities>,
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Something is given that no grant names.
    #[error("{0}")]
    Unknown(String),
    /// The temporary folder cannot be filled.
    #[error("the test's folder cannot be made: {0}")]
    Folder(#[from] io::Error),
}

impl World {
    /// The world as a test gives it, at `start`, for plugins with these grants. `prefix` is what messages put before the
    /// names of tables, as in `test.`.
    ///
    /// # Errors
    /// Where it gives something that no grant names, or the temporary folder cannot be filled.
    pub fn new<'g>(
        given: &Given,
        start: Timestamp,
        grants: impl IntoIterator<Item = &'g Grant>,
        prefix: &'static str,
    ) -> Result<Self, WorldError> {
        let clock = Clock::new(start);
        let misses = Arc::new(Misses::new(prefix));
        let folders = grants.into_iter().flat_map(|grant| &grant.spec().files);
        let folders = folders.map(|entry| (entry.at.as_str(), Path::new(&entry.path)));
        Ok(Self {
            web: Arc::new(Web::new(&given.http, start, misses.clone())),
            disk: Arc::new(Disk::new(given, clock.clone(), folders, misses.clone())?),
            clusters: Arc::new(cluster::Clusters::new(&given.kubernetes, start, misses.clone())?),
            clock,
            misses,
        })
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// For one plugin call. `who` asks, for messages: a check or step, with its backticks.
    pub fn visit(&self, who: &str) -> Visit {
        let visitor = Arc::new(self.clock.visitor(who));
        let facilities = Facilities {
            secrets: Arc::new(secrets::Secrets),
            http: HttpClients::given(Arc::new(web::Browser {
                web: self.web.clone(),
                visitor: visitor.clone(),
            })),
            clusters: Clusters::given(Arc::new(cluster::Reach {
                clusters: self.clusters.clone(),
                visitor: visitor.clone(),
            })),
            folders: Folders::Given(Arc::new(disk::Hands {
                disk: self.disk.clone(),
                visitor: visitor.clone(),
            })),
            time: Time::Given(visitor),
            tape: None,
        };
        Visit {
            facilities: Arc::new(facilities),
        }
    }

    /// Works until the visit of `work` is over, on a clock that goes on whenever it waits. For one visit at a time.
    pub async fn alone<T>(&self, mut work: impl Future<Output = T> + Unpin) -> T {
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.clock.somebody_waits() => {
                    if let Some(at) = self.clock.next() {
                        self.clock.advance(at);
                        self.clock.wake();
                    }
                }
            }
        }
    }

    /// How often each answer was used, for [`World::rewind`].
    pub(crate) fn used(&self) -> Used {
        Used {
            web: self.web.used(),
            clusters: self.clusters.used(),
        }
    }

    /// As if no answer had been used since: what is asked again is answered the same.
    pub(crate) fn rewind(&self, used: Used) {
        self.web.rewind(used.web);
        self.clusters.rewind(&used.clusters);
    }

    /// The calls that changed something in clusters, `VERB TARGET`, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.clusters.changes()
    }

    /// What the API server of a cluster answers to a request that nobody checked: its status, and its body as JSON or as
    /// text. That is how tests hold it against a real one.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ask(&self, asked: ClusterRequest<'_>) -> Result<(u16, Value), NoAnswer> {
        let answer = self.clusters.answer("a test", asked, self.clock.now())?;
        let body = serde_json::from_slice(answer.body());
        let text = || String::from_utf8_lossy(answer.body()).into_owned().into();
        Ok((answer.status().as_u16(), body.unwrap_or_else(|_| text())))
    }

    /// Lets the time go on until all that follows from the calls until now has happened.
    pub(crate) fn settle(&self) {
        if let Some(at) = self.clusters.settled() {
            self.clock.advance(at);
        }
    }

    /// The files now, each with what tells whether it was changed.
    pub(crate) fn traces(&self) -> io::Result<BTreeMap<String, disk::Trace>> {
        self.disk.traces()
    }

    /// What was asked for and not given, in the order in which it was.
    pub fn missing(&self) -> Vec<Missing> {
        self.misses.all()
    }

    /// What passed the gate and was sent to servers, in order.
    pub fn passed(&self) -> Vec<Passed> {
        self.web.passed()
    }

    /// The files in the given folders now, by the names that grants give them, sorted.
    ///
    /// # Errors
    /// Where the temporary folder cannot be read.
    pub fn files(&self) -> io::Result<Vec<String>> {
        self.disk.files()
    }
}
