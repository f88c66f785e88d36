//! Waiting for something to become so.

use std::time::{Duration, Instant};

use crate::PartError;

/// The longest that anything may take: long enough for two slow cores that build something beside the tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something.
///
/// # Errors
/// Where there is nothing within [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, PartError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(PartError::from(format!("waited {seconds} s in vain for {what}")));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
