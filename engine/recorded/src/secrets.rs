//! Secrets of a world: every name has a value, and none of them is real.

use std::sync::Arc;

use stanch_sandbox::secret::{Secret, SecretSource};

pub(crate) struct Secrets;

impl SecretSource for Secrets {
    fn get(&self, name: &str) -> Option<Arc<Secret>> {
        Secret::new(value(name)).ok().map(Arc::new)
    }
}

/// The value of the secret of this name.
fn value(name: &str) -> String {
    format!("the-secret-{name}-of-a-test")
}
