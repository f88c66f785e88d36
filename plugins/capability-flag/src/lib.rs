//! `capability-flag`: switches a capability of a product on or off, by a flag that the product reads.
//!
//! The flag is a key of a ConfigMap, or what a flag service keeps. Which features users lose and which they keep is the
//! runbook's knowledge: it is in the plan's first line, because that is what the person who decides has to weigh.

use std::collections::BTreeMap;

use stanch_plugin::place::{ConfigMap, Place, Replaced, shown};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The flag.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]{1,253}$"))]
    flag: String,
    /// Its value then: text in a ConfigMap; text, a number, true or false at a service.
    value: Setting,
    /// The ConfigMap that has it as a key; without one it is the operator's flag service.
    config_map: Option<ConfigMap>,
    /// Which features users lose while it is so.
    #[schemars(length(max = 20))]
    lost: Vec<String>,
    /// Which features they keep.
    #[serde(default)]
    #[schemars(length(max = 20))]
    kept: Vec<String>,
    /// Only where its value now is one of these.
    #[serde(default)]
    from: Vec<Setting>,
}

/// A flag's value.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
enum Setting {
    Switch(bool),
    Number(i64),
    Text(String),
}

impl Setting {
    fn value(&self) -> Value {
        json!(self)
    }
}

/// What the operator says of the flag service.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The document of each flag that may be switched.
    flags: BTreeMap<String, String>,
    /// The member of the document that is the flag's value.
    member: Option<String>,
    /// The member that is its version, where the service gives no entity tag.
    version: Option<String>,
}

struct CapabilityFlag;

impl Remediation for CapabilityFlag {
    type Params = Params;
    type Data = Replaced;
    const ABOUT: About = about!("Switches a capability flag, and says what is lost and kept")
        // Each action is for one version: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({
            "kubernetes": [
                { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["configmaps"], "namespaces": ["inference"], "names": ["flags"] },
            ],
            "http": [{ "url": "https://flags.example/flags/*", "read": ["GET"], "change": ["PUT"] }],
        })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Replaced>, Failure> {
        let place = place(params)?;
        let kept = place.look()?;
        let now = kept.value.clone();
        let value = params.value.value();
        if now.is_none() {
            let why = format!("{place} is not there: a flag that nobody reads is not made");
            return Err(Failure::not_found(why));
        }
        let (data, action) = kept.replace(Some(value.clone()))?;
        let Some(action) = action else {
            let summary = format!("{place} is {} already", shown(Some(&value)));
            return Ok(Plan::new(summary).data(data));
        };
        let from: Vec<Value> = params.from.iter().map(Setting::value).collect();
        if !from.is_empty() && !from.iter().any(|from| Some(from) == now.as_ref()) {
            let from: Vec<String> = from.iter().map(|from| shown(Some(from))).collect();
            return Err(Failure::failed(format!(
                "{place} is {}, and the runbook switches it from {} only",
                shown(now.as_ref()),
                from.join(" or ")
            )));
        }
        let features = features(params);
        let summary = format!(
            "Switch {place} from {} to {}. {features}",
            shown(now.as_ref()),
            shown(Some(&value))
        );
        Ok(Plan::new(summary).action(action.because(features)).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Replaced>) -> Result<Finding<Replaced>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let place = place(params)?;
        let now = place.look()?;
        let summary = format!("{place} is {}", shown(now.value.as_ref()));
        Ok(Finding::judged(data.holds(&now), summary).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Replaced>) -> Result<Plan<Replaced>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was switched").data(data));
        }
        let place = place(params)?;
        let before = shown(data.before.as_ref());
        let summary = match data.undo(&place.look()?)? {
            None => return Ok(Plan::new(format!("{place} is {before}, as it was before")).data(data)),
            Some(action) => Plan::new(match params.lost.as_slice() {
                [] => format!("Switch {place} back to {before}"),
                lost => format!(
                    "Switch {place} back to {before}. Users have again: {}",
                    lost.join(", ")
                ),
            })
            .action(action),
        };
        Ok(summary.data(data))
    }
}

fn place(params: &Params) -> Result<Place, Failure> {
    let flag = &params.flag;
    if let Some(map) = &params.config_map {
        return Ok(Place::ConfigMap {
            namespace: map.namespace.clone(),
            name: map.name.clone(),
            key: flag.clone(),
        });
    }
    let settings: Settings = host::settings()?;
    let Some(url) = settings.flags.get(flag) else {
        let known: Vec<&str> = settings.flags.keys().map(String::as_str).collect();
        return Err(Failure::invalid_params(match known.as_slice() {
            [] => format!("`{flag}`: no `config_map` is given, and the operator's settings name no `flags`"),
            known => format!(
                "`{flag}` is no flag that the operator names: `{}`",
                known.join("`, `")
            ),
        }));
    };
    Ok(Place::Document {
        url: url.clone(),
        member: settings.member.unwrap_or_else(|| "value".to_owned()),
        version: settings.version,
    })
}

fn features(params: &Params) -> String {
    let list = |features: &[String]| match features {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    };
    match params.kept.as_slice() {
        [] => format!("Users lose: {}", list(&params.lost)),
        kept => format!("Users lose: {}. They keep: {}", list(&params.lost), list(kept)),
    }
}

stanch_plugin::export!(CapabilityFlag as remediation);

#[cfg(test)]
mod tests;
