//! Plays a test: a virtual clock, what comes from outside at its time, and a world that answers from the script.

mod calls;
mod commands;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, AlertStatus, RunId, Span, Timestamp, Verdict};
use stanch_recorded::World;
use stanch_run::episode::group_key;
use stanch_run::firings::Firings;
use stanch_run::ledger::{Pause, PauseScope};
use stanch_run::words::OnCancel;
use stanch_run::{Actor, CommandId, Event, EventKind, Input, Ledger, Now, Opened, Refused, State};
use stanch_runbook::expr::Scope;
use stanch_runbook::index::Index;
use stanch_runbook::model::Mode;
use stanch_runbook::testfile::{Deed, PersonDoes, RunbookTest, TEST_START};
use stanch_runbook::{EngineGuardrails, Runbook};

use super::Played;
use super::live::Live;
use crate::control::actor;
use crate::executor::pins_of;
use crate::snapshot::{LoadedRunbook, Snapshot};

/// How long after the last thing from outside a run is watched.
const AFTER: Span = Span::from_secs(48 * 3_600);
/// Turns of the clock, so that a runbook that never rests ends the test.
const TURNS: u32 = 100_000;

/// How soon a time that has come is looked at again: at once, and later where nothing followed from it.
const SOON: Span = Span::from_millis(1);
const LATER: Span = Span::from_secs(1);

/// Something from outside.
enum Outside<'t> {
    Alert(&'t Alert),
    Person(&'t PersonDoes),
}

pub(super) struct Stage<'t> {
    snapshot: &'t Snapshot,
    loaded: &'t LoadedRunbook,
    book: Arc<Runbook>,
    test: &'t RunbookTest,
    guardrails: EngineGuardrails,
    ledger: Ledger,
    firings: Firings,
    now: Timestamp,
    played: Option<Played>,
    begun: Vec<CommandId>,
    /// How soon a time that has come is looked at again, where nothing followed from it.
    idle: Span,
    /// Where the test gives a world.
    live: Option<Live>,
    wrong: Vec<String>,
}

impl<'t> Stage<'t> {
    pub(super) fn new(snapshot: &'t Snapshot, loaded: &'t LoadedRunbook, test: &'t RunbookTest) -> Self {
        let mut book = (*loaded.runbook).clone();
        if let Some(mode) = test.mode {
            book.mode = mode;
        }
        let mut wrong = Vec::new();
        let live = (!test.world.is_empty()).then(|| {
            let pins = pins_of(snapshot, loaded);
            let used = pins.keys().filter_map(|key| snapshot.plugins.get(key));
            let grants = used.map(|installed| installed.installation.grant().as_ref());
            World::new(&test.world, TEST_START, grants, "test.").map(Live::new)
        });
        let live = live.and_then(|live| live.map_err(|error| wrong.push(error.to_string())).ok());
        Self {
            snapshot,
            loaded,
            book: Arc::new(book),
            test,
            guardrails: snapshot.settings.guardrails.clone(),
            ledger: Ledger::default(),
            firings: Firings::default(),
            now: TEST_START,
            played: None,
            begun: Vec::new(),
            idle: SOON,
            live,
            wrong,
        }
    }

    /// What was played, when it ended, and what the test itself got wrong.
    pub(super) fn finish(mut self) -> (Option<Played>, Timestamp, Vec<String>) {
        if let Some(live) = &self.live {
            let missing = live.world.missing();
            self.wrong.extend(missing.iter().map(ToString::to_string));
            match (live.world.files(), self.played.as_mut()) {
                (Ok(files), Some(played)) => played.left = files,
                (Ok(_), None) => {}
                (Err(error), _) => self
                    .wrong
                    .push(format!("the test's folder cannot be read: {error}")),
            }
        }
        (self.played, self.now, self.wrong)
    }

