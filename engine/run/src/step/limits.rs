//! The limits of one step: how many things, how many files, how large. A plan over a limit is held whole, never trimmed.

use std::collections::BTreeMap;

use stanch_contract::ByteSize;
use stanch_contract::plan::Capability;

use crate::state::{Now, State};
use crate::words::Side;

impl State {
    /// Which limit the plan is over, in a sentence.
    pub(crate) fn over_limits(&self, index: usize, side: Side, now: Now<'_>) -> Option<String> {
        // What was allowed to be changed may be put back.
        if side == Side::Undo {
            return None;
        }
        let change = self.change(index)?;
        let plan = &self.steps.get(index)?.work.planned.as_ref()?.plan;
        let guardrails = self.guardrails(now);
        let mut counts: BTreeMap<Capability, u32> = BTreeMap::new();
        for (capability, _) in plan.targets() {
            *counts.entry(capability).or_default() += 1;
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
}
