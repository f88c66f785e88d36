//! Alerts come in: which runs they open, which they belong to, and nothing is said to be seen before it is durable.
//!
//! An alert that belongs to a run of an episode goes to that run, by its fingerprint, whatever the runbook says by now;
//! else every runbook that fits it and has no episode for its group key begins one. A run that is being opened is known to
//! others before it is durable, so that two notifications cannot open it twice; where the journal refuses, it is forgotten
//! again, and everybody who waited for it is told to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::{Alert, AlertStatus, RunId, Timestamp};
use stanch_journal::{Append, NewAlert, RunRecord, StoreError, Write};
use stanch_run::episode::{Route, group_key};
use stanch_run::{Event, EventKind, Input, Opened, State};
use stanch_runbook::model::Mode;
use tokio::sync::oneshot;

use super::board;
use super::engine::Engine;
use super::mail::{Letter, Refusal};
use super::pins::ToPin;
use super::rows;
use super::task::Home;
use crate::audit;
use crate::clock;
use crate::intake::{Accepted, AlertSink, NotDurable};
use crate::snapshot::{LoadedRunbook, Snapshot};

/// When a sender may try again.
const RETRY: Duration = Duration::from_secs(5);

/// A run that is about to be opened.
pub(super) struct Opening {
    pub(super) loaded: Arc<LoadedRunbook>,
    pub(super) alerts: Vec<Alert>,
    pub(super) inputs: BTreeMap<String, Value>,
    pub(super) faults: Vec<String>,
    pub(super) group_key: String,
    pub(super) episode: u64,
    pub(super) by: Option<String>,
}

/// A run that is known to others and not yet durable.
pub(super) struct Fresh {
    pub(super) state: State,
    home: Home,
    to_pin: Arc<ToPin>,
    event: Event,
    record: RunRecord,
    /// What only a few may see, sealed.
    sealed: Vec<Write>,
}

/// What becomes of one alert.
#[derive(Default)]
struct Fate {
    opened: BTreeSet<RunId>,
    belongs: BTreeSet<RunId>,
    /// It is a firing of `trigger.at_least`, and there are not enough yet.
    counted: bool,
    errors: Vec<String>,
}

impl Fate {
    fn word(&self, alert: &Alert) -> &'static str {
        match alert.status {
            _ if !self.opened.is_empty() => "opened",
            AlertStatus::Firing if !self.belongs.is_empty() => "repeated",
            AlertStatus::Resolved if !self.belongs.is_empty() => "resolved",
            AlertStatus::Resolved => "nothing",
            AlertStatus::Firing if !self.errors.is_empty() => "error",
            AlertStatus::Firing if self.counted => "counted",
            AlertStatus::Firing => "unmatched",
        }
    }

    fn row(&self, alert: &Alert, intake: &str) -> Write {
        let runs = self.opened.union(&self.belongs).cloned().collect();
        let payload = json!({ "alert": alert, "intake": intake, "errors": self.errors });
        Write::Alert(NewAlert {
            name: alert.name.clone(),
            fingerprint: alert.fingerprint.clone(),
            status: alert.status,
            fate: self.word(alert).to_owned(),
            runs,
            payload: payload.to_string().into(),
        })
    }
}

/// How often alerts are sorted to runs anew where one that they belong to closed on the way.
const ROUTES: u32 = 3;

/// Why alerts were not taken.
enum NotTaken {
    /// A run that they belong to closed on the way: they belong elsewhere now.
    Elsewhere,
    Refused(NotDurable),
}

impl From<NotDurable> for NotTaken {
    fn from(why: NotDurable) -> Self {
        Self::Refused(why)
    }
}

#[async_trait]
impl AlertSink for Engine {
    async fn accept(&self, alerts: Vec<Alert>, intake: &str) -> Result<Accepted, NotDurable> {
        for _ in 0..ROUTES {
            match self.accept_once(&alerts, intake).await {
                Ok(accepted) => return Ok(accepted),
                Err(NotTaken::Refused(why)) => return Err(why),
                // What was recorded of them the first time is recorded again as a repeat.
                Err(NotTaken::Elsewhere) => tokio::task::yield_now().await,
            }
        }
        Err(not_durable(&"the run that the alert belongs to is just ending"))
    }
}

