//! What is loaded, and which grants that changes: said by the reloader with each swap, compared here with what the journal
//! knows. So a grant that was widened while the engine was stopped is found as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use stanch_contract::PluginKey;
use stanch_journal::{Append, Store, StoreError, Write};
use tokio::sync::mpsc;

use super::Entry;
use crate::clock;
use crate::control::grants_of;
use crate::snapshot::Snapshot;

/// The named value with the grants as they were last audited.
const GRANTS: &str = "audit/grants";

/// What each plugin may touch, a line for each entry.
type Grants = BTreeMap<PluginKey, Vec<String>>;

/// Something else was loaded.
#[derive(Debug, Clone)]
pub struct Swap {
    /// What is loaded now.
    pub snapshot: Arc<Snapshot>,
    /// What changed, a line each.
    pub changes: Vec<String>,
}

/// Audits swaps in their order.
pub struct Loads {
    store: Arc<dyn Store>,
    known: Grants,
}

impl Loads {
    /// Goes on from what the journal knows.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let kept = store.value(GRANTS).await?;
        let known = kept.and_then(|kept| serde_json::from_slice(&kept.value).ok());
        Ok(Self {
            store,
            known: known.unwrap_or_default(),
        })
    }

    /// Audits each swap, until nobody tells of any more.
    pub async fn run(mut self, mut swaps: mpsc::UnboundedReceiver<Swap>) {
        while let Some(swap) = swaps.recv().await {
            if let Err(error) = self.loaded(&swap).await {
                tracing::error!(%error, generation = swap.snapshot.generation, "that it was loaded is not in the audit");
            }
        }
    }

    /// Audits one swap.
    ///
    /// # Errors
    /// Where the journal cannot keep it; the grants are compared with the same ones the next time.
    pub async fn loaded(&mut self, swap: &Swap) -> Result<(), StoreError> {
        let grants: Grants = swap
            .snapshot
            .plugins
            .values()
            .map(|installed| (installed.key.clone(), grants_of(installed)))
            .collect();
        let loaded = Entry::Loaded {
            generation: swap.snapshot.generation,
            settings: swap.snapshot.settings.digest,
            changes: swap.changes.clone(),
        };
        let mut writes = vec![loaded.write()];
        writes.extend(changed(&self.known, &grants).iter().map(Entry::write));
        if self.known != grants {
            writes.push(Write::Value {
                name: GRANTS.to_owned(),
                expected: None,
                value: Some(Bytes::from(json!(grants).to_string())),
            });
        }
        self.store.append(Append::barrier(clock::now(), writes)).await?;
        self.known = grants;
        Ok(())
    }
}

/// The plugins that may touch something else than before.
fn changed(before: &Grants, after: &Grants) -> Vec<Entry> {
    let mut keys: Vec<&PluginKey> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let lines = |of: &Grants, key: &PluginKey| of.get(key).cloned().unwrap_or_default();
    let entry = |key: &PluginKey| {
        let (old, new) = (lines(before, key), lines(after, key));
        (old != new).then(|| Entry::Grant {
            plugin: key.clone(),
            gone: old.iter().filter(|line| !new.contains(line)).cloned().collect(),
            new: new.iter().filter(|line| !old.contains(line)).cloned().collect(),
        })
    };
    keys.into_iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(of: &[(&str, &[&str])]) -> Grants {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        of.iter()
            .map(|(key, of)| (PluginKey::from(*key), lines(of)))
            .collect()
    }

    #[test]
    fn what_a_plugin_may_touch_more_or_less_is_said_of_that_plugin_and_of_no_other() {
        let before = grants(&[
            ("a", &["files: one"]),
            ("b", &["http: x", "http: y"]),
            ("c", &["http: z"]),
        ]);
        let after = grants(&[
            ("a", &["files: one"]),
            ("b", &["http: y", "http: w"]),
            ("d", &["http: v"]),
        ]);
        let entry = |plugin: &str, gone: &[&str], new: &[&str]| Entry::Grant {
            plugin: plugin.into(),
            gone: gone.iter().map(|line| (*line).to_owned()).collect(),
            new: new.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(
            changed(&before, &after),
            [
                entry("b", &["http: x"], &["http: w"]),
                entry("c", &["http: z"], &[]),
                entry("d", &[], &["http: v"]),
            ]
        );
        assert_eq!(changed(&after, &after), []);
    }
}
