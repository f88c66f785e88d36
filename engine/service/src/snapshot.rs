//! Everything that is loaded, as one value with a generation number.
//!
//! A snapshot is never changed. A reload builds the next one aside and puts it in place with one store of a pointer, so
//! whoever took one sees runbooks, plugins and settings that belong together for as long as it holds it. A run takes one
//! when it starts and pins the digests of what it found there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use stanch_contract::{Digest, PluginKey, Timestamp};
use stanch_runbook::index::Index;
use stanch_runbook::{Catalogue, PluginFacts, Runbook, RunbookSource};
use stanch_sandbox::Installation;

use crate::config::Settings;
use crate::config::settings::{Folder, PluginSettings};

/// What is loaded.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts up with every swap, from 1; the same number is never another content.
    pub generation: u64,
    /// When it was built.
    pub built: Timestamp,
    /// stanch.toml.
    pub settings: Arc<Settings>,
    /// The runbooks, by name.
    pub runbooks: BTreeMap<String, Arc<LoadedRunbook>>,
    /// The runbooks, by what alerts meet.
    pub index: Arc<Index>,
    /// The plugins, by the operator's key.
    pub plugins: BTreeMap<PluginKey, Arc<Installed>>,
    /// What could not be loaded, and what stays in its place.
    pub problems: Vec<Problem>,
    /// Set by `stanch rollback`: the generation whose content this is, until a file changes or a reload is asked for.
    pub held: Option<u64>,
}

/// A runbook and what it was loaded from.
#[derive(Debug)]
pub struct LoadedRunbook {
    /// What runs.
    pub runbook: Arc<Runbook>,
    /// What a run pins by digest and can load again.
    pub source: RunbookSource,
}

/// An installed plugin.
pub struct Installed {
    /// The operator's key.
    pub key: PluginKey,
    /// Of the component's bytes.
    pub digest: Digest,
    /// What runbooks may know of it.
    pub facts: PluginFacts,
    /// What stanch.toml says of it.
    pub settings: Arc<PluginSettings>,
    /// What is called.
    pub installation: Arc<Installation>,
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.key, self.digest)
    }
}

/// Something that did not load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// The file, as the operator wrote its path.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// The runbook's or plugin's name; empty for stanch.toml.
    pub name: String,
    /// One line: what is wrong.
    pub message: String,
    /// The whole message, with the place in the file underlined and what would be right.
    pub rendered: String,
    /// The digest of the last good version, where one stays in place.
    pub kept: Option<Digest>,
    /// Since when.
    pub since: Timestamp,
}

/// What a problem is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// stanch.toml.
    Settings,
    /// A runbook.
    Runbook,
    /// A plugin.
    Plugin,
    /// A cluster.
    Cluster,
    /// The certificate of `server.tls` and its key.
    Certificate,
    /// The provider of `[oidc]`.
    Provider,
}

impl Snapshot {
    /// The plugins that the runbooks of this folder may use, and those that are withheld from them.
    pub fn catalogue(&self, folder: &Folder) -> Catalogue {
        catalogue(
            folder,
            &self.settings,
            self.plugins
                .iter()
                .map(|(key, installed)| (key, &installed.facts)),
        )
    }
}

/// Of these plugins, what the runbooks of a folder may use and what is withheld from them; and the clusters that there are.
pub(crate) fn catalogue<'a>(
    folder: &Folder,
    settings: &Settings,
    plugins: impl Iterator<Item = (&'a PluginKey, &'a PluginFacts)>,
) -> Catalogue {
    let mut catalogue = Catalogue {
        slack: Some(settings.slack.is_some()),
        clusters: Some(settings.clusters.keys().cloned().collect()),
        ..Catalogue::default()
    };
    for (key, facts) in plugins {
        if folder.plugins.allows(key) {
            catalogue.plugins.insert(key.clone(), facts.clone());
        } else {
            catalogue.withheld.push(key.clone());
        }
    }
    catalogue
}

/// The snapshot of now.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// Starting with this one.
    pub fn new(first: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The snapshot of now. Hold it for one piece of work, and take it once: two calls can give two generations.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts the next one in place and gives back the one before. Only the reloader calls this.
    pub fn swap(&self, next: Snapshot) -> Arc<Snapshot> {
        self.0.swap(Arc::new(next))
    }
}
