//! Which run an alert belongs to.
//!
//! An episode is of one runbook and one group key. It begins at the first firing and ends when every alert of the key is
//! resolved and its run is closed. Repeats are recorded with its run, open or closed, and start nothing. A fold of the
//! same events of all runs.

use std::collections::BTreeMap;

use stanch_contract::{Alert, AlertStatus, RunId, Span, Timestamp};

use crate::event::{Event, EventKind};

/// What to do with an alert that a runbook fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It begins this episode: open a run.
    Begins {
        /// Its number, from 1.
        episode: u64,
    },
    /// It belongs to this run.
    Belongs {
        /// The last run of the episode.
        run: RunId,
        /// Whether it is still open.
        open: bool,
    },
    /// It resolves what is not firing here: there is nothing to do.
    Nothing,
}

/// One episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// From 1, for its runbook and group key.
    pub number: u64,
    /// Its last run.
    pub run: RunId,
    /// When that run was closed.
    pub closed: Option<Timestamp>,
    /// Its alerts as they were last told of, the first first.
    pub alerts: Vec<Alert>,
}

impl Episode {
    /// The alerts that still fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts
            .iter()
            .filter(|alert| alert.status == AlertStatus::Firing)
    }

    /// Every alert is resolved and the run is closed.
    pub fn is_over(&self) -> bool {
        self.closed.is_some() && self.firing().next().is_none()
    }

    fn set(&mut self, alert: &Alert) {
        match self
            .alerts
            .iter_mut()
            .find(|known| known.fingerprint == alert.fingerprint)
        {
            Some(known) => known.clone_from(alert),
            None => self.alerts.push(alert.clone()),
        }
    }
}

/// The last episode of each runbook and group key.
#[derive(Debug, Clone, Default)]
pub struct Episodes {
    last: BTreeMap<(String, String), Episode>,
    of_run: BTreeMap<RunId, (String, String)>,
}

impl Episodes {
    /// Folds one event of one run. Runs are folded in the order in which they were opened.
    pub fn apply(&mut self, run: &RunId, event: &Event) {
        match &event.kind {
            EventKind::RunOpened(opened) => {
                let key = (opened.runbook.clone(), opened.group_key.clone());
                if let Some(before) = self.last.get(&key) {
                    self.of_run.remove(&before.run);
                }
                let episode = Episode {
                    number: opened.episode,
                    run: run.clone(),
                    closed: None,
                    alerts: opened.alerts.clone(),
                };
                self.last.insert(key.clone(), episode);
                self.of_run.insert(run.clone(), key);
            }
            EventKind::AlertRepeated { alert } | EventKind::AlertResolved { alert } => {
                if let Some(episode) = self.of(run) {
                    episode.set(alert);
                }
                self.drop_if_over(run);
            }
            EventKind::RunClosed { .. } => {
                if let Some(episode) = self.of(run) {
                    episode.closed = Some(event.at);
                }
                self.drop_if_over(run);
            }
            _ => {}
        }
    }

    fn of(&mut self, run: &RunId) -> Option<&mut Episode> {
        self.of_run.get(run).and_then(|key| self.last.get_mut(key))
    }

    fn drop_if_over(&mut self, run: &RunId) {
        if self.of(run).is_some_and(|episode| episode.is_over())
            && let Some(key) = self.of_run.remove(run)
        {
            self.last.remove(&key);
        }
    }

    /// Forgets a run that was opened and could not be made durable.
    pub fn abandon(&mut self, run: &RunId) {
        if let Some(key) = self.of_run.remove(run) {
            self.last.remove(&key);
        }
    }

    /// Where this alert goes. `numbered` is the number of the last episode that the journal knows of this runbook and
    /// group key, 0 where there was none.
    pub fn route(&self, runbook: &str, group_key: &str, status: AlertStatus, numbered: u64) -> Route {
        match (self.get(runbook, group_key), status) {
            (Some(episode), _) => Route::Belongs {
                run: episode.run.clone(),
                open: episode.closed.is_none(),
            },
            (None, AlertStatus::Firing) => Route::Begins {
                episode: numbered + 1,
            },
            (None, AlertStatus::Resolved) => Route::Nothing,
        }
    }

    /// The episode that is not over.
    pub fn get(&self, runbook: &str, group_key: &str) -> Option<&Episode> {
        self.last.get(&(runbook.to_owned(), group_key.to_owned()))
    }

    /// The episodes that are not over, by runbook and group key.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Episode)> {
        self.last
            .iter()
            .map(|((runbook, key), episode)| (runbook.as_str(), key.as_str(), episode))
    }

    /// Whether nothing is to be expected of this run any more.
    pub fn is_settled(&self, run: &RunId) -> bool {
        !self.of_run.contains_key(run)
    }

    /// When `trigger.again` starts another run of this episode, where nothing resolves before.
    pub fn again_due(episode: &Episode, again: Span) -> Option<Timestamp> {
        episode
            .closed
            .filter(|_| !episode.is_over())
            .map(|at| at.plus(again))
    }
}

/// What the alerts of a run have in common: the values of `group_by` in order, else the alert's fingerprint.
pub fn group_key(alert: &Alert, group_by: &[String]) -> String {
    if group_by.is_empty() {
        return alert.fingerprint.clone();
    }
    let value = |name: &String| alert.labels.get(name).map(String::as_str).unwrap_or_default();
    // As JSON, so that no label's value can pass for two.
    let values: Vec<(&str, &str)> = group_by.iter().map(|name| (name.as_str(), value(name))).collect();
    serde_json::to_string(&values).unwrap_or_default()
}
