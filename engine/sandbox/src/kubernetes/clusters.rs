//! `[clusters.NAME]` of stanch.toml: which clusters there are, each connected to when it is first asked for.
//!
//! What a cluster is reached by is read when the settings are, and again when one of the files changes. A kubeconfig that
//! cannot be read does not take a good one down: as long as stanch.toml names the same file and context, what was read
//! before stays. A cluster that does not answer is not an error of the file; [`Clusters::states`] tells.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use stanch_contract::Timestamp;
use tokio::time::Instant;

use super::access::{self, ClusterSpec, Stamp};
use super::cluster::Cluster;
use super::given::{Given, GivenClusters};
use super::request;
use super::transport;
use crate::http::{Resolver, SystemResolver};

/// The operator's clusters, as the settings of now have them.
pub struct Clusters {
    resolver: Arc<dyn Resolver>,
    by_name: RwLock<Arc<BTreeMap<String, Entry>>>,
    /// For tests: what stands in the place of all of them.
    given: Option<Given>,
}

/// What is known of one.
#[derive(Clone)]
struct Entry {
    spec: ClusterSpec,
    cluster: Option<Arc<Cluster>>,
    /// Why what stanch.toml says cannot be used.
    wrong: Option<String>,
    files: Vec<(PathBuf, Stamp)>,
}

/// A cluster that cannot be used as stanch.toml says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterProblem {
    /// Its name.
    pub name: String,
    /// In a sentence.
    pub why: String,
    /// Whether what was read before stays in its place.
    pub kept: bool,
}

/// How a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterState {
    /// Its name.
    pub name: String,
    /// The server's URL; absent where it is not known.
    pub server: Option<String>,
    /// Who is acted as, where it is not who logs in.
    pub acts_as: Option<String>,
    /// When it was last asked something.
    pub asked: Option<Timestamp>,
    /// What is wrong; `None` where nothing is, as far as is known.
    pub problem: Option<String>,
}

impl Default for Clusters {
    fn default() -> Self {
        Self::new(Arc::new(SystemResolver))
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.now().keys()).finish()
    }
}

impl Clusters {
    /// None yet. Names are looked up by `resolver`.
    pub fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self {
            resolver,
            by_name: RwLock::default(),
            given: None,
        }
    }

    /// No connections at all: what passes the gate is answered by a world that is given.
    pub fn given(world: Arc<dyn GivenClusters>) -> Self {
        Self {
            given: Some(Given::new(world)),
            ..Self::default()
        }
    }

    /// Takes what the settings of now say, and reads again what changed. Nothing is connected to.
    pub async fn refresh(&self, specs: &BTreeMap<String, ClusterSpec>) {
        let before = self.now();
        let same = before.len() == specs.len()
            && specs
                .iter()
                .all(|(name, spec)| before.get(name).is_some_and(|entry| entry.stands(spec)));
        if same {
            return;
        }
        let mut next = BTreeMap::new();
        for (name, spec) in specs {
            let entry = match before.get(name) {
                Some(entry) if entry.stands(spec) => entry.clone(),
                had => self.read(name, spec, had).await,
            };
            next.insert(name.clone(), entry);
        }
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    async fn read(&self, name: &str, spec: &ClusterSpec, had: Option<&Entry>) -> Entry {
        let (read, files) = access::resolve(spec).await;
        let made = read.and_then(|config| {
            let server = config.cluster_url.to_string();
            let client = transport::client(&config, self.resolver.clone())?;
            Ok(Arc::new(Cluster::new(name, server, client)))
        });
        let (cluster, wrong) = match made {
            Ok(cluster) => (Some(cluster), None),
            // A file that is broken takes nothing down; a setting that names something else does.
            Err(why) => (
                had.filter(|had| had.spec == *spec)
                    .and_then(|had| had.cluster.clone()),
                Some(why),
            ),
        };
        Entry {
            spec: spec.clone(),
            cluster,
            wrong,
            files,
        }
    }

    fn now(&self) -> Arc<BTreeMap<String, Entry>> {
        self.by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The cluster of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Cluster>, String> {
        if let Some(given) = &self.given {
            return Ok(given.get(name));
        }
        match self.now().get(name) {
            Some(Entry {
                cluster: Some(cluster),
                ..
            }) => Ok(cluster.clone()),
            Some(Entry { wrong: Some(why), .. }) => {
                Err(format!("the cluster `{name}` cannot be reached: {why}"))
            }
            Some(_) | None => Err(format!("there is no cluster `{name}` in stanch.toml")),
        }
    }

    /// What cannot be used as stanch.toml says.
    pub fn problems(&self) -> Vec<ClusterProblem> {
        let wrong = |(name, entry): (&String, &Entry)| {
            Some(ClusterProblem {
                name: name.clone(),
                why: entry.wrong.clone()?,
                kept: entry.cluster.is_some(),
            })
        };
        self.now().iter().filter_map(wrong).collect()
    }

    /// How each cluster is, as far as is known without asking it.
    pub fn states(&self) -> Vec<ClusterState> {
        let state = |(name, entry): (&String, &Entry)| {
            let seen = entry.cluster.as_ref().and_then(|cluster| cluster.seen());
            ClusterState {
                name: name.clone(),
                server: entry.cluster.as_ref().map(|cluster| cluster.server().to_owned()),
                acts_as: entry.spec.impersonate.clone(),
                asked: seen.as_ref().map(|seen| seen.at),
                problem: entry.wrong.clone().or_else(|| seen?.why),
            }
        };
        self.now().iter().map(state).collect()
    }

    /// Asks each cluster something that everybody may ask, so that [`Self::states`] knows how it is.
    pub async fn probe(&self, until: Instant) {
        let clusters: Vec<Arc<Cluster>> = self
            .now()
            .values()
            .filter_map(|entry| entry.cluster.clone())
            .collect();
        let asked = clusters.into_iter().map(|cluster| {
            tokio::spawn(async move {
                let _ = cluster.read(request::plain("/version"), 64 << 10, until).await;
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            let _ = asked.await;
        }
    }
}

impl Entry {
    /// Whether what was read is what would be read now.
    fn stands(&self, spec: &ClusterSpec) -> bool {
        // A service account that was not there may be mounted now.
        let retry = self.files.is_empty() && self.wrong.is_some();
        self.spec == *spec
            && !retry
            && self
                .files
                .iter()
                .all(|(path, stamp)| access::stamp(path) == *stamp)
    }
}
