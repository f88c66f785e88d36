//! The next snapshot's content, built aside from the files as they are and from what was good before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use stanch_contract::{Digest, PluginKey, Timestamp};
use stanch_runbook::PluginFacts;
use stanch_runbook::index::Index;
use stanch_sandbox::kubernetes::ClusterProblem;
use stanch_sandbox::{Installation, InstallationParts};

use super::disk::{self, Content, Disk};
use super::plugins::{self, Candidate, Good, Plugins};
use super::runbooks::{self, Entry, Ground, Kept, Outcome, Wrong};
use super::settings::{File, Look};
use super::{LoadError, Parts, since};
use crate::config::Settings;
use crate::config::settings::PluginSettings;
use crate::snapshot::{Installed, LoadedRunbook, Problem, ProblemKind, Snapshot};

/// A snapshot's content.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) settings: Arc<Settings>,
    pub(super) runbooks: BTreeMap<String, Arc<LoadedRunbook>>,
    pub(super) index: Arc<Index>,
    pub(super) plugins: BTreeMap<PluginKey, Arc<Installed>>,
    pub(super) problems: Vec<Problem>,
}

/// What is known between one look and the next.
pub(super) struct Builder {
    parts: Parts,
    disk: Disk,
    file: File,
    plugins: Plugins,
    /// What is loaded of each runbook's file.
    kept: BTreeMap<PathBuf, Kept>,
    installed: BTreeMap<PluginKey, Arc<Installed>>,
    index: Arc<Index>,
    /// The newest good settings; a rollback does not change them.
    settings: Option<Arc<Settings>>,
    /// Of all files, as they were at the last look.
    mark: Option<Digest>,
}

/// The files as they are now.
struct Found {
    entries: Vec<Entry>,
    /// Folders that cannot be read.
    closed: Vec<(usize, String)>,
    components: BTreeMap<PathBuf, Content>,
}

