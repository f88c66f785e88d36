//! What people say to runs and to the engine. Each returns once it is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use stanch_contract::{Alert, PlanDigest, RunId, StepId, Verdict};
use stanch_journal::{Append, Write};
use stanch_run::episode::Route;
use stanch_run::ledger::{Pause, PauseScope};
use stanch_run::words::OnCancel;
use stanch_run::{Actor, Event, Input, Notice, Post, Role, State};
use tokio::sync::{oneshot, watch};

use super::accept::{Opening, before};
use super::engine::Engine;
use super::hidden;
use super::mail::{Letter, Refusal};
use super::reach::NotTheirs;
use super::recover::PAUSE;
use super::task::Home;
use crate::audit::Entry;
use crate::clock;
use crate::intake::NotDurable;

/// Why a run was not started by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// No such runbook is loaded.
    #[error("there is no runbook `{0}`")]
    NoRunbook(String),
    /// It is not this person's to start.
    #[error(transparent)]
    NotTheirs(#[from] NotTheirs),
    /// An input is missing, not known, or not of its type.
    #[error("{0}")]
    Inputs(String),
    /// It runs already, or ran for alerts that still fire.
    #[error("{0}")]
    Runs(String),
    /// Not durable, so not started.
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Stopping,
}

impl Engine {
    async fn tell(&self, run: &RunId, input: Input) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        {
            let board = self.inner.board.lock();
            let member = board
                .members
                .get(run)
                .ok_or_else(|| Refusal::NoRun(run.to_string()))?;
            let _ = member.mail.send(Letter::Input(Box::new(input), reply));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(Refusal::NoRun(run.to_string())))
    }

    /// Yes or no to a question.
    ///
    /// # Errors
    /// Where there is no such question, the plan is another one, or this person may not decide it.
    pub async fn decide(
        &self,
        by: Actor,
        run: &RunId,
        step: Option<StepId>,
        digest: Option<PlanDigest>,
        yes: bool,
        reason: String,
    ) -> Result<(), Refusal> {
        let said = (by.clone(), step.clone(), digest);
        let taken = async {
            let by = self.in_run(&by, run, Role::Approver, "decide").await?;
            let input = Input::Decide {
                by,
                step,
                digest,
                yes,
                reason,
            };
            self.tell(run, input).await
        };
        let taken = taken.await;
        self.audit_not_taken(run, said, yes, &taken);
        taken
    }

    /// Yes to a question, alone, by somebody with at least this role. The caller checked that the operator lets them.
    ///
    /// # Errors
    /// Where there is no such question, the plan is another one, or no reason is given.
    pub async fn break_glass(
        &self,
        by: Actor,
        least: Role,
        run: &RunId,
        step: Option<StepId>,
        digest: Option<PlanDigest>,
        reason: String,
    ) -> Result<(), Refusal> {
        let said = (by.clone(), step.clone(), digest);
        let taken = async {
            let by = self.in_run(&by, run, least, "decide alone").await?;
            let input = Input::BreakGlass {
                by,
                step,
                digest,
                reason,
            };
            self.tell(run, input).await
        };
        let taken = taken.await;
        self.audit_not_taken(run, said, true, &taken);
        taken
    }

    /// What somebody said and does not count is audited too: what counts is, with the run's events.
    fn audit_not_taken(
        &self,
        run: &RunId,
        (by, step, plan): (Actor, Option<StepId>, Option<PlanDigest>),
        yes: bool,
        taken: &Result<(), Refusal>,
    ) {
        if let Err(why @ (Refusal::Run(_) | Refusal::NotTheirs(_))) = taken {
            self.audit().note(Entry::NotTaken {
                run: run.clone(),
                step,
                yes,
                by: by.name,
                via: by.via,
                plan: plan.map(|plan| plan.digest()),
                why: why.to_string(),
            });
        }
    }

    /// What became of a post of a question. Nobody waits for it.
    pub(crate) fn posted(&self, run: &RunId, step: StepId, post: Post) {
        self.happened(run, Input::Posted { step, post });
    }

    /// What became of a post of a notice. Nobody waits for it.
    pub(crate) fn noticed(&self, run: &RunId, notice: Notice, post: Post) {
        self.happened(run, Input::Noticed { notice, post });
    }

    fn happened(&self, run: &RunId, input: Input) {
        if let Some(member) = self.inner.board.lock().members.get(run) {
            let _ = member.mail.send(Letter::Happened(Box::new(input), Vec::new()));
        }
    }

    /// A person's answer to a check.
    ///
    /// # Errors
    /// Where nothing is asked of people there.
    pub async fn answer(
        &self,
        by: Actor,
        run: &RunId,
        check: StepId,
        verdict: Verdict,
    ) -> Result<(), Refusal> {
        let by = self.in_run(&by, run, Role::Approver, "answer a check").await?;
        self.tell(run, Input::Answer { by, check, verdict }).await
    }

    /// Whether a step by hand is done.
    ///
    /// # Errors
    /// Where no such step waits.
    pub async fn by_hand(&self, by: Actor, run: &RunId, step: StepId, done: bool) -> Result<(), Refusal> {
        let what = "say what was done by hand";
        let by = self.in_run(&by, run, Role::Approver, what).await?;
        self.tell(run, Input::ByHand { by, step, done }).await
    }

    /// Settles a doubt.
    ///
    /// # Errors
    /// Where nothing is in doubt there.
    pub async fn settle(
        &self,
        by: Actor,
        run: &RunId,
        step: StepId,
        happened: bool,
        go_on: bool,
    ) -> Result<(), Refusal> {
        let by = self.in_run(&by, run, Role::Operator, "settle a doubt").await?;
        self.tell(
            run,
            Input::Settle {
                by,
                step,
                happened,
                go_on,
            },
        )
        .await
    }

    /// Puts back what a run changed: all of it, or of one step. A closed run is opened again for it.
    ///
    /// # Errors
    /// Where there is nothing to put back.
    pub async fn undo(&self, by: Actor, run: &RunId, step: Option<StepId>) -> Result<(), Refusal> {
        let by = self.in_run(&by, run, Role::Operator, "undo").await?;
        let input = Input::Undo { by, step };
        if self.inner.board.lock().members.contains_key(run) {
            return self.tell(run, input).await;
        }
        let no_run = || Refusal::NoRun(run.to_string());
        let unread = |why| {
            Refusal::Run(stanch_run::Refused::NothingOpen(format!(
                "run `{run}` cannot be read: {why}"
            )))
        };
        let found = super::recover::state_of(self, run).await.map_err(unread)?;
        let (state, _, record) = found
            .filter(|(state, ..)| state.ending().is_some())
            .ok_or_else(no_run)?;
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Input(Box::new(input), reply);
        let home = {
            let mut board = self.inner.board.lock();
            if board.draining {
                return Err(Refusal::Stopping);
            }
            match board.members.get(run) {
                // Somebody else was first.
                Some(member) => {
                    let _ = member.mail.send(letter);
                    None
                }
                None => {
                    let home = Home::on(&mut board, run.clone(), &state.opened().runbook);
                    home.send(letter);
                    Some(home)
                }
            }
        };
        if let Some(home) = home {
            home.settle(self, state, Some(record), Vec::new());
        }
        answer.await.unwrap_or_else(|_| Err(no_run()))
    }

    /// Stops a run before its next action.
    ///
    /// # Errors
    /// Where it is closed.
    pub async fn cancel(
        &self,
        by: Actor,
        run: &RunId,
        then: OnCancel,
        reason: String,
    ) -> Result<(), Refusal> {
        let by = self.in_run(&by, run, Role::Operator, "cancel a run").await?;
        self.tell(run, Input::Cancel { by, then, reason }).await
    }

    /// Starts a run by hand. `again`: another run for alerts that still fire after the last one closed.
    ///
    /// # Errors
    /// Where there is no such runbook, its inputs are not right, or it runs already.
    pub async fn start_by_hand(
        &self,
        by: &Actor,
        runbook: &str,
        inputs: BTreeMap<String, Value>,
        again: bool,
    ) -> Result<RunId, StartRefused> {
        let now = clock::now();
        let snapshot = self.inner.current.load();
        let loaded = snapshot.runbooks.get(runbook).cloned();
        let loaded = loaded.ok_or_else(|| StartRefused::NoRunbook(runbook.to_owned()))?;
        self.in_runbook(by, runbook, Role::Operator, "start a run")?;
        let own_key = self
            .key_by_hand(&loaded.runbook, &inputs)
            .map_err(StartRefused::Runs)?;
        let fresh = {
            let mut board = self.inner.board.lock();
            if board.draining {
                return Err(StartRefused::Stopping);
            }
            let waiting: Vec<_> = board
                .episodes
                .all()
                .filter(|(name, _, episode)| *name == runbook && episode.closed.is_some())
                .map(|(_, key, episode)| {
                    (
                        key.to_owned(),
                        episode.number,
                        episode.firing().cloned().collect::<Vec<Alert>>(),
                    )
                })
                .collect();
            let (group_key, episode, alerts) = match waiting.as_slice() {
                [one] if again => one.clone(),
                [_, ..] if again => {
                    let keys: Vec<&str> = waiting.iter().map(|(key, ..)| key.as_str()).collect();
                    let why = format!(
                        "`{runbook}` ran for several groups of alerts that still fire: {}",
                        keys.join(", ")
                    );
                    return Err(StartRefused::Runs(why));
                }
                _ => {
                    let key = own_key;
                    match board.episodes.route(
                        runbook,
                        &key,
                        stanch_contract::AlertStatus::Firing,
                        before(now),
                    ) {
                        Route::Belongs { run, .. } => {
                            let why = format!("`{runbook}` runs already with these inputs: run `{run}`");
                            return Err(StartRefused::Runs(why));
                        }
                        Route::Begins { episode } => (key, episode, Vec::new()),
                        Route::Nothing => (key, before(now), Vec::new()),
                    }
                }
            };
            let inputs = super::matching::given_inputs(&loaded.runbook, &alerts, inputs)
                .map_err(StartRefused::Inputs)?;
            hidden::long_enough(&loaded.runbook, &inputs).map_err(StartRefused::Inputs)?;
            let opening = Opening {
                loaded,
                alerts,
                inputs,
                faults: Vec::new(),
                group_key,
                episode,
                by: Some(by.name.clone()),
            };
            self.make_known(&snapshot, &mut board, opening, now)
        };
        let Some(fresh) = fresh else {
            return Err(StartRefused::Runs(format!(
                "a run of `{runbook}` could not be opened: the log says why"
            )));
        };
        let run = fresh.state.id().clone();
        self.make_durable(vec![fresh], Vec::new(), now).await?;
        Ok(run)
    }

    /// Stops changes. In force at once, and after a restart.
    ///
    /// # Errors
    /// Where it could not be made durable: it is in force, but would not outlast a restart.
    pub async fn pause(&self, by: &Actor, scope: PauseScope, reason: String) -> Result<(), Refusal> {
        let pause = Pause {
            scope: scope.clone(),
            by: by.name.clone(),
            reason,
            at: clock::now(),
        };
        self.inner.board.lock().ledger.pause(pause.clone());
        tracing::warn!(%pause, "changes are stopped");
        let entry = Entry::Pause {
            scope: scope.clone(),
            by: by.name.clone(),
            via: by.via.clone(),
            reason: pause.reason.clone(),
        };
        self.keep_pause(&scope, Some(&pause), &entry).await
    }

    /// Lets changes go on.
    ///
    /// # Errors
    /// Where there is no such pause, or its end could not be made durable: then it stays.
    pub async fn resume(&self, by: &Actor, scope: &PauseScope) -> Result<(), Refusal> {
        if !self
            .inner
            .board
            .lock()
            .ledger
            .pauses()
            .any(|pause| pause.scope == *scope)
        {
            let why = format!("nothing is paused under `{scope}`");
            return Err(Refusal::Run(stanch_run::Refused::NothingOpen(why)));
        }
        let entry = Entry::Resume {
            scope: scope.clone(),
            by: by.name.clone(),
            via: by.via.clone(),
        };
        self.keep_pause(scope, None, &entry).await?;
        let mut board = self.inner.board.lock();
        board.ledger.resume(scope);
        board.wake();
        tracing::warn!(%scope, by = %by.name, "changes go on");
        Ok(())
    }

    async fn keep_pause(
        &self,
        scope: &PauseScope,
        pause: Option<&Pause>,
        entry: &Entry,
    ) -> Result<(), Refusal> {
        let value = Write::Value {
            name: format!("{PAUSE}{scope}"),
            expected: None,
            value: Some(Bytes::from(json!(pause).to_string())),
        };
        let writes = vec![value, entry.write()];
        let kept = self
            .inner
            .store
            .append(Append::barrier(clock::now(), writes))
            .await;
        kept.map_err(|error| Refusal::NotDurable(error.to_string()))
    }

    /// The pauses.
    pub fn pauses(&self) -> Vec<Pause> {
        self.inner.board.lock().ledger.pauses().cloned().collect()
    }

    /// A run as it is now, open or closed, and as the journal has it; nothing where there is no such run.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn state(&self, run: &RunId) -> Result<Option<Arc<State>>, String> {
        let (reply, answer) = oneshot::channel();
        let open = self
            .inner
            .board
            .lock()
            .members
            .get(run)
            .is_some_and(|member| member.mail.send(Letter::Look(reply)).is_ok());
        if open && let Ok(state) = answer.await {
            return Ok(Some(state));
        }
        Ok(self.read(run).await?.map(Arc::new))
    }

    /// A run, and the events that its state is the fold of: the journal has all that the state says, and may have more by now.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn whole(&self, run: &RunId) -> Result<Option<(Arc<State>, Vec<Event>)>, String> {
        let Some(state) = self.state(run).await? else {
            return Ok(None);
        };
        let mut events = self.events(run).await?;
        events.truncate(usize::try_from(state.seq()).unwrap_or(usize::MAX));
        Ok(Some((state, events)))
    }

    /// A run's events, in order.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn events(&self, run: &RunId) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        for row in self
            .inner
            .store
            .events(run, 0)
            .await
            .map_err(|error| error.to_string())?
        {
            events.extend(stanch_run::decode(&row.payload).map_err(|error| error.to_string())?);
        }
        Ok(events)
    }

    /// For each runbook: what this alert meets in it.
    pub fn explain(&self, alert: &Alert) -> Vec<super::Explained> {
        let board = self.inner.board.lock();
        super::matching::explain(&self.inner.current.load(), &board.firings, alert, clock::now())
    }

    /// Told each time that an open run changed; nothing where it is not open.
    pub fn changes(&self, run: &RunId) -> Option<watch::Receiver<u64>> {
        self.inner
            .board
            .lock()
            .members
            .get(run)
            .map(|member| member.changes.clone())
    }
}
