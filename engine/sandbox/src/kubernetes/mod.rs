//! Kubernetes clusters, as the gate reaches them.

mod clusters;

pub use clusters::{Access, ClusterSpec, Clusters};
