//! Keys in a Secret, an entry each: revoked by taking the entry away.
//!
//! The grant is for the Secret's keys alone (`keys_only`), so the plugin never sees a value and could write none. That is also why
//! nothing can be given back: what was taken away is known to nobody here.

use stanch_plugin::kubernetes::{self, Object, Patch, SECRET};
use stanch_plugin::prelude::*;

use crate::{Kept, Key, Params, named, template};

/// Which Secret it is, as the operator says, and how its entries are called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entries {
    namespace: String,
    name: String,
    /// With `{key}`, and `{user}` where the entries have it.
    entry: String,
}

impl Entries {
    /// A key as the Secret has it: it is there, and valid.
    pub(crate) fn look(&self, params: &Params) -> Result<Key, Failure> {
        let entry = self.entry(params)?;
        let what = SECRET.named(&self.namespace, &self.name);
        let secret = kubernetes::changeable(&what)?;
        if secret.at("/data").get(&entry).is_none() {
            let why = format!("{} is not there: {what} has no entry `{entry}`", named(params));
            return Err(Failure::not_found(why));
        }
        Ok(Key {
            revoked: false,
            kept: Kept::Entry(Box::new(secret)),
        })
    }

    /// Takes the entry away, only while the Secret is as it was read.
    pub(crate) fn take_away(&self, secret: &Object, params: &Params) -> Result<Action, Failure> {
        let patch = Patch::merge(json!({ "data": { (self.entry(params)?): null } }));
        Ok(Action::patch_object(secret, patch))
    }

    /// What the entry is called. Two keys are never called the same.
    fn entry(&self, params: &Params) -> Result<String, Failure> {
        let separator = template::between(&self.entry);
        if separator == Some("") {
            let why = format!(
                "The operator's settings have `{}` with nothing between `{{user}}` and `{{key}}`: two keys could be called the same",
                self.entry
            );
            return Err(Failure::invalid_params(why));
        }
        for (name, value) in [("user", &params.user), ("key", &params.key)] {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let parts = |c: char| separator.is_some_and(|separator| separator.contains(c));
            if let Some(wrong) = value.chars().find(|c| !fits(*c) || parts(*c)) {
                let why = format!(
                    "`{name}` has `{}`, which cannot be in it where entries are called `{}`",
                    wrong.escape_default(),
                    self.entry
                );
                return Err(Failure::invalid_params(why));
            }
        }
        template::filled(&self.entry, &params.user, &params.key)
    }
}