impl Builder {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            disk: Disk::default(),
            file: File::default(),
            plugins: Plugins::default(),
            kept: BTreeMap::new(),
            installed: BTreeMap::new(),
            index: Arc::new(Index::default()),
            settings: None,
            mark: None,
        }
    }

    /// Forgets what was read, so that the next look reads everything.
    pub(super) fn forget(&mut self) {
        self.disk.forget();
        self.file.forget();
        self.plugins.forget();
        self.mark = None;
    }

    pub(super) async fn first(&mut self, now: Timestamp) -> Result<Built, LoadError> {
        let path = self.parts.path.clone();
        let settings = Arc::new(self.file.first(&path, &mut self.disk, now.0)?);
        self.parts.secrets.refresh(&settings.secrets);
        self.parts.facilities.clusters.refresh(&settings.clusters).await;
        self.settings = Some(Arc::clone(&settings));
        let found = self.find(&settings, now);
        self.mark = Some(self.mark_of(&found));
        Ok(self.build(settings, found, &[], false, now).await)
    }

    /// What the files give now; nothing where they are as at the last look and nobody `asked`.
    pub(super) async fn next(&mut self, before: &Snapshot, now: Timestamp, asked: bool) -> Option<Built> {
        let newest = self
            .settings
            .clone()
            .unwrap_or_else(|| Arc::clone(&before.settings));
        let path = self.parts.path.clone();
        let (settings, same) = match self.file.look(&path, &newest, &mut self.disk, now.0) {
            Look::New(settings) => (Arc::from(settings), false),
            Look::Same | Look::Wrong => (newest, true),
        };
        let in_force = if before.held.is_some() {
            &before.settings
        } else {
            &settings
        };
        self.parts.secrets.refresh(&in_force.secrets);
        self.parts.facilities.clusters.refresh(&in_force.clusters).await;
        self.settings = Some(Arc::clone(&settings));
        let found = self.find(&settings, now);
        let mark = Some(self.mark_of(&found));
        if !asked && mark == self.mark {
            return None;
        }
        self.mark = mark;
        Some(self.build(settings, found, &before.problems, same, now).await)
    }

    fn find(&mut self, settings: &Settings, now: Timestamp) -> Found {
        let (mut places, mut closed) = (Vec::new(), Vec::new());
        for (folder, settings) in settings.folders.iter().enumerate() {
            match disk::runbooks_of(&settings.path) {
                Ok(files) => places.extend(files.into_iter().map(|(stem, path)| (folder, stem, path))),
                Err(error) => closed.push((folder, error.to_string())),
            }
        }
        let paths: Vec<PathBuf> = places.iter().map(|(_, _, path)| path.clone()).collect();
        let contents = self.disk.read_all(&paths, runbooks::MOST, now.0);
        let entries = places
            .into_iter()
            .zip(contents)
            .map(|((folder, stem, path), content)| Entry {
                folder,
                stem,
                path,
                content,
            })
            .collect();
        Found {
            entries,
            closed,
            components: plugins::read(settings, &mut self.disk, now.0),
        }
    }

    fn mark_of(&self, found: &Found) -> Digest {
        let mut all = Vec::with_capacity(64 * (found.entries.len() + found.components.len() + 1));
        all.extend_from_slice(
            self.file
                .mark()
                .map_or([0; 32], |mark| *mark.as_bytes())
                .as_slice(),
        );
        let mut add = |path: &PathBuf, mark: Digest| {
            all.extend_from_slice(path.as_os_str().as_encoded_bytes());
            all.push(0);
            all.extend_from_slice(mark.as_bytes());
        };
        found
            .entries
            .iter()
            .for_each(|entry| add(&entry.path, entry.content.mark()));
        found
            .components
            .iter()
            .for_each(|(path, content)| add(path, content.mark()));
        for (folder, why) in &found.closed {
            all.extend_from_slice(format!("{folder} {why}").as_bytes());
        }
        for problem in self.parts.facilities.clusters.problems() {
            all.extend_from_slice(format!("{problem:?}").as_bytes());
        }
        Digest::of(&all)
    }

    async fn build(
        &mut self,
        settings: Arc<Settings>,
        found: Found,
        known: &[Problem],
        same_settings: bool,
        now: Timestamp,
    ) -> Built {
        let Found {
            entries,
            closed,
            components,
        } = found;
        let candidates = self
            .plugins
            .candidates(&settings, components, &mut self.disk, &self.parts.sandbox, now.0)
            .await;
        let kept = &self.kept;
        // Reading and checking thousands of files holds this thread for up to half a second.
        let work = || settle(&settings, &entries, kept, &candidates, same_settings);
        let (outcomes, held) = off_the_loop(work);

        let mut problems: Vec<Problem> = self.file.problems().to_vec();
        self.cluster_problems(&settings, &mut problems);
        let chosen = choose(&candidates, &held);
        plugin_problems(&settings, &candidates, &held, &mut problems);
        let closed = self.of_closed_folders(&settings, &closed, &mut problems);
        let (runbooks, kept) = self.collect(entries, outcomes, closed, &mut problems);
        self.kept = kept;
        let plugins = self.install(&settings, &chosen);
        self.index = off_the_loop(|| reindex(&self.index, &runbooks));
        self.plugins.good = chosen;
        for problem in &mut problems {
            problem.since = since(known, problem, now);
        }
        Built {
            settings,
            runbooks,
            index: Arc::clone(&self.index),
            plugins,
            problems,
        }
    }

    /// Clusters that cannot be used as the file says. One that does not answer is none of them.
    fn cluster_problems(&self, settings: &Settings, problems: &mut Vec<Problem>) {
        for ClusterProblem { name, why, kept } in self.parts.facilities.clusters.problems() {
            let path = settings.path.clone();
            let stays = if kept {
                "  what was read before stays\n"
            } else {
                ""
            };
            problems.push(Problem {
                kind: ProblemKind::Cluster,
                rendered: format!("{}: `[clusters.{name}]`: {why}\n{stays}", path.display()),
                path,
                name,
                message: why,
                kept: None,
                since: Timestamp::default(),
            });
        }
    }

    /// What is kept of folders that cannot be read: everything.
    fn of_closed_folders(
        &self,
        settings: &Settings,
        closed: &[(usize, String)],
        problems: &mut Vec<Problem>,
    ) -> Vec<(PathBuf, Kept)> {
        let mut stay = Vec::new();
        for (index, why) in closed {
            let Some(folder) = settings.folders.get(*index) else {
                continue;
            };
            let of_folder = self.kept.iter().filter(|(path, kept)| {
                kept.folder == folder.written && path.parent() == Some(folder.path.as_path())
            });
            stay.extend(of_folder.map(|(path, kept)| (path.clone(), kept.clone())));
            let message = format!("the folder cannot be read: {why}");
            problems.push(Problem {
                kind: ProblemKind::Runbook,
                path: folder.written.clone().into(),
                name: String::new(),
                rendered: format!("{}: {message}\n", folder.written),
                message,
                kept: None,
                since: Timestamp::default(),
            });
        }
        stay
    }

    /// The runbooks by name. Where two files claim one name, the one that had it keeps it, else the first.
    fn collect(
        &self,
        entries: Vec<Entry>,
        outcomes: Vec<Outcome>,
        closed: Vec<(PathBuf, Kept)>,
        problems: &mut Vec<Problem>,
    ) -> (BTreeMap<String, Arc<LoadedRunbook>>, BTreeMap<PathBuf, Kept>) {
        let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (path, kept) in &self.kept {
            names
                .entry(kept.runbook.runbook.name.clone())
                .or_insert_with(|| path.clone());
        }
        let still: BTreeSet<&PathBuf> = entries
            .iter()
            .map(|entry| &entry.path)
            .chain(closed.iter().map(|(path, _)| path))
            .collect();
        names.retain(|_, path| still.contains(path));
        let mut taken: BTreeMap<PathBuf, Kept> = BTreeMap::new();
        let mut runbooks = BTreeMap::new();
        let mut problem = |path: &str, name: &str, wrong: Wrong, kept: Option<Digest>| {
            problems.push(Problem {
                kind: ProblemKind::Runbook,
                path: path.into(),
                name: name.to_owned(),
                message: wrong.message,
                rendered: wrong.rendered,
                kept,
                since: Timestamp::default(),
            });
        };
        for (path, kept) in closed {
            runbooks.insert(kept.runbook.runbook.name.clone(), Arc::clone(&kept.runbook));
            taken.insert(path, kept);
        }
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            let Outcome { kept, wrong, .. } = outcome;
            if let Some(wrong) = wrong {
                let shown = entry.path.display().to_string();
                problem(
                    &shown,
                    &entry.stem,
                    wrong,
                    kept.as_ref().map(|kept| kept.runbook.runbook.digest),
                );
            }
            let Some(kept) = kept else { continue };
            let name = kept.runbook.runbook.name.clone();
            let owner = names.entry(name.clone()).or_insert_with(|| entry.path.clone());
            if *owner == entry.path {
                runbooks.insert(name, Arc::clone(&kept.runbook));
                taken.insert(entry.path, kept);
            } else {
                let shown = entry.path.display().to_string();
                let message = format!(
                    "the name `{name}` is taken by `{}`: names are unique over all folders",
                    owner.display()
                );
                problem(&shown, &entry.stem, Wrong::plain(&shown, message), None);
            }
        }
        (runbooks, taken)
    }

    fn install(
        &mut self,
        settings: &Settings,
        chosen: &BTreeMap<PluginKey, Good>,
    ) -> BTreeMap<PluginKey, Arc<Installed>> {
        let mut plugins = BTreeMap::new();
        for (key, good) in chosen {
            let Some(plugin) = settings.plugins.get(key) else {
                continue;
            };
            let digest = good.plugin.digest();
            let same = self
                .installed
                .get(key)
                .filter(|had| had.digest == digest && *had.settings == *plugin);
            let installed = same
                .cloned()
                .unwrap_or_else(|| Arc::new(self.installation(plugin, good)));
            plugins.insert(key.clone(), installed);
        }
        self.installed.clone_from(&plugins);
        plugins
    }

    fn installation(&self, settings: &PluginSettings, good: &Good) -> Installed {
        let parts = InstallationParts {
            key: settings.key.clone(),
            plugin: Arc::clone(&good.plugin),
            grant: Arc::clone(&settings.grant),
            limits: settings.limits.clone(),
            settings: settings.settings.clone(),
            facilities: Arc::clone(&self.parts.facilities),
        };
        Installed {
            key: settings.key.clone(),
            digest: good.plugin.digest(),
            facts: good.facts(settings),
            settings: Arc::new(settings.clone()),
            installation: Arc::new(Installation::new(&self.parts.sandbox, parts)),
        }
    }
}

