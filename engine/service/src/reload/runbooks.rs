//! The runbooks' part of a reload: files to checked runbooks, each kept where its new file is no good.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use stanch_contract::{Digest, PluginKey};
use stanch_runbook::load::Loader;
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, LoadErrors, PluginFacts, RunbookSource};

use super::disk::{Content, parallel};
use crate::config::Settings;
use crate::config::settings::Folder;
use crate::snapshot::{LoadedRunbook, catalogue};

/// The largest runbook.
pub(super) const MOST: u64 = 1 << 20;

/// A runbook's file as it is now.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which of the settings' folders.
    pub(super) folder: usize,
    pub(super) stem: String,
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// What is loaded of one file.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) runbook: Arc<LoadedRunbook>,
    /// Of the file's bytes that it was loaded from.
    pub(super) text: Digest,
    /// What it relied on.
    pub(super) facts: BTreeMap<PluginKey, PluginFacts>,
    /// The folder, as the operator wrote it.
    pub(super) folder: String,
}

/// What became of one file.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// What is loaded from now on.
    pub(super) kept: Option<Kept>,
    /// Why the file itself is not.
    pub(super) wrong: Option<Wrong>,
    /// The last good version would not load again with the plugins of now. A plugin may be held back for it.
    pub(super) stranded: bool,
}

/// Why a runbook's file does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) rendered: String,
}

impl Wrong {
    pub(super) fn plain(path: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            rendered: format!("{path}: {message}\n"),
            message,
        }
    }

    fn of(errors: &LoadErrors) -> Self {
        let line = errors.to_string();
        Self {
            message: line.lines().next().unwrap_or_default().to_owned(),
            rendered: errors.render(false, 110),
        }
    }
}

/// Everything that loading depends on besides the files.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    settings: &'a Settings,
    catalogues: Vec<Catalogue>,
}

impl<'a> Ground<'a> {
    /// With these plugins.
    pub(super) fn new(settings: &'a Settings, plugins: &BTreeMap<PluginKey, PluginFacts>) -> Self {
        let catalogues = settings
            .folders
            .iter()
            .map(|folder| catalogue(folder, settings, plugins.iter()))
            .collect();
        Self { settings, catalogues }
    }

    /// Loads all files, by several threads. `before` is what is loaded now, by path; what rests on the same text,
    /// settings and plugins is not loaded again.
    pub(super) fn load(
        &self,
        entries: &[Entry],
        before: &BTreeMap<PathBuf, Kept>,
        same_settings: bool,
    ) -> Vec<Outcome> {
        let loaders: Vec<Loader<'_>> = self.catalogues.iter().map(Loader::new).collect();
        parallel(entries, |entry| {
            let (Some(folder), Some(loader), Some(catalogue)) = (
                self.settings.folders.get(entry.folder),
                loaders.get(entry.folder),
                self.catalogues.get(entry.folder),
            ) else {
                return Outcome {
                    kept: None,
                    wrong: None,
                    stranded: false,
                };
            };
            let one = One {
                settings: self.settings,
                folder,
                loader,
                catalogue,
            };
            one.load(entry, before.get(&entry.path), same_settings)
        })
    }
}

struct One<'a> {
    settings: &'a Settings,
    folder: &'a Folder,
    loader: &'a Loader<'a>,
    catalogue: &'a Catalogue,
}

