//! `[clusters.NAME]` of stanch.toml: which clusters there are and how they are reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// One `[clusters.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// Where its address and credentials are.
    pub access: Access,
    /// The user that is acted as, by the cluster's own impersonation.
    pub impersonate: Option<String>,
}

/// Where a cluster's address and credentials are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// In a file.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Which context of it; its current one where none is named.
        context: Option<String>,
    },
    /// In the pod that the engine runs in: its service account.
    InCluster,
}

/// The operator's clusters, as the settings of now have them.
#[derive(Debug, Default)]
pub struct Clusters {
    specs: RwLock<Arc<BTreeMap<String, ClusterSpec>>>,
}

impl Clusters {
    /// Takes what the settings of now say.
    pub fn refresh(&self, specs: &BTreeMap<String, ClusterSpec>) {
        let mut now = self.specs.write().unwrap_or_else(PoisonError::into_inner);
        if **now != *specs {
            *now = Arc::new(specs.clone());
        }
    }
}
