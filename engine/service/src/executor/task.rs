//! One run's task: owns its state, is the only writer of its events.
//!
//! In a circle: what happened becomes events, the events go into the journal, what the state then asks for is begun. What
//! comes in meanwhile is taken in one go, so that its events share a row and a commit. Where the journal refuses, the state
//! is worth nothing: the run is folded again from what was kept, as after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stanch_contract::{Alert, AlertStatus, PluginKey, RunId, StepId};
use stanch_journal::{Append, Write};
use stanch_run::{Blocked, Command, CommandId, Event, EventKind, Input, Now, Refused, Slot, State, Withheld};
use stanch_runbook::model::StepKind;
use stanch_runbook::{EngineGuardrails, Runbook};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::mail::{Content, Letter, Mailbox, Refusal};
use super::{calls, notify, recover, rows};
use crate::clock;

/// How long a journal that refuses is left alone.
const JOURNAL_REST: Duration = Duration::from_secs(1);
/// The most letters that are taken in one go.
const ONE_GO: usize = 64;
/// How long events that nobody waits for are kept back, so that those of one run share a row.
const CORK: Duration = Duration::from_millis(25);
/// How soon a time that has come is looked at again where nothing followed from it.
const IDLE: Duration = Duration::from_millis(100);
const MOST_IDLE: Duration = Duration::from_secs(1);

/// What is begun for a command.
enum Begun {
    /// A plugin call or a message to people.
    Call(CancellationToken),
    /// Something shared was asked for; the last answer.
    Asked(Option<Blocked>),
}

/// Who is answered when a batch is durable.
enum Reply {
    Input(oneshot::Sender<Result<(), Refusal>>),
    Starting(oneshot::Sender<Result<(), (Option<Withheld>, String)>>),
    Ended(oneshot::Sender<()>),
}

/// What goes into the journal at once.
struct Batch {
    events: Vec<Event>,
    replies: Vec<Reply>,
    contents: Vec<Content>,
    /// Whether somebody waits for the disk who is not named by the events.
    wait: bool,
}

impl Batch {
    fn of(events: Vec<Event>) -> Self {
        Self {
            events,
            replies: Vec::new(),
            contents: Vec::new(),
            wait: false,
        }
    }
}

/// A run's task.
pub(super) struct Task {
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
    /// Events that are not in the journal yet and that nobody waits for, with the contents that go with them.
    corked: Vec<Event>,
    corked_contents: Vec<Content>,
    corked_since: Option<tokio::time::Instant>,
    /// It is known to wait for something that runs share.
    waits: bool,
    /// That it is closed is in the journal: only then others may have to read it from there.
    closed: bool,
    /// Closed: only the alerts of its episode are still of interest, and the state holds no more than those.
    retired: bool,
}

/// What a task is made with.
pub(super) struct NewTask {
    pub(super) state: State,
    pub(super) mail: mpsc::UnboundedReceiver<Letter>,
    pub(super) own: Mailbox,
    pub(super) changes: watch::Sender<u64>,
    pub(super) listed: Option<stanch_journal::RunRecord>,
}

