//! What all sessions of an engine share.

use std::sync::Arc;

use crate::http::HttpClients;
use crate::kubernetes::Clusters;
use crate::secret::SecretSource;

/// Secrets, the connection pools with their resolver and TLS roots, and the clusters. Built once by the service.
pub struct Facilities {
    /// The operator's secrets, by name, with the value of now.
    pub secrets: Arc<dyn SecretSource>,
    /// The connections.
    pub http: HttpClients,
    /// The operator's clusters, by name, as the settings of now have them.
    pub clusters: Clusters,
}
