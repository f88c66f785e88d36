//! What all sessions of an engine share.

use std::sync::Arc;

use crate::http::HttpClients;
use crate::secret::SecretSource;

/// Secrets, and the connection pools with their resolver and TLS roots. Built once by the service.
pub struct Facilities {
    /// The operator's secrets, by name, with the value of now.
    pub secrets: Arc<dyn SecretSource>,
    /// The connections.
    pub http: HttpClients,
}
