//! `waf-block`: puts the signature of a prompt, or an address, on a blocklist, for a time.
//!
//! What a rule stops beyond what it is meant for is what goes wrong with blocklists. So a signature is built from a prompt and not
//! written by hand, a written one has to be narrow, and where the operator gives a sample of ordinary prompts the plan says how
//! many of them it would stop, and is refused above a share. Each entry ends by itself.

mod entry;
mod list;
mod sample;
mod signature;

use stanch_plugin::Digest;
use stanch_plugin::place::ConfigMap;
use stanch_plugin::prelude::*;

use crate::entry::{Entry, Stops};
use crate::list::List;
use crate::sample::{Hits, Sample};

/// Longer is a decision about the product, and none of a night.
const LONGEST_MS: i64 = 30 * 24 * 3_600_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The prompt whose signature is blocked. Exactly one of this, `pattern`, `address` and `expired`.
    #[schemars(length(min = 1, max = 100_000))]
    prompt: Option<String>,
    /// An expression that request bodies are matched with (RE2).
    pattern: Option<Regex>,
    /// An address, or a range of them: at most /24, or /48 of IPv6.
    #[schemars(length(min = 1, max = 64))]
    address: Option<String>,
    /// Only takes out the entries that have expired.
    #[serde(default)]
    expired: bool,
    /// What the entry is called; else it is named by what it stops.
    #[schemars(regex(pattern = "^[a-z0-9][-a-z0-9]{0,62}$"))]
    id: Option<String>,
    /// How long it stops something.
    #[serde(rename = "for", default = "a_day")]
    time: Span,
    /// The ConfigMap that is the list; without one it is the operator's Caddy.
    config_map: Option<ConfigMap>,
}

fn a_day() -> Span {
    Span::from_millis(24 * 3_600_000)
}

/// What the operator says.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Where Caddy's admin API is, without a path.
    caddy: Option<String>,
    /// The `@id` of the subroute whose routes are the list.
    list: Option<String>,
    /// Ordinary prompts.
    sample: Option<Sample>,
}

/// What is done, and what the way back needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// The entry that was put there.
    id: Option<String>,
    /// When it ends, in seconds since 1970.
    until: Option<i64>,
    /// The entries that were taken out because they had expired.
    expired: Vec<String>,
    /// How many ordinary prompts it would stop; null without a sample.
    sample: Option<Hits>,
}

struct WafBlock;

impl Remediation for WafBlock {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Puts a prompt or an address on a blocklist")
        // Each action is for one state of the list: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({
            "http": [{ "url": "http://127.0.0.1:2019/id/blocklist/routes", "read": ["GET"], "change": ["POST", "PATCH"], "addresses": ["127.0.0.0/8"] }],
            "kubernetes": [
                { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["configmaps"], "namespaces": ["edge"], "names": ["blocklist"] },
            ],
            "files": [{ "path": "/etc/stanch/samples", "at": "samples", "access": "read" }],
        })
    }

    fn plan(ctx: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let stops = stops(params)?;
        let list = list(params, &settings)?;
        let now = host::now();
        let gone: Vec<&str> = list
            .entries
            .iter()
            .filter(|entry| entry.has_expired(now.0))
            .map(|entry| entry.id.as_str())
            .collect();
        let expired: Vec<String> = gone.iter().map(|id| (*id).to_owned()).collect();
        let swept = match gone.len() {
            0 => String::new(),
            count => format!(" Takes out {count} that have expired: `{}`.", gone.join("`, `")),
        };
        let Some(stops) = stops else {
            let data = Data {
                expired,
                ..Data::default()
            };
            if gone.is_empty() {
                return Ok(Plan::new(format!("Nothing on {} has expired", list.name)).data(data));
            }
            let summary = format!("Clean up {}.{swept}", list.name);
            return Ok(Plan::new(summary).action(list.change(&gone, None)?).data(data));
        };
        let id = id(params, &stops);
        if list.is_foreign(&id) {
            let why = format!(
                "`{id}` is on {} already and is no entry of this plugin: it is left as it is",
                list.name
            );
            return Err(Failure::failed(why));
        }
        if let Some(there) = list.entry(&id).filter(|entry| !gone.contains(&entry.id.as_str())) {
            if there.stops != stops {
                let why = format!(
                    "{} on {} stops something else: give this one another `id`",
                    there.told(),
                    list.name
                );
                return Err(Failure::failed(why));
            }
            let data = Data {
                id: Some(id),
                until: Some(there.until),
                ..Data::default()
            };
            return Ok(Plan::new(format!("{} is on {} already", there.told(), list.name)).data(data));
        }
        let sample = match (&stops, &settings.sample) {
            (Stops::Pattern(pattern), Some(sample)) => Some(sample.ask(pattern)?),
            _ => None,
        };
        let hits = match (&stops, sample) {
            (Stops::Address(_), _) => String::new(),
            (Stops::Pattern(_), Some(hits)) => format!(" It would hit {}.", hits.told()),
            (Stops::Pattern(_), None) => {
                " WARNING: the operator gives no sample of ordinary prompts, so nobody knows how many it would hit.".to_owned()
            }
        };
        let time = params.time.as_millis();
        if !(1_000..=LONGEST_MS).contains(&time) {
            return Err(Failure::invalid_params(
                "`for` is between 1s and 30d: what is to stay longer is a rule of the product",
            ));
        }
        let until = until(now.0, began(ctx), time);
        let entry = Entry {
            id: id.clone(),
            until,
            stops,
        };
        let action = list.change(&gone, Some(&entry))?;
        let summary = format!("Block {} on {}.{hits}{swept}", entry.told(), list.name);
        let data = Data {
            id: Some(id),
            until: Some(until),
            expired,
            sample,
        };
        Ok(Plan::new(summary).action(action).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let list = list(params, &host::settings()?)?;
        let left = data.expired.iter().filter(|id| {
            // Its name may be that of the new entry.
            Some(*id) != data.id.as_ref() && list.entry(id).is_some()
        });
        let left = left.count();
        let Some(id) = &data.id else {
            let summary = format!(
                "{left} of {} that had expired are on {}",
                data.expired.len(),
                list.name
            );
            return Ok(Finding::judged(left == 0, summary).data(data));
        };
        let there = list.entry(id);
        let well = left == 0 && there.is_some_and(|entry| Some(entry.until) == data.until);
        let summary = match there {
            Some(entry) => format!("{} is on {}", entry.told(), list.name),
            None => format!("`{id}` is not on {}", list.name),
        };
        Ok(Finding::judged(well, summary).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made
            .plan
            .data
            .clone()
            .context("what was put there is not known")?;
        let Some(id) = data.id.clone() else {
            return Ok(Plan::new("What had expired is not put back").data(data));
        };
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was blocked").data(data));
        }
        let list = list(params, &host::settings()?)?;
        let Some(there) = list.entry(&id) else {
            return Ok(Plan::new(format!("`{id}` is not on {} any more", list.name)).data(data));
        };
        let stops = stops(params)?;
        if Some(there.until) != data.until || Some(&there.stops) != stops.as_ref() {
            let why = format!(
                "{} on {} is not what was put there. Somebody changed it, and it is left as it is",
                there.told(),
                list.name
            );
            return Err(Failure::conflict(why));
        }
        let action = list
            .change(&[&id], None)?
            .because("It is still what was put there");
        Ok(Plan::new(format!("Take {} off {}", there.told(), list.name))
            .action(action)
            .data(data))
    }
}

