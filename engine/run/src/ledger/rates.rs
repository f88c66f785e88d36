//! What counts over time: actions of the engine, runs of a runbook that change something, cooldowns, storms.

use std::collections::{BTreeMap, VecDeque};

use stanch_contract::{RunId, Span, StepId, Timestamp};
use stanch_runbook::EngineGuardrails;

use super::{Blocked, Claim, Guard};
use crate::words::Side;

/// Actions that were set aside for one step.
#[derive(Debug, Clone)]
struct Spent {
    at: Timestamp,
    run: RunId,
    step: StepId,
    actions: u32,
    /// Granted, and its event was not folded yet.
    granted: bool,
}

/// A run that changed something, or is about to.
#[derive(Debug, Clone)]
struct Changer {
    run: RunId,
    runbook: String,
    at: Timestamp,
    sent: bool,
}

/// The longest window that anything is remembered for; longer rates and cooldowns count at most this.
const MEMORY: Span = Span::from_secs(30 * 86_400);

/// What counts over time.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    actions: VecDeque<Spent>,
    changers: VecDeque<Changer>,
    /// The last change under each name: by which run, when.
    changes: BTreeMap<String, (RunId, Timestamp)>,
    /// Under which name a step's changes count.
    names: BTreeMap<(RunId, StepId), String>,
    alerts: VecDeque<(Timestamp, u32)>,
}

impl Rates {
    /// A grant: its event follows.
    pub(super) fn grant(&mut self, claim: &Claim, at: Timestamp) {
        self.reserve(
            &claim.run,
            &claim.runbook,
            &claim.step,
            claim.actions,
            &claim.cooldown_key,
            at,
        );
        if let Some(spent) = self.actions.back_mut() {
            spent.granted = true;
        }
    }

    /// An event: of a grant that was counted already, or read back from the journal.
    pub(super) fn reserve(
        &mut self,
        run: &RunId,
        runbook: &str,
        step: &StepId,
        actions: u32,
        name: &str,
        at: Timestamp,
    ) {
        let granted = self
            .actions
            .iter_mut()
            .find(|s| s.granted && s.run == *run && s.step == *step);
        if let Some(spent) = granted {
            spent.granted = false;
            return;
        }
        self.names.insert((run.clone(), step.clone()), name.to_owned());
        self.forget_before(at);
        self.actions.push_back(Spent {
            at,
            run: run.clone(),
            step: step.clone(),
            actions,
            granted: false,
        });
        if !self.changers.iter().any(|c| c.run == *run) {
            self.changers.push_back(Changer {
                run: run.clone(),
                runbook: runbook.to_owned(),
                at,
                sent: false,
            });
        }
    }

    pub(super) fn give_back(&mut self, run: &RunId, step: &StepId, actions: u32) {
        let mut left = actions;
        for spent in self
            .actions
            .iter_mut()
            .rev()
            .filter(|s| s.run == *run && s.step == *step)
        {
            let back = left.min(spent.actions);
            spent.actions -= back;
            left -= back;
        }
        self.actions.retain(|spent| spent.actions > 0);
        if !self.actions.iter().any(|s| s.run == *run) {
            self.changers.retain(|c| c.run != *run || c.sent);
        }
    }

    pub(super) fn changed(&mut self, run: &RunId, step: &StepId, at: Timestamp) {
        if let Some(changer) = self.changers.iter_mut().find(|c| c.run == *run) {
            changer.sent = true;
        }
        self.ended(run, step, at);
    }

    pub(super) fn ended(&mut self, run: &RunId, step: &StepId, at: Timestamp) {
        if let Some(name) = self.names.get(&(run.clone(), step.clone())) {
            self.changes.insert(name.clone(), (run.clone(), at));
        }
    }

    pub(super) fn closed(&mut self, run: &RunId) {
        self.names.retain(|(of, _), _| of != run);
    }

