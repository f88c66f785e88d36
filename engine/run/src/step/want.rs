//! What a step wants done next, from its state alone.

use serde_json::Value;
use stanch_contract::{ActionState, PluginKey, Span, StepId, Timestamp};
use stanch_runbook::model::{StepKind, Worker};

use super::{Stage, Work};
use crate::command::{ApplyCall, Call, Command, Key, PluginCall, Slot};
use crate::ledger::Guard;
use crate::scope::idempotency_key;
use crate::state::{Now, State};
use crate::words::*;

impl State {
    pub(crate) fn want_step(&self, now: Now<'_>, commands: &mut Vec<Command>) {
        let Some((index, side)) = self.driven() else {
            return;
        };
        let Some(step) = self.steps.get(index) else { return };
        let Some(work) = step.side(side) else { return };
        let key = |slot| Key {
            step: step.id.clone(),
            side,
            slot,
            turn: work.turn,
        };
        match &work.stage {
            Stage::Looking => {
                let worker = match self.step_model(index).map(|step| &step.kind) {
                    Some(StepKind::Look {
                        worker: Worker::Plugin { uses, .. },
                        ..
                    }) => uses.clone(),
                    _ => return,
                };
                commands.push(self.call(key(Slot::Look), worker, work, work.params.clone(), Call::Diagnose));
            }
            Stage::Planning => self.want_plan(index, side, key(Slot::Plan), commands),
            Stage::Refreshing { .. } if self.wants_fresh_plan(index, side) => {
                self.want_plan(index, side, key(Slot::Fresh), commands);
            }
            Stage::Weighing | Stage::Interrupted => {
                let Ok(mut claim) = self.claim(index, side) else {
                    return;
                };
                claim.since = claim.since.min(now.at);
                if self.wants_claim(index, side) {
                    commands.push(Command::Claim(key(Slot::Claim), Box::new(claim)));
                } else if side == Side::Do {
                    commands.push(Command::Consult(key(Slot::Consult), Box::new(claim)));
                }
            }
            Stage::Applying => {
                let (Some(change), Some(planned)) = (self.change(index), &work.planned) else {
                    return;
                };
                let apply = ApplyCall {
                    plan: planned.plan.clone(),
                    earlier: work.known(),
                };
                let call = Call::Apply(Box::new(apply));
                let params = self.of_stage(index, side, planned.params.clone());
                commands.push(self.call(key(Slot::Apply), change.uses.clone(), work, params, call));
            }
            Stage::Doubting {
                verify_over: false, ..
            } => self.want_verify(index, side, key(Slot::Own), now, commands),
            Stage::Verifying { .. } => {
                let (own, also) = match side {
                    Side::Do => self.verify_parts(index),
                    Side::Undo => (true, false),
                };
                let yes = Some(stanch_contract::Verdict::Yes);
                if own && work.own != yes {
                    self.want_verify(index, side, key(Slot::Own), now, commands);
                }
                if also && work.also != yes {
                    self.want_also(index, key(Slot::Also), now, commands);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn want_checks(&self, commands: &mut Vec<Command>) {
        for check in &self.book.diagnosis {
            let Some(state) = self.checks.get(&check.id) else {
                continue;
            };
            if let (true, Worker::Plugin { uses, .. }) = (state.asking, &check.worker) {
                commands.push(self.look(&check.id, state.turn, uses.clone(), state.params.clone()));
            }
        }
    }

    pub(crate) fn look(&self, id: &StepId, turn: u32, plugin: PluginKey, params: Value) -> Command {
        let key = Key {
            step: id.clone(),
            side: Side::Do,
            slot: Slot::Look,
            turn,
        };
        let idempotency = idempotency_key(&self.opened.run, id, Side::Do, None);
        Command::Call(Box::new(PluginCall {
            key,
            plugin,
            on: self.check_model(id).and_then(|check| check.on.clone()),
            params,
            attempt: 1,
            idempotency,
            call: Call::Diagnose,
        }))
    }

    pub(crate) fn call(
        &self,
        key: Key,
        plugin: PluginKey,
        work: &Work,
        params: Value,
        call: Call,
    ) -> Command {
        let index = self.steps.iter().position(|step| step.id == key.step);
        let batched = index
            .and_then(|index| self.change(index))
            .is_some_and(|change| change.batch.is_some() || change.ramp.is_some());
        let batch = (batched && key.side == Side::Do).then_some(work.batches + 1);
        let idempotency = idempotency_key(&self.opened.run, &key.step, key.side, batch);
        let model = index.and_then(|index| self.step_model(index));
        let on = match (key.slot, self.verify_on(index)) {
            (Slot::Also, Some(on)) => Some(on),
            _ => model.and_then(|step| step.on.clone()),
        };
        let attempt = match call {
            Call::Apply(_) => work.attempt.saturating_sub(work.attempts_before).max(1),
            _ => work.failures + 1,
        };
        Command::Call(Box::new(PluginCall {
            key,
            plugin,
            on,
            params,
            attempt,
            idempotency,
            call,
        }))
    }

    fn verify_on(&self, index: Option<usize>) -> Option<String> {
        self.change(index?).and_then(|change| change.verify.on.clone())
    }

    fn want_plan(&self, index: usize, side: Side, key: Key, commands: &mut Vec<Command>) {
        let (Some(step), Some(change)) = (self.steps.get(index), self.change(index)) else {
            return;
        };
        let (Some(work), Some(params)) = (step.side(side), self.plan_params(index, side)) else {
            return;
        };
        let params = self.of_stage(index, side, params);
        let call = match side {
            Side::Do => Call::Plan,
            Side::Undo => match step.work.made() {
                Some(made) => Call::PlanUndo(Box::new(made)),
                None => return,
            },
        };
        commands.push(self.call(key, change.uses.clone(), work, params, call));
    }

    /// Whether it holds: the plugin's verify. Whether all is as before: its plan of the way back, made again.
    fn want_verify(&self, index: usize, side: Side, key: Key, now: Now<'_>, commands: &mut Vec<Command>) {
        let (Some(step), Some(change)) = (self.steps.get(index), self.change(index)) else {
            return;
        };
        let Some(work) = step.side(side) else { return };
        let made = match side {
            Side::Do => step.work.made_in_batch(),
            Side::Undo => step.work.made(),
        };
        let (Some(made), Some(planned)) = (made.map(Box::new), &work.planned) else {
            return;
        };
        if self.paced(&step.id, Slot::Own, now.at) {
            let call = match side {
                Side::Do => Call::Verify(made),
                Side::Undo => Call::PlanUndo(made),
            };
            let params = self.of_stage(index, side, planned.params.clone());
            commands.push(self.call(key, change.uses.clone(), work, params, call));
        }
    }

    fn want_also(&self, index: usize, key: Key, now: Now<'_>, commands: &mut Vec<Command>) {
        let (Some(step), Some(change)) = (self.steps.get(index), self.change(index)) else {
            return;
        };
        let Some((plugin, with)) = &change.verify.also else {
            return;
        };
        // Where its parameters have no value it is not asked, and the step fails when its time is over.
        if let (true, Ok(params)) = (self.paced(&step.id, Slot::Also, now.at), self.render(with)) {
            commands.push(self.call(key, plugin.clone(), &step.work, params, Call::Diagnose));
        }
    }

    /// When time alone makes something follow for the step whose turn it is.
    pub(crate) fn step_due(&self, now: Now<'_>, due: &mut Vec<Timestamp>) {
        let Some((index, side)) = self.driven() else {
            return;
        };
        let Some(step) = self.steps.get(index) else { return };
        let Some(work) = step.side(side) else { return };
        let change = self.change(index);
        let within = change.map(|change| change.verify.within).unwrap_or_default();
        match &work.stage {
            Stage::Pending if self.step_reads(index).iter().any(|id| self.waits_for_hand(id)) => {
                due.push(self.cursor_since.plus(self.answer_time(index)));
            }
            Stage::AwaitingPerson { until } | Stage::Waiting { until, .. } => due.push(*until),
            Stage::Weighing => {
                let until = self.is_good_until(index, side, now.at);
                due.extend(until.map(|until| until.plus(Span::from_millis(1))));
            }
            Stage::Held { next } => due.push(*next),
            Stage::Between { until } | Stage::Holding { until } => due.push(*until),
            Stage::Asking => due.extend(work.question.as_ref().map(|question| question.expires)),
            Stage::Verifying { since }
            | Stage::Doubting {
                since,
                verify_over: false,
            } => {
                due.push(since.plus(within));
                let paced =
                    [Slot::Own, Slot::Also].map(|slot| self.pace.get(&(step.id.clone(), slot)).copied());
                due.extend(paced.into_iter().flatten());
            }
            _ => {}
        }
        if let Some(waits) = work
            .waits
            .as_ref()
            .filter(|waits| waits.guard == Guard::Lock && !waits.told)
        {
            due.push(waits.since.plus(self.guardrails(now).lock_wait));
        }
    }
}

impl Work {
    /// What is known of the plan's actions from earlier attempts. One in doubt is among them, to be sent again, only
    /// where that is safe; the gate holds the others back.
    fn known(&self) -> Vec<(u32, ActionState, Option<Vec<u8>>)> {
        let known = self.progress.iter();
        known
            .map(|(action, state)| (*action, state.clone(), self.answers.get(action).cloned()))
            .collect()
    }
}
