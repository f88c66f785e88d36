//! The operator's secrets, and how their values are kept out of everything that is shown, stored or handed to a plugin.
//!
//! A [`Secret`] has no Display, Debug, Serialize or Clone. It is put into a header by a [`SecretTemplate`] at the moment a
//! request is sent, and a [`Redactor`] takes its value, and the forms in which servers echo it, out of what comes back.

use std::sync::Arc;

/// Where the gate gets secrets from: the operator's `[secrets]`, with the value of now.
pub trait SecretSource: Send + Sync {
    /// The secret of this name; `None` where stanch.toml names none or its value cannot be read.
    fn get(&self, name: &str) -> Option<Arc<Secret>>;
}

/// A secret value.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The value, for the place that sends it.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}