    pub(super) async fn play(&mut self) {
        if !self.wrong.is_empty() {
            return;
        }
        let test = self.test;
        if let Some(inputs) = &test.inputs {
            self.start_by_hand(inputs.clone());
        }
        let mut outside: Vec<(Span, Outside<'t>)> = Vec::new();
        outside.extend(
            test.alerts
                .iter()
                .map(|alert| (alert.at, Outside::Alert(&alert.what))),
        );
        outside.extend(
            test.people
                .iter()
                .map(|deed| (deed.at, Outside::Person(&deed.what))),
        );
        // Stable: alerts before people where both come at the same time.
        outside.sort_by_key(|(at, _)| *at);
        let end = TEST_START
            .plus(outside.last().map_or(Span::ZERO, |(at, _)| *at))
            .plus(AFTER);
        let mut outside = outside.into_iter().peekable();
        for _ in 0..TURNS {
            let seq = self.seq();
            while let Some((_, what)) = outside.next_if(|(at, _)| TEST_START.plus(*at) <= self.now) {
                match what {
                    Outside::Alert(alert) => self.alert(alert),
                    Outside::Person(deed) => self.person(deed),
                }
                self.settle().await;
            }
            self.settle().await;
            self.idle = if self.seq() == seq { LATER } else { SOON };
            let next = outside.peek().map(|(at, _)| TEST_START.plus(*at));
            let waits = self.live.as_ref().and_then(Live::next);
            let Some(next) = [next, waits, self.due()]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end)
            else {
                return;
            };
            self.now = next;
            // Reads that are repeated, and claims that wait, are wanted again.
            let live = self.live.as_ref();
            self.begun
                .retain(|id| live.is_some_and(|live| live.is_under_way(id)));
            while self.live.as_ref().is_some_and(|live| live.wake(next)) {
                self.listen().await;
            }
        }
        self.wrong.push(format!(
            "the run did not come to rest in {TURNS} turns of the clock"
        ));
    }

    /// Of the run's last event.
    fn seq(&self) -> Option<u64> {
        self.played.as_ref().map(|played| played.state.seq())
    }

    /// When the run wants to be looked at again.
    fn due(&self) -> Option<Timestamp> {
        let played = self.played.as_ref()?;
        let due = played.state.due(Now {
            at: self.now,
            guardrails: &self.guardrails,
        })?;
        Some(due.max(self.now.plus(self.idle)))
    }

    fn start_by_hand(&mut self, inputs: BTreeMap<String, Value>) {
        match self.book.inputs_with(inputs, None) {
            Ok(inputs) => self.open(
                Vec::new(),
                inputs,
                Vec::new(),
                "by-hand".to_owned(),
                Some("the test".to_owned()),
            ),
            Err(errors) => self.wrong.extend(errors.iter().map(ToString::to_string)),
        }
    }

    fn open(
        &mut self,
        alerts: Vec<Alert>,
        inputs: BTreeMap<String, Value>,
        faults: Vec<String>,
        group_key: String,
        by: Option<String>,
    ) {
        let opened = Opened {
            run: RunId::from("test000000000000"),
            runbook: self.book.name.clone(),
            digest: self.book.digest,
            generation: self.snapshot.generation,
            plugins: pins_of(self.snapshot, self.loaded),
            guardrails: self.guardrails.clone(),
            inputs,
            faults,
            alerts,
            group_key,
            episode: 1,
            by,
            shadow: self.book.mode == Mode::Shadow,
        };
        let event = Event {
            at: self.now,
            kind: EventKind::RunOpened(Box::new(opened)),
            calls: Value::Null,
        };
        match State::open(Arc::clone(&self.book), &event) {
            Ok(state) => {
                self.ledger.apply(state.id(), &event);
                self.played = Some(Played {
                    state,
                    events: vec![event],
                    told: Vec::new(),
                    sent: Vec::new(),
                    left: Vec::new(),
                });
            }
            Err(error) => self.wrong.push(format!("the run cannot be opened: {error}")),
        }
    }

