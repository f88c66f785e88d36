//! Does what the run wants: by the ledger, by the script, or in the world that the test gives.

use serde_json::Value;
use stanch_contract::{ActionState, Failure, FailureCode, RunId};
use stanch_run::{Command, CommandId, Input, Now, Refused};
use stanch_runbook::testfile::{self, Answered};

use super::calls::planned;
use super::{Stage, TURNS};
use crate::executor::mail::Letter;
use crate::rehearsal::live::{Heard, Whose};
use crate::rehearsal::script::{answer, function, is_real};

impl Stage<'_> {
    /// Does what the run wants until it wants nothing new. Time stands still.
    pub(super) async fn settle(&mut self) {
        self.input(Input::Tick);
        for _ in 0..TURNS {
            let Some(played) = &self.played else { return };
            let commands = played.state.commands(Now {
                at: self.now,
                guardrails: &self.guardrails,
            });
            let wanted: Vec<CommandId> = commands.iter().map(Command::id).collect();
            if let Some(live) = &self.live {
                live.cancel_all_but(&wanted);
            }
            let live = self.live.as_ref();
            self.begun
                .retain(|id| wanted.contains(id) || live.is_some_and(|live| live.is_under_way(id)));
            let Some(command) = commands
                .into_iter()
                .find(|command| !self.begun.contains(&command.id()))
            else {
                return;
            };
            self.begun.push(command.id());
            self.obey(command).await;
        }
    }

    async fn obey(&mut self, command: Command) {
        let command = match self.begin(command) {
            Ok(()) => return self.listen().await,
            Err(command) => command,
        };
        match command {
            Command::Enter => {
                let run = RunId::from("test000000000000");
                let blocked = self.ledger.enter(&self.book.name, &run, self.guardrails.max_open);
                self.input(Input::Entered(blocked));
            }
            Command::Consult(key, claim) => {
                let blocked = self.ledger.consult(&claim, self.now, &self.guardrails);
                self.input(Input::Consulted { key, blocked });
            }
            Command::Claim(key, claim) => {
                let blocked = self.ledger.claim(&claim, self.now, &self.guardrails);
                self.input(Input::Claimed { key, blocked });
            }
            Command::Notify(notify) => {
                let said = answer(
                    self.test,
                    notify.plugin.as_str(),
                    testfile::Call::Notify,
                    self.now,
                );
                let result = match (said, &notify.params) {
                    (_, Err(why)) => Err(Failure::new(FailureCode::InvalidParams, why)),
                    (Some(Answered::Failure(failure)), _) => Err(failure.clone()),
                    _ => Ok(()),
                };
                if let (Ok(()), Some(played)) = (&result, self.played.as_mut()) {
                    played.told.push(notify.plugin.to_string());
                }
                self.input(Input::Told {
                    notice: notify.notice,
                    reasons: notify.reasons,
                    result,
                });
            }
            Command::Call(call) => {
                let result = self.call(&call).await;
                self.input(Input::Called {
                    key: call.key,
                    result,
                    calls: Value::Null,
                });
            }
        }
    }

    /// Begins the call of a real plugin; gives anything else back.
    fn begin(&mut self, command: Command) -> Result<(), Command> {
        let (Some(live), Some(played)) = (self.live.as_mut(), self.played.as_ref()) else {
            return Err(command);
        };
        let id = command.id();
        let whose = Whose {
            run: played.state.id(),
            alerts: played.state.alerts().into(),
        };
        match command {
            Command::Call(call) if is_real(self.test, call.key.step.as_str(), function(&call)) => {
                match self.snapshot.plugins.get(&call.plugin) {
                    Some(installed) => live.begin(id, &installed.installation, whose, *call),
                    None => return Err(Command::Call(call)),
                }
            }
            Command::Notify(notice)
                if notice.params.is_ok()
                    && is_real(self.test, notice.plugin.as_str(), testfile::Call::Notify) =>
            {
                match self.snapshot.plugins.get(&notice.plugin) {
                    Some(installed) => live.tell(id, &installed.installation, whose, *notice),
                    None => return Err(Command::Notify(notice)),
                }
            }
            other => return Err(other),
        }
        Ok(())
    }

    /// Takes what calls say until all of them wait on the clock, or are over.
    pub(super) async fn listen(&mut self) {
        while let Some(live) = self.live.as_mut()
            && let Some(heard) = live.hear().await
        {
            match heard {
                Heard::Letter(letter) => self.letter(letter),
                Heard::Over(input) => {
                    if let (
                        Input::Told {
                            notice,
                            result: Ok(()),
                            ..
                        },
                        Some(played),
                    ) = (&*input, &mut self.played)
                    {
                        let told = usize::try_from(*notice)
                            .ok()
                            .and_then(|at| self.book.escalation.get(at));
                        played.told.extend(told.map(|notice| notice.uses.to_string()));
                    }
                    self.input(*input);
                }
                Heard::Broken(why) => self.wrong.push(why),
            }
        }
    }

    /// What the gate says of an action, before and after.
    fn letter(&mut self, letter: Letter) {
        match letter {
            Letter::Starting { key, action, reply } => {
                let applying = self.live.as_ref().and_then(|live| live.applying(&key));
                let withhold = applying.and_then(|(plugin, plan)| {
                    let acted = usize::try_from(action).ok().and_then(|at| plan.actions.get(at));
                    self.withheld(plugin, acted)
                });
                let starting = Input::ActionStarting {
                    key,
                    action,
                    withhold,
                };
                let answer = self.try_input(starting).map_err(|refused| match refused {
                    Refused::Withheld { why, reason } => (Some(why), reason),
                    other => (None, other.to_string()),
                });
                let _ = reply.send(answer);
            }
            Letter::Ended {
                key,
                action,
                state,
                answer,
                left: _,
                reply,
            } => {
                let plan = self.live.as_ref().and_then(|live| live.applying(&key));
                let done = plan.and_then(|(_, plan)| planned(&plan.actions, action));
                if let (Some(done), Some(played)) = (done, self.played.as_mut())
                    && state != ActionState::NotSent
                {
                    played.sent.push(done);
                }
                self.input(Input::ActionEnded {
                    key,
                    action,
                    state,
                    answer,
                });
                let _ = reply.send(());
            }
            // Nobody else writes to a test's calls.
            _ => {}
        }
    }
}
