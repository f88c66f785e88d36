//! Notices that a file changed.
//!
//! Folders are watched, not files: editors replace a file by another one, and a mounted ConfigMap replaces a link that the
//! files are reached through. An event says only that there is something to look at; what changed, if anything, the digests
//! tell. Besides, everything is looked at every few seconds where the system tells no events (network file systems, too few
//! inotify watches), and now and then where it does.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use stanch_sandbox::kubernetes::Access;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Reloader;
use crate::config::Settings;
use crate::config::settings::SecretPlace;

/// How the files are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Whether the system is asked for events.
    pub events: bool,
    /// Quiet for this long after an event: an editor writes several times.
    pub settle: Duration,
    /// A look at everything this often where there are no events.
    pub poll: Duration,
    /// A look at everything this often where there are.
    pub sweep: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            events: true,
            settle: Duration::from_millis(50),
            poll: Duration::from_secs(2),
            sweep: Duration::from_secs(30),
        }
    }
}

/// Events keep coming: looked at after this long all the same.
const LONGEST: Duration = Duration::from_millis(500);

impl Watch {
    /// Looks whenever there may be something to see, until `ending` is cancelled.
    pub async fn run(self, reloader: Arc<Reloader>, ending: CancellationToken) {
        let (sender, mut events) = mpsc::channel(1);
        let mut watcher = self.events.then(|| Watcher::new(sender)).flatten();
        loop {
            let all = match &mut watcher {
                Some(watcher) => watcher.follow(&reloader.watched()),
                None => false,
            };
            let next = sleep(if all { self.sweep } else { self.poll });
            tokio::select! {
                () = ending.cancelled() => return,
                () = next => {}
                Some(()) = events.recv() => self.settle(&mut events).await,
            }
            reloader.look().await;
        }
    }

    /// Waits until nothing happens for a while.
    async fn settle(&self, events: &mut mpsc::Receiver<()>) {
        let longest = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + self.settle).min(longest);
            match timeout_at(quiet, events.recv()).await {
                Ok(Some(())) if Instant::now() < longest => {}
                Ok(None) => return sleep_until(quiet).await,
                _ => return,
            }
        }
    }
}

/// The system's events on a set of folders.
struct Watcher {
    inner: notify::RecommendedWatcher,
    /// With what tells a folder from another one of the same name, which takes a watch of its own.
    following: BTreeMap<PathBuf, (u64, u64)>,
}

impl Watcher {
    fn new(sender: mpsc::Sender<()>) -> Option<Self> {
        let told = move |event: notify::Result<notify::Event>| {
            // Reading is no change; and what is in the channel already says that there is something to see.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                sender.try_send(()).ok();
            }
        };
        match notify::recommended_watcher(told) {
            Ok(inner) => Some(Self {
                inner,
                following: BTreeMap::new(),
            }),
            Err(error) => {
                tracing::warn!(%error, "the system tells no changes of files; they are looked at every few seconds");
                None
            }
        }
    }

    /// Follows exactly these folders. Whether all of them could be followed.
    fn follow(&mut self, folders: &[PathBuf]) -> bool {
        let gone: Vec<PathBuf> = self
            .following
            .keys()
            .filter(|folder| !folders.contains(folder))
            .cloned()
            .collect();
        for folder in gone {
            self.inner.unwatch(&folder).ok();
            self.following.remove(&folder);
        }
        let mut all = true;
        for folder in folders {
            let identity = std::fs::metadata(folder)
                .map(|metadata| (metadata.dev(), metadata.ino()))
                .ok();
            if identity.is_some() && self.following.get(folder) == identity.as_ref() {
                continue;
            }
            if self.following.remove(folder).is_some() {
                self.inner.unwatch(folder).ok();
            }
            match (self.inner.watch(folder, RecursiveMode::NonRecursive), identity) {
                (Ok(()), Some(identity)) => {
                    self.following.insert(folder.clone(), identity);
                }
                (result, _) => {
                    let why = result.err().map(|error| error.to_string());
                    tracing::debug!(folder = %folder.display(), why, "a folder cannot be watched");
                    all = false;
                }
            }
        }
        all
    }
}

/// The folders whose changes matter: those of stanch.toml, the runbooks, the plugins, the secrets and the kubeconfigs, and where links lead
/// out of them, those that they lead to.
pub(super) fn folders(path: &Path, settings: &Settings) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut file = |path: &Path| {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        found.insert(parent(path));
        if let Ok(real) = path.canonicalize() {
            found.insert(parent(&real));
        }
    };
    file(path);
    settings.plugins.values().for_each(|plugin| file(&plugin.path));
    for place in settings.secrets.values() {
        if let SecretPlace::File(path) = place {
            file(path);
        }
    }
    for cluster in settings.clusters.values() {
        if let Access::Kubeconfig { path, .. } = &cluster.access {
            file(path);
        }
    }
    // A folder may itself be a link that is replaced.
    settings.folders.iter().for_each(|folder| file(&folder.path));
    found.extend(settings.folders.iter().map(|folder| folder.path.clone()));
    found.into_iter().collect()
}
