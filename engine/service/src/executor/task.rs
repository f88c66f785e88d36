//! One run's task: owns its state, is the only writer of its events.
//!
//! In a circle: what happened becomes events, the events go into the journal, what the state then asks for is begun. What
//! comes in meanwhile is taken in one go, so that its events share a row and a commit. Where the journal refuses, the state
//! is worth nothing: the run is folded again from what was kept, as after a restart.

mod commands;
mod cork;
mod end;
mod home;
mod keep;
mod reply;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stanch_contract::{Alert, PluginKey, StepId};
use stanch_journal::Append;
use stanch_run::{CommandId, Event, EventKind, Input, Now, Refused, State, Withheld};
use stanch_runbook::model::StepKind;
use stanch_runbook::{EngineGuardrails, Runbook};
use tokio::sync::{mpsc, oneshot, watch};

use self::commands::Begun;
use self::cork::Cork;
pub(super) use self::home::Home;
use self::keep::Batch;
use self::reply::Reply;
use super::engine::Engine;
use super::mail::{Letter, Mailbox, Refusal};
use super::recover;
use crate::clock;

/// How long a journal that refuses is left alone.
const JOURNAL_REST: Duration = Duration::from_secs(1);
/// The most letters that are taken in one go.
const ONE_GO: usize = 64;
/// How soon a time that has come is looked at again where nothing followed from it.
const IDLE: Duration = Duration::from_millis(100);
const MOST_IDLE: Duration = Duration::from_secs(1);

/// A run's task.
struct Task {
    engine: Engine,
    state: State,
    mail: mpsc::UnboundedReceiver<Letter>,
    /// Its own mailbox, for those who work for it.
    own: Mailbox,
    changes: watch::Sender<u64>,
    begun: BTreeMap<CommandId, Begun>,
    /// The alerts as calls are handed them; made anew when they change.
    alerts: Arc<[Alert]>,
    /// The listing columns as the journal has them.
    listed: Option<stanch_journal::RunRecord>,
    guardrails: Arc<EngineGuardrails>,
    generation: u64,
    draining: bool,
    cork: Cork,
    /// It is known to wait for something that runs share.
    waits: bool,
    /// That it is closed is in the journal: only then others may have to read it from there.
    closed: bool,
    /// Closed: only the alerts of its episode are still of interest, and the state holds no more than those.
    retired: bool,
}

/// What a task is made with.
struct NewTask {
    state: State,
    mail: mpsc::UnboundedReceiver<Letter>,
    own: Mailbox,
    changes: watch::Sender<u64>,
    listed: Option<stanch_journal::RunRecord>,
}

impl Task {
    fn new(engine: &Engine, parts: NewTask) -> Self {
        let NewTask {
            state,
            mail,
            own,
            changes,
            listed,
        } = parts;
        let snapshot = engine.inner.current.load();
        Self {
            engine: engine.clone(),
            alerts: state.alerts().into(),
            closed: state.ending().is_some(),
            state,
            mail,
            own,
            changes,
            begun: BTreeMap::new(),
            listed,
            guardrails: Arc::new(snapshot.settings.guardrails.clone()),
            generation: snapshot.generation,
            draining: false,
            cork: Cork::default(),
            waits: false,
            retired: false,
        }
    }

    /// Runs until nothing is to be expected of the run any more, or the engine stops. `first` are events that follow from
    /// a restart and are not in the journal yet.
    async fn run(mut self, first: Vec<Event>) {
        if !first.is_empty() && self.keep(Batch::of(first)).await.is_err() {
            self.fold_again().await;
        }
        let mut idle = Duration::ZERO;
        loop {
            self.begin().await;
            if self.is_over() && self.mail.is_empty() {
                break;
            }
            self.retire();
            let wake = self
                .state
                .due(self.now())
                .map(|at| match at.since(clock::now()).to_std() {
                    Duration::ZERO => idle,
                    time => time,
                });
            let seq = self.state.seq();
            let letter = tokio::select! {
                letter = self.mail.recv() => letter,
                () = self.cork.is_over() => {
                    if self.flush(false).await.is_err() {
                        self.fold_again().await;
                    }
                    continue;
                }
                () = sleep(wake) => {
                    self.take(vec![Letter::Happened(Box::new(Input::Tick), Vec::new())]).await;
                    // Nothing followed: the time that is due is not looked at again at once.
                    idle = if self.state.seq() == seq {
                        (idle * 2).clamp(IDLE, MOST_IDLE)
                    } else {
                        Duration::ZERO
                    };
                    continue;
                }
            };
            idle = Duration::ZERO;
            let Some(letter) = letter else { break };
            let mut letters = vec![letter];
            while letters.len() < ONE_GO
                && let Ok(more) = self.mail.try_recv()
            {
                letters.push(more);
            }
            self.take(letters).await;
        }
        self.leave().await;
    }