/// The index with what changed put in its place; a new one where much did.
fn reindex(before: &Arc<Index>, runbooks: &BTreeMap<String, Arc<LoadedRunbook>>) -> Arc<Index> {
    let changed: Vec<&Arc<LoadedRunbook>> = runbooks
        .values()
        .filter(|loaded| {
            !before
                .get(&loaded.runbook.name)
                .is_some_and(|had| Arc::ptr_eq(had, &loaded.runbook))
        })
        .collect();
    let gone: Vec<&str> = before
        .runbooks()
        .map(|had| had.name.as_str())
        .filter(|name| !runbooks.contains_key(*name))
        .collect();
    if changed.is_empty() && gone.is_empty() {
        return Arc::clone(before);
    }
    if changed.len() + gone.len() > runbooks.len() / 4 {
        return Arc::new(Index::new(
            runbooks.values().map(|loaded| Arc::clone(&loaded.runbook)),
        ));
    }
    let mut index = Index::clone(before);
    for name in gone {
        index.remove(name);
    }
    for loaded in changed {
        index.replace(Arc::clone(&loaded.runbook));
    }
    if index.is_worn() {
        index.rebuild();
    }
    Arc::new(index)
}

/// Where a plugin's new version would leave a loaded runbook without a version that loads, the plugin stays as it is; why.
type Held = BTreeMap<PluginKey, String>;

