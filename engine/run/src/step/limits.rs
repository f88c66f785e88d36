//! The limits of one step: how many things, which share of those that are alike, how many files, how large. A plan over a
//! limit is held whole, never trimmed.

use std::collections::BTreeMap;

use stanch_contract::plan::Capability;
use stanch_contract::{ByteSize, CanonicalAction, CheckedPlan, Share};
use stanch_runbook::EngineGuardrails;

use crate::state::{Now, State};
use crate::words::Side;

impl State {
    /// Which limit the plan is over, in a sentence.
    pub(crate) fn over_limits(
        &self,
        index: usize,
        side: Side,
        plan: &CheckedPlan,
        now: Now<'_>,
    ) -> Option<String> {
        // What was allowed to be changed may be put back.
        if side == Side::Undo {
            return None;
        }
        let change = self.change(index)?;
        // The limit is of the step: what was done under it before counts.
        let work = &self.steps.get(index)?.work;
        let sent = work.sent_targets();
        let guardrails = self.guardrails(now);
        let mut counts: BTreeMap<Capability, u32> = BTreeMap::new();
        let mut targets: Vec<(Capability, &str)> = plan.targets();
        targets.extend(work.later_plans().flat_map(CheckedPlan::targets));
        targets.extend(sent.iter().map(|(kind, name)| (*kind, name.as_str())));
        targets.sort_unstable();
        targets.dedup();
        for (capability, _) in &targets {
            *counts.entry(*capability).or_default() += 1;
        }
        for (capability, count) in &counts {
            let ceiling = guardrails.target_ceiling(&change.uses, *capability);
            if *count > ceiling {
                return Some(format!(
                    "the plan acts on {count} {} targets, and the engine allows {ceiling} in one step",
                    capability.as_str()
                ));
            }
        }
        let targets: u32 = counts.values().sum();
        if let Some(most) = change.limits.targets.filter(|most| targets > *most) {
            return Some(format!(
                "the plan acts on {targets} targets, and the runbook allows {most}"
            ));
        }
        let at_once = change.batch.map(|batch| plan.split(batch.size).0);
        let of_many = OfMany {
            targets: counts.get(&Capability::Kubernetes).copied().unwrap_or(0),
            at_once: at_once.as_ref().map_or(&plan.actions, |first| &first.actions),
            shares: [
                ("the engine", Some(guardrails.share)),
                ("the runbook", change.limits.share),
            ],
            keep_ready: guardrails.keep_ready,
        };
        if let Some(message) = of_many.over(plan) {
            return Some(message);
        }
        // At one time: a stage acts when the one before is done.
        let mut plans = std::iter::once(plan).chain(work.later_plans());
        plans.find_map(|plan| over_files(plan, &guardrails))
    }
}

fn over_files(plan: &CheckedPlan, guardrails: &EngineGuardrails) -> Option<String> {
    let files = || {
        plan.actions
            .iter()
            .filter(|action| action.capability == Capability::Files)
    };
    let items: u64 = files()
        .map(|action| u64::try_from(action.items.len()).unwrap_or(u64::MAX))
        .sum();
    if items > guardrails.files.items {
        return Some(format!(
            "the plan acts on {items} files, and the engine allows {} in one step",
            guardrails.files.items
        ));
    }
    let bytes = ByteSize(files().filter_map(|action| action.bytes).sum());
    if bytes > guardrails.files.bytes {
        return Some(format!(
            "the plan acts on {bytes} of files, and the engine allows {} in one step",
            guardrails.files.bytes
        ));
    }
    None
}

/// A step that acts on some of many objects that are alike. One is always allowed; from the second on it is what the host
/// counted that decides, and what was not counted is not acted on.
struct OfMany<'a> {
    /// Distinct objects, of the whole step.
    targets: u32,
    /// What is acted on at one time: the next batch, or all.
    at_once: &'a [CanonicalAction],
    /// Whose share, and which.
    shares: [(&'static str, Option<Share>); 2],
    keep_ready: u32,
}

impl OfMany<'_> {
    fn over(&self, plan: &CheckedPlan) -> Option<String> {
        let targets = self.targets;
        if targets < 2 {
            return None;
        }
        let Some(population) = &plan.population else {
            return Some(format!(
                "the plan acts on {targets} objects and names no population, so nobody can say which share of all that is"
            ));
        };
        let (what, total) = (&population.what, population.total);
        for (whose, share) in self.shares {
            let Some(share) = share else { continue };
            let most = share.of(total).max(1);
            if targets > most {
                return Some(format!(
                    "the plan acts on {targets} of {total} objects ({what}), and {whose} allows {share} of them, which is {most}"
                ));
            }
        }
        let besides = population.ready_besides(self.at_once);
        (besides < self.keep_ready).then(|| {
            format!(
                "{besides} of {total} objects ({what}) would be Ready besides those that are acted on at one time, and the \
                 engine keeps {}",
                self.keep_ready
            )
        })
    }
}
