//! `key-revoke`: revokes a user's API key at the key service that the operator names.
//!
//! How the service is asked is the operator's to write, once, as a template; which user and which key is the runbook's. Both are put
//! into the URL as one segment of its path each, whatever they contain, so that neither can name another thing.
//!
//! A key that is revoked is gone where the service makes no way back, and the plan says so before anybody decides.

use stanch_plugin::http::{Request, Response};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Whose key it is, as the key service calls them.
    #[schemars(length(min = 1, max = 253))]
    user: String,
    /// Which key: its id and never the key itself.
    #[schemars(length(min = 1, max = 253))]
    key: String,
}

/// What the operator says of the key service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where a key's document is, with `{user}` and `{key}`: read with `GET`.
    url: String,
    /// How it is revoked.
    revoke: Call,
    /// How it is given back; without it, it cannot be.
    restore: Option<Call>,
    /// The member of the document that is its state, and what it says of one that is revoked. Without it a key is revoked when its
    /// document is gone.
    revoked: Option<State>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Call {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    method: String,
    /// With `{user}` and `{key}`; the document's own where it is not given.
    url: Option<String>,
    /// What is sent, as JSON.
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// A member of the document, as a JSON pointer.
    member: String,
    /// What it is then.
    is: Value,
}

/// What was there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Whether it was revoked before.
    was_revoked: bool,
    /// Whether it can be given back.
    reversible: bool,
}

struct KeyRevoke;

impl Remediation for KeyRevoke {
    type Params = Params;
    type Data = Data;
    // Not `idempotent`: what a service does with a second request is not known. Where it gives entity tags, a repeat is safe by
    // construction.
    const ABOUT: About = about!("Revokes a user's API key")
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({ "http": [{ "url": "https://keys.example/users/*/keys/*", "read": ["GET"], "change": ["DELETE"] }] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let settings: Settings = host::settings()?;
        let key = Key::read(&settings, params)?;
        let data = Data {
            was_revoked: key.revoked,
            reversible: settings.restore.is_some(),
        };
        if key.revoked {
            return Ok(Plan::new(format!("{} is revoked already", named(params))).data(data));
        }
        let back = match &settings.restore {
            Some(_) => "It can be given back.",
            None => "THIS CANNOT BE UNDONE: the user needs a new key.",
        };
        let action = key.call(&settings, &settings.revoke, params)?.because(back);
        Ok(Plan::new(format!("Revoke {}. {back}", named(params)))
            .action(action)
            .data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let settings: Settings = host::settings()?;
        let key = Key::read_or_gone(&settings, params)?;
        let state = if key.revoked { "is revoked" } else { "is valid" };
        Ok(Finding::judged(key.revoked, format!("{} {state}", named(params))).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was revoked").data(data));
        }
        let settings: Settings = host::settings()?;
        let key = Key::read_or_gone(&settings, params)?;
        if !key.revoked {
            return Ok(Plan::new(format!("{} is valid, as it was before", named(params))).data(data));
        }
        let Some(restore) = &settings.restore else {
            let why = format!(
                "{} is revoked, and this key service gives none back: the user needs a new one",
                named(params)
            );
            return Err(Failure::failed(why));
        };
        let action = key.call(&settings, restore, params)?;
        Ok(Plan::new(format!("Give back {}", named(params)))
            .action(action.because("It is revoked"))
            .data(data))
    }
}

fn named(params: &Params) -> String {
    format!("the key `{}` of `{}`", params.key, params.user)
}

/// A key as the service has it.
struct Key {
    revoked: bool,
    etag: Option<String>,
}

impl Key {
    fn read(settings: &Settings, params: &Params) -> Result<Self, Failure> {
        let url = filled(&settings.url, params)?;
        let what = || named(params);
        let answer = http::get(&url).send().and_then(Response::ok).context(what())?;
        let etag = answer.strong_etag().map(str::to_owned);
        let revoked = match &settings.revoked {
            None => false,
            Some(state) => {
                let document: Value = answer.json().context(what())?;
                let Some(now) = document.pointer(&state.member) else {
                    let why = format!(
                        "The document of {} has no `{}`, so its state is not known",
                        what(),
                        state.member
                    );
                    return Err(Failure::failed(why));
                };
                *now == state.is
            }
        };
        Ok(Self { revoked, etag })
    }

    /// After a change: where its document is gone, so is the key.
    fn read_or_gone(settings: &Settings, params: &Params) -> Result<Self, Failure> {
        match Self::read(settings, params) {
            Err(failure) if failure.code == FailureCode::NotFound => Ok(Self {
                revoked: true,
                etag: None,
            }),
            other => other,
        }
    }

    /// The change, only while the key is as it was read, where the service gives an entity tag of it.
    fn call(&self, settings: &Settings, call: &Call, params: &Params) -> Result<Action, Failure> {
        let url = filled(call.url.as_deref().unwrap_or(&settings.url), params)?;
        let method = call.method.to_ascii_uppercase();
        if !matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
            let why = format!(
                "`{}` in the operator's settings is no method that changes something",
                call.method
            );
            return Err(Failure::invalid_params(why));
        }
        let request = Request::new(&method, url);
        let request = match &call.body {
            Some(body) => request.json(body)?,
            None => request,
        };
        let action = Action::send(request);
        // Another URL is another resource, which the tag says nothing of.
        Ok(match &self.etag {
            Some(etag) if call.url.is_none() => action.expect_etag(etag),
            _ => action,
        })
    }
}

/// The URL with the user and the key, each as one segment.
fn filled(url: &str, params: &Params) -> Result<String, Failure> {
    for (name, value) in [("user", &params.user), ("key", &params.key)] {
        if !http::is_segment(value) {
            let why = format!(
                "`{name}` is `{}`, which is no name of one thing",
                stanch_plugin::text::clean_line_to(value, 80)
            );
            return Err(Failure::invalid_params(why));
        }
    }
    if !url.contains("{key}") {
        let why = "The operator's settings have a URL without `{key}`: it would be the same for each key";
        return Err(Failure::invalid_params(why));
    }
    Ok(url
        .split('{')
        .enumerate()
        .map(|(at, part)| match part.split_once('}') {
            Some(("user", rest)) if at > 0 => http::encode(&params.user) + rest,
            Some(("key", rest)) if at > 0 => http::encode(&params.key) + rest,
            _ if at > 0 => format!("{{{part}"),
            _ => part.to_owned(),
        })
        .collect())
}

stanch_plugin::export!(KeyRevoke as remediation);

#[cfg(test)]
mod tests;
