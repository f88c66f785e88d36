//! What differs between two generations, a line each, for the person who reloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use stanch_contract::PluginKey;

use super::build::Built;
use crate::config::Settings;
use crate::snapshot::{Installed, LoadedRunbook, Snapshot};

type Runbooks = BTreeMap<String, Arc<LoadedRunbook>>;
type Plugins = BTreeMap<PluginKey, Arc<Installed>>;

/// From what is loaded to what was built; none: the same content.
pub(super) fn between(before: &Snapshot, after: &Built) -> Vec<String> {
    differences(
        (&before.settings, &before.runbooks, &before.plugins),
        (&after.settings, &after.runbooks, &after.plugins),
    )
}

/// From one snapshot to another.
pub(super) fn between_snapshots(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    differences(
        (&before.settings, &before.runbooks, &before.plugins),
        (&after.settings, &after.runbooks, &after.plugins),
    )
}

fn differences(
    (settings, runbooks, plugins): (&Arc<Settings>, &Runbooks, &Plugins),
    (new_settings, new_runbooks, new_plugins): (&Arc<Settings>, &Runbooks, &Plugins),
) -> Vec<String> {
    let mut lines = Vec::new();
    if !Arc::ptr_eq(settings, new_settings) && settings != new_settings {
        lines.push("changed stanch.toml".to_owned());
    }
    compare(
        "plugin",
        plugins,
        new_plugins,
        |a, b| {
            if a.digest != b.digest {
                Some(format!(" ({} → {})", a.digest.short(), b.digest.short()))
            } else {
                (!Arc::ptr_eq(a, b) && a.settings != b.settings).then(|| " (its settings)".to_owned())
            }
        },
        &mut lines,
    );
    compare(
        "runbook",
        runbooks,
        new_runbooks,
        |a, b| {
            let same = Arc::ptr_eq(a, b)
                || (a.runbook.digest == b.runbook.digest && a.runbook.mode == b.runbook.mode);
            (!same).then(String::new)
        },
        &mut lines,
    );
    lines
}

fn compare<K: Ord + std::fmt::Display, T>(
    kind: &str,
    before: &BTreeMap<K, T>,
    after: &BTreeMap<K, T>,
    differs: impl Fn(&T, &T) -> Option<String>,
    lines: &mut Vec<String>,
) {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        lines.push(format!("removed {kind} `{key}`"));
    }
    for (key, new) in after {
        match before.get(key) {
            None => lines.push(format!("added {kind} `{key}`")),
            Some(old) => {
                if let Some(how) = differs(old, new) {
                    lines.push(format!("changed {kind} `{key}`{how}"));
                }
            }
        }
    }
}
