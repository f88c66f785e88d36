//! What a run pins, and how it is found again.
//!
//! A run names the digests of its runbook, and of each plugin's component, settings and grant. The contents are in the
//! journal for as long as a run names them. While what is loaded is still what was pinned, it is used as it is; else the
//! pinned component is installed again. Two things are never of then alone: a plugin that is not installed any more is
//! refused at once, and a grant is the stricter of then and now.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use stanch_contract::{Digest, Failure, FailureCode, PluginKey, RunId, canonical};
use stanch_journal::{Store, Write};
use stanch_run::{Opened, Pin, State};
use stanch_runbook::{Catalogue, PluginFacts, Runbook, RunbookSource};
use stanch_sandbox::gate::{Grant, GrantSpec};
use stanch_sandbox::{Installation, InstallationParts, Plugin, Sandbox};

use crate::snapshot::{Installed, LoadedRunbook, Snapshot};

/// The pins of all runs under way.
pub(super) struct Pinned {
    store: Arc<dyn Store>,
    sandbox: Sandbox,
    /// Contents that are known to be in the journal and pinned by a run of this process.
    known: Mutex<HashSet<Digest>>,
    /// Installations of what is pinned and not loaded any more.
    old: Mutex<BTreeMap<OldKey, Arc<Installation>>>,
    /// What runs pin that are opened now, by runbook, of this generation.
    made: Mutex<(u64, HashMap<String, Arc<ToPin>>)>,
}

/// What tells installations of pinned plugins apart.
type OldKey = (PluginKey, Digest, Digest, Digest, Digest);

/// Which installation a call wants.
pub(super) struct Use {
    key: PluginKey,
    pin: Option<Pin>,
}

impl Use {
    /// The one that the run pins.
    pub(super) fn of(state: &State, key: &PluginKey) -> Self {
        Self {
            key: key.clone(),
            pin: state.opened().plugins.get(key).cloned(),
        }
    }
}

/// What is pinned when a run is opened: the digests, and the contents that they name.
pub(super) struct ToPin {
    pub(super) plugins: BTreeMap<PluginKey, Pin>,
    contents: Vec<(Digest, Bytes)>,
}

impl ToPin {
    /// Of this runbook and the plugins that it uses, as they are loaded.
    pub(super) fn new(snapshot: &Snapshot, loaded: &LoadedRunbook) -> Self {
        let mut contents = vec![text(&serde_json::to_value(&loaded.source).unwrap_or_default())];
        let mut plugins = BTreeMap::new();
        for key in loaded.runbook.calls() {
            let Some(installed) = snapshot.plugins.get(key) else {
                continue;
            };
            let installation = &installed.installation;
            let manifest = installation.plugin().manifest();
            let pin = Pin {
                component: installed.digest,
                settings: installation.settings_digest(),
                grant: installation.grant_digest(),
                idempotent: manifest.idempotent,
                reversible: manifest.reversible,
                verifies: manifest.verifies,
                verifies_undo: manifest.verifies_undo,
            };
            contents.extend([
                (
                    installed.digest,
                    Bytes::from_owner(installation.plugin().component().clone()),
                ),
                text(installation.settings()),
                text(&serde_json::to_value(installation.grant().spec()).unwrap_or_default()),
            ]);
            plugins.insert(key.clone(), pin);
        }
        Self { plugins, contents }
    }

    fn digests(&self) -> Vec<Digest> {
        let mut digests: Vec<Digest> = self.contents.iter().map(|(digest, _)| *digest).collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }
}

/// What a run of this runbook would pin of its plugins.
pub(crate) fn pins_of(snapshot: &Snapshot, loaded: &LoadedRunbook) -> BTreeMap<PluginKey, Pin> {
    ToPin::new(snapshot, loaded).plugins
}

/// A JSON value as a content: its canonical text, so that the content's digest is the value's.
fn text(value: &Value) -> (Digest, Bytes) {
    let text = canonical::to_string(value);
    (Digest::of(text.as_bytes()), Bytes::from(text))
}

impl Pinned {
    pub(super) fn new(store: Arc<dyn Store>, sandbox: Sandbox) -> Self {
        Self {
            store,
            sandbox,
            known: Mutex::default(),
            old: Mutex::default(),
            made: Mutex::default(),
        }
    }

    /// What a run of this runbook pins. Made once for each generation: what is loaded does not change within one.
    pub(super) fn to_pin(&self, snapshot: &Snapshot, loaded: &LoadedRunbook) -> Arc<ToPin> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != snapshot.generation {
            *made = (snapshot.generation, HashMap::new());
        }
        let of_runbook = made.1.entry(loaded.runbook.name.clone());
        Arc::clone(of_runbook.or_insert_with(|| Arc::new(ToPin::new(snapshot, loaded))))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What pins these contents for a run; with the contents themselves where the journal may not have them. `afresh`: as
    /// if it had none.
    pub(super) fn writes(&self, run: &RunId, to_pin: &ToPin, afresh: bool) -> Vec<Write> {
        let mut known = self.known();
        if afresh {
            known.clear();
        }
        let missing = to_pin
            .contents
            .iter()
            .filter(|(digest, _)| !known.contains(digest));
        let mut writes: Vec<Write> = missing
            .map(|(digest, bytes)| Write::Content {
                digest: *digest,
                bytes: bytes.clone(),
            })
            .collect();
        writes.push(Write::Pins {
            run: run.clone(),
            digests: to_pin.digests(),
        });
        writes
    }

