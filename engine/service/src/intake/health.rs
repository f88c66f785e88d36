//! Whether the engine is alive and whether it takes work: `/healthz` and `/readyz`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks the store whether it can be written; a sentence where it cannot.
pub type StoreProbe = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What is needed for taking work.
pub struct Health {
    draining: AtomicBool,
    store: StoreProbe,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

impl Health {
    /// With this store.
    pub fn new(store: StoreProbe) -> Self {
        Self {
            draining: AtomicBool::new(false),
            store,
        }
    }

    /// From now on nothing new is taken.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the engine is ending.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether work is taken.
    ///
    /// # Errors
    /// Why it is not, in a sentence.
    pub fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("the engine is ending".into());
        }
        (self.store)()
    }
}
