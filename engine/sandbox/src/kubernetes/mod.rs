//! Kubernetes clusters, as the gate reaches them.
//!
//! Reading order of a call: `target` (what it is about, in one form), `discovery` (kinds to paths), `content` (what a
//! change does, in one form), `request` (what is sent), `transport` (over which connection), `status` (what the answer
//! says). `access` and `clusters` are the operator's side: which clusters there are and with which credentials.
//! `rights` is what a cluster's own authorization has to say of them.
//! `object`, `before` and `differences` read live objects for the question that people are asked; `given` stands where
//! `transport` does in a world that a test gives. Nothing here knows grants, phases or plans; that is [`crate::gate`].

mod access;
pub(crate) mod before;
pub(crate) mod cluster;
mod clusters;
pub(crate) mod content;
pub(crate) mod differences;
pub(crate) mod discovery;
mod given;
pub(crate) mod object;
pub(crate) mod request;
mod rights;
pub(crate) mod selector;
pub(crate) mod status;
pub(crate) mod target;
mod transport;

pub use access::{Access, ClusterSpec};
pub use clusters::{ClusterProblem, ClusterState, Clusters};
pub use given::{ClusterRequest, GivenClusters};
pub use rights::{Examined, Right};

/// One object, in the words of plugin.wit. Nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Deployment`.
    pub kind: String,
    /// None: it is in no namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A list that is asked for, in the words of plugin.wit. Nothing in it has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Deployment`.
    pub kind: String,
    /// None: in all namespaces, or of what is in none.
    pub namespace: Option<String>,
    /// As `kubectl -l` has it.
    pub label_selector: Option<String>,
    /// As `kubectl --field-selector` has it.
    pub field_selector: Option<String>,
    /// How many at a time: 100 where it is not given, at most 500.
    pub limit: Option<u32>,
    /// What the page before said.
    pub continue_from: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Each as JSON.
    pub items: Vec<String>,
    /// Hand it to the next call; `None` at the end.
    pub next: Option<String>,
}

/// Whether a label selector, as `kubectl -l` has it, fits an object's labels.
///
/// # Errors
/// Where it is none.
pub fn selects(selector: &str, object: &serde_json::Value) -> Result<bool, String> {
    let selector = selector::Selector::parse(selector).map_err(|error| error.to_string())?;
    Ok(selector.matches(&object::labels(object)))
}
