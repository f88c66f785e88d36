//! Who holds which lock, and who waits, in order.

use std::collections::BTreeMap;

use stanch_contract::{RunId, StepId, Timestamp};

use super::{Blocked, Claim, Guard};

#[derive(Debug, Clone)]
struct Waiter {
    since: Timestamp,
    run: RunId,
    step: StepId,
    locks: Vec<String>,
}

/// Locks, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    held: BTreeMap<String, (RunId, StepId)>,
    waiting: Vec<Waiter>,
}

impl Locks {
    pub(super) fn take(&mut self, run: &RunId, step: &StepId, locks: &[String]) {
        for lock in locks {
            // A lock that another run holds is never taken over, whatever an event says.
            self.held
                .entry(lock.clone())
                .or_insert_with(|| (run.clone(), step.clone()));
        }
    }

    pub(super) fn release(&mut self, run: &RunId, locks: &[String]) {
        for lock in locks {
            if self.held.get(lock).is_some_and(|(holder, _)| holder == run) {
                self.held.remove(lock);
            }
        }
    }

    pub(super) fn forget(&mut self, run: &RunId) {
        self.held.retain(|_, (holder, _)| holder != run);
        self.waiting.retain(|waiter| waiter.run != *run);
    }

    /// A lock that another run holds, or that a run which waits longer wants too.
    pub(super) fn blocking(&self, claim: &Claim) -> Option<Blocked> {
        let of_others = claim.locks.iter().find_map(|lock| {
            self.held
                .get(lock)
                .filter(|(holder, _)| *holder != claim.run)
                .map(|(holder, step)| Blocked {
                    guard: Guard::Lock,
                    message: format!(
                        "waits for the lock `{lock}`, which run `{holder}` holds in its step `{step}`"
                    ),
                    holder: Some(holder.clone()),
                })
        });
        of_others.or_else(|| {
            let before = self
                .waiting
                .iter()
                .take_while(|w| !(w.run == claim.run && w.step == claim.step));
            before
                .filter(|w| w.run != claim.run && w.since <= claim.since)
                .find_map(|w| {
                    let lock = w
                        .locks
                        .iter()
                        .find(|lock| claim.locks.contains(lock) && !self.holds(&claim.run, lock))?;
                    Some(Blocked {
                        guard: Guard::Lock,
                        message: format!(
                            "waits for the lock `{lock}` behind run `{}`, which waits longer",
                            w.run
                        ),
                        holder: Some(w.run.clone()),
                    })
                })
        })
    }

    fn holds(&self, run: &RunId, lock: &str) -> bool {
        self.held.get(lock).is_some_and(|(holder, _)| holder == run)
    }

    pub(super) fn enqueue(&mut self, claim: &Claim) {
        if let Some(waiter) = self
            .waiting
            .iter_mut()
            .find(|w| w.run == claim.run && w.step == claim.step)
        {
            waiter.locks.clone_from(&claim.locks);
            return;
        }
        let at = self
            .waiting
            .partition_point(|w| (w.since, &w.run) <= (claim.since, &claim.run));
        let (run, step, locks) = (claim.run.clone(), claim.step.clone(), claim.locks.clone());
        self.waiting.insert(
            at,
            Waiter {
                since: claim.since,
                run,
                step,
                locks,
            },
        );
    }

    pub(super) fn withdraw(&mut self, run: &RunId, step: &StepId) {
        self.waiting
            .retain(|waiter| !(waiter.run == *run && waiter.step == *step));
    }

    pub(super) fn held(&self) -> impl Iterator<Item = (&str, &RunId)> {
        self.held.iter().map(|(lock, (run, _))| (lock.as_str(), run))
    }
}