impl Task {
    pub(super) fn new(engine: &Engine, parts: NewTask) -> Self {
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
            corked: Vec::new(),
            corked_contents: Vec::new(),
            corked_since: None,
            waits: false,
            retired: false,
        }
    }

    /// Runs until nothing is to be expected of the run any more, or the engine stops. `first` are events that follow from
    /// a restart and are not in the journal yet.
    pub(super) async fn run(mut self, first: Vec<Event>) {
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
                () = uncork(self.corked_since) => {
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

    /// Closed and its episode over; or the engine stops and nothing is in flight.
    fn is_over(&self) -> bool {
        let settled = self.closed && self.begun.is_empty() && self.is_settled();
        settled || (self.draining && !self.begun.values().any(|begun| matches!(begun, Begun::Call(_))))
    }

    /// Closed, with no alert that could still repeat or resolve.
    fn ended_for_good(&self) -> bool {
        let fires = self
            .state
            .alerts()
            .iter()
            .any(|alert| alert.status == AlertStatus::Firing);
        self.state.ending().is_some() && (!fires || self.is_settled())
    }

    fn is_settled(&self) -> bool {
        self.engine
            .inner
            .board
            .lock()
            .episodes
            .is_settled(self.state.id())
    }

    /// A closed run is only told of its alerts; what is large goes.
    fn retire(&mut self) {
        if self.closed && !self.retired && self.begun.is_empty() && self.corked.is_empty() {
            self.state.retire();
            self.alerts = Arc::new([]);
            self.retired = true;
        }
    }

    /// The whole of a closed run again, which a person wants something of. Where it cannot be read, there is nothing in it.
    async fn read_again(&mut self) {
        match recover::state_of(&self.engine, self.state.id()).await {
            Ok(Some((state, _, record))) => {
                self.state = state;
                self.retired = false;
                self.listed = Some(record);
                self.alerts = self.state.alerts().into();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(run = %self.state.id(), %error, "the closed run cannot be read back")
            }
        }
    }

    async fn leave(&mut self) {
        let run = self.state.id().clone();
        if self.flush(false).await.is_err() {
            tracing::warn!(%run, "the last events of the run were not kept; they are found again at the next start");
        }
        if self.ended_for_good()
            && let Some(listed) = self.listed.take().filter(|listed| !listed.settled)
        {
            // Another run took the episode over.
            let writes = vec![Write::Run(stanch_journal::RunRecord {
                settled: true,
                ..listed
            })];
            if let Err(error) = self
                .engine
                .inner
                .store
                .append(Append::lazy(clock::now(), writes))
                .await
            {
                tracing::warn!(%run, %error, "the run's listing stays open; it is closed at the next start");
            }
        }
        self.engine.inner.board.lock().remove(&run, self.state.alerts());
        // An alert may have come in between the last look and now; its sender is told to send it again.
        self.mail.close();
        while let Ok(letter) = self.mail.try_recv() {
            refuse(
                letter,
                &if self.draining {
                    Refusal::Stopping
                } else {
                    Refusal::NoRun(run.to_string())
                },
            );
        }
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
                    reply,
                } => {
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

    /// Puts events into the journal and answers who waits for them. What nobody waits for is kept back for a moment.
    async fn keep(&mut self, batch: Batch) -> Result<(), ()> {
        let Batch {
            events,
            replies,
            contents,
            wait,
        } = batch;
        if events.is_empty() {
            replies.into_iter().for_each(answer);
            return Ok(());
        }
        let pressing = wait || !replies.is_empty() || events.iter().any(|event| is_pressing(&event.kind));
        self.noticed(&events);
        self.corked.extend(events);
        self.corked_contents.extend(contents);
        if !pressing {
            self.corked_since.get_or_insert_with(tokio::time::Instant::now);
            return Ok(());
        }
        match self.flush(wait).await {
            Ok(()) => {
                replies.into_iter().for_each(answer);
                Ok(())
            }
            Err(refusal) => {
                replies.into_iter().for_each(|reply| reject(reply, &refusal));
                Err(())
            }
        }
    }

    /// Puts what is kept back into the journal, as one row.
    async fn flush(&mut self, wait: bool) -> Result<(), Refusal> {
        self.corked_since = None;
        let (events, left) = (
            std::mem::take(&mut self.corked),
            std::mem::take(&mut self.corked_contents),
        );
        if events.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let first_seq = self.state.seq().saturating_sub(count);
        let record = self.record();
        let mut writes = contents(self.state.id(), left);
        writes.push(rows::events(&self.state, first_seq, &events));
        if self.listed.as_ref() != Some(&record) {
            writes.push(Write::Run(record.clone()));
        }
        let batch = rows::batch(clock::now(), &events, wait, writes);
        match self.engine.inner.store.append(batch).await {
            Ok(()) => {
                self.listed = Some(record);
                // Only now: whoever takes what is set free here must come after it in the journal.
                self.engine.inner.board.fold(self.state.id(), &events);
                self.after(&events);
                Ok(())
            }
            Err(error) => {
                tracing::error!(run = %self.state.id(), %error, "the journal did not keep what happened in the run");
                Err(Refusal::NotDurable(error.to_string()))
            }
        }
    }

    /// The listing columns.
    fn record(&self) -> stanch_journal::RunRecord {
        let settled = self.ended_for_good();
        match &self.listed {
            Some(listed) if self.retired => stanch_journal::RunRecord {
                settled,
                ..listed.clone()
            },
            _ => rows::record(&self.state, settled),
        }
    }

    /// What follows from events before they are in the journal.
    fn noticed(&mut self, events: &[Event]) {
        let of_alert = |event: &Event| {
            matches!(
                event.kind,
                EventKind::AlertRepeated { .. } | EventKind::AlertResolved { .. }
            )
        };
        if events.iter().any(of_alert) && !self.retired {
            self.alerts = self.state.alerts().into();
        }
        self.changes.send_modify(|version| *version += 1);
    }

    fn after(&mut self, events: &[Event]) {
        self.engine.inner.observer.recorded(events);
        if self.state.ending().is_none() {
            self.closed = false;
        } else if !self.closed {
            let (store, own) = (self.engine.inner.store.clone(), self.own.clone());
            tokio::spawn(async move {
                let kept = store.append(Append::joined(clock::now())).await.is_ok();
                let _ = own.send(Letter::Closed(kept));
            });
        }
        let asks = !self.state.questions().is_empty();
        self.engine.inner.board.lock().note_asking(self.state.id(), asks);
        if let Some(ending) = self.state.ending()
            && !self.state.is_reopened()
            && events
                .iter()
                .any(|event| matches!(event.kind, EventKind::RunClosed { .. }))
        {
            self.engine.inner.observer.closed(&self.state, ending);
            self.engine.watch_for_again(&self.state);
        }
        self.changes.send_modify(|version| *version += 1);
    }

    /// The journal holds something else than this state: what it holds is the truth.
    async fn fold_again(&mut self) {
        self.corked.clear();
        self.corked_contents.clear();
        self.corked_since = None;
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

    /// Begins what the state asks for and was not begun, and ends what it no longer asks for.
    async fn begin(&mut self) {
        loop {
            self.look_at_settings();
            let commands = self.state.commands(self.now());
            let wanted: Vec<CommandId> = commands.iter().map(Command::id).collect();
            let given_up = |id: &CommandId| matches!(id, CommandId::Step(key) if key.slot == Slot::Claim);
            let dropped = self.begun.iter().filter(|(id, begun)| {
                matches!(begun, Begun::Asked(Some(_))) && given_up(id) && !wanted.contains(id)
            });
            for (id, _) in dropped {
                if let CommandId::Step(key) = id {
                    // Whoever stands behind it in the line moves up.
                    let mut board = self.engine.inner.board.lock();
                    board.ledger.withdraw(self.state.id(), &key.step);
                    board.wake();
                }
            }
            self.begun.retain(|id, begun| {
                let keep = wanted.contains(id);
                if let (false, Begun::Call(cancel)) = (keep, &*begun) {
                    cancel.cancel();
                }
                keep || matches!(begun, Begun::Call(_))
            });
            let mut events = Vec::new();
            for command in commands {
                let id = command.id();
                if self.begun.contains_key(&id) || (self.draining && is_new_work(&command)) {
                    continue;
                }
                match command {
                    Command::Call(call) => {
                        let cancel = CancellationToken::new();
                        self.begun.insert(id, Begun::Call(cancel.clone()));
                        calls::begin(
                            &self.engine,
                            &self.state,
                            *call,
                            self.alerts.clone(),
                            self.own.clone(),
                            cancel,
                        );
                    }
                    Command::Notify(notice) => {
                        let cancel = CancellationToken::new();
                        self.begun.insert(id, Begun::Call(cancel.clone()));
                        notify::begin(
                            &self.engine,
                            &self.state,
                            *notice,
                            self.alerts.clone(),
                            self.own.clone(),
                            cancel,
                        );
                    }
                    shared => {
                        let blocked = self.ask(&shared);
                        self.begun.insert(id, Begun::Asked(blocked.clone()));
                        self.happened(answer_of(&shared, blocked), &mut events);
                    }
                }
            }
            let waits = self
                .begun
                .values()
                .any(|begun| matches!(begun, Begun::Asked(Some(_))));
            if waits != self.waits {
                self.waits = waits;
                self.engine.inner.board.lock().set_waiting(self.state.id(), waits);
                // Something may have been set free between the answer and now.
                if waits {
                    let _ = self.own.send(Letter::Shared);
                }
            }
            if events.is_empty() {
                return;
            }
            if self.keep(Batch::of(events)).await.is_err() {
                self.fold_again().await;
            }
        }
    }

    /// What was in the way may not be any more.
    async fn ask_again(&mut self) {
        let mut events = Vec::new();
        for command in self.state.commands(self.now()) {
            let id = command.id();
            let Some(Begun::Asked(before)) = self.begun.get(&id) else {
                continue;
            };
            if matches!(command, Command::Consult(..)) {
                continue;
            }
            let before = before.clone();
            let blocked = self.ask(&command);
            if blocked != before {
                self.begun.insert(id, Begun::Asked(blocked.clone()));
                self.happened(answer_of(&command, blocked), &mut events);
            }
        }
        if self.keep(Batch::of(events)).await.is_err() {
            self.fold_again().await;
        }
    }

    fn ask(&self, command: &Command) -> Option<Blocked> {
        let now = clock::now();
        let guardrails = self.state.opened().guardrails.stricter(&self.guardrails);
        let mut board = self.engine.inner.board.lock();
        match command {
            Command::Enter => {
                board
                    .ledger
                    .enter(&self.state.opened().runbook, self.state.id(), guardrails.max_open)
            }
            Command::Consult(_, claim) => board.ledger.consult(claim, now, &guardrails),
            Command::Claim(_, claim) => board.ledger.claim(claim, now, &guardrails),
            Command::Call(_) | Command::Notify(_) => None,
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

/// What others wait for: the disk, or what is set free.
fn is_pressing(kind: &EventKind) -> bool {
    kind.barrier() == stanch_run::Barrier::Durable || super::board::sets_free(kind)
}

async fn uncork(since: Option<tokio::time::Instant>) {
    match since {
        Some(since) => tokio::time::sleep_until(since + CORK).await,
        None => std::future::pending().await,
    }
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// While the engine stops, people are still told; nothing else is begun.
fn is_new_work(command: &Command) -> bool {
    !matches!(command, Command::Notify(_))
}

fn answer_of(command: &Command, blocked: Option<Blocked>) -> Input {
    match command {
        Command::Consult(key, _) => Input::Consulted {
            key: key.clone(),
            blocked,
        },
        Command::Claim(key, _) => Input::Claimed {
            key: key.clone(),
            blocked,
        },
        Command::Enter | Command::Call(_) | Command::Notify(_) => Input::Entered(blocked),
    }
}

fn answer(reply: Reply) {
    match reply {
        Reply::Input(reply) => drop(reply.send(Ok(()))),
        Reply::Starting(reply) => drop(reply.send(Ok(()))),
        Reply::Ended(reply) => drop(reply.send(())),
    }
}

fn reject(reply: Reply, refusal: &Refusal) {
    match reply {
        Reply::Input(reply) => drop(reply.send(Err(refusal.clone()))),
        Reply::Starting(reply) => drop(reply.send(Err((Some(Withheld::Stopping), refusal.to_string())))),
        // What was answered and could not be kept is in doubt, and stays so: the sender's wait just ends.
        Reply::Ended(reply) => drop(reply),
    }
}

fn refuse(letter: Letter, refusal: &Refusal) {
    match letter {
        Letter::Input(_, reply) => drop(reply.send(Err(refusal.clone()))),
        Letter::Starting { reply, .. } => {
            drop(reply.send(Err((Some(Withheld::Stopping), refusal.to_string()))))
        }
        _ => {}
    }
}

/// Contents that calls left.
fn contents(run: &RunId, contents: Vec<Content>) -> Vec<Write> {
    if contents.is_empty() {
        return Vec::new();
    }
    let digests = contents.iter().map(|content| content.digest).collect();
    let content = |Content { digest, bytes }| Write::Content { digest, bytes };
    contents
        .into_iter()
        .map(content)
        .chain([Write::Pins {
            run: run.clone(),
            digests,
        }])
        .collect()
}

/// Where a run will be reached, before its task is there: what comes in meanwhile waits.
pub(super) struct Home {
    own: Mailbox,
    mail: mpsc::UnboundedReceiver<Letter>,
    changes: watch::Sender<u64>,
}

impl Home {
    /// Makes the run known.
    pub(super) fn new(engine: &Engine, run: RunId, runbook: &str) -> Self {
        let mut board = engine.inner.board.lock();
        Self::on(&mut board, run, runbook)
    }

    /// Makes the run known, under the board's lock.
    pub(super) fn on(board: &mut super::board::Inner, run: RunId, runbook: &str) -> Self {
        let (own, mail) = mpsc::unbounded_channel();
        let (changes, watched) = watch::channel(0);
        let member = super::board::Member {
            mail: own.clone(),
            runbook: runbook.to_owned(),
            changes: watched,
        };
        board.members.insert(run, member);
        Self { own, mail, changes }
    }

    /// Sends it a letter, before its task is there.
    pub(super) fn send(&self, letter: Letter) {
        let _ = self.own.send(letter);
    }

    /// Starts its task.
    pub(super) fn settle(
        self,
        engine: &Engine,
        state: State,
        listed: Option<stanch_journal::RunRecord>,
        first: Vec<Event>,
    ) {
        let Self { own, mail, changes } = self;
        let task = Task::new(
            engine,
            NewTask {
                state,
                mail,
                own,
                changes,
                listed,
            },
        );
        engine.inner.tasks.spawn(task.run(first));
    }
}
