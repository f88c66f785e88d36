//! `status-banner`: puts up a banner that users read, and takes it down.
//!
//! What it says is text and never markup: it is put into pages, and a part of it may come from an alert. The way back puts back
//! what was there before, which may be another banner: two incidents can have one at the same time, and the second one's end is
//! not the first one's.

use stanch_plugin::place::{Place, Replaced, shown};
use stanch_plugin::prelude::*;

/// Longer texts are read by nobody.
const LONGEST: usize = 500;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// What users read, in plain text. Either this or `down`.
    #[schemars(length(min = 1, max = 500))]
    text: Option<String>,
    /// Takes down what is up.
    #[serde(default)]
    down: bool,
    /// The ConfigMap that has it; without one it is the operator's status page.
    config_map: Option<ConfigMap>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfigMap {
    /// Where it is.
    #[schemars(length(min = 1))]
    namespace: String,
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    /// The key that is the banner.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]{1,253}$"))]
    key: String,
}

/// What the operator says.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The status page's document.
    url: Option<String>,
    /// The member of it that is the banner.
    member: Option<String>,
    /// The member that is its version, where the service gives no entity tag.
    version: Option<String>,
    /// `html`, or `none` where the page itself escapes what it shows.
    escape: Escape,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Escape {
    #[default]
    Html,
    None,
}

struct StatusBanner;

impl Remediation for StatusBanner {
    type Params = Params;
    type Data = Replaced;
    const ABOUT: About = about!("Puts up a banner for users, and takes it down")
        // Each action is for one version: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({
            "kubernetes": [
                { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["configmaps"], "namespaces": ["web"], "names": ["banner"] },
            ],
            "http": [{ "url": "https://status.example/api/banner", "read": ["GET"], "change": ["PUT"] }],
        })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Replaced>, Failure> {
        let settings: Settings = host::settings()?;
        let banner = banner(params, settings.escape)?;
        let place = place(params, settings)?;
        let kept = place.look()?;
        let (data, action) = kept.replace(banner.map(Value::String))?;
        let (before, after) = (data.before.as_ref(), data.after.as_ref());
        let Some(action) = action else {
            let summary = match after {
                Some(_) => format!("The banner at {place} says so already"),
                None => format!("There is no banner at {place}"),
            };
            return Ok(Plan::new(summary).data(data));
        };
        let summary = match (before, after) {
            (_, None) => format!("Take down the banner at {place}: {}", shown(before)),
            (None, _) => format!("Put up a banner at {place}: {}", shown(after)),
            (Some(_), Some(_)) => format!(
                "Put up a banner at {place}: {} instead of {}",
                shown(after),
                shown(before)
            ),
        };
        Ok(Plan::new(summary).action(action).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Replaced>) -> Result<Finding<Replaced>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let place = place(params, host::settings()?)?;
        let now = place.look()?;
        let summary = format!("The banner at {place} is {}", shown(now.value.as_ref()));
        Ok(Finding::judged(data.holds(&now), summary).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Replaced>) -> Result<Plan<Replaced>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("No banner was put up or taken down").data(data));
        }
        let place = place(params, host::settings()?)?;
        let before = data.before.as_ref();
        let Some(action) = data.undo(&place.look()?)? else {
            return Ok(Plan::new(format!("The banner at {place} is as it was before")).data(data));
        };
        let summary = match before {
            Some(_) => format!("Put the banner at {place} back: {}", shown(before)),
            None => format!("Take down the banner at {place}"),
        };
        Ok(Plan::new(summary).action(action).data(data))
    }
}

/// What is put up: bounded, one line, and nothing in it that a page would obey. None takes it down.
fn banner(params: &Params, escape: Escape) -> Result<Option<String>, Failure> {
    let text = match (&params.text, params.down) {
        (Some(text), false) => text,
        (None, true) => return Ok(None),
        _ => {
            let why = "Write either `text`, to put a banner up, or `down = true`, to take it down";
            return Err(Failure::invalid_params(why));
        }
    };
    let line = stanch_plugin::text::clean_line(text);
    let line = line.trim();
    if line.is_empty() {
        return Err(Failure::invalid_params("The text of the banner is empty"));
    }
    let long = line.chars().count();
    if long > LONGEST {
        return Err(Failure::invalid_params(format!(
            "The text of the banner has {long} characters, and at most {LONGEST} are put up: a banner is read in passing"
        )));
    }
    Ok(Some(match escape {
        Escape::None => line.to_owned(),
        Escape::Html => escaped(line),
    }))
}

/// Safe in an element's text and in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            other => out.push(other),
        }
    }
    out
}

fn place(params: &Params, settings: Settings) -> Result<Place, Failure> {
    if let Some(map) = &params.config_map {
        return Ok(Place::ConfigMap {
            namespace: map.namespace.clone(),
            name: map.name.clone(),
            key: map.key.clone(),
        });
    }
    let Some(url) = settings.url else {
        let why = "No `config_map` is given, and the operator's settings have no `url` of a status page";
        return Err(Failure::invalid_params(why));
    };
    Ok(Place::Document {
        url,
        member: settings.member.unwrap_or_else(|| "text".to_owned()),
        version: settings.version,
    })
}

stanch_plugin::export!(StatusBanner as remediation);

#[cfg(test)]
mod tests;