    fn alert(&mut self, alert: &Alert) {
        let group_by = self
            .book
            .trigger
            .as_ref()
            .map(|trigger| trigger.group_by.clone())
            .unwrap_or_default();
        let key = group_key(alert, &group_by);
        if let Some(played) = &self.played {
            if played.state.opened().group_key == key {
                self.input(Input::Alerts(vec![alert.clone()]));
            }
            return;
        }
        if alert.status == AlertStatus::Resolved {
            let trigger = self.book.trigger.as_ref();
            if let Some(at_least) = trigger.and_then(|trigger| trigger.at_least) {
                self.firings
                    .note(&self.book.name, &key, alert, self.now, at_least);
            }
            return;
        }
        let index = Index::new([Arc::clone(&self.book)]);
        for found in index.matches(alert) {
            match found.when {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    self.wrong.push(error.to_string());
                    continue;
                }
            }
            let at_least = self.book.trigger.as_ref().and_then(|trigger| trigger.at_least);
            let mut alerts = vec![alert.clone()];
            if let Some(at_least) = at_least {
                let name = &self.book.name;
                if self.firings.note(name, &key, alert, self.now, at_least) < at_least.count {
                    continue;
                }
                alerts = self.firings.firing(name, &key);
            }
            let (inputs, errors) =
                with_scope(&self.book, &alerts, |scope| self.book.inputs_from_alert(scope));
            let faults = errors.iter().map(ToString::to_string).collect();
            self.open(alerts, inputs, faults, key.clone(), None);
        }
    }

    fn person(&mut self, deed: &PersonDoes) {
        let at = Span::from_millis(self.now.0 - TEST_START.0);
        let by = self.actor(&deed.by);
        let Some(input) = self.said(by, deed) else { return };
        if self.played.is_none() {
            self.wrong.push(format!(
                "at {at} there is no run that `{}` could speak to",
                deed.by
            ));
        } else if let Err(refused) = self.try_input(input) {
            self.wrong
                .push(format!("at {at} `{}` is refused: {refused}", deed.by));
        }
    }

    /// What a person says to the run; nothing where it is said to the engine.
    fn said(&mut self, by: Actor, deed: &PersonDoes) -> Option<Input> {
        let step = deed.step.clone();
        let decide = |yes| Input::Decide {
            by: by.clone(),
            step: step.clone(),
            digest: None,
            yes,
            reason: String::new(),
        };
        let cancel = |then| Input::Cancel {
            by: by.clone(),
            then,
            reason: String::new(),
        };
        Some(match (deed.what, step.clone()) {
            (Deed::Approve, _) => decide(true),
            (Deed::Deny, _) => decide(false),
            (Deed::Yes, Some(check)) => Input::Answer {
                by,
                check,
                verdict: Verdict::Yes,
            },
            (Deed::No, Some(check)) => Input::Answer {
                by,
                check,
                verdict: Verdict::No,
            },
            (Deed::Unknown, Some(check)) => Input::Answer {
                by,
                check,
                verdict: Verdict::Unknown,
            },
            (Deed::Done, Some(step)) => Input::ByHand { by, step, done: true },
            (Deed::NotDone, Some(step)) => Input::ByHand {
                by,
                step,
                done: false,
            },
            (Deed::Happened, Some(step)) => Input::Settle {
                by,
                step,
                happened: true,
                go_on: true,
            },
            (Deed::NotHappened, Some(step)) => Input::Settle {
                by,
                step,
                happened: false,
                go_on: true,
            },
            (Deed::Undo, step) => Input::Undo { by, step },
            (Deed::CancelAndUndo, _) => cancel(OnCancel::Undo),
            (Deed::CancelAndLeave, _) => cancel(OnCancel::Leave),
            (Deed::Pause, _) => {
                let (scope, reason) = (PauseScope::All, "the test".to_owned());
                self.ledger.pause(Pause {
                    scope,
                    by: by.name,
                    reason,
                    at: self.now,
                });
                return None;
            }
            (Deed::Resume, _) => {
                self.ledger.resume(&PauseScope::All);
                self.begun.clear();
                return None;
            }
            // The file's reader asks for the step.
            (_, None) => return None,
        })
    }

    /// A user of stanch.toml; one that it does not name is in every group that is asked.
    fn actor(&self, name: &str) -> Actor {
        if let Some(user) = self.snapshot.settings.users.iter().find(|user| user.name == name) {
            return actor::of_user(user);
        }
        let asked = self.played.iter().flat_map(|played| played.state.questions());
        let groups = asked
            .flat_map(|question| question.from)
            .filter_map(|from| from.strip_prefix("group:").map(Into::into));
        Actor {
            name: name.to_owned(),
            groups: groups.collect(),
            role: stanch_run::Role::Admin,
            bounds: Vec::new(),
            via: String::new(),
        }
    }

    fn input(&mut self, input: Input) {
        if let Err(refused) = self.try_input(input) {
            self.wrong.push(refused.to_string());
        }
    }

    fn try_input(&mut self, input: Input) -> Result<(), Refused> {
        let Some(played) = self.played.as_mut() else {
            return Ok(());
        };
        let events = played.state.handle(
            input,
            Now {
                at: self.now,
                guardrails: &self.guardrails,
            },
        )?;
        for event in &events {
            self.ledger.apply(played.state.id(), event);
        }
        played.events.extend(events);
        Ok(())
    }
}

/// What an expression of a trigger or an input can see.
fn with_scope<T>(book: &Runbook, alerts: &[Alert], use_it: impl FnOnce(&Scope<'_>) -> T) -> T {
    let (inputs, results) = (BTreeMap::new(), BTreeMap::new());
    use_it(&Scope {
        alerts,
        inputs: &inputs,
        vars: &book.vars,
        run: None,
        impact: Some(&book.impact),
        results: &results,
    })
}
