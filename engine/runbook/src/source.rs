//! What a runbook is loaded from, and what it may refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Digest, Manifest, PluginKey, PluginKind};

use crate::model::Mode;

/// Everything that a runbook's meaning depends on besides the plugins: its text and what the operator's file adds.
/// A run pins it by digest, and loading it again gives the same runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunbookSource {
    /// Where it was read from, for messages: the path as the operator wrote the folder.
    pub path: String,
    /// The file's name without `.toml`; the runbook's `name` must be the same.
    pub stem: String,
    /// The file's text.
    pub text: String,
    /// The team of its folder.
    pub team: String,
    /// The most autonomy that its folder allows.
    pub max_mode: Mode,
    /// `[runbooks.defaults]` of its folder, as JSON; `{}` where there are none.
    pub defaults: Value,
    /// `[vars]` of stanch.toml, as JSON.
    pub vars: Value,
}

impl RunbookSource {
    /// The digest that a run pins.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&serde_json::to_value(self).unwrap_or(Value::Null))
    }
}

/// What a runbook may know of an installed plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginFacts {
    /// What it is for.
    pub kind: PluginKind,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// Whether the operator gave it a grant that it needs to tell anybody (`grant.notify`).
    pub may_notify: bool,
    /// Whether the operator lets it at something, and at no cluster: a step that uses it needs no `on`.
    pub off_cluster: bool,
}

/// The plugins that the runbooks of one folder may use, by the operator's key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Usable ones.
    pub plugins: BTreeMap<PluginKey, PluginFacts>,
    /// Installed ones that this folder may not use: named so that the message can say so.
    pub withheld: Vec<PluginKey>,
    /// Whether stanch.toml has `[slack]`, for a step's own channels. `None`: not known here, so any channel is taken, as for what a
    /// run pinned.
    pub slack: Option<bool>,
    /// `[clusters]` of stanch.toml, which a step's `on` names. `None`: not known here, so any name is taken, as for what a
    /// run pinned, which was checked when it was loaded.
    pub clusters: Option<BTreeSet<String>>,
}