    async fn take(&mut self, letters: Vec<Letter>) {
        let mut events = Vec::new();
        let mut replies = Vec::new();
        let mut contents = Vec::new();
        let mut looks = Vec::new();
        let mut ask_again = false;
        let mut wait = false;
        for letter in letters {
            match letter {
                Letter::Happened(input, left) => {
                    contents.extend(left);
                    self.happened(*input, &mut events);
                }
                Letter::Input(input, reply) => {
                    if self.retired && matches!(*input, Input::Undo { .. }) {
                        self.read_again().await;
                    }
                    match self.handle_all(*input) {
                        Ok(more) => {
                            wait = true;
                            events.extend(more);
                            replies.push(Reply::Input(reply));
                        }
                        Err((more, refusal)) => {
                            events.extend(more);
                            drop(reply.send(Err(refusal)));
                        }
                    }
                }
                Letter::Starting { key, action, reply } => {
                    if let Some(why) = self.revoked(&key) {
                        drop(reply.send(Err((None, why))));
                        continue;
                    }
                    let withhold = self.withhold(&key, action);
                    match self.handle(Input::ActionStarting {
                        key,
                        action,
                        withhold,
                    }) {
                        Ok(more) => {
                            events.extend(more);
                            replies.push(Reply::Starting(reply));
                        }
                        Err(Refused::Withheld { why, reason }) => drop(reply.send(Err((Some(why), reason)))),
                        Err(other) => drop(reply.send(Err((None, other.to_string())))),
                    }
                }
                Letter::Ended {
                    key,
                    action,
                    state,
                    answer,
                    left,
                    reply,
                } => {
                    contents.extend(left);
                    self.happened(
                        Input::ActionEnded {
                            key,
                            action,
                            state,
                            answer,
                        },
                        &mut events,
                    );
                    replies.push(Reply::Ended(reply));
                }
                Letter::Shared => ask_again = true,
                // A retired run is read from the journal.
                Letter::Look(reply) if self.retired => drop(reply),
                Letter::Look(reply) => looks.push(reply),
                Letter::Closed(true) => self.closed = self.state.ending().is_some(),
                Letter::Closed(false) => return self.fold_again().await,
                Letter::Drain => self.draining = true,
            }
        }
        if self
            .keep(Batch {
                events,
                replies,
                contents,
                wait,
            })
            .await
            .is_err()
        {
            self.fold_again().await;
            return;
        }
        if !looks.is_empty() && self.show(looks).await.is_err() {
            self.fold_again().await;
            return;
        }
        if ask_again {
            self.ask_again().await;
        }
    }

    /// Shows the state, once all that it says is in the journal: whoever reads on there finds no less.
    async fn show(&mut self, looks: Vec<oneshot::Sender<Arc<State>>>) -> Result<(), Refusal> {
        self.flush(false).await?;
        let (store, state) = (self.engine.inner.store.clone(), Arc::new(self.state.clone()));
        tokio::spawn(async move {
            // Where the journal fails, who looks sees what was to be in it.
            let _ = store.append(Append::joined(clock::now())).await;
            for reply in looks {
                let _ = reply.send(state.clone());
            }
        });
        Ok(())
    }

