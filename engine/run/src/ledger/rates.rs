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
    runbook: String,
    /// Which of the actions that were set aside are its own, by number.
    spent: Vec<u64>,
    sent: bool,
}

/// Alerts that came within [`TOGETHER`].
#[derive(Debug, Clone, Copy)]
struct Came {
    first: Timestamp,
    last: Timestamp,
    count: u32,
}

/// The longest window that anything is remembered for; longer rates and cooldowns count at most this.
const MEMORY: Span = Span::from_secs(30 * 86_400);
/// With so many last changes it is looked which are old; after that with twice as many as were left.
const SWEPT: usize = 10_000;
/// The longest that alerts are remembered for.
const ALERTS: Span = Span::from_secs(3_600);
/// Alerts that come within this time are counted as one lot, which is as old as its last.
const TOGETHER: Span = Span::from_secs(1);

/// What counts over time. Each look is at what is within its window, however much is remembered: everything is kept in the order
/// of time, and a clock that is set back only makes something count for longer.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    actions: VecDeque<Spent>,
    /// The number of the first of them.
    first: u64,
    /// How many of them are grants whose event was not folded yet.
    granted: usize,
    changers: BTreeMap<RunId, Changer>,
    /// When each of a runbook's runs that changed something first was about to.
    changed_by: BTreeMap<String, VecDeque<(Timestamp, RunId)>>,
    /// The last change under each name: by which run, when.
    changes: BTreeMap<String, (RunId, Timestamp)>,
    /// How many of them were left when what is old was last removed.
    left: usize,
    /// Under which name a step's changes count.
    names: BTreeMap<(RunId, StepId), String>,
    alerts: VecDeque<Came>,
}

