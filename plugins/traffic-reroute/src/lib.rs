//! `traffic-reroute`: moves traffic between the upstreams of a route: a proxy of Caddy, or an HTTPRoute of the Gateway API.
//!
//! The proxy is a `reverse_proxy` handler that chooses by weight and has an `@id`; the operator says where the admin API is and what
//! the upstreams are called. Of an HTTPRoute it is a rule with several backends. A runbook says to which of them how much goes. The
//! change is pinned to the whole handler (Caddy checks the path that is in its own entity tag, not the one that is written) or the
//! object's version as it was read, so that neither a weight nor an upstream that somebody changes meanwhile is overwritten. The way back
//! is the weights that were there, and only while they are still the ones that were set here.

mod route;
mod weights;

use std::collections::BTreeMap;

use stanch_plugin::prelude::*;

use crate::route::{Route, sent};
use crate::weights::{shares, shifted};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The `@id` of the handler, or the HTTPRoute's name.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,253}$"))]
    route: String,
    /// Of an HTTPRoute: its namespace, in the cluster that the step's `on` names. Without it the route is one of the operator's Caddy.
    #[schemars(length(min = 1, max = 63))]
    namespace: Option<String>,
    /// Of an HTTPRoute: which rule, from 0; needed where several of them have several backends.
    #[schemars(range(max = 15))]
    rule: Option<usize>,
    /// To which upstream, as the operator calls it; of an HTTPRoute also as the route does, `NAME:PORT`.
    #[schemars(length(min = 1))]
    to: String,
    /// How much of the traffic goes there then, in percent; the others share the rest as they share what they have now.
    #[serde(default = "all")]
    #[schemars(range(max = 100))]
    weight: u32,
}

fn all() -> u32 {
    100
}

/// What the operator says.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Where Caddy's admin API is, without a path.
    caddy: Option<String>,
    /// What the upstreams are called, each with the address that Caddy dials, or the backend.
    upstreams: BTreeMap<String, String>,
}

/// What was there, and what is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// What Caddy dials, or the backends, in the order of the weights.
    dials: Vec<String>,
    /// The weights before.
    before: Vec<u32>,
    /// The weights then.
    after: Vec<u32>,
}

struct TrafficReroute;

impl Remediation for TrafficReroute {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Moves traffic between the upstreams of a route")
        // Each action is for one state of the route: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({
            "http": [{ "url": "http://127.0.0.1:2019/id/**", "read": ["GET"], "change": ["PATCH"], "addresses": ["127.0.0.0/8"] }],
            "kubernetes": [
                { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["httproutes.gateway.networking.k8s.io"], "namespaces": ["edge"], "names": ["inference"] },
            ],
        })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let route = Route::read(&settings, params)?;
        let to = route.upstream(&settings, &params.to)?;
        let after = shifted(&route.weights, to, params.weight).map_err(Failure::failed)?;
        let data = Data {
            dials: route.upstreams.clone(),
            before: route.weights.clone(),
            after: after.clone(),
        };
        let told = |weights: &[u32]| route.told(&settings, weights);
        if shares(&route.weights) == shares(&after) {
            return Ok(Plan::new(format!(
                "The route `{}` is so already: {}",
                route.name,
                told(&after)
            ))
            .data(data));
        }
        let summary = format!(
            "Route `{}`: {} instead of {}",
            route.name,
            told(&after),
            told(&route.weights)
        );
        Ok(Plan::new(summary).action(route.set(&after)?).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let data = made.plan.data.clone().unwrap_or_default();
        // Of the way back the plan's data says the same as of the way there: the action says which; of stages, the last.
        let wanted = made
            .plan
            .actions
            .iter()
            .rev()
            .find_map(sent)
            .unwrap_or_else(|| data.after.clone());
        let route = Route::read(&settings, params)?;
        let summary = format!(
            "Route `{}`: {}",
            route.name,
            route.told(&settings, &route.weights)
        );
        let well = route.upstreams == data.dials && route.weights == wanted;
        Ok(Finding::judged(well, summary).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        // Each stage of a ramp set its own: the last that arrived is what is there.
        let set: Vec<_> = made.maybe_done().filter_map(sent).collect();
        if set.is_empty() {
            return Ok(Plan::new("Nothing was moved").data(data));
        }
        let settings: Settings = host::settings()?;
        let route = Route::read(&settings, params)?;
        let now = route.told(&settings, &route.weights);
        if route.upstreams != data.dials {
            let message = format!(
                "The upstreams of the route `{}` are others by now: it is left as it is",
                route.name
            );
            return Err(Failure::conflict(message));
        }
        if route.weights == data.before {
            return Ok(
                Plan::new(format!("The route `{}` is as it was before: {now}", route.name)).data(data),
            );
        }
        if !set.contains(&route.weights) {
            let message = format!(
                "The route `{}` has {now}, which was not set here. Somebody changed it, and it is left as it is",
                route.name
            );
            return Err(Failure::conflict(message));
        }
        let before = route.told(&settings, &data.before);
        let action = route.set(&data.before)?;
        let summary = format!("Route `{}` back to {before}", route.name);
        Ok(Plan::new(summary)
            .action(action.because("It is still what was set here"))
            .data(data))
    }
}

stanch_plugin::export!(TrafficReroute as remediation);

#[cfg(test)]
mod tests;
