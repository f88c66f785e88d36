//! The engine-wide guardrails: `[guardrails]` of stanch.toml, which no runbook can loosen.
//!
//! A run pins them when it starts and obeys the stricter of then and now ([`EngineGuardrails::stricter`]), so that
//! loosening the file does not widen a run under way and tightening it takes hold at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use stanch_contract::plan::Capability;
use stanch_contract::{ByteSize, PluginKey, Rate, Share, Span};

/// What the operator allows one step, one runbook and the whole engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineGuardrails {
    /// Actions sent by the whole engine.
    pub actions: Rate,
    /// Distinct targets of one step, by capability.
    pub targets: TargetCeilings,
    /// `plugins.KEY.targets`: the ceiling of one installation, in place of [`Self::targets`].
    pub plugin_targets: BTreeMap<PluginKey, TargetCeilings>,
    /// What one step may do to files.
    pub files: FileCeilings,
    /// The share of a population that one step may act on, from its second Kubernetes target on.
    pub share: Share,
    /// Ready members of a population that remain besides what is acted on at one time, from the second target on.
    pub keep_ready: u32,
    /// How long a step over a limit is held and planned again before it fails.
    pub hold: Span,
    /// How long a step waits for a lock before the run escalates.
    pub lock_wait: Span,
    /// More alerts than this: diagnosis only.
    pub storm: Storm,
    /// Runs of one runbook in diagnosis to resolution at the same time; the rest wait. At least 1.
    pub max_open: u32,
}

/// The most distinct targets of one step. 0: none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCeilings {
    /// Kubernetes objects.
    pub kubernetes: u32,
    /// URLs.
    pub http: u32,
    /// Granted folders.
    pub files: u32,
}

impl TargetCeilings {
    /// The same ceiling for every capability: `plugins.KEY.targets`.
    pub const fn all(count: u32) -> Self {
        Self {
            kubernetes: count,
            http: count,
            files: count,
        }
    }

    fn stricter(self, other: Self) -> Self {
        Self {
            kubernetes: self.kubernetes.min(other.kubernetes),
            http: self.http.min(other.http),
            files: self.files.min(other.files),
        }
    }
}

/// The most that one step may do to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCeilings {
    /// Files acted on.
    pub items: u64,
    /// Their size together.
    pub bytes: ByteSize,
}

/// More than `alerts` firing alerts within `within` are a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// How many are still none; at least 1.
    pub alerts: u32,
    /// In how long; more than nothing.
    pub within: Span,
}

impl Default for EngineGuardrails {
    fn default() -> Self {
        Self {
            actions: Rate {
                count: 10,
                per: Span::from_secs(60),
            },
            targets: TargetCeilings {
                kubernetes: 3,
                http: 3,
                files: 1,
            },
            plugin_targets: BTreeMap::new(),
            files: FileCeilings {
                items: 10_000,
                bytes: ByteSize(100 << 30),
            },
            share: Share::percent(25),
            keep_ready: 1,
            hold: Span::from_secs(600),
            lock_wait: Span::from_secs(300),
            storm: Storm {
                alerts: 200,
                within: Span::from_secs(60),
            },
            max_open: 5,
        }
    }
}

impl EngineGuardrails {
    /// The most distinct targets that one step of this installation may have through this capability.
    pub fn target_ceiling(&self, plugin: &PluginKey, capability: Capability) -> u32 {
        let ceilings = self.ceilings(plugin);
        match capability {
            Capability::Kubernetes => ceilings.kubernetes,
            Capability::Http => ceilings.http,
            Capability::Files => ceilings.files,
        }
    }

    fn ceilings(&self, plugin: &PluginKey) -> TargetCeilings {
        self.plugin_targets.get(plugin).copied().unwrap_or(self.targets)
    }

    /// What is allowed by both. Of two rates (and storms) that cannot be compared it takes the smaller count and the
    /// longer time, which is at least as strict as either.
    pub fn stricter(&self, other: &Self) -> Self {
        let (a, b) = (self, other);
        let plugins: BTreeSet<&PluginKey> = a.plugin_targets.keys().chain(b.plugin_targets.keys()).collect();
        Self {
            actions: Rate {
                count: a.actions.count.min(b.actions.count),
                per: a.actions.per.max(b.actions.per),
            },
            targets: a.targets.stricter(b.targets),
            plugin_targets: plugins
                .into_iter()
                .map(|plugin| (plugin.clone(), a.ceilings(plugin).stricter(b.ceilings(plugin))))
                .collect(),
            files: FileCeilings {
                items: a.files.items.min(b.files.items),
                bytes: a.files.bytes.min(b.files.bytes),
            },
            share: a.share.min(b.share),
            keep_ready: a.keep_ready.max(b.keep_ready),
            hold: a.hold.min(b.hold),
            lock_wait: a.lock_wait.min(b.lock_wait),
            storm: Storm {
                alerts: a.storm.alerts.min(b.storm.alerts),
                within: a.storm.within.max(b.storm.within),
            },
            max_open: a.max_open.min(b.max_open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_has_its_own_ceiling_and_the_others_that_of_the_capability() {
        let mut guardrails = EngineGuardrails::default();
        guardrails
            .plugin_targets
            .insert("disk-cleanup".into(), TargetCeilings::all(4));
        assert_eq!(
            guardrails.target_ceiling(&"disk-cleanup".into(), Capability::Files),
            4
        );
        assert_eq!(guardrails.target_ceiling(&"other".into(), Capability::Files), 1);
        assert_eq!(guardrails.target_ceiling(&"other".into(), Capability::Http), 3);
    }

    #[test]
    fn the_stricter_of_two_allows_nothing_that_either_forbids() {
        let then = EngineGuardrails {
            max_open: 2,
            share: Share::percent(10),
            ..Default::default()
        };
        let mut now = EngineGuardrails {
            actions: "5/2m".parse().unwrap(),
            keep_ready: 3,
            ..Default::default()
        };
        now.plugin_targets.insert("wide".into(), TargetCeilings::all(50));
        now.plugin_targets.insert("none".into(), TargetCeilings::all(0));
        for both in [then.stricter(&now), now.stricter(&then)] {
            assert_eq!(both.max_open, 2);
            assert_eq!((both.share, both.keep_ready), (Share::percent(10), 3));
            assert_eq!(both.actions, "5/2m".parse().unwrap());
            // Raised after the run started: what was pinned still holds.
            assert_eq!(both.target_ceiling(&"wide".into(), Capability::Kubernetes), 3);
            assert_eq!(both.target_ceiling(&"wide".into(), Capability::Files), 1);
            assert_eq!(both.target_ceiling(&"none".into(), Capability::Http), 0);
        }
    }
}