/// Loads the runbooks with the newest plugins that they can all be loaded with.
fn settle(
    settings: &Settings,
    entries: &[Entry],
    kept: &BTreeMap<PathBuf, Kept>,
    candidates: &BTreeMap<PluginKey, Candidate>,
    same_settings: bool,
) -> (Vec<Outcome>, Held) {
    let mut held = Held::new();
    loop {
        let outcomes =
            Ground::new(settings, &facts(settings, candidates, &held)).load(entries, kept, same_settings);
        let mut more = Held::new();
        for (entry, outcome) in entries
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.stranded)
        {
            let Some(before) = kept.get(&entry.path) else {
                continue;
            };
            let name = &before.runbook.runbook.name;
            let why = outcome.wrong.as_ref().map_or("", |wrong| wrong.message.as_str());
            let changed = before.facts.keys().filter(|key| !held.contains_key(*key));
            let suspects: Held = changed
                .filter(|key| candidates.get(*key).is_some_and(Candidate::swaps))
                .map(|key| {
                    (
                        key.clone(),
                        format!("it does not fit the runbook `{name}`: {why}"),
                    )
                })
                .collect();
            if suspects.is_empty() {
                continue;
            }
            let mut with_old = held.clone();
            with_old.extend(suspects.clone());
            let ground = Ground::new(settings, &facts(settings, candidates, &with_old));
            let helps = ground
                .load(std::slice::from_ref(entry), kept, false)
                .iter()
                .all(|outcome| !outcome.stranded);
            if helps {
                more.extend(suspects);
            }
        }
        if more.is_empty() {
            return (outcomes, held);
        }
        held.extend(more);
    }
}

impl Candidate {
    /// Whether another component would take the place of the loaded one.
    fn swaps(&self) -> bool {
        match (&self.new, &self.old) {
            (Some(new), Some(old)) => new.plugin.digest() != old.plugin.digest(),
            _ => false,
        }
    }

    fn chosen(&self, held: bool) -> Option<&Good> {
        let (first, second) = if held {
            (&self.old, &self.new)
        } else {
            (&self.new, &self.old)
        };
        first.as_ref().or(second.as_ref())
    }
}

fn choose(candidates: &BTreeMap<PluginKey, Candidate>, held: &Held) -> BTreeMap<PluginKey, Good> {
    candidates
        .iter()
        .filter_map(|(key, candidate)| Some((key.clone(), candidate.chosen(held.contains_key(key))?.clone())))
        .collect()
}

fn facts(
    settings: &Settings,
    candidates: &BTreeMap<PluginKey, Candidate>,
    held: &Held,
) -> BTreeMap<PluginKey, PluginFacts> {
    candidates
        .iter()
        .filter_map(|(key, candidate)| {
            let good = candidate.chosen(held.contains_key(key))?;
            Some((key.clone(), good.facts(settings.plugins.get(key)?)))
        })
        .collect()
}

fn plugin_problems(
    settings: &Settings,
    candidates: &BTreeMap<PluginKey, Candidate>,
    held: &Held,
    problems: &mut Vec<Problem>,
) {
    for (key, candidate) in candidates {
        let Some(plugin) = settings.plugins.get(key) else {
            continue;
        };
        let kept = candidate
            .chosen(held.contains_key(key))
            .map(|good| good.plugin.digest());
        let (message, hint) = match (&candidate.wrong, held.get(key)) {
            (Some(wrong), _) => (wrong.message.clone(), wrong.hint.clone()),
            (None, Some(why)) => (
                format!("the new version of `{key}` is not loaded: {why}"),
                Some("change the runbook and the plugin together, or remove the runbook".to_owned()),
            ),
            (None, None) => continue,
        };
        let help = hint.map(|hint| format!("  help: {hint}\n")).unwrap_or_default();
        problems.push(Problem {
            kind: ProblemKind::Plugin,
            path: plugin.written.clone().into(),
            name: key.to_string(),
            rendered: format!("{}: `{key}`: {message}\n{help}", plugin.written),
            message,
            kept,
            since: Timestamp::default(),
        });
    }
}

/// Does long work without holding up what else runs on this thread.
fn off_the_loop<R>(work: impl FnOnce() -> R) -> R {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
