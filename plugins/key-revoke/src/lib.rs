//! `key-revoke`: revokes a user's API key where the operator keeps them, at a key service or in a Kubernetes Secret.
//!
//! How the service is asked, or which Secret it is, is the operator's to write, once, as a template; which user and which key is the
//! runbook's. Neither can name another thing than one key.
//!
//! A key that is revoked is gone where there is no way back, and the plan says so before anybody decides. Out of a Secret there never
//! is one: the plugin is not shown what it takes away.

mod entry;
mod service;
mod template;

use stanch_plugin::kubernetes::Object;
use stanch_plugin::prelude::*;

use entry::Entries;
use service::Service;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Whose key it is, as the keys are kept.
    #[schemars(length(min = 1, max = 253))]
    user: String,
    /// Which key: its id and never the key itself.
    #[schemars(length(min = 1, max = 253))]
    key: String,
}

/// Where the operator keeps keys.
enum Keys {
    Service(Service),
    Secret(Entries),
}

/// What the settings are where keys are in a Secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InSecret {
    secret: Entries,
}

/// A key as it is kept now.
struct Key {
    revoked: bool,
    kept: Kept,
}

/// What a change of it needs.
enum Kept {
    Document { etag: Option<String> },
    Entry(Box<Object>),
    Gone,
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
    // Not `idempotent`: what a service does with a second request is not known. Where it gives entity tags, and in a Secret, a repeat
    // is safe by construction.
    const ABOUT: About = about!("Revokes a user's API key")
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({
            "http": [{ "url": "https://keys.example/users/*/keys/*", "read": ["GET"], "change": ["DELETE"] }],
            "kubernetes": [
                { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["secrets"], "namespaces": ["gateway"],
                  "names": ["api-keys"], "keys_only": true },
            ],
        })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let keys = Keys::of_operator()?;
        let key = keys.look(params)?;
        let data = Data {
            was_revoked: key.revoked,
            reversible: keys.gives_back(),
        };
        if key.revoked {
            return Ok(Plan::new(format!("{} is revoked already", named(params))).data(data));
        }
        let back = match data.reversible {
            true => "It can be given back.",
            false => "THIS CANNOT BE UNDONE: the user needs a new key.",
        };
        let action = keys.revoke(&key, params)?.because(back);
        Ok(Plan::new(format!("Revoke {}. {back}", named(params)))
            .action(action)
            .data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let key = Keys::of_operator()?.look_or_gone(params)?;
        let state = if key.revoked { "is revoked" } else { "is valid" };
        Ok(Finding::judged(key.revoked, format!("{} {state}", named(params))).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was revoked").data(data));
        }
        let keys = Keys::of_operator()?;
        let key = keys.look_or_gone(params)?;
        if !key.revoked {
            return Ok(Plan::new(format!("{} is valid, as it was before", named(params))).data(data));
        }
        let Some(action) = keys.give_back(&key, params)? else {
            let why = format!(
                "{} is revoked, and nothing gives it back: the user needs a new one",
                named(params)
            );
            return Err(Failure::failed(why));
        };
        Ok(Plan::new(format!("Give back {}", named(params)))
            .action(action.because("It is revoked"))
            .data(data))
    }
}

impl Keys {
    fn of_operator() -> Result<Self, Failure> {
        let settings: Value = host::settings()?;
        Ok(match settings.get("secret") {
            Some(_) => Self::Secret(host::settings::<InSecret>()?.secret),
            None => Self::Service(host::settings()?),
        })
    }

    fn look(&self, params: &Params) -> Result<Key, Failure> {
        match self {
            Self::Service(service) => service.look(params),
            Self::Secret(entries) => entries.look(params),
        }
    }

    /// After a change: where it is not there any more, it is revoked.
    fn look_or_gone(&self, params: &Params) -> Result<Key, Failure> {
        match self.look(params) {
            Err(failure) if failure.code == FailureCode::NotFound => Ok(Key {
                revoked: true,
                kept: Kept::Gone,
            }),
            other => other,
        }
    }

    fn gives_back(&self) -> bool {
        matches!(self, Self::Service(service) if service.restore.is_some())
    }

    fn revoke(&self, key: &Key, params: &Params) -> Result<Action, Failure> {
        match (self, &key.kept) {
            (Self::Secret(entries), Kept::Entry(secret)) => entries.take_away(secret, params),
            (Self::Service(service), Kept::Document { etag }) => {
                service.call(etag.as_deref(), &service.revoke, params)
            }
            _ => Err(Failure::not_found(format!("{} is not there", named(params)))),
        }
    }

    /// None where there is no way back.
    fn give_back(&self, key: &Key, params: &Params) -> Result<Option<Action>, Failure> {
        let Self::Service(service) = self else {
            return Ok(None);
        };
        let etag = match &key.kept {
            Kept::Document { etag } => etag.as_deref(),
            Kept::Entry(_) | Kept::Gone => None,
        };
        let restore = service.restore.as_ref();
        restore
            .map(|restore| service.call(etag, restore, params))
            .transpose()
    }
}

fn named(params: &Params) -> String {
    format!("the key `{}` of `{}`", params.key, params.user)
}

stanch_plugin::export!(KeyRevoke as remediation);

#[cfg(test)]
mod tests;
