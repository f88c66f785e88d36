//! The audit: who decided, stopped, loaded and was let in, in a chain that shows when it was touched.
//!
//! What the entries are is here; how they are chained and kept is the journal's ([`stanch_journal::audit`]). What happens in
//! a run is audited in the batch that records it (`runs.rs`), so that neither is there without the other. All else is said
//! to [`Audit`].

mod failures;
mod loads;
mod runs;
mod told;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Digest, PluginKey, RunId, StepId};
use stanch_journal::{Append, Store, StoreError, Write};
use stanch_run::Actor;
use stanch_run::ledger::PauseScope;
use stanch_run::words::Side;

pub use stanch_journal::Link;
pub use stanch_journal::audit::{Broken, Chain};

pub use self::failures::Failures;
pub use self::loads::{Loads, Swap};
pub(crate) use self::runs::of_run;
pub use self::told::Told;
use crate::clock;

/// What an entry says. The words are stable: programs may rely on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// A yes or no that counts.
    Decision {
        /// In which run.
        run: RunId,
        /// On which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
        /// Yes or no.
        yes: bool,
        /// Who.
        by: String,
        /// Where.
        via: String,
        /// On which plan; absent where an older engine recorded it.
        plan: Option<Digest>,
        /// Why.
        reason: String,
        /// Without the others who are asked.
        alone: bool,
    },
    /// A yes or no that does not count.
    NotTaken {
        /// In which run.
        run: RunId,
        /// On which step, where that was said.
        step: Option<StepId>,
        /// Yes or no.
        yes: bool,
        /// Who.
        by: String,
        /// Where.
        via: String,
        /// To which plan, where one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Digest>,
        /// Why it does not count.
        why: String,
    },
    /// Nobody answered in time: a no.
    Unanswered {
        /// In which run.
        run: RunId,
        /// On which step.
        step: StepId,
        /// The change, or putting it back.
        side: Side,
    },
    /// Something else that a person told a run.
    Order {
        /// Which run.
        run: RunId,
        /// About which step; absent for the run as a whole.
        step: Option<StepId>,
        /// `start`, `answer`, `settle`, `undo`, `cancel`.
        what: String,
        /// Who.
        by: String,
        /// How, or why.
        detail: String,
    },
    /// Runbooks, plugins or stanch.toml were loaded: at the start, or because they changed.
    Loaded {
        /// The generation.
        generation: u64,
        /// Of the text of stanch.toml.
        settings: Digest,
        /// What changed, a line each; empty at the start.
        changes: Vec<String>,
    },
    /// A person had them loaded again, or an earlier generation put back.
    Reload {
        /// Who.
        by: String,
        /// Where.
        via: String,
        /// What was loaded then.
        generation: u64,
        /// An earlier generation was put back.
        back: bool,
    },
    /// What a plugin may touch is something else than it was, also since before the engine was started.
    Grant {
        /// Which plugin.
        plugin: PluginKey,
        /// What it may touch no more, a line each.
        gone: Vec<String>,
        /// What it may touch now, a line each.
        new: Vec<String>,
    },
    /// Changes were stopped.
    Pause {
        /// Which.
        scope: PauseScope,
        /// Who.
        by: String,
        /// Where.
        via: String,
        /// Why.
        reason: String,
    },
    /// Changes go on.
    Resume {
        /// Which.
        scope: PauseScope,
        /// Who.
        by: String,
        /// Where.
        via: String,
    },
    /// Somebody logged in.
    LogIn {
        /// Who.
        by: String,
        /// Where.
        via: String,
        /// The address that it came from.
        from: String,
    },
    /// Somebody could not prove who they are.
    Refused {
        /// Where.
        via: String,
        /// How often since the last such entry.
        times: u64,
    },
}

impl Entry {
    /// For a batch.
    pub(crate) fn write(&self) -> Write {
        Write::Audit(self.json())
    }

    fn json(&self) -> Value {
        // A value that has only string keys cannot fail to be one.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Of what the journal keeps; nothing where a newer engine wrote it.
    pub fn of(is: &Value) -> Option<Self> {
        serde_json::from_value(is.clone()).ok()
    }
}

/// Where entries are said. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
}

impl Audit {
    /// Into this journal.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Keeps an entry; returns once it is on the disk.
    ///
    /// # Errors
    /// Where the journal cannot keep it.
    pub async fn keep(&self, entry: &Entry) -> Result<(), StoreError> {
        self.store
            .append(Append::barrier(clock::now(), vec![entry.write()]))
            .await
    }

    /// Has an entry kept with the next commit. What nobody waits for is lost with the engine where it dies before that.
    pub fn note(&self, entry: Entry) {
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store
                .append(Append::lazy(clock::now(), vec![entry.write()]))
                .await
            {
                tracing::error!(%error, ?entry, "an entry of the audit could not be kept");
            }
        });
    }

    /// Somebody logged in there, from that address. Before they are let in.
    ///
    /// # Errors
    /// Where the journal cannot keep it: then nobody is let in.
    pub async fn log_in(&self, by: &Actor, from: &str) -> Result<(), StoreError> {
        self.keep(&Entry::LogIn {
            by: by.name.clone(),
            via: by.via.clone(),
            from: from.to_owned(),
        })
        .await
    }
}
