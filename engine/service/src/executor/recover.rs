//! After a restart: fold the journal, then do what any run does.

use std::sync::PoisonError;

use stanch_contract::{Alert, RunId, Span, Timestamp};
use stanch_journal::{AlertFilter, RunFilter, RunRecord};
use stanch_run::episode::group_key;
use stanch_run::ledger::Pause;
use stanch_run::{Ending, Event, EventKind, Input, Now, State};

use super::engine::{Engine, Parts, StartError, StuckRun};
use super::task::Home;
use crate::clock;

/// How far back rates and cooldowns are counted after a restart, at most.
const LONGEST: Span = Span::from_secs(7 * 86_400);
/// The named values of pauses begin so.
pub(super) const PAUSE: &str = "pause/";

impl Engine {
    /// Starts the engine: every run of which something is still to be expected is folded from the journal and goes on.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let engine = Self::new(parts);
        engine.take_pauses().await?;
        engine.take_what_still_counts().await?;
        engine.take_firings().await?;
        let mut found = Vec::new();
        let mut all: Vec<(RunId, Event)> = Vec::new();
        for record in engine.inner.store.unsettled_runs().await? {
            let events = engine.events(&record.id).await;
            let state = match &events {
                Ok(events) => engine.recall(events).await,
                Err(why) => Err(why.clone()),
            };
            // What runs share is folded even of a run that cannot go on: what it holds stays held.
            all.extend(
                events
                    .into_iter()
                    .flatten()
                    .map(|event| (record.id.clone(), event)),
            );
            match state {
                Ok(state) => found.push((state, record)),
                Err(why) => engine.cannot_go_on(&record, why),
            }
        }
        // In the order in which it happened, over all runs.
        all.sort_by_key(|(_, event)| event.at);
        {
            let mut board = engine.inner.board.lock();
            all.iter()
                .for_each(|(run, event)| board.fold(run, std::slice::from_ref(event)));
        }
        engine.line_up(&found);
        let mut tasks = Vec::with_capacity(found.len());
        for (mut state, record) in found {
            let follows = engine.restart(&mut state);
            let again = state.ending().is_some().then(|| state.clone());
            let home = Home::new(&engine, state.id().clone(), &state.opened().runbook);
            tasks.push((home, state, record, follows, again));
        }
        for (home, state, record, follows, again) in tasks {
            home.settle(&engine, state, Some(record), follows);
            if let Some(closed) = again {
                engine.watch_for_again(&closed);
            }
        }
        Ok(engine)
    }

    /// Rates and cooldowns outlast the runs that they count: those of settled runs that may have changed something are
    /// folded for as far back as any rate or cooldown reaches.
    async fn take_what_still_counts(&self) -> Result<(), StartError> {
        let snapshot = self.inner.current.load();
        let of_runbooks = snapshot.runbooks.values().flat_map(|loaded| {
            let guardrails = &loaded.runbook.guardrails;
            [guardrails.cooldown, guardrails.rate.map(|rate| rate.per)]
        });
        let reach = of_runbooks
            .flatten()
            .chain([snapshot.settings.guardrails.actions.per])
            .max()
            .unwrap_or_default()
            .min(LONGEST);
        let since = Timestamp(clock::now().0.saturating_sub(reach.as_millis()));
        for ending in [
            Ending::Healed,
            Ending::Mitigated,
            Ending::Failed,
            Ending::Cancelled,
        ] {
            let mut filter = RunFilter {
                ending: Some(ending.as_str().to_owned()),
                settled: Some(true),
                closed_since: Some(since),
                limit: 1_000,
                ..RunFilter::default()
            };
            loop {
                let page = self.inner.store.runs(&filter).await?;
                let Some(last) = page.last() else { break };
                filter.before = Some(last.id.clone());
                for record in &page {
                    // A run that cannot be read is over; what it did is not counted, and that is said.
                    match self.events(&record.id).await {
                        Ok(events) => {
                            let mut board = self.inner.board.lock();
                            events
                                .iter()
                                .for_each(|event| board.ledger.apply(&record.id, event));
                        }
                        Err(why) => {
                            tracing::warn!(run = %record.id, %why, "a closed run does not count for rates")
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What `trigger.at_least` counts outlasts the engine: the alerts that came within the longest time are counted again.
    async fn take_firings(&self) -> Result<(), StartError> {
        let snapshot = self.inner.current.load();
        let triggers = snapshot
            .runbooks
            .values()
            .filter_map(|loaded| loaded.runbook.trigger.as_ref());
        let Some(reach) = triggers
            .filter_map(|t| t.at_least.map(|at_least| at_least.within))
            .max()
        else {
            return Ok(());
        };
        let since = Timestamp(clock::now().0.saturating_sub(reach.as_millis()));
        let mut filter = AlertFilter {
            limit: 1_000,
            ..AlertFilter::default()
        };
        let mut came: Vec<(Timestamp, Alert)> = Vec::new();
        loop {
            let page = self.inner.store.alerts(&filter).await?;
            filter.before = page.last().map(|last| last.id);
            let (read, recent) = (page.len(), came.len());
            let within = page.into_iter().filter(|record| record.at >= since);
            came.extend(within.filter_map(|record| {
                let payload: serde_json::Value = serde_json::from_slice(&record.payload).ok()?;
                let alert = serde_json::from_value(payload.get("alert")?.clone()).ok()?;
                Some((record.at, alert))
            }));
            if read == 0 || came.len() == recent {
                break;
            }
        }
        let mut board = self.inner.board.lock();
        for (at, alert) in came.iter().rev() {
            let (fitting, _) = super::matching::fitting(&snapshot, alert);
            for loaded in fitting {
                let Some(trigger) = loaded.runbook.trigger.as_ref() else {
                    continue;
                };
                if let Some(at_least) = trigger.at_least {
                    let key = group_key(alert, &trigger.group_by);
                    board
                        .firings
                        .note(&loaded.runbook.name, &key, alert, *at, at_least);
                }
            }
        }
        Ok(())
    }

    /// A run of these events.
    async fn recall(&self, events: &[Event]) -> Result<State, String> {
        let Some(EventKind::RunOpened(opened)) = events.first().map(|event| &event.kind) else {
            return Err("its events do not begin with its opening".to_owned());
        };
        let book = self
            .inner
            .pinned
            .runbook(&self.inner.current.load(), opened)
            .await?;
        State::fold(book, events).map_err(|error| error.to_string())
    }

    /// A run as the journal has it; nothing where it has none.
    pub(super) async fn read(&self, run: &RunId) -> Result<Option<State>, String> {
        let events = self.events(run).await?;
        if events.is_empty() {
            Ok(None)
        } else {
            self.recall(&events).await.map(Some)
        }
    }

    /// One run that cannot be read back must not keep the others from going on. It is said, loudly and for as long as it
    /// is so.
    fn cannot_go_on(&self, record: &RunRecord, why: String) {
        tracing::error!(run = %record.id, runbook = %record.runbook, %why, "a run in the journal cannot go on");
        self.inner
            .stuck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(StuckRun {
                run: record.id.clone(),
                why,
            });
    }

    /// Tells a run that nothing is under way any more; gives what follows.
    fn restart(&self, state: &mut State) -> Vec<Event> {
        if state.ending().is_some() {
            return Vec::new();
        }
        let guardrails = self.inner.current.load().settings.guardrails.clone();
        let now = Now {
            at: clock::now(),
            guardrails: &guardrails,
        };
        state.handle(Input::Restarted, now).unwrap_or_default()
    }

    /// Runs that waited for locks stand in line again in the order in which they stood.
    fn line_up(&self, found: &[(State, RunRecord)]) {
        let guardrails = self.inner.current.load().settings.guardrails.clone();
        let now = Now {
            at: clock::now(),
            guardrails: &guardrails,
        };
        let mut claims: Vec<_> = found
            .iter()
            .filter(|(state, ..)| state.ending().is_none())
            .flat_map(|(state, ..)| state.commands(now))
            .filter_map(|command| match command {
                stanch_run::Command::Claim(_, claim) => Some(claim),
                _ => None,
            })
            .collect();
        claims.sort_by_key(|claim| claim.since);
        let mut board = self.inner.board.lock();
        claims.iter().for_each(|claim| board.ledger.enqueue(claim));
    }

    async fn take_pauses(&self) -> Result<(), StartError> {
        for value in self.inner.store.values(PAUSE).await? {
            // Cleared pauses are kept as nothing.
            if let Ok(Some(pause)) = serde_json::from_slice::<Option<Pause>>(&value.value) {
                self.inner.board.lock().ledger.pause(pause);
            }
        }
        Ok(())
    }
}

/// A run, read again because its state was worth nothing: with the events that follow, and its listing.
pub(super) async fn state_of(
    engine: &Engine,
    run: &RunId,
) -> Result<Option<(State, Vec<Event>, RunRecord)>, String> {
    let Some(mut state) = engine.read(run).await? else {
        return Ok(None);
    };
    let Some(record) = engine
        .inner
        .store
        .run(run)
        .await
        .map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let follows = engine.restart(&mut state);
    Ok(Some((state, follows, record)))
}
