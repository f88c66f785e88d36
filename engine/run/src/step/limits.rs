//! The limits of one step: how many things, how many files, how large. A plan over a limit is held whole, never trimmed.

use std::collections::BTreeMap;

use stanch_contract::plan::Capability;
use stanch_contract::{ByteSize, CheckedPlan};

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
        let sent = self.steps.get(index)?.work.sent_targets();
        let guardrails = self.guardrails(now);
        let mut counts: BTreeMap<Capability, u32> = BTreeMap::new();
        let mut targets: Vec<(Capability, &str)> = plan.targets();
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