/// When the alert began, in milliseconds since 1970; where a person started the run, 1970 is as good.
fn began(ctx: &Context) -> i64 {
    let began = ctx.alerts.first().map(|alert| alert.starts_at.as_str());
    began
        .and_then(Timestamp::parse_rfc3339)
        .map_or(0, |began| began.0)
}

/// When an entry ends, in seconds since 1970: `time` after the alert began, or so many times that long, so that at least half of it is
/// left. A plan is made again just before it is applied and has to be the same one then, so it is not counted from now.
fn until(now: i64, began: i64, time: i64) -> i64 {
    let passed = now.saturating_sub(began).saturating_add(time / 2);
    let times = passed.div_euclid(time).saturating_add(1).max(1);
    began.saturating_add(times.saturating_mul(time)).div_euclid(1000)
}

/// What is to be stopped; none where only expired entries are taken out.
fn stops(params: &Params) -> Result<Option<Stops>, Failure> {
    Ok(
        match (&params.prompt, &params.pattern, &params.address, params.expired) {
            (Some(prompt), None, None, false) => Some(Stops::Pattern(signature::of_prompt(prompt)?)),
            (None, Some(pattern), None, false) => Some(Stops::Pattern(signature::of_pattern(pattern)?)),
            (None, None, Some(address), false) => Some(Stops::Address(signature::of_address(address)?)),
            (None, None, None, true) => None,
            _ => {
                let why = "Write exactly one of `prompt`, `pattern`, `address` and `expired = true`";
                return Err(Failure::invalid_params(why));
            }
        },
    )
}

/// By what it stops: the same twice is one entry.
fn id(params: &Params, stops: &Stops) -> String {
    params.id.clone().unwrap_or_else(|| {
        let (Stops::Pattern(text) | Stops::Address(text)) = stops;
        let digest = Digest::of(text.as_bytes()).to_string();
        digest.chars().take(16).collect()
    })
}

fn list(params: &Params, settings: &Settings) -> Result<List, Failure> {
    if let Some(map) = &params.config_map {
        return List::in_map(&map.namespace, &map.name);
    }
    match (&settings.caddy, &settings.list) {
        (Some(caddy), Some(id)) => List::in_caddy(caddy, id),
        _ => Err(Failure::invalid_params(
            "No `config_map` is given, and the operator's settings do not have `caddy` and `list`",
        )),
    }
}

stanch_plugin::export!(WafBlock as remediation);

#[cfg(test)]
mod tests;
