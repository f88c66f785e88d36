//! Keys at a service that the operator names: a document each, read and revoked by HTTP.

use stanch_plugin::http::{self, Request, Response};
use stanch_plugin::prelude::*;

use crate::{Kept, Key, Params, named, template};

/// What the operator says of the key service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    /// Where a key's document is, with `{user}` and `{key}`: read with `GET`.
    url: String,
    /// How it is revoked.
    pub(crate) revoke: Call,
    /// How it is given back; without it, it cannot be.
    pub(crate) restore: Option<Call>,
    /// The member of the document that is its state, and what it says of one that is revoked. Without it a key is revoked when its
    /// document is gone.
    revoked: Option<State>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
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

impl Service {
    /// A key as the service has it.
    pub(crate) fn look(&self, params: &Params) -> Result<Key, Failure> {
        let url = filled(&self.url, params)?;
        let what = || named(params);
        let answer = http::get(&url).send().and_then(Response::ok).context(what())?;
        let etag = answer.strong_etag().map(str::to_owned);
        let revoked = match &self.revoked {
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
        Ok(Key {
            revoked,
            kept: Kept::Document { etag },
        })
    }

    /// The change, only while the key is as it was read, where the service gives an entity tag of it.
    pub(crate) fn call(&self, etag: Option<&str>, call: &Call, params: &Params) -> Result<Action, Failure> {
        let url = filled(call.url.as_deref().unwrap_or(&self.url), params)?;
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
        Ok(match etag {
            Some(etag) if call.url.is_none() => action.expect_etag(etag),
            _ => action,
        })
    }
}

/// The URL with the user and the key, each as one segment.
pub(crate) fn filled(url: &str, params: &Params) -> Result<String, Failure> {
    for (name, value) in [("user", &params.user), ("key", &params.key)] {
        if !http::is_segment(value) {
            let why = format!(
                "`{name}` is `{}`, which is no name of one thing",
                stanch_plugin::text::clean_line_to(value, 80)
            );
            return Err(Failure::invalid_params(why));
        }
    }
    template::filled(url, &http::encode(&params.user), &http::encode(&params.key))
}