impl Rates {
    /// A grant: its event follows. One whose event never came, because the journal refused it, is replaced.
    pub(super) fn grant(&mut self, claim: &Claim, at: Timestamp) {
        if let Some(spent) = self.pending(&claim.run, &claim.step) {
            spent.actions = claim.actions;
            return;
        }
        let (run, step, name) = (&claim.run, &claim.step, &claim.cooldown_key);
        self.add(run, &claim.runbook, step, claim.actions, name, at);
        if let Some(spent) = self.actions.back_mut() {
            spent.granted = true;
            self.granted += 1;
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
        if let Some(spent) = self.pending(run, step) {
            spent.granted = false;
            self.granted -= 1;
            return;
        }
        self.add(run, runbook, step, actions, name, at);
    }

    /// The grant of a step whose event was not folded yet. Events follow closely, so it is among the last.
    fn pending(&mut self, run: &RunId, step: &StepId) -> Option<&mut Spent> {
        let grants = self.actions.iter_mut().rev().filter(|spent| spent.granted);
        grants
            .take(self.granted)
            .find(|spent| spent.run == *run && spent.step == *step)
    }

    fn add(&mut self, run: &RunId, runbook: &str, step: &StepId, actions: u32, name: &str, at: Timestamp) {
        self.names.insert((run.clone(), step.clone()), name.to_owned());
        self.forget_before(runbook, at);
        let at = self.actions.back().map_or(at, |last| last.at.max(at));
        let number = self.first + self.actions.len() as u64;
        self.actions.push_back(Spent {
            at,
            run: run.clone(),
            step: step.clone(),
            actions,
            granted: false,
        });
        if let Some(changer) = self.changers.get_mut(run) {
            changer.spent.push(number);
            return;
        }
        let by = self.changed_by.entry(runbook.to_owned()).or_default();
        let since = by.back().map_or(at, |(last, _)| (*last).max(at));
        by.push_back((since, run.clone()));
        let changer = Changer {
            runbook: runbook.to_owned(),
            spent: vec![number],
            sent: false,
        };
        self.changers.insert(run.clone(), changer);
    }

    pub(super) fn give_back(&mut self, run: &RunId, step: &StepId, actions: u32) {
        let Some(changer) = self.changers.get(run) else {
            return;
        };
        let (mut left, mut kept) = (actions, 0);
        for number in changer.spent.iter().rev() {
            let at = number
                .checked_sub(self.first)
                .and_then(|at| usize::try_from(at).ok());
            let Some(spent) = at.and_then(|at| self.actions.get_mut(at)) else {
                continue;
            };
            if spent.step == *step {
                let back = left.min(spent.actions);
                spent.actions -= back;
                left -= back;
                // What was given back whole is no grant that anything follows.
                if spent.actions == 0 && std::mem::take(&mut spent.granted) {
                    self.granted -= 1;
                }
            }
            kept += spent.actions;
        }
        if kept == 0 && !changer.sent {
            if let Some(by) = self.changed_by.get_mut(&changer.runbook) {
                by.retain(|(_, other)| other != run);
            }
            self.changers.remove(run);
        }
    }

    pub(super) fn changed(&mut self, run: &RunId, step: &StepId, at: Timestamp) {
        if let Some(changer) = self.changers.get_mut(run) {
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
        let of_run = self.names.range((run.clone(), StepId::from(""))..);
        let own = of_run.map(|(name, _)| name).take_while(|(of, _)| of == run);
        for name in own.cloned().collect::<Vec<_>>() {
            self.names.remove(&name);
        }
    }

    pub(super) fn alerts_came(&mut self, count: u32, now: Timestamp) {
        match self.alerts.back_mut() {
            Some(lot) if now.since(lot.first) < TOGETHER => {
                lot.last = lot.last.max(now);
                lot.count = lot.count.saturating_add(count);
            }
            last => {
                let now = last.map_or(now, |lot| lot.last.max(now));
                self.alerts.push_back(Came {
                    first: now,
                    last: now,
                    count,
                });
            }
        }
        while self
            .alerts
            .front()
            .is_some_and(|lot| now.since(lot.last) > ALERTS)
        {
            self.alerts.pop_front();
        }
    }

    pub(super) fn storm(&self, now: Timestamp, guardrails: &EngineGuardrails) -> Option<u32> {
        let storm = guardrails.storm;
        let lots = self.alerts.iter().rev();
        let within = lots.take_while(|lot| now.since(lot.last) < storm.within);
        let count = within.fold(0_u32, |sum, lot| sum.saturating_add(lot.count));
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
        let by = self.changed_by.get(&claim.runbook).into_iter().flatten();
        let within = by.rev().take_while(|(at, _)| now.since(*at) < rate.per);
        let count = within.filter(|(_, run)| *run != claim.run).count();
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
        let last = self.actions.iter().rev();
        let within = last.take_while(|spent| now.since(spent.at) < rate.per);
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

    fn forget_before(&mut self, runbook: &str, now: Timestamp) {
        let old = |at: Timestamp| now.since(at) > MEMORY;
        while self.actions.front().is_some_and(|spent| old(spent.at)) {
            self.granted -= usize::from(self.actions.pop_front().is_some_and(|spent| spent.granted));
            self.first += 1;
        }
        if let Some(by) = self.changed_by.get_mut(runbook) {
            while let Some((_, run)) = by.pop_front_if(|(at, _)| old(*at)) {
                self.changers.remove(&run);
            }
        }
        if self.changes.len() > SWEPT.max(2 * self.left) {
            self.changes.retain(|_, (_, at)| !old(*at));
            self.left = self.changes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stanch_contract::{PluginKey, Rate};

    use super::*;

    /// What may happen, some milliseconds after what happened before.
    #[derive(Debug, Clone)]
    enum Op {
        Grant(u8, u8, u32),
        Reserve(u8, u8, u32),
        GiveBack(u8, u8, u32),
        Change(u8, u8),
        Close(u8),
    }

    /// The same, counted from all that ever happened.
    #[derive(Default)]
    struct Naive {
        spent: Vec<(Timestamp, u8, u8, u32, bool)>,
        /// Since when a run is one that changes something, and whether it did.
        changers: Vec<(u8, Timestamp, bool)>,
    }

    impl Naive {
        fn reserve(&mut self, (run, step): (u8, u8), actions: u32, at: Timestamp, granted: bool) {
            let same = self
                .spent
                .iter_mut()
                .find(|(_, of, on, _, granted)| (*of, *on, *granted) == (run, step, true));
            if let Some(spent) = same {
                if granted {
                    spent.3 = actions;
                }
                spent.4 = granted;
                return;
            }
            self.spent.push((at, run, step, actions, granted));
            if !self.changers.iter().any(|(of, ..)| *of == run) {
                self.changers.push((run, at, false));
            }
        }

        fn give_back(&mut self, (run, step): (u8, u8), mut left: u32) {
            for spent in self
                .spent
                .iter_mut()
                .rev()
                .filter(|spent| (spent.1, spent.2) == (run, step))
            {
                let back = left.min(spent.3);
                spent.3 -= back;
                left -= back;
            }
            self.spent.retain(|spent| spent.3 > 0);
            if !self.spent.iter().any(|spent| spent.1 == run) {
                self.changers.retain(|(of, _, sent)| *of != run || *sent);
            }
        }
    }

    fn runbook(run: u8) -> String {
        format!("runbook-{}", run % 2)
    }

    fn claim(run: u8, step: u8, actions: u32) -> Claim {
        Claim {
            run: RunId::from(format!("run-{run}").as_str()),
            runbook: runbook(run),
            step: StepId::from(format!("step-{step}").as_str()),
            side: Side::Do,
            plugin: PluginKey::from("plugin"),
            namespaces: vec![],
            locks: vec!["lock".into()],
            actions,
            rate: None,
            cooldown_key: format!("name-{run}-{step}"),
            cooldown: None,
            since: Timestamp(0),
        }
    }

    fn ops() -> impl Strategy<Value = Vec<(u32, Op)>> {
        let (run, step, actions) = (0..6_u8, 0..2_u8, 1..4_u32);
        let spends = (run.clone(), step.clone(), actions);
        let op = prop_oneof![
            3 => spends.clone().prop_map(|(run, step, actions)| Op::Grant(run, step, actions)),
            3 => spends.clone().prop_map(|(run, step, actions)| Op::Reserve(run, step, actions)),
            2 => spends.prop_map(|(run, step, actions)| Op::GiveBack(run, step, actions)),
            1 => (run.clone(), step).prop_map(|(run, step)| Op::Change(run, step)),
            1 => run.prop_map(Op::Close),
        ];
        prop::collection::vec((0..4_000_u32, op), 0..60)
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_happened_within_the_window(ops in ops()) {
            let (mut rates, mut naive) = (Rates::default(), Naive::default());
            let mut now = Timestamp(1_000_000);
            let per = Span::from_secs(20);
            for (later, op) in ops {
                now = Timestamp(now.0 + i64::from(later));
                match op {
                    Op::Grant(run, step, actions) => {
                        rates.grant(&claim(run, step, actions), now);
                        naive.reserve((run, step), actions, now, true);
                    }
                    Op::Reserve(run, step, actions) => {
                        let claim = claim(run, step, actions);
                        rates.reserve(&claim.run, &claim.runbook, &claim.step, actions, &claim.cooldown_key, now);
                        naive.reserve((run, step), actions, now, false);
                    }
                    Op::GiveBack(run, step, actions) => {
                        let claim = claim(run, step, actions);
                        rates.give_back(&claim.run, &claim.step, actions);
                        naive.give_back((run, step), actions);
                    }
                    Op::Change(run, step) => {
                        let claim = claim(run, step, 0);
                        rates.changed(&claim.run, &claim.step, now);
                        for changer in naive.changers.iter_mut().filter(|(of, ..)| *of == run) {
                            changer.2 = true;
                        }
                    }
                    Op::Close(run) => rates.closed(&claim(run, 0, 0).run),
                }
                let spent = naive.spent.iter().filter(|(at, ..)| now.since(*at) < per);
                let spent: u32 = spent.map(|(_, _, _, actions, _)| actions).sum();
                let most = |count| EngineGuardrails {
                    actions: Rate { count, per },
                    ..EngineGuardrails::default()
                };
                let asked = claim(9, 0, 1);
                prop_assert!(rates.over_actions(&asked, now, &most(spent + 1)).is_none());
                prop_assert!(rates.over_actions(&asked, now, &most(spent)).is_some());
                for run in 0..6 {
                    let others = naive.changers.iter().filter(|(of, at, _)| {
                        *of != run && runbook(*of) == runbook(run) && now.since(*at) < per
                    });
                    let others = u32::try_from(others.count()).unwrap();
                    let of = |count| Claim { rate: Some(Rate { count, per }), ..claim(run, 0, 1) };
                    prop_assert!(rates.over_rate(&of(others + 1), now).is_none());
                    prop_assert!(others == 0 || rates.over_rate(&of(others), now).is_some());
                }
            }
        }
    }

    #[test]
    fn an_hour_of_alerts_is_as_many_lots_as_it_has_seconds_and_a_storm_is_over_when_they_are_old() {
        let mut rates = Rates::default();
        let guardrails = EngineGuardrails::default();
        let (most, within) = (guardrails.storm.alerts, guardrails.storm.within);
        for ms in 0..7_200_000 / 50 {
            rates.alerts_came(1, Timestamp(ms * 50));
        }
        assert!(rates.alerts.len() <= 3_602, "{}", rates.alerts.len());
        let last = Timestamp(7_200_000 - 50);
        let seen = rates.storm(last, &guardrails).unwrap();
        let came = u32::try_from(within.as_millis() / 50).unwrap();
        assert!((came..=came + 20).contains(&seen), "{seen} of {came}");
        assert!(came > most);
        assert_eq!(rates.storm(last.plus(within), &guardrails), None);
        // A clock that is set back forgets nothing.
        let mut rates = Rates::default();
        rates.alerts_came(most, Timestamp(100_000));
        rates.alerts_came(1, Timestamp(50_000));
        assert_eq!(rates.storm(Timestamp(100_000), &guardrails), Some(most + 1));
    }
}