impl Engine {
    async fn accept_once(&self, alerts: &[Alert], intake: &str) -> Result<Accepted, NotTaken> {
        let now = clock::now();
        let snapshot = self.inner.current.load();
        let mut fates: Vec<Fate> = alerts.iter().map(|_| Fate::default()).collect();
        let mut letters: BTreeMap<RunId, Vec<Alert>> = BTreeMap::new();
        let (opened, replies) = {
            let mut board = self.inner.board.lock();
            if board.draining {
                return Err(NotTaken::Refused(NotDurable {
                    reason: "the engine is stopping".to_owned(),
                    retry_after: RETRY,
                }));
            }
            let firing = alerts
                .iter()
                .filter(|alert| alert.status == AlertStatus::Firing)
                .count();
            board.alerts_came(firing, now);
            let wanted = self.route(&snapshot, &mut board, alerts, &mut fates, &mut letters, now);
            let opened: Vec<Fresh> = wanted
                .into_iter()
                .filter_map(|(at, opening)| {
                    let opened = self.make_known(&snapshot, &mut board, opening, now)?;
                    for index in at {
                        if let Some(fate) = fates.get_mut(index) {
                            fate.opened.insert(opened.state.id().clone());
                        }
                    }
                    Some(opened)
                })
                .collect();
            (opened, send(&board, letters))
        };
        // Alerts of runs that are there already are recorded once those runs took them.
        let (late, early): (Vec<_>, Vec<_>) = alerts
            .iter()
            .zip(&fates)
            .partition(|(_, fate)| !fate.belongs.is_empty());
        let early = early
            .into_iter()
            .map(|(alert, fate)| fate.row(alert, intake))
            .collect();
        self.make_durable(opened, early, now).await?;
        for reply in replies {
            match reply.await {
                Ok(Ok(())) => {}
                Ok(Err(Refusal::NoRun(_))) | Err(_) => return Err(NotTaken::Elsewhere),
                Ok(Err(refusal)) => return Err(not_durable(&refusal).into()),
            }
        }
        if !late.is_empty() {
            let rows = late
                .into_iter()
                .map(|(alert, fate)| fate.row(alert, intake))
                .collect();
            self.inner
                .store
                .append(Append::new_work(now, rows))
                .await
                .map_err(|error| not_durable(&error))?;
        }
        let mut runs: Vec<RunId> = fates
            .iter()
            .flat_map(|fate| fate.opened.union(&fate.belongs))
            .cloned()
            .collect();
        runs.sort_unstable();
        runs.dedup();
        let mut unmatched = 0;
        for (alert, fate) in alerts.iter().zip(&fates) {
            if matches!(fate.word(alert), "unmatched" | "error") {
                unmatched += 1;
                self.inner.observer.unmatched(&alert.name, fate.errors.len());
            }
        }
        Ok(Accepted {
            alerts: alerts.len(),
            runs,
            unmatched,
        })
    }

