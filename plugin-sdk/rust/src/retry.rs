//! Trying again what passes by, within a number of tries and the time that the call has.

use std::fmt;
use std::time::Duration;

use stanch_contract::FailureCode;

use crate::{Failure, host};

/// What has to be left of the call's time after a pause, for the next try.
const RESERVE: Duration = Duration::from_secs(1);

/// A try that did not do it.
#[derive(Debug, Clone, PartialEq)]
pub enum Missed {
    /// It passes by.
    Again(Failure),
    /// The next try would fail as well.
    Never(Failure),
}

impl From<Failure> for Missed {
    /// Of a request that had no answer.
    fn from(failure: Failure) -> Self {
        match failure.code {
            FailureCode::Unavailable | FailureCode::Timeout => Self::Again(failure),
            _ => Self::Never(failure),
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Again(failure) | Self::Never(failure)) = self;
        failure.fmt(f)
    }
}

/// All tries failed, or one for good.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// The last try's.
    pub failure: Missed,
    /// How many there were.
    pub tries: u32,
}

/// Tries until it is done: at most so many times, with a pause between two that doubles each time, or is what `Retry-After` says.
/// It ends early where the call is cancelled, or has no time for the pause and one more try.
///
/// # Errors
/// The last failure.
pub fn retry<T>(tries: u32, pause_ms: u32, mut once: impl FnMut() -> Result<T, Missed>) -> Result<T, Spent> {
    let mut wait = pause_ms;
    let mut tried = 0;
    loop {
        tried += 1;
        let missed = match once() {
            Ok(done) => return Ok(done),
            Err(missed) => missed,
        };
        let pause = match &missed {
            Missed::Again(failure) if tried < tries => failure.retry_after_ms.or(Some(wait)),
            _ => None,
        };
        let pause = pause.map(|pause| Duration::from_millis(pause.into()));
        let in_time = pause.filter(|pause| host::remaining() > *pause + RESERVE && !host::is_cancelled());
        let Some(pause) = in_time else {
            return Err(Spent {
                failure: missed,
                tries: tried,
            });
        };
        wait = wait.saturating_mul(2);
        crate::warn!("try {tried} of {tries} failed: {missed}");
        host::sleep(pause);
    }
}