    /// These are in the journal now.
    pub(super) fn kept(&self, to_pin: &ToPin) {
        self.known()
            .extend(to_pin.contents.iter().map(|(digest, _)| *digest));
    }

    /// Lets go of what is not loaded any more and was installed again for runs that may be over.
    pub(super) fn forget_unused(&self) {
        self.old
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, installation| Arc::strong_count(installation) > 1);
    }

    async fn content(&self, digest: &Digest) -> Result<Bytes, String> {
        match self.store.content(digest).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("its content {} is not in the journal", digest.short())),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn value(&self, digest: &Digest) -> Result<Value, String> {
        let bytes = self.content(digest).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("its content {} is not JSON: {error}", digest.short()))
    }

    /// The runbook that a run pins.
    pub(super) async fn runbook(&self, snapshot: &Snapshot, opened: &Opened) -> Result<Arc<Runbook>, String> {
        if let Some(loaded) = snapshot.runbooks.get(&opened.runbook)
            && loaded.runbook.digest == opened.digest
        {
            return Ok(loaded.runbook.clone());
        }
        let source: RunbookSource = serde_json::from_value(self.value(&opened.digest).await?)
            .map_err(|error| format!("its runbook cannot be read: {error}"))?;
        let mut catalogue = Catalogue::default();
        for (key, pin) in &opened.plugins {
            let plugin = self.plugin(pin).await?;
            let facts = PluginFacts {
                kind: plugin.kind(),
                manifest: Arc::new(plugin.manifest().clone()),
                may_notify: true,
                // Whether `on` is needed was the matter of when it was loaded.
                off_cluster: true,
            };
            catalogue.plugins.insert(key.clone(), facts);
        }
        // People are told by what is loaded now, whatever that is: it is not pinned.
        for (key, installed) in &snapshot.plugins {
            let facts = || PluginFacts {
                may_notify: true,
                off_cluster: true,
                ..installed.facts.clone()
            };
            catalogue.plugins.entry(key.clone()).or_insert_with(facts);
        }
        let runbook = stanch_runbook::load(&source, &catalogue);
        runbook
            .map(Arc::new)
            .map_err(|errors| format!("its runbook does not load any more: {errors}"))
    }

    async fn plugin(&self, pin: &Pin) -> Result<Arc<Plugin>, String> {
        if let Some(plugin) = self.sandbox.installed(pin.component) {
            return Ok(plugin);
        }
        let bytes = self.content(&pin.component).await?;
        let installed = self.sandbox.install(Arc::from(bytes.as_ref())).await;
        installed.map_err(|error| {
            format!(
                "its plugin {} cannot be installed: {error}",
                pin.component.short()
            )
        })
    }

    /// The installation that a call is made of.
    pub(super) async fn installation(
        &self,
        snapshot: &Snapshot,
        wanted: Use,
    ) -> Result<Arc<Installation>, Failure> {
        let Use { key, pin } = wanted;
        let denied = |why: String| Failure::new(FailureCode::Denied, why);
        let Some(now) = snapshot.plugins.get(&key) else {
            return Err(denied(format!(
                "the plugin `{key}` is not installed any more: the operator removed it"
            )));
        };
        let Some(pin) = pin else {
            return Err(denied(format!(
                "the run does not pin the plugin `{key}`: it was not installed when the run began"
            )));
        };
        let (grant_now, settings_now) = (
            now.installation.grant_digest(),
            now.installation.settings_digest(),
        );
        if now.digest == pin.component && settings_now == pin.settings && grant_now == pin.grant {
            return Ok(now.installation.clone());
        }
        let old_key = (key.clone(), pin.component, pin.settings, pin.grant, grant_now);
        if let Some(installation) = self
            .old
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&old_key)
        {
            return Ok(installation.clone());
        }
        let again = self.install_again(now, &key, &pin).await;
        let installation = again
            .map_err(|why| Failure::new(FailureCode::Unavailable, format!("the plugin `{key}`: {why}")))?;
        self.old
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(old_key, installation.clone());
        Ok(installation)
    }

    async fn install_again(
        &self,
        now: &Installed,
        key: &PluginKey,
        pin: &Pin,
    ) -> Result<Arc<Installation>, String> {
        let then: GrantSpec = serde_json::from_value(self.value(&pin.grant).await?)
            .map_err(|error| format!("its grant of then cannot be read: {error}"))?;
        let then = Grant::new(key.clone(), then).map_err(|error| error.to_string())?;
        let grant = Grant::clone(now.installation.grant()).and(Arc::new(then));
        let parts = InstallationParts {
            key: key.clone(),
            plugin: self.plugin(pin).await?,
            grant: Arc::new(grant),
            limits: now.installation.limits().clone(),
            settings: self.value(&pin.settings).await?,
            facilities: now.installation.facilities().clone(),
        };
        Ok(Arc::new(Installation::new(&self.sandbox, parts)))
    }
}
