//! `pod-recycle`: evicts pods, so that what made them makes fresh ones.
//!
//! **Irreversible**: whatever was in the pod is gone; keep its log first. What it promises instead: never another pod than the
//! one that was looked at (each is planned with its uid), none that would not come back, none past its PodDisruptionBudget, and
//! it is done when as many fresh pods of the same owner are Ready.
//!
//! A pod that is stuck in Terminating is past evicting. Only where the runbook says `force` it is removed from the API without
//! waiting for its node, which may still run it.

mod choose;
mod evict;
mod fresh;

use choose::Chosen;
use stanch_plugin::kubernetes::{PodName, Selector, Trouble};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where the pods are.
    #[schemars(length(min = 1))]
    namespace: String,
    /// Which pods, by name: `NAME`, or `NAME@UID` for exactly one.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pods: Vec<PodName>,
    /// Which pods, by their labels; with `pods`, those that both mean. Also what a share is counted of.
    selector: Option<Selector>,
    /// Only those that are in one of these troubles. With a selector alone `hung`; named pods are taken as they are named.
    #[serde(default)]
    what: Vec<Trouble>,
    /// Only those that are in it for at least this long. Needed with a selector alone.
    hung_for: Option<Span>,
    /// How long they get to shut down; their own time where it is not said.
    grace: Option<Span>,
    /// Also those that are stuck in Terminating: removed from the API without waiting for their node.
    #[serde(default)]
    force: bool,
    /// How long to wait for a PodDisruptionBudget, at most; as long as the call may take where it is not said.
    wait: Option<Span>,
}

/// What is recycled, and what is left.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Those that are evicted or removed.
    pods: Vec<PodData>,
    /// Those that were meant and are left, each with why.
    left: Vec<LeftData>,
    /// What the pods of their owners are found by, where no selector is given.
    found_by: Option<Selector>,
    /// The uids of all pods of their owners when it was planned: what is fresh is none of these.
    known: Vec<String>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct PodData {
    name: String,
    uid: String,
    /// The node that it was on.
    node: Option<String>,
    /// What makes a fresh one, such as `ReplicaSet/worker-7d4f`.
    owner: String,
    owner_uid: String,
    /// The pod that has taken its place; only after it was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh: Option<String>,
}

/// One that was meant and is left.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct LeftData {
    name: String,
    why: String,
}

struct PodRecycle;

impl Remediation for PodRecycle {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Evicts pods, so that their controllers make fresh ones; cannot be undone")
        .idempotent(true)
        .verifies();

    fn asks() -> Value {
        let what = |verbs: Value, resources: Value| json!({ "clusters": ["eu"], "verbs": verbs, "resources": resources, "namespaces": ["inference"] });
        json!({ "kubernetes": [
            what(json!(["get", "list", "evict"]), json!(["pods"])),
            what(json!(["get"]), json!(["replicasets.apps", "statefulsets.apps", "daemonsets.apps"])),
        ] })
    }

    fn plan(ctx: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let chosen = Chosen::find(ctx, params)?;
        if chosen.taken.is_empty() {
            return chosen.nothing();
        }
        let population = chosen.population(params)?;
        let actions = chosen.taken.iter().map(|taken| taken.action(params));
        let plan = Plan::new(chosen.summary()).actions(actions);
        let found_by = population.clone().or_else(|| params.selector.clone());
        let known = fresh::known(params, found_by.as_ref(), &chosen.taken)?;
        let plan = match &population {
            Some(labels) => plan.population(&kubernetes::POD, &params.namespace, labels),
            None => plan,
        };
        Ok(plan.data(Data {
            pods: chosen.taken.iter().map(PodData::from).collect(),
            left: chosen.left(),
            found_by,
            known,
        }))
    }

    fn apply(ctx: &Context, params: &Params, plan: &Plan<Data>) -> Result<Outcome<Data>, Failure> {
        evict::apply(ctx, params, plan)
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        fresh::verify(params, made)
    }
}

stanch_plugin::export!(PodRecycle as remediation);

#[cfg(test)]
mod tests;
