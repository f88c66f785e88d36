//! `deployment-scale`: sets the number of replicas of a Deployment or StatefulSet, within a floor and a ceiling.
//!
//! The way back puts the number back that was there, and only while it is still the one that was set here: what somebody else
//! has set meanwhile is theirs. What a HorizontalPodAutoscaler scales is left to it; it would set its own number again within
//! seconds.

use stanch_plugin::kubernetes::{DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Kind, Named, Object, STATEFUL_SET};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where it is.
    #[schemars(length(min = 1))]
    namespace: String,
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    /// What it is.
    #[serde(default)]
    kind: Workload,
    /// To so many replicas.
    to: Option<u32>,
    /// By so many more, or fewer where it is negative; at most to the ceiling or floor.
    by: Option<i64>,
    /// Never to fewer.
    floor: u32,
    /// Never to more.
    #[schemars(range(min = 1))]
    ceiling: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Workload {
    #[default]
    Deployment,
    StatefulSet,
}

/// What was there, and what is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Which one it was: another of the same name has another.
    uid: String,
    /// How many replicas were asked for before.
    from: u32,
    /// How many are asked for then.
    to: u32,
    /// How many were Ready when it was looked at.
    ready: u32,
}

struct DeploymentScale;

impl Remediation for DeploymentScale {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Scales a Deployment or StatefulSet within a floor and a ceiling")
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        let what = |verbs: Value, resources: Value| json!({ "clusters": ["eu"], "verbs": verbs, "resources": resources, "namespaces": ["inference"] });
        json!({ "kubernetes": [
            what(json!(["get", "scale"]), json!(["deployments.apps", "statefulsets.apps"])),
            what(json!(["list"]), json!(["horizontalpodautoscalers.autoscaling"])),
        ] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        bounds(params)?;
        let workload = read(params)?;
        not_autoscaled(params)?;
        let (from, ready) = (asked_for(&workload), number(&workload, "/status/readyReplicas"));
        let (to, cut) = target(params, from)?;
        let data = Data {
            uid: workload.uid().to_owned(),
            from,
            to,
            ready,
        };
        let named = workload.named();
        if to == from {
            let why = if cut {
                ", as far as it may be scaled"
            } else {
                " already"
            };
            return Ok(Plan::new(format!("{named} has {from} replicas{why}")).data(data));
        }
        let Params { floor, ceiling, .. } = params;
        let mut summary = format!("Scale {named} from {from} to {to} replicas, within {floor} and {ceiling}");
        if cut {
            summary.push_str("; the runbook asked for more than that");
        }
        let reason = format!("It has {from} replicas, and {ready} of them are Ready");
        Ok(Plan::new(summary)
            .action(Action::scale(&workload, to).because(reason))
            .data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let planned = made.plan.data.clone().unwrap_or_default();
        // Of the way back the plan's data says the same as of the way there.
        let to = made.plan.actions.iter().find_map(replicas).unwrap_or(planned.to);
        let workload = read(params)?;
        let (asked, ready) = (asked_for(&workload), number(&workload, "/status/readyReplicas"));
        let there = number(&workload, "/status/replicas");
        // The counts are of what was asked for before, until the controller has seen what is asked for now.
        let seen = workload.number("/status/observedGeneration") >= workload.number("/metadata/generation");
        let same = workload.uid() == planned.uid;
        let data = Data { ready, ..planned };
        let summary = format!(
            "{} is asked for {asked} replicas; {there} are there and {ready} Ready",
            workload.named()
        );
        let well = same && seen && asked == to && there == to && ready == to;
        Ok(Finding::judged(well, summary)
            .evidences(complaints(&workload))
            .data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        let Data { from, to, .. } = data;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was scaled").data(data));
        }
        let workload = read(params)?;
        let named = workload.named();
        if workload.uid() != data.uid {
            return Err(Failure::conflict(format!(
                "{named} is another one by now, and is left as it is"
            )));
        }
        match asked_for(&workload) {
            now if now == from => {
                Ok(Plan::new(format!("{named} has {from} replicas again already")).data(data))
            }
            now if now == to => {
                not_autoscaled(params)?;
                let reason = format!("It had {from} before this step, and nobody has changed it since");
                Ok(
                    Plan::new(format!("Scale {named} back from {to} to {from} replicas"))
                        .action(Action::scale(&workload, from).because(reason))
                        .data(data),
                )
            }
            now => Err(Failure::conflict(format!(
                "{named} has {now} replicas: neither the {to} that were set here nor the {from} from before. Somebody changed it, and it is left as it is"
            ))),
        }
    }
}

fn bounds(params: &Params) -> Result<(), Failure> {
    let Params { floor, ceiling, .. } = *params;
    if floor > ceiling {
        return Err(Failure::invalid_params(format!(
            "`floor` ({floor}) is above `ceiling` ({ceiling})"
        )));
    }
    match (params.to, params.by) {
        (Some(to), None) if to < floor || to > ceiling => Err(Failure::invalid_params(format!(
            "`to` ({to}) is not within `floor` ({floor}) and `ceiling` ({ceiling})"
        ))),
        (Some(_), None) => Ok(()),
        (None, Some(0)) => Err(Failure::invalid_params("`by` is 0: say how many more or fewer")),
        (None, Some(_)) => Ok(()),
        _ => Err(Failure::invalid_params("Say either `to` or `by`")),
    }
}

/// The number to set, and whether floor or ceiling made it another one than the runbook asked for. What somebody has put
/// beyond them is not brought back by a step that goes the other way.
fn target(params: &Params, from: u32) -> Result<(u32, bool), Failure> {
    let Some(by) = params.by else {
        return Ok((params.to.unwrap_or(from), false));
    };
    let wanted = i64::from(from).saturating_add(by);
    let within = if by > 0 {
        wanted.min(params.ceiling.max(from).into())
    } else {
        wanted.max(params.floor.min(from).into())
    };
    let to = u32::try_from(within).context("the number of replicas")?;
    Ok((to, within != wanted))
}

fn kind(params: &Params) -> Kind {
    match params.kind {
        Workload::Deployment => DEPLOYMENT,
        Workload::StatefulSet => STATEFUL_SET,
    }
}

fn read(params: &Params) -> Result<Object, Failure> {
    let named: Named = kind(params).named(&params.namespace, &params.name);
    let workload = kubernetes::get(&named)?;
    if workload.gone_by().is_some() {
        return Err(Failure::failed(format!("{named} is being deleted")));
    }
    Ok(workload)
}

/// One where it is not said, as the API server has it.
fn asked_for(workload: &Object) -> u32 {
    workload
        .number("/spec/replicas")
        .map_or(1, |replicas| u32::try_from(replicas).unwrap_or(0))
}

/// None where it is not there.
fn number(workload: &Object, pointer: &str) -> u32 {
    let number = workload.number(pointer).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}

fn replicas(action: &Action) -> Option<u32> {
    match action.change()? {
        kubernetes::Change::Scale { replicas } => Some(*replicas),
        _ => None,
    }
}

fn not_autoscaled(params: &Params) -> Result<(), Failure> {
    let kind = kind(params);
    for scaler in kubernetes::find(HORIZONTAL_POD_AUTOSCALER.within(&params.namespace)) {
        let scaler = scaler?;
        let is = |pointer: &str, what: &str| scaler.text(pointer) == what;
        if is("/spec/scaleTargetRef/kind", kind.name()) && is("/spec/scaleTargetRef/name", &params.name) {
            let bound = |pointer: &str| scaler.number(pointer).unwrap_or(1);
            return Err(Failure::failed(format!(
                "{} is scaled by {}, between {} and {}, which would undo this: change its bounds instead",
                kind.named(&params.namespace, &params.name),
                scaler.named(),
                bound("/spec/minReplicas"),
                bound("/spec/maxReplicas"),
            )));
        }
    }
    Ok(())
}

/// What the workload itself says is wrong, such as a quota that lets no pod be made.
fn complaints(workload: &Object) -> Vec<Evidence> {
    let conditions = workload.at("/status/conditions").as_array().into_iter().flatten();
    let text = |condition: &Value, name: &str| {
        condition
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    conditions
        .filter(|condition| {
            let bad_if = if text(condition, "type") == "ReplicaFailure" {
                "True"
            } else {
                "False"
            };
            text(condition, "status") == bad_if
        })
        .map(|condition| Evidence::value(text(condition, "reason"), text(condition, "message")))
        .collect()
}

stanch_plugin::export!(DeploymentScale as remediation);

#[cfg(test)]
mod tests;
