//! `traffic-reroute`: moves traffic between the upstreams of a proxy, by the admin API of Caddy.
//!
//! The proxy is a `reverse_proxy` handler that chooses by weight and has an `@id`. The operator says where the admin API is and what
//! the upstreams are called; a runbook says to which of them how much goes. The change is pinned to the whole handler as it was read
//! (Caddy checks the path that is in its own entity tag, not the one that is written), so neither a weight nor an upstream that
//! somebody changes meanwhile is overwritten. The way back is the weights that were there, and only while they are still the ones that
//! were set here.

mod weights;

use std::collections::BTreeMap;

use stanch_plugin::prelude::*;

use crate::weights::{shares, shifted};

/// What Caddy calls the policy that goes by weight.
const BY_WEIGHT: &str = "weighted_round_robin";
/// Below the handler.
const WEIGHTS: &str = "load_balancing/selection_policy/weights";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The `@id` of the handler.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    route: String,
    /// To which upstream, as the operator calls it.
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where Caddy's admin API is, without a path.
    caddy: String,
    /// What the upstreams are called, each with the address that Caddy dials.
    upstreams: BTreeMap<String, String>,
}

/// What was there, and what is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// What Caddy dials, in the order of the weights.
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
    const ABOUT: About = about!("Moves traffic between the upstreams of a proxy")
        // Each action is for one state of the handler: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({ "http": [{ "url": "http://127.0.0.1:2019/id/**", "read": ["GET"], "change": ["PATCH"], "addresses": ["127.0.0.0/8"] }] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let handler = Handler::read(&settings, params)?;
        let Some(dial) = settings.upstreams.get(&params.to) else {
            let known: Vec<&str> = settings.upstreams.keys().map(String::as_str).collect();
            let message = format!(
                "`{}` is no upstream that the operator names: `{}`",
                params.to,
                known.join("`, `")
            );
            return Err(Failure::invalid_params(message));
        };
        let Some(to) = handler.dials.iter().position(|other| other == dial) else {
            return Err(Failure::failed(format!(
                "The route `{}` has no upstream `{dial}`, which is `{}`",
                params.route, params.to
            )));
        };
        let after = shifted(&handler.weights, to, params.weight).map_err(Failure::failed)?;
        let data = Data {
            dials: handler.dials.clone(),
            before: handler.weights.clone(),
            after: after.clone(),
        };
        let told = |weights: &[u32]| handler.told(&settings, weights);
        if shares(&handler.weights) == shares(&after) {
            return Ok(Plan::new(format!(
                "The route `{}` is so already: {}",
                params.route,
                told(&after)
            ))
            .data(data));
        }
        let summary = format!(
            "Route `{}`: {} instead of {}",
            params.route,
            told(&after),
            told(&handler.weights)
        );
        Ok(Plan::new(summary).action(handler.set(&after)?).data(data))
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
        let handler = Handler::read(&settings, params)?;
        let summary = format!(
            "Route `{}`: {}",
            params.route,
            handler.told(&settings, &handler.weights)
        );
        let well = handler.dials == data.dials && handler.weights == wanted;
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
        let handler = Handler::read(&settings, params)?;
        let now = handler.told(&settings, &handler.weights);
        if handler.dials != data.dials {
            let message = format!(
                "The upstreams of the route `{}` are others by now: it is left as it is",
                params.route
            );
            return Err(Failure::conflict(message));
        }
        if handler.weights == data.before {
            return Ok(
                Plan::new(format!("The route `{}` is as it was before: {now}", params.route)).data(data),
            );
        }
        if !set.contains(&handler.weights) {
            let message = format!(
                "The route `{}` has {now}, which was not set here. Somebody changed it, and it is left as it is",
                params.route
            );
            return Err(Failure::conflict(message));
        }
        let before = handler.told(&settings, &data.before);
        let action = handler.set(&data.before)?;
        let summary = format!("Route `{}` back to {before}", params.route);
        Ok(Plan::new(summary)
            .action(action.because("It is still what was set here"))
            .data(data))
    }
}

/// The handler of a route, as Caddy has it now.
struct Handler {
    url: String,
    etag: String,
    dials: Vec<String>,
    weights: Vec<u32>,
}

impl Handler {
    fn read(settings: &Settings, params: &Params) -> Result<Self, Failure> {
        let route = &params.route;
        let url = format!(
            "{}/id/{}",
            settings.caddy.trim_end_matches('/'),
            http::encode(route)
        );
        let what = || format!("the route `{route}` of Caddy");
        let response = http::get(&url).send().context(what())?;
        // Caddy says 404 of an id that it does not know.
        let response = response.ok().context(what())?;
        let etag = response.header("etag").map(str::to_owned);
        let handler: Value = response.json()?;
        let policy = handler.pointer("/load_balancing/selection_policy");
        if policy.and_then(|policy| policy.get("policy")?.as_str()) != Some(BY_WEIGHT) {
            let message = format!(
                "The route `{route}` is not a proxy that chooses by weight ({BY_WEIGHT}): nothing can be moved in it"
            );
            return Err(Failure::failed(message));
        }
        let upstreams = handler.get("upstreams").and_then(Value::as_array);
        let dials: Vec<String> = upstreams
            .into_iter()
            .flatten()
            .filter_map(|upstream| Some(upstream.get("dial")?.as_str()?.to_owned()))
            .collect();
        let weights = policy.and_then(|policy| policy.get("weights")).cloned();
        let weights: Vec<u32> = stanch_plugin::serde_json::from_value(weights.unwrap_or_default())
            .context(format!("the weights of the route `{route}`"))?;
        if weights.len() != dials.len() || weights.iter().all(|weight| *weight == 0) {
            let message = format!(
                "The route `{route}` has {} weights for {} upstreams: it is not guessed which is whose",
                weights.len(),
                dials.len()
            );
            return Err(Failure::failed(message));
        }
        let etag = etag.context("Caddy's answer has no ETag, so a change could overwrite somebody else's")?;
        Ok(Self {
            url,
            etag,
            dials,
            weights,
        })
    }

    /// These weights, only while the whole handler is as it was read.
    fn set(&self, weights: &[u32]) -> Result<Action, Failure> {
        Ok(Action::patch(format!("{}/{WEIGHTS}", self.url), &weights)?.expect_etag(&self.etag))
    }

    /// `eu 10 %, us-east 90 %`.
    fn told(&self, settings: &Settings, weights: &[u32]) -> String {
        let name = |dial: &str| {
            let named = settings
                .upstreams
                .iter()
                .find(|(_, other)| other.as_str() == dial);
            named.map_or_else(|| dial.to_owned(), |(name, _)| name.clone())
        };
        let each = self.dials.iter().zip(shares(weights));
        let each: Vec<String> = each
            .map(|(dial, share)| format!("{} {share} %", name(dial)))
            .collect();
        each.join(", ")
    }
}

fn sent(action: &Action) -> Option<Vec<u32>> {
    stanch_plugin::serde_json::from_slice(&action.request()?.body).ok()
}

stanch_plugin::export!(TrafficReroute as remediation);

#[cfg(test)]
mod tests;
