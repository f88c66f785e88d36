//! How long the writer waits for company before it commits.
//!
//! A commit costs the same for one batch as for fifty. Where many runs are under way, a wait that is short against what
//! a run takes anyway saves most flushes; where one is under way, any wait is lost. What cannot be known is how many are
//! about to arrive, so the writer tries: it waits while waiting brings at least half as many again, and after a wait
//! that brought nothing it lets more and more commits pass before it tries again.

use std::time::Duration;

/// The longest wait for company.
const WAIT: Duration = Duration::from_millis(1);
/// The most commits that pass without trying.
const LONGEST_REST: u32 = 256;

/// Decides about waiting, from how it went before.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Commits to let pass.
    rest: u32,
    /// How many to let pass after the next wait in vain.
    next_rest: u32,
}

impl Pace {
    /// How long to wait, and for how many batches at most, where `here` are waiting for the disk.
    pub(super) fn wait(&mut self, here: usize) -> Option<(Duration, usize)> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        Some((WAIT, here.saturating_mul(4).max(16)))
    }

    /// How a wait went.
    pub(super) fn waited(&mut self, before: usize, after: usize) {
        if after >= before + before.div_ceil(2).max(2) {
            self.next_rest = 0;
        } else {
            self.next_rest = (self.next_rest * 2).clamp(8, LONGEST_REST);
            self.rest = self.next_rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_writer_is_rarely_kept_waiting() {
        let mut pace = Pace::default();
        let mut waits = 0;
        for _ in 0..2_000 {
            if pace.wait(1).is_some() {
                waits += 1;
                pace.waited(1, 1);
            }
        }
        assert!(waits <= 15, "{waits}");
    }

    #[test]
    fn a_crowd_is_waited_for_each_time() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            assert!(pace.wait(2).is_some());
            pace.waited(2, 9);
        }
    }

    #[test]
    fn waiting_starts_again_when_a_crowd_comes_back() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            if pace.wait(1).is_some() {
                pace.waited(1, 1);
            }
        }
        let passed = (0..).take_while(|_| pace.wait(8).is_none()).count();
        pace.waited(8, 20);
        assert!(passed <= 256, "{passed}");
        assert!(pace.wait(8).is_some());
    }
}