impl One<'_> {
    fn load(&self, entry: &Entry, before: Option<&Kept>, same_settings: bool) -> Outcome {
        let shown = self.shown(entry);
        let good = |kept| Outcome {
            kept: Some(kept),
            wrong: None,
            stranded: false,
        };
        let text = match &entry.content {
            Content::Same(digest) | Content::New(digest, _) if before.is_some_and(|b| b.text == *digest) => {
                let Some(before) = before else {
                    return self.keep(entry, None, Wrong::plain(&shown, "it is gone"));
                };
                if same_settings && self.stands(before) {
                    return good(before.clone());
                }
                Ok((*digest, before.runbook.source.text.clone()))
            }
            Content::New(digest, bytes) => std::str::from_utf8(bytes)
                .map(|text| (*digest, text.to_owned()))
                .map_err(|error| {
                    Wrong::plain(
                        &shown,
                        format!("the file is not UTF-8 from byte {}", error.valid_up_to()),
                    )
                }),
            Content::Same(digest) => std::fs::read_to_string(&entry.path)
                .map(|text| (*digest, text))
                .map_err(|error| Wrong::plain(&shown, error.to_string())),
            Content::Missing => {
                return Outcome {
                    kept: None,
                    wrong: None,
                    stranded: false,
                };
            }
            Content::Unreadable(why) => Err(Wrong::plain(&shown, why.clone())),
        };
        match text.and_then(|(digest, text)| {
            self.try_load(self.source(entry, text), digest)
                .map_err(|errors| Wrong::of(&errors))
        }) {
            Ok(kept) => good(kept),
            Err(wrong) => self.keep(entry, before, wrong),
        }
    }

    /// The last good version in place of a file that does not load.
    fn keep(&self, entry: &Entry, before: Option<&Kept>, wrong: Wrong) -> Outcome {
        let Some(before) = before else {
            return Outcome {
                kept: None,
                wrong: Some(wrong),
                stranded: false,
            };
        };
        // Its text is loaded again where it can be, so that it obeys the settings of now.
        let again = self.source(entry, before.runbook.source.text.clone());
        if let Ok(kept) = self.try_load(again, before.text) {
            return Outcome {
                kept: Some(kept),
                wrong: Some(wrong),
                stranded: false,
            };
        }
        Outcome {
            kept: self.restrained(before),
            wrong: Some(wrong),
            stranded: true,
        }
    }

    /// A version that does not load any more, as far as the operator still allows it: what it uses must not be withheld
    /// from its folder, and where it may do less by itself than it did, it only plans.
    fn restrained(&self, before: &Kept) -> Option<Kept> {
        if before.facts.keys().any(|key| !self.folder.plugins.allows(key)) {
            return None;
        }
        let mut kept = before.clone();
        if kept.runbook.runbook.mode > self.folder.max_mode {
            let mut runbook = (*kept.runbook.runbook).clone();
            runbook.mode = Mode::Shadow;
            kept.runbook = Arc::new(LoadedRunbook {
                runbook: Arc::new(runbook),
                source: kept.runbook.source.clone(),
            });
        }
        Some(kept)
    }

    fn try_load(&self, source: RunbookSource, text: Digest) -> Result<Kept, LoadErrors> {
        let runbook = self.loader.load(&source)?;
        let facts = runbook
            .uses()
            .into_iter()
            .filter_map(|key| {
                self.catalogue
                    .plugins
                    .get(key)
                    .map(|facts| (key.clone(), facts.clone()))
            })
            .collect();
        let runbook = Arc::new(LoadedRunbook {
            runbook: Arc::new(runbook),
            source,
        });
        Ok(Kept {
            runbook,
            text,
            facts,
            folder: self.folder.written.clone(),
        })
    }

    /// Whether what it relied on is as it was.
    fn stands(&self, kept: &Kept) -> bool {
        kept.facts.iter().all(|(key, then)| {
            self.catalogue.plugins.get(key).is_some_and(|now| {
                now.may_notify == then.may_notify
                    && now.off_cluster == then.off_cluster
                    && now.kind == then.kind
                    && (Arc::ptr_eq(&now.manifest, &then.manifest) || now.manifest == then.manifest)
            })
        })
    }

    fn shown(&self, entry: &Entry) -> String {
        format!(
            "{}/{}.toml",
            self.folder.written.trim_end_matches('/'),
            entry.stem
        )
    }

    fn source(&self, entry: &Entry, text: String) -> RunbookSource {
        RunbookSource {
            path: self.shown(entry),
            stem: entry.stem.clone(),
            text,
            team: self.folder.team.clone(),
            max_mode: self.folder.max_mode,
            defaults: self.folder.defaults.clone(),
            vars: self.settings.vars.clone(),
        }
    }
}