    /// As [`Self::handle`]. Alerts that the run did not take, because it closed on the way, are refused: they begin the
    /// next episode.
    fn handle_all(&mut self, input: Input) -> Result<Vec<Event>, (Vec<Event>, Refusal)> {
        let alerts = if let Input::Alerts(alerts) = &input {
            alerts.len()
        } else {
            0
        };
        let events = self
            .handle(input)
            .map_err(|refused| (Vec::new(), refused.into()))?;
        let taken = events.iter().filter(|event| {
            matches!(
                event.kind,
                EventKind::AlertRepeated { .. } | EventKind::AlertResolved { .. }
            )
        });
        if taken.count() < alerts {
            return Err((events, Refusal::NoRun(self.state.id().to_string())));
        }
        Ok(events)
    }

    fn happened(&mut self, input: Input, events: &mut Vec<Event>) {
        if let Input::Called { key, .. } = &input {
            self.begun.remove(&CommandId::Step(key.clone()));
        }
        match self.handle(input) {
            Ok(more) => events.extend(more),
            // An answer that came too late for anybody to want it.
            Err(refused) => tracing::debug!(run = %self.state.id(), %refused, "not taken"),
        }
    }

    fn handle(&mut self, input: Input) -> Result<Vec<Event>, Refused> {
        if let Input::Told { reasons, .. } = &input {
            let reasons = *reasons;
            self.begun
                .retain(|id, _| !matches!(id, CommandId::Notify(of, _) if *of == reasons));
        }
        let guardrails = self.guardrails.clone();
        self.state.handle(
            input,
            Now {
                at: clock::now(),
                guardrails: &guardrails,
            },
        )
    }

    /// Why the plugin that acts in this step may not any more.
    fn revoked(&self, key: &stanch_run::Key) -> Option<String> {
        let plugin = plugin_of(self.state.runbook(), &key.step)?;
        let gone = !self.engine.inner.current.load().plugins.contains_key(plugin);
        gone.then(|| format!("the plugin `{plugin}` is not installed any more: the operator removed it"))
    }

    /// Why an action must not be sent, whatever the run says.
    fn withhold(&self, key: &stanch_run::Key, action: u32) -> Option<Withheld> {
        if self.draining {
            return Some(Withheld::Stopping);
        }
        let plugin = plugin_of(self.state.runbook(), &key.step)?;
        let acted_in: Vec<String> = self.state.namespace_of(key, action).into_iter().collect();
        let board = self.engine.inner.board.lock();
        board
            .ledger
            .paused(&self.state.opened().runbook, plugin, &acted_in)
            .map(|_| Withheld::Paused)
    }

    /// The journal holds something else than this state: what it holds is the truth.
    async fn fold_again(&mut self) {
        drop(self.cork.take());
        for begun in std::mem::take(&mut self.begun).into_values() {
            if let Begun::Call(cancel) = begun {
                cancel.cancel();
            }
        }
        loop {
            tokio::time::sleep(JOURNAL_REST).await;
            match recover::state_of(&self.engine, self.state.id()).await {
                Ok(Some((state, events, record))) => {
                    self.state = state;
                    self.closed = self.state.ending().is_some();
                    self.retired = false;
                    self.listed = Some(record);
                    self.alerts = self.state.alerts().into();
                    if events.is_empty()
                        || self
                            .keep(Batch {
                                wait: true,
                                ..Batch::of(events)
                            })
                            .await
                            .is_ok()
                    {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(run = %self.state.id(), %error, "the run cannot be read back yet")
                }
            }
            if self.draining {
                return;
            }
        }
    }

    fn now(&self) -> Now<'_> {
        Now {
            at: clock::now(),
            guardrails: &self.guardrails,
        }
    }

    fn look_at_settings(&mut self) {
        let snapshot = self.engine.inner.current.load();
        if snapshot.generation != self.generation {
            self.generation = snapshot.generation;
            self.guardrails = Arc::new(snapshot.settings.guardrails.clone());
        }
    }
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The plugin that changes something in a step.
fn plugin_of<'a>(runbook: &'a Runbook, step: &StepId) -> Option<&'a PluginKey> {
    let mut steps = runbook.mitigation.iter().chain(&runbook.resolution);
    steps
        .find(|known| known.id == *step)
        .and_then(|step| match &step.kind {
            StepKind::Change(change) => Some(&change.uses),
            StepKind::Look { .. } | StepKind::ByHand { .. } => None,
        })
}
