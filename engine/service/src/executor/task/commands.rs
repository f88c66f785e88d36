//! What the state asks for is begun, and what it no longer asks for is ended.

use stanch_run::{Blocked, Command, CommandId, Input, Slot};
use tokio_util::sync::CancellationToken;

use super::Task;
use super::keep::Batch;
use crate::clock;
use crate::executor::mail::Letter;
use crate::executor::{calls, notify};

/// What is begun for a command.
pub(super) enum Begun {
    /// A plugin call or a message to people.
    Call(CancellationToken),
    /// Something shared was asked for; the last answer.
    Asked(Option<Blocked>),
}

impl Task {
    /// Begins what the state asks for and was not begun, and ends what it no longer asks for.
    pub(super) async fn begin(&mut self) {
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
    pub(super) async fn ask_again(&mut self) {
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
