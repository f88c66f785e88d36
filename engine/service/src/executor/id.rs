//! New names for runs.

use std::sync::atomic::{AtomicI64, Ordering};

use stanch_contract::{RunId, Timestamp};

/// Digits and letters without those that a tired reader mistakes for each other, in the order of their ASCII codes, so that
/// ids sort by time (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes ids that sort by the time of their making and are never given twice, over restarts too: ten characters of time,
/// six of chance.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: AtomicI64,
}

impl Ids {
    /// The next id.
    pub(super) fn next(&self, now: Timestamp) -> RunId {
        // A clock that stands still or goes back must not make a later run sort before an earlier one.
        let before = self.last.fetch_max(now.0, Ordering::Relaxed);
        let at = if before >= now.0 {
            self.last.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            now.0
        };
        let mut chance = [0_u8; 4];
        // Without a source of chance the time alone tells runs of this process apart.
        let _ = getrandom::fill(&mut chance);
        let time = u64::try_from(at).unwrap_or(0);
        let text = (0..10).rev().map(|place| digit(time >> (5 * place)));
        let chance = u64::from(u32::from_be_bytes(chance));
        RunId(
            text.chain((0..6).rev().map(|place| digit(chance >> (5 * place))))
                .collect(),
        )
    }
}

fn digit(value: u64) -> char {
    let index = usize::try_from(value & 31).unwrap_or(0);
    ALPHABET.get(index).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_making_even_where_the_clock_stands_still_or_goes_back() {
        let ids = Ids::default();
        let made: Vec<RunId> = [5, 5, 4, 9, 9]
            .map(|at| ids.next(Timestamp(1_790_000_000_000 + at)))
            .into();
        let mut sorted = made.clone();
        sorted.sort();
        assert_eq!(made, sorted);
        assert!(made.iter().all(|id| id.as_str().len() == 16), "{made:?}");
    }
}
