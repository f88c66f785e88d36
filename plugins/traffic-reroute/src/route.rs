//! A route as it is now, with its weights: a proxy of Caddy, or a rule of an HTTPRoute of the Gateway API.

use stanch_plugin::kubernetes::{Change, Kind, Object, Patch};
use stanch_plugin::prelude::*;

use crate::weights::shares;
use crate::{Params, Settings};

/// What Caddy calls the policy that goes by weight.
pub(crate) const BY_WEIGHT: &str = "weighted_round_robin";
/// Below the handler.
pub(crate) const WEIGHTS: &str = "load_balancing/selection_policy/weights";

/// A route.
pub(crate) struct Route {
    /// For people.
    pub(crate) name: String,
    /// Where traffic goes: what Caddy dials, or the backends; in the order of the weights.
    pub(crate) upstreams: Vec<String>,
    /// How much of it goes to each.
    pub(crate) weights: Vec<u32>,
    at: At,
}

enum At {
    Caddy { url: String, etag: String },
    Gateway { object: Object, rule: usize },
}

impl Route {
    /// Reads it.
    pub(crate) fn read(settings: &Settings, params: &Params) -> Result<Self, Failure> {
        match &params.namespace {
            Some(namespace) => Self::in_cluster(namespace, params),
            None => Self::in_caddy(settings, params),
        }
    }

    fn in_caddy(settings: &Settings, params: &Params) -> Result<Self, Failure> {
        let route = &params.route;
        let Some(caddy) = &settings.caddy else {
            let why = "No `namespace` of an HTTPRoute is given, and the operator's settings have no `caddy`";
            return Err(Failure::invalid_params(why));
        };
        let url = format!("{}/id/{}", caddy.trim_end_matches('/'), http::encode(route));
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
            name: route.clone(),
            upstreams: dials,
            weights,
            at: At::Caddy { url, etag },
        })
    }

    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>
    fn in_cluster(namespace: &str, params: &Params) -> Result<Self, Failure> {
        let kind = Kind::of("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes");
        let object = kubernetes::get(&kind.named(namespace, &params.route))?;
        let named = object.named();
        if object.gone_by().is_some() {
            return Err(Failure::failed(format!("{named} is being deleted")));
        }
        let rules = object.at("/spec/rules").as_array().cloned().unwrap_or_default();
        let backends = |rule: &Value| {
            let refs = rule.get("backendRefs").and_then(Value::as_array);
            refs.cloned().unwrap_or_default()
        };
        let rule = match params.rule {
            Some(rule) => rule,
            None => {
                let several = rules
                    .iter()
                    .enumerate()
                    .filter(|(_, rule)| backends(rule).len() > 1);
                match several.map(|(at, _)| at).collect::<Vec<_>>().as_slice() {
                    [one] => *one,
                    found => {
                        return Err(Failure::failed(format!(
                            "{named} has {} rules with several backends: say which, `rule = 0` is the first",
                            found.len()
                        )));
                    }
                }
            }
        };
        let refs = rules.get(rule).map(backends).unwrap_or_default();
        let weight = |backend: &Value| match backend.get("weight") {
            // What the API server puts there where nothing is said.
            None => Some(1),
            Some(weight) => weight.as_u64().and_then(|weight| u32::try_from(weight).ok()),
        };
        let weights: Option<Vec<u32>> = refs.iter().map(weight).collect();
        let weights = weights.filter(|weights| weights.iter().any(|weight| *weight > 0));
        let Some(weights) = weights.filter(|weights| weights.len() > 1) else {
            return Err(Failure::failed(format!(
                "Rule {rule} of {named} does not share traffic between several backends by weight: nothing can be moved in it"
            )));
        };
        let upstreams: Vec<String> = refs.iter().map(|backend| called(backend, namespace)).collect();
        Ok(Self {
            name: format!("{namespace}/{}", params.route),
            upstreams,
            weights,
            at: At::Gateway { object, rule },
        })
    }

    /// Which upstream somebody means.
    pub(crate) fn upstream(&self, settings: &Settings, to: &str) -> Result<usize, Failure> {
        let by_operator = settings.upstreams.get(to).map(String::as_str);
        // What a backend is called stands in the cluster, where the grant names the route; what Caddy dials is the operator's to name.
        let wanted = match (&self.at, by_operator) {
            (_, Some(name)) => name,
            (At::Gateway { .. }, None) => to,
            (At::Caddy { .. }, None) => {
                let known: Vec<&str> = settings.upstreams.keys().map(String::as_str).collect();
                let message = format!(
                    "`{to}` is no upstream that the operator names: `{}`",
                    known.join("`, `")
                );
                return Err(Failure::invalid_params(message));
            }
        };
        let found = self.upstreams.iter().position(|upstream| upstream == wanted);
        found.ok_or_else(|| {
            let is = if wanted == to {
                String::new()
            } else {
                format!(", which is `{to}`")
            };
            let message = format!("The route `{}` has no upstream `{wanted}`{is}", self.name);
            match by_operator {
                Some(_) => Failure::failed(message),
                None => Failure::failed(format!("{message}: `{}`", self.upstreams.join("`, `"))),
            }
        })
    }

    /// These weights, only while the whole route is as it was read.
    pub(crate) fn set(&self, weights: &[u32]) -> Result<Action, Failure> {
        match &self.at {
            At::Caddy { url, etag } => {
                Ok(Action::patch(format!("{url}/{WEIGHTS}"), &weights)?.expect_etag(etag))
            }
            At::Gateway { object, rule } => {
                let each = weights.iter().enumerate().map(|(at, weight)| {
                    json!({ "op": "add", "path": format!("/spec/rules/{rule}/backendRefs/{at}/weight"), "value": weight })
                });
                Ok(Action::patch_object(object, Patch::json(each.collect())))
            }
        }
    }

    /// `eu 10 %, us-east 90 %`.
    pub(crate) fn told(&self, settings: &Settings, weights: &[u32]) -> String {
        let name = |upstream: &str| {
            let named = settings.upstreams.iter().find(|(_, other)| *other == upstream);
            named.map_or_else(|| upstream.to_owned(), |(name, _)| name.clone())
        };
        let each = self.upstreams.iter().zip(shares(weights));
        let each: Vec<String> = each
            .map(|(upstream, share)| format!("{} {share} %", name(upstream)))
            .collect();
        each.join(", ")
    }
}

/// A backend: its name, with its port, and with its namespace where that is another than the route's.
fn called(backend: &Value, namespace: &str) -> String {
    let text = |key: &str| backend.get(key).and_then(Value::as_str);
    let mut called = text("name").unwrap_or_default().to_owned();
    if let Some(port) = backend.get("port").and_then(Value::as_u64) {
        called = format!("{called}:{port}");
    }
    match text("namespace").filter(|other| *other != namespace) {
        Some(other) => format!("{other}/{called}"),
        None => called,
    }
}

/// The weights that an action sets.
pub(crate) fn sent(action: &Action) -> Option<Vec<u32>> {
    match action.change() {
        Some(Change::Patch(patch)) => {
            let each = patch.body.as_array()?.iter();
            each.map(|operation| u32::try_from(operation.get("value")?.as_u64()?).ok())
                .collect()
        }
        _ => stanch_plugin::serde_json::from_slice(&action.request()?.body).ok(),
    }
}
