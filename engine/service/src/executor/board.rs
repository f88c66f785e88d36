//! What runs share: the ledger, the episodes, and where each run's task is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stanch_contract::{Alert, RunId, Timestamp};
use stanch_run::episode::Episodes;
use stanch_run::firings::Firings;
use stanch_run::{Event, EventKind, Ledger};
use tokio::sync::watch;

use super::mail::{Letter, Mailbox};

/// A run's task, as others see it.
pub(super) struct Member {
    /// Where it is reached.
    pub(super) mail: Mailbox,
    /// Its runbook.
    pub(super) runbook: String,
    /// Told each time that the run changed.
    pub(super) changes: watch::Receiver<u64>,
}

/// What is behind the lock.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) ledger: Ledger,
    pub(super) episodes: Episodes,
    /// What `trigger.at_least` counts.
    pub(super) firings: Firings,
    pub(super) members: BTreeMap<RunId, Member>,
    /// Runs that ask a person something.
    asking: BTreeSet<RunId>,
    /// Runs that wait for something that runs share.
    waiting: BTreeSet<RunId>,
    /// The runs of each alert that is known to a run, by fingerprint.
    of_alert: BTreeMap<String, BTreeSet<RunId>>,
    /// No new work.
    pub(super) draining: bool,
}

/// What runs share. The lock is held for a look or a fold, never over a wait.
#[derive(Default)]
pub(super) struct Board(Mutex<Inner>);

impl Board {
    /// Nothing that is done under the lock can leave it half done, so a poisoned lock is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds a run's events, and wakes who waits for what they may have set free.
    pub(super) fn fold(&self, run: &RunId, events: &[Event]) {
        let mut inner = self.lock();
        inner.fold(run, events);
        if events.iter().any(|event| sets_free(&event.kind)) {
            inner.wake();
        }
    }
}

impl Inner {
    /// Folds a run's events.
    pub(super) fn fold(&mut self, run: &RunId, events: &[Event]) {
        for event in events {
            self.ledger.apply(run, event);
            self.episodes.apply(run, event);
            match &event.kind {
                EventKind::RunOpened(opened) => opened.alerts.iter().for_each(|alert| self.note(alert, run)),
                EventKind::AlertRepeated { alert } | EventKind::AlertResolved { alert } => {
                    self.note(alert, run)
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, alert: &Alert, run: &RunId) {
        self.of_alert
            .entry(alert.fingerprint.clone())
            .or_default()
            .insert(run.clone());
    }

    /// The runs of an episode that is not over and that knows this alert.
    pub(super) fn of_alert(&self, fingerprint: &str) -> impl Iterator<Item = &RunId> {
        let known = self.of_alert.get(fingerprint).into_iter().flatten();
        known.filter(|run| self.members.contains_key(*run) && !self.episodes.is_settled(run))
    }

    /// Whether a run asks a person something.
    pub(super) fn note_asking(&mut self, run: &RunId, asks: bool) {
        if asks && self.members.contains_key(run) {
            self.asking.insert(run.clone());
        } else {
            self.asking.remove(run);
        }
    }

    /// How many runs ask a person something.
    pub(super) fn asking(&self) -> usize {
        self.asking.len()
    }

    /// Takes a run off the board: nothing is to be expected of it any more.
    pub(super) fn remove(&mut self, run: &RunId, alerts: &[Alert]) {
        self.asking.remove(run);
        self.members.remove(run);
        self.waiting.remove(run);
        for alert in alerts {
            if let Some(runs) = self.of_alert.get_mut(&alert.fingerprint) {
                runs.remove(run);
                if runs.is_empty() {
                    self.of_alert.remove(&alert.fingerprint);
                }
            }
        }
    }

    /// Has every run that waits for something shared ask again.
    pub(super) fn wake(&self) {
        for run in &self.waiting {
            self.nudge(run);
        }
    }

    /// Has one run look again.
    pub(super) fn nudge(&self, run: &RunId) {
        if let Some(member) = self.members.get(run) {
            let _ = member.mail.send(Letter::Shared);
        }
    }

    /// Whether this run waits for something that runs share.
    pub(super) fn set_waiting(&mut self, run: &RunId, waits: bool) {
        if waits {
            self.waiting.insert(run.clone());
        } else {
            self.waiting.remove(run);
        }
    }

    /// How many runs are open.
    pub(super) fn open(&self) -> usize {
        self.members.len()
    }

    /// Forgets a run that could not be made durable.
    pub(super) fn abandon(&mut self, run: &RunId, alerts: &[Alert]) {
        self.remove(run, alerts);
        self.episodes.abandon(run);
        self.ledger.abandon(run);
    }

    /// That many firing alerts came in.
    pub(super) fn alerts_came(&mut self, count: usize, now: Timestamp) {
        self.ledger
            .alerts_came(u32::try_from(count).unwrap_or(u32::MAX), now);
    }
}

/// Others may be waiting for what this gives back.
pub(super) fn sets_free(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::LockReleased { .. } | EventKind::BudgetReturned { .. } | EventKind::RunClosed { .. }
    )
}