    pub(super) fn alerts_came(&mut self, count: u32, now: Timestamp) {
        self.alerts.push_back((now, count));
        while self
            .alerts
            .front()
            .is_some_and(|(at, _)| now.since(*at) > Span::from_secs(3_600))
        {
            self.alerts.pop_front();
        }
    }

    pub(super) fn storm(&self, now: Timestamp, guardrails: &EngineGuardrails) -> Option<u32> {
        let storm = guardrails.storm;
        let within = self.alerts.iter().filter(|(at, _)| now.since(*at) < storm.within);
        let count = within.fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        (count > storm.alerts).then_some(count)
    }

    pub(super) fn blocking(
        &self,
        claim: &Claim,
        now: Timestamp,
        guardrails: &EngineGuardrails,
    ) -> Option<Blocked> {
        if claim.side == Side::Undo || claim.locks.is_empty() {
            return None;
        }
        self.stormy(now, guardrails)
            .or_else(|| self.cooling(claim, now))
            .or_else(|| self.over_rate(claim, now))
            .or_else(|| self.over_actions(claim, now, guardrails))
    }

    fn stormy(&self, now: Timestamp, guardrails: &EngineGuardrails) -> Option<Blocked> {
        let count = self.storm(now, guardrails)?;
        let storm = guardrails.storm;
        Some(Blocked {
            guard: Guard::Storm,
            message: format!(
                "an alert storm: {count} alerts within {}, more than {}; only diagnosis runs until it is over",
                storm.within, storm.alerts
            ),
            holder: None,
        })
    }

    fn cooling(&self, claim: &Claim, now: Timestamp) -> Option<Blocked> {
        let cooldown = claim.cooldown?;
        let (run, at) = self.changes.get(&claim.cooldown_key)?;
        if *run == claim.run || now.since(*at) >= cooldown {
            return None;
        }
        Some(Blocked {
            guard: Guard::Cooldown,
            message: format!(
                "run `{run}` changed something under `{}` {} ago; the cooldown is {cooldown}",
                claim.cooldown_key,
                now.since(*at)
            ),
            holder: Some(run.clone()),
        })
    }

    fn over_rate(&self, claim: &Claim, now: Timestamp) -> Option<Blocked> {
        let rate = claim.rate?;
        let others = self
            .changers
            .iter()
            .filter(|c| c.runbook == claim.runbook && c.run != claim.run);
        let count = others.filter(|c| now.since(c.at) < rate.per).count();
        if count < usize::try_from(rate.count).unwrap_or(usize::MAX) {
            return None;
        }
        Some(Blocked {
            guard: Guard::Rate,
            message: format!(
                "{count} runs of `{}` changed something within {}; its rate is {rate}",
                claim.runbook, rate.per
            ),
            holder: None,
        })
    }

    fn over_actions(&self, claim: &Claim, now: Timestamp, guardrails: &EngineGuardrails) -> Option<Blocked> {
        let rate = guardrails.actions;
        let within = self.actions.iter().filter(|spent| now.since(spent.at) < rate.per);
        let count = within.fold(0_u32, |sum, spent| sum.saturating_add(spent.actions));
        if count.saturating_add(claim.actions) <= rate.count {
            return None;
        }
        Some(Blocked {
            guard: Guard::Actions,
            message: format!(
                "{count} actions of the whole engine within {}, and {} more; `guardrails.actions` is {rate}",
                rate.per, claim.actions
            ),
            holder: None,
        })
    }

    fn forget_before(&mut self, now: Timestamp) {
        let old = |at: Timestamp| now.since(at) > MEMORY;
        while self.actions.front().is_some_and(|spent| old(spent.at)) {
            self.actions.pop_front();
        }
        while self.changers.front().is_some_and(|changer| old(changer.at)) {
            self.changers.pop_front();
        }
        if self.changes.len() > 10_000 {
            self.changes.retain(|_, (_, at)| !old(*at));
        }
    }
}
