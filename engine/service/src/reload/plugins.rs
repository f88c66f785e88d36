//! The plugins' part of a reload: files to installed components, each kept where its new file is no good.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use stanch_contract::{Digest, Manifest, PluginKey};
use stanch_runbook::PluginFacts;
use stanch_sandbox::{Plugin, Sandbox};

use super::disk::{Content, Disk};
use crate::config::Settings;
use crate::config::settings::PluginSettings;

/// The largest file that is read; the sandbox has its own say on what it compiles.
const MOST: u64 = 64 << 20;

/// A component that was found good.
#[derive(Debug, Clone)]
pub(super) struct Good {
    pub(super) plugin: Arc<Plugin>,
    pub(super) manifest: Arc<Manifest>,
}

impl Good {
    fn new(plugin: Arc<Plugin>) -> Self {
        let manifest = Arc::new(plugin.manifest().clone());
        Self { plugin, manifest }
    }

    /// What runbooks may know of it when it is installed so.
    pub(super) fn facts(&self, settings: &PluginSettings) -> PluginFacts {
        let grant = settings.grant.spec();
        let elsewhere = !grant.http.is_empty() || !grant.files.is_empty();
        PluginFacts {
            kind: self.plugin.kind(),
            manifest: Arc::clone(&self.manifest),
            may_notify: !grant.notify.is_empty(),
            off_cluster: elsewhere && grant.kubernetes.is_empty(),
        }
    }
}

/// What there is to choose from for one key.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// What the file has, where it is good.
    pub(super) new: Option<Good>,
    /// What was loaded before under this key, where the file is still there.
    pub(super) old: Option<Good>,
    /// What is wrong with the file.
    pub(super) wrong: Option<Wrong>,
}

/// Why a plugin's file is no good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What was found of plugin files before.
#[derive(Debug, Default)]
pub(super) struct Plugins {
    /// Last good ones, by key.
    pub(super) good: BTreeMap<PluginKey, Good>,
    /// Files that could not be installed, so that they are not tried again with every look.
    refused: BTreeMap<(PathBuf, Digest), Wrong>,
}

impl Plugins {
    /// Forgets what could not be installed, so that it is tried again.
    pub(super) fn forget(&mut self) {
        self.refused.clear();
    }

    /// What there is to choose from for every key of the settings.
    pub(super) async fn candidates(
        &mut self,
        settings: &Settings,
        contents: BTreeMap<PathBuf, Content>,
        disk: &mut Disk,
        sandbox: &Sandbox,
        now_ms: i64,
    ) -> BTreeMap<PluginKey, Candidate> {
        let mut contents = contents;
        let mut candidates = BTreeMap::new();
        for (key, plugin) in &settings.plugins {
            let content = contents
                .get_mut(&plugin.path)
                .map_or(Content::Missing, std::mem::take);
            // Another key may have the same source.
            contents.insert(plugin.path.clone(), Content::Same(content.mark()));
            let candidate = match content {
                Content::Missing => {
                    let wrong = Wrong::new(format!("there is no file `{}`", plugin.written))
                        .hint("put the file there, or take the plugin out of stanch.toml");
                    Candidate {
                        new: None,
                        old: None,
                        wrong: Some(wrong),
                    }
                }
                Content::Unreadable(why) => {
                    self.kept(key, Wrong::new(format!("`{}`: {why}", plugin.written)))
                }
                Content::Same(digest) | Content::New(digest, _)
                    if plugin.sha256.is_some_and(|pin| pin != digest) =>
                {
                    let message = format!(
                        "`{}` is not what `sha256` of stanch.toml says: it is {digest}",
                        plugin.written
                    );
                    self.kept(
                        key,
                        Wrong::new(message).hint("change `sha256` only where you trust the new file"),
                    )
                }
                Content::Same(digest) => {
                    self.install(key, plugin, digest, None, disk, sandbox, now_ms)
                        .await
                }
                Content::New(digest, bytes) => {
                    self.install(key, plugin, digest, Some(bytes), disk, sandbox, now_ms)
                        .await
                }
            };
            candidates.insert(key.clone(), candidate);
        }
        self.good.retain(|key, _| {
            candidates
                .get(key)
                .is_some_and(|c| c.new.is_some() || c.old.is_some())
        });
        candidates
    }

    fn kept(&self, key: &PluginKey, wrong: Wrong) -> Candidate {
        Candidate {
            new: None,
            old: self.good.get(key).cloned(),
            wrong: Some(wrong),
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one step of a pipeline, called from one place"
    )]
    async fn install(
        &mut self,
        key: &PluginKey,
        settings: &PluginSettings,
        digest: Digest,
        bytes: Option<Vec<u8>>,
        disk: &mut Disk,
        sandbox: &Sandbox,
        now_ms: i64,
    ) -> Candidate {
        let old = self.good.get(key).cloned();
        if let Some(old) = old.as_ref().filter(|old| old.plugin.digest() == digest) {
            return Candidate {
                new: Some(old.clone()),
                old: Some(old.clone()),
                wrong: None,
            };
        }
        if let Some(plugin) = sandbox.installed(digest) {
            return Candidate {
                new: Some(Good::new(plugin)),
                old,
                wrong: None,
            };
        }
        let place = (settings.path.clone(), digest);
        if let Some(wrong) = self.refused.get(&place) {
            return Candidate {
                new: None,
                old,
                wrong: Some(wrong.clone()),
            };
        }
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => {
                disk.forget_one(&settings.path);
                match disk.read(&settings.path, MOST, now_ms) {
                    Content::New(now, bytes) if now == digest => bytes,
                    // It changes while it is read; the next look finds what it became.
                    _ => {
                        return Candidate {
                            new: None,
                            old,
                            wrong: Some(Wrong::new("the file is changing")),
                        };
                    }
                }
            }
        };
        match sandbox.install(bytes.into()).await {
            Ok(plugin) => Candidate {
                new: Some(Good::new(plugin)),
                old,
                wrong: None,
            },
            Err(error) => {
                let mut wrong = Wrong::new(format!("`{}`: {error}", settings.written));
                wrong.hint = error.hint().map(str::to_owned);
                self.refused.retain(|(path, _), _| *path != settings.path);
                self.refused.insert(place, wrong.clone());
                Candidate {
                    new: None,
                    old,
                    wrong: Some(wrong),
                }
            }
        }
    }
}

/// The contents of all plugin files of the settings.
pub(super) fn read(settings: &Settings, disk: &mut Disk, now_ms: i64) -> BTreeMap<PathBuf, Content> {
    let mut contents = BTreeMap::new();
    for plugin in settings.plugins.values() {
        if !contents.contains_key(&plugin.path) {
            contents.insert(plugin.path.clone(), disk.read(&plugin.path, MOST, now_ms));
        }
    }
    contents
}
