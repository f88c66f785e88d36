//! Who cannot prove who they are: the first at once, then one entry a minute with how many there were. Whoever tries
//! passwords must not be able to fill the disk with it.

use std::sync::{Mutex, PoisonError};

use stanch_contract::{Span, Timestamp};

use super::Entry;

/// The time between two entries.
const PAUSE: Span = Span::from_secs(60);

/// Counts them, for one door.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    told: Option<Timestamp>,
    since: u64,
}

impl Failures {
    /// One more, at this door; the entry, where it is time for one.
    pub fn one(&self, via: &str, now: Timestamp) -> Option<Entry> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.since += 1;
        if counted.told.is_some_and(|told| now < told.plus(PAUSE)) {
            return None;
        }
        counted.told = Some(now);
        Some(Entry::Refused {
            via: via.to_owned(),
            times: std::mem::take(&mut counted.since),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_a_flood_once_a_minute_with_its_number() {
        let failures = Failures::default();
        let times = |at: i64| match failures.one("api", Timestamp(at)) {
            Some(Entry::Refused { times, .. }) => Some(times),
            _ => None,
        };
        assert_eq!(times(0), Some(1));
        for at in 1..=500 {
            assert_eq!(times(at), None);
        }
        assert_eq!(times(60_000), Some(501));
        assert_eq!(times(200_000), Some(1));
    }
}
