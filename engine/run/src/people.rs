//! What people say to a run, and who may.

use serde_json::Value;
use stanch_contract::{Finding, PlanDigest, StepId, Verdict};
use stanch_runbook::model::StepKind;

use crate::actor::{Actor, Role};
use crate::event::{Event, EventKind};
use crate::input::{Input, Refused};
use crate::state::{Now, State};
use crate::step::Stage;
use crate::words::*;

impl State {
    /// Makes the first events of an input; what follows from them is the caller's.
    pub(crate) fn take(&mut self, input: Input, now: Now<'_>, out: &mut Vec<Event>) -> Result<(), Refused> {
        let opens_again = matches!(input, Input::Alerts(_) | Input::Undo { .. });
        if let (Some(closed), false) = (&self.closed, opens_again) {
            let from_people = !matches!(
                input,
                Input::Tick
                    | Input::Restarted
                    | Input::Called { .. }
                    | Input::Told { .. }
                    | Input::Posted { .. }
                    | Input::Noticed { .. }
            );
            let (run, ending) = (self.opened.run.to_string(), closed.ending.to_string());
            return if from_people {
                Err(Refused::Closed { run, ending })
            } else {
                Ok(())
            };
        }
        match input {
            Input::Alerts(alerts) => self.alerts_came(alerts, now, out),
            Input::Tick => {}
            Input::Restarted => self.restarted(now, out),
            Input::Entered(blocked) => self.entered(blocked, now, out),
            Input::Consulted { key, blocked } => {
                if let Some(index) = self.current(&key) {
                    self.consulted(index, blocked, now, out);
                }
            }
            Input::Claimed { key, blocked } => {
                if let Some(index) = self
                    .current(&key)
                    .filter(|index| self.wants_claim(*index, key.side))
                {
                    self.claimed(index, key.side, blocked, now, out);
                }
            }
            Input::Called { key, result, calls } => self.called(&key, result, calls, now, out),
            Input::ActionStarting {
                key,
                action,
                withhold,
            } => {
                return self.action_starting(&key, action, withhold, now, out);
            }
            Input::ActionEnded {
                key,
                action,
                state,
                answer,
            } => {
                self.action_ended(&key, action, state, answer, now, out);
            }
            Input::Told {
                notice,
                reasons,
                result,
            } => self.told(notice, reasons, result, now, out),
            Input::Posted { step, post } => self.was_posted(step, post, now, out),
            Input::Noticed { notice, post } => self.was_noticed(notice, post, now, out),
            Input::Decide {
                by,
                step,
                digest,
                yes,
                reason,
            } => {
                return self.decide(&by, step.as_ref(), digest, yes, reason, now, out);
            }
            Input::BreakGlass {
                by,
                step,
                digest,
                reason,
            } => {
                return self.break_glass(&by, step.as_ref(), digest, reason, now, out);
            }
            Input::Answer { .. } if self.reopened.is_some() => {
                let why = format!("run `{}` is open again only to put changes back", self.opened.run);
                return Err(Refused::NothingOpen(why));
            }
            Input::Answer { by, check, verdict } => return self.answer(&by, &check, verdict, now, out),
            Input::ByHand { by, step, done } => return self.by_hand(&by, &step, done, now, out),
            Input::Settle {
                by,
                step,
                happened,
                go_on,
            } => {
                return self.settle(&by, &step, happened, go_on, now, out);
            }
            Input::Undo { by, step } => return self.undo(&by, step.as_ref(), now, out),
            Input::Cancel { by, then, reason } => return self.cancel(&by, then, reason, now, out),
        }
        Ok(())
    }

    fn alerts_came(&mut self, alerts: Vec<stanch_contract::Alert>, now: Now<'_>, out: &mut Vec<Event>) {
        for alert in alerts {
            let firing = alert.status == stanch_contract::AlertStatus::Firing;
            if firing && self.closed.is_none() && self.is_resolved() && self.verdict(now.at).is_some() {
                // Everything is resolved and done but for telling people: this firing begins the next episode, and the
                // caller finds the run closed and this alert not recorded.
                self.stop_telling(now, out);
                if let Some(ending) = self.verdict(now.at) {
                    self.close(ending, now, out);
                }
                return;
            }
            let alert = Box::new(alert);
            let kind = if firing {
                EventKind::AlertRepeated { alert }
            } else {
                EventKind::AlertResolved { alert }
            };
            self.emit(now, out, kind);
        }
    }

