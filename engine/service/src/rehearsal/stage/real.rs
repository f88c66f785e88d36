//! The calls of real plugins in the test's world: begun, listened to, and what the gate says of their actions.

use stanch_contract::ActionState;
use stanch_run::{Command, Input, Refused};
use stanch_runbook::testfile;

use super::super::live::{Heard, Whose};
use super::super::script::{function, is_real};
use super::{Stage, planned};
use crate::executor::mail::Letter;

impl Stage<'_> {
    /// Begins the call of a real plugin; gives anything else back.
    pub(super) fn begin(&mut self, command: Command) -> Result<(), Command> {
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