    /// Sorts alerts to runs: those that there are, and those that begin, each with the places of its alerts.
    fn route(
        &self,
        snapshot: &Arc<Snapshot>,
        board: &mut board::Inner,
        alerts: &[Alert],
        fates: &mut [Fate],
        letters: &mut BTreeMap<RunId, Vec<Alert>>,
        now: Timestamp,
    ) -> Vec<(Vec<usize>, Opening)> {
        let mut begins: BTreeMap<(String, String), (Vec<usize>, Opening)> = BTreeMap::new();
        // Alerts of this notification that are counted for a run that another of them may begin.
        let mut counted: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for ((index, alert), fate) in alerts.iter().enumerate().zip(fates) {
            let mut belong = |run: RunId| {
                if fate.belongs.insert(run.clone()) {
                    letters.entry(run).or_default().push(alert.clone());
                }
            };
            let own: Vec<RunId> = board.of_alert(&alert.fingerprint).cloned().collect();
            let taken: BTreeSet<String> = own
                .iter()
                .filter_map(|run| board.members.get(run))
                .map(|m| m.runbook.clone())
                .collect();
            own.into_iter().for_each(&mut belong);
            let (fitting, errors) = super::matching::fitting(snapshot, alert);
            let mut errors = errors;
            for loaded in fitting
                .into_iter()
                .filter(|loaded| !taken.contains(loaded.runbook.name.as_str()))
            {
                let trigger = loaded.runbook.trigger.as_ref();
                let group_by = trigger.map(|trigger| trigger.group_by.as_slice());
                let key = group_key(alert, group_by.unwrap_or_default());
                let name = loaded.runbook.name.clone();
                let at_least = trigger.and_then(|trigger| trigger.at_least);
                let firings = at_least
                    .map(|at_least| (at_least, board.firings.note(&name, &key, alert, now, at_least)));
                match board.episodes.route(&name, &key, alert.status, before(now)) {
                    Route::Belongs { run, .. } => belong(run),
                    Route::Nothing => {}
                    Route::Begins { .. } if firings.is_some_and(|(least, count)| count < least.count) => {
                        fate.counted = true;
                        counted.entry((name, key)).or_default().push(index);
                    }
                    Route::Begins { episode } => match begins.entry((name, key.clone())) {
                        std::collections::btree_map::Entry::Occupied(mut entry) => {
                            entry.get_mut().0.push(index);
                            entry.get_mut().1.alerts.push(alert.clone());
                        }
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            // The run is of all that still fires of what was counted.
                            let (name, key) = entry.key().clone();
                            let mut alerts = board.firings.firing(&name, &key);
                            if firings.is_none() {
                                alerts = vec![alert.clone()];
                            }
                            let mut at = counted.remove(entry.key()).unwrap_or_default();
                            at.push(index);
                            // Without an input that it needs it opens too: it is the run that tells people.
                            let (inputs, faults) = super::matching::inputs(&loaded.runbook, &alerts);
                            errors.extend(faults.iter().map(|fault| format!("{name}: {fault}")));
                            let opening = Opening {
                                loaded,
                                alerts,
                                inputs,
                                faults,
                                group_key: key,
                                episode,
                                by: None,
                            };
                            entry.insert((at, opening));
                        }
                    },
                }
            }
            for error in &errors {
                tracing::error!(alert = %alert.name, %error, "a runbook could not be matched or started");
            }
            fate.errors = errors;
        }
        begins.into_values().collect()
    }

    /// Opens a run as far as others can see it.
    pub(super) fn make_known(
        &self,
        snapshot: &Snapshot,
        board: &mut board::Inner,
        opening: Opening,
        now: Timestamp,
    ) -> Option<Fresh> {
        let Opening {
            loaded,
            alerts,
            inputs,
            faults,
            group_key,
            episode,
            by,
        } = opening;
        let to_pin = self.inner.pinned.to_pin(snapshot, &loaded);
        let run = self.inner.ids.next(now);
        let (inputs, sealed) = match self.sealed(&loaded.runbook, &run, inputs) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(runbook = %loaded.runbook.name, %error, "a run could not be opened");
                return None;
            }
        };
        let opened = Opened {
            run: run.clone(),
            runbook: loaded.runbook.name.clone(),
            digest: loaded.runbook.digest,
            generation: snapshot.generation,
            plugins: to_pin.plugins.clone(),
            guardrails: snapshot.settings.guardrails.clone(),
            inputs,
            faults,
            alerts,
            group_key,
            episode,
            by,
            shadow: loaded.runbook.mode == Mode::Shadow,
        };
        let event = Event {
            at: now,
            kind: EventKind::RunOpened(Box::new(opened)),
            calls: Value::Null,
        };
        let state = match State::open(loaded.runbook.clone(), &event) {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(runbook = %loaded.runbook.name, %error, "a run could not be opened");
                return None;
            }
        };
        let record = rows::record(&state, false);
        let before = board
            .episodes
            .get(&loaded.runbook.name, &state.opened().group_key)
            .map(|episode| episode.run.clone());
        board.fold(&run, std::slice::from_ref(&event));
        if let Some(before) = before {
            // This one takes the episode over; nothing is to be expected of the other any more.
            board.nudge(&before);
        }
        let home = Home::on(board, run, &loaded.runbook.name);
        Some(Fresh {
            state,
            home,
            to_pin,
            event,
            record,
            sealed,
        })
    }

    /// Makes runs durable, with `rows` in the same commit, and starts their tasks; or forgets them.
    pub(super) async fn make_durable(
        &self,
        opened: Vec<Fresh>,
        rows: Vec<Write>,
        now: Timestamp,
    ) -> Result<(), NotDurable> {
        if opened.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let batch = |afresh: bool| {
            let mut writes = Vec::with_capacity(opened.len() * 3 + rows.len());
            for Fresh {
                state,
                to_pin,
                event,
                record,
                sealed,
                ..
            } in &opened
            {
                writes.push(Write::Run(record.clone()));
                writes.extend(sealed.iter().cloned());
                writes.extend(self.inner.pinned.writes(state.id(), to_pin, afresh));
                writes.push(rows::events(state, 0, std::slice::from_ref(event)));
                writes.extend(audit::of_run(state.id(), std::slice::from_ref(event)));
            }
            writes.extend(rows.iter().cloned());
            Append::new_work(now, writes)
        };
        let mut kept = self.inner.store.append(batch(false)).await;
        if matches!(kept, Err(StoreError::NoSuchContent(_))) {
            kept = self.inner.store.append(batch(true)).await;
        }
        if let Err(error) = kept {
            let mut board = self.inner.board.lock();
            opened
                .iter()
                .for_each(|one| board.abandon(one.state.id(), one.state.alerts()));
            return Err(not_durable(&error));
        }
        for Fresh {
            state,
            home,
            to_pin,
            record,
            ..
        } in opened
        {
            self.inner.pinned.kept(&to_pin);
            self.inner.observer.opened(&state.opened().runbook);
            home.settle(self, state, Some(record), Vec::new());
        }
        Ok(())
    }
}

/// Sends alerts to the runs that they belong to.
fn send(
    board: &board::Inner,
    letters: BTreeMap<RunId, Vec<Alert>>,
) -> Vec<oneshot::Receiver<Result<(), Refusal>>> {
    let letters = letters
        .into_iter()
        .filter_map(|(run, alerts)| Some((board.members.get(&run)?, alerts)));
    let sent = letters.map(|(member, alerts)| {
        let (reply, answer) = oneshot::channel();
        let _ = member
            .mail
            .send(Letter::Input(Box::new(Input::Alerts(alerts)), reply));
        answer
    });
    sent.collect()
}

/// Episodes are numbered by the time at which they begin: it grows, and nothing has to be looked up.
pub(super) fn before(now: Timestamp) -> u64 {
    u64::try_from(now.0).unwrap_or(1).saturating_sub(1)
}

pub(super) fn not_durable(why: &dyn std::fmt::Display) -> NotDurable {
    NotDurable {
        reason: format!("the alerts could not be recorded: {why}"),
        retry_after: RETRY,
    }
}
