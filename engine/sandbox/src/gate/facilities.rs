//! What all sessions of an engine share: what is beyond the gate.

use std::sync::Arc;

use super::Tape;
use crate::files::Folders;
use crate::http::HttpClients;
use crate::kubernetes::Clusters;
use crate::secret::SecretSource;
use crate::time::Time;

/// Secrets, the connection pools with their resolver and TLS roots, the clusters, and the machine's folders and clock.
/// Built once by the service.
///
/// Each of them can be one that is given, for tests: a world that answers what a test says, behind the same gate. Only code
/// can build such a world; nothing in stanch.toml leads to one.
pub struct Facilities {
    /// The operator's secrets, by name, with the value of now.
    pub secrets: Arc<dyn SecretSource>,
    /// The connections.
    pub http: HttpClients,
    /// The operator's clusters, by name, as the settings of now have them.
    pub clusters: Clusters,
    /// Where granted folders are.
    pub folders: Folders,
    /// What time it is.
    pub time: Time,
    /// Who makes a test of what plugins are answered.
    pub tape: Option<Arc<dyn Tape>>,
}