    fn entered(&mut self, blocked: Option<crate::ledger::Blocked>, now: Now<'_>, out: &mut Vec<Event>) {
        if self.entered || !self.after_over || self.is_withdrawn() || !self.opened.faults.is_empty() {
            return;
        }
        let kind = match blocked {
            None => EventKind::BudgetReserved {
                step: None,
                budget: crate::ledger::Budget::Place,
            },
            Some(blocked) if self.place_note.as_ref() != Some(&blocked.message) => {
                EventKind::GuardrailBlocked {
                    step: None,
                    side: Side::Do,
                    guard: blocked.guard,
                    message: blocked.message,
                    holder: blocked.holder,
                }
            }
            Some(_) => return,
        };
        self.emit(now, out, kind);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a person says, and to which run when"
    )]
    fn decide(
        &mut self,
        by: &Actor,
        step: Option<&StepId>,
        digest: Option<PlanDigest>,
        yes: bool,
        reason: String,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let (step, side) = self.open_decision(step)?;
        let work = self
            .steps
            .iter()
            .find(|known| known.id == step)
            .and_then(|known| known.side(side));
        let Some((work, question)) = work.and_then(|work| Some((work, work.question.as_ref()?))) else {
            return Err(Refused::NothingOpen(format!("`{step}` asks nothing")));
        };
        if digest.is_some_and(|digest| digest != question.digest) {
            let short = question.digest.digest().short();
            return Err(Refused::Stale(format!(
                "the plan of `{step}` is another one by now ({short}): look at it and decide again"
            )));
        }
        if !by.is_among(&question.from) {
            let from = if question.from.is_empty() {
                "role approver or more".to_owned()
            } else {
                question.from.join(", ")
            };
            return Err(Refused::NotAllowed(format!(
                "`{}` may not decide on `{step}`: it asks {from}",
                by.name
            )));
        }
        if self.opened.by.as_ref() == Some(&by.name) {
            return Err(Refused::NotAllowed(format!(
                "`{}` asked for run `{}`, so somebody else has to decide",
                by.name, self.opened.run
            )));
        }
        if now.at >= question.expires {
            return Err(Refused::Stale(format!(
                "the question of `{step}` expired at {}",
                question.expires
            )));
        }
        if yes && work.given.contains(&by.name) {
            return Err(Refused::NothingOpen(format!(
                "`{}` said yes to this plan already; others are asked",
                by.name
            )));
        }
        let (digest, via, by) = (question.digest, by.via.clone(), by.name.clone());
        self.emit(
            now,
            out,
            match yes {
                true => EventKind::DecisionGiven {
                    step,
                    side,
                    by,
                    digest,
                    reason,
                    alone: false,
                    via,
                },
                false => EventKind::DecisionRefused {
                    step,
                    side,
                    by,
                    digest: Some(digest),
                    reason,
                    via,
                },
            },
        );
        Ok(())
    }

    /// Alone, audited, told to everybody, with a reason where the operator asks for one; also by who asked for the run, who may be the only one awake.
    fn break_glass(
        &mut self,
        by: &Actor,
        step: Option<&StepId>,
        digest: Option<PlanDigest>,
        reason: String,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.may(by, Role::Approver, "decide alone")?;
        let (step, side) = self.open_decision(step)?;
        let work = self.steps.iter().find(|known| known.id == step);
        let question = work.and_then(|known| known.side(side)?.question.as_ref());
        let asked = question.map(|question| (question.digest, question.expires));
        let Some((asked, expires)) = asked else {
            return Err(Refused::NothingOpen(format!("`{step}` asks nothing")));
        };
        if digest.is_some_and(|digest| digest != asked) || now.at >= expires {
            return Err(Refused::Stale(format!(
                "the question of `{step}` is another one by now: look at it and decide again"
            )));
        }
        let (digest, via, by) = (asked, by.via.clone(), by.name.clone());
        let kind = EventKind::DecisionGiven {
            step,
            side,
            by,
            digest,
            reason,
            alone: true,
            via,
        };
        self.emit(now, out, kind);
        Ok(())
    }

    fn open_decision(&self, step: Option<&StepId>) -> Result<(StepId, Side), Refused> {
        let open: Vec<(StepId, Side)> = self
            .steps
            .iter()
            .flat_map(|known| [Side::Do, Side::Undo].map(|side| (known, side)))
            .filter(|(known, side)| known.side(*side).is_some_and(|work| work.question.is_some()))
            .map(|(known, side)| (known.id.clone(), side))
            .collect();
        match (step, open.as_slice()) {
            (Some(step), all) => all.iter().find(|(id, _)| id == step).cloned().ok_or_else(|| {
                Refused::NothingOpen(format!("run `{}` asks nothing about `{step}`", self.opened.run))
            }),
            (None, [one]) => Ok(one.clone()),
            (None, []) => Err(Refused::NothingOpen(format!(
                "run `{}` asks nothing",
                self.opened.run
            ))),
            (None, several) => {
                let ids: Vec<&str> = several.iter().map(|(id, _)| id.as_str()).collect();
                Err(Refused::Stale(format!(
                    "several questions are open; name the step: {}",
                    ids.join(", ")
                )))
            }
        }
    }

    fn may(&self, by: &Actor, least: Role, what: &str) -> Result<(), Refused> {
        if by.role >= least {
            return Ok(());
        }
        Err(Refused::NotAllowed(
            format!("`{}` may not {what}: it takes role {least:?} or more", by.name).to_lowercase(),
        ))
    }

    fn answer(
        &mut self,
        by: &Actor,
        check: &StepId,
        verdict: Verdict,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.may(by, Role::Approver, "answer a check")?;
        let by_hand = self.checks.get(check).map(|state| state.by_hand);
        let awaited = |step: &crate::step::StepState| {
            step.id == *check && matches!(step.work.stage, Stage::AwaitingPerson { .. })
        };
        let look = self
            .steps
            .iter()
            .position(awaited)
            .and_then(|index| self.step_model(index));
        let is_look = look.is_some_and(|step| matches!(step.kind, StepKind::Look { .. }));
        match (by_hand, is_look) {
            (Some(true), _) | (None, true) => {}
            (Some(false), _) => {
                return Err(Refused::NotAllowed(format!(
                    "`{check}` is answered by a plugin, not by hand"
                )));
            }
            (None, false) => {
                return Err(Refused::NothingOpen(format!(
                    "run `{}` has no open check `{check}`",
                    self.opened.run
                )));
            }
        }
        let finding = said(verdict, &by.name);
        let by = Some(by.name.clone());
        self.emit(
            now,
            out,
            EventKind::StepAnswered {
                step: check.clone(),
                finding,
                by,
                failure: None,
            },
        );
        Ok(())
    }

    fn by_hand(
        &mut self,
        by: &Actor,
        step: &StepId,
        done: bool,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.may(by, Role::Approver, "say whether a step is done")?;
        let index = self.steps.iter().position(|known| known.id == *step);
        let kind = index
            .and_then(|index| self.step_model(index))
            .map(|step| &step.kind);
        let state = index.and_then(|index| self.steps.get(index));
        let waits = state.is_some_and(|state| matches!(state.work.stage, Stage::AwaitingPerson { .. }));
        if !waits || !matches!(kind, Some(StepKind::ByHand { .. })) {
            let message = format!(
                "run `{}` does not wait for `{step}` to be done by hand",
                self.opened.run
            );
            return Err(Refused::NothingOpen(message));
        }
        let (step, name) = (step.clone(), by.name.clone());
        self.emit(
            now,
            out,
            match done {
                true => {
                    let mut finding = said(Verdict::Yes, &name);
                    finding.summary = format!("done by hand, says `{name}`");
                    EventKind::StepAnswered {
                        step,
                        finding,
                        by: Some(name),
                        failure: None,
                    }
                }
                false => {
                    let message = format!("not done, says `{name}`");
                    EventKind::StepFailed {
                        step,
                        why: Failing::ByHand,
                        message,
                    }
                }
            },
        );
        Ok(())
    }

    fn settle(
        &mut self,
        by: &Actor,
        step: &StepId,
        happened: bool,
        go_on: bool,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.may(by, Role::Approver, "settle a doubt")?;
        let in_doubt = |side: Side| {
            let state = self.steps.iter().find(|known| known.id == *step)?;
            let work = state.side(side)?;
            (matches!(work.stage, Stage::Doubting { .. }) && !work.unknown().is_empty()).then_some(side)
        };
        let Some(side) = in_doubt(Side::Undo).or_else(|| in_doubt(Side::Do)) else {
            return Err(Refused::NothingOpen(format!(
                "nothing of `{step}` is in doubt in run `{}`",
                self.opened.run
            )));
        };
        let settler = Settler::Person {
            name: by.name.clone(),
        };
        self.emit(
            now,
            out,
            EventKind::DoubtSettled {
                step: step.clone(),
                side,
                settler,
                happened,
                go_on,
            },
        );
        Ok(())
    }

    pub(crate) fn operator(&self, by: &Actor, what: &str) -> Result<(), Refused> {
        self.may(by, Role::Operator, what)
    }
}

fn said(verdict: Verdict, name: &str) -> Box<Finding> {
    Box::new(Finding {
        verdict,
        summary: format!("{}, says `{name}`", verdict.as_str()),
        evidence: Vec::new(),
        data: Value::Null,
        extra: Value::Null,
    })
}
