//! What a plugin may ever touch, as the operator wrote it in stanch.toml. Nothing by default.
//!
//! A [`Grant`] is made of a [`GrantSpec`] by [`Grant::new`], whose errors say which line is wrong and what would be right, and
//! is immutable. A run keeps the grant that it started with and is held to the stricter of then and now: [`Grant::and`].

use std::sync::Arc;

use http::Method;
use stanch_contract::{Digest, PluginKey};

use super::entry::{FilesGrant, HttpGrant};
use super::kubernetes::entry::KubernetesGrant;
use super::kubernetes::needs::Needs;
use super::kubernetes::permit::{Permit, Wanted, permit};
use super::record::{Layer, Refusal};
use super::spec::{Access, GrantSpec};
use crate::http::address::AddressPolicy;
use crate::http::target::HttpTarget;
use crate::secret::SecretTemplate;

/// Which line of a grant is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` of grant.{table}[{index}]: {why}")]
pub struct GrantError {
    /// `http`, `files`, `notify` or `kubernetes`.
    pub table: &'static str,
    /// Which of them, from 0.
    pub index: usize,
    /// The key in it.
    pub key: &'static str,
    /// A sentence.
    pub why: String,
}

/// A checked grant of one installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    plugin: PluginKey,
    spec: GrantSpec,
    http: Vec<HttpGrant>,
    notify: Vec<HttpGrant>,
    files: Vec<FilesGrant>,
    kubernetes: Vec<KubernetesGrant>,
    /// What it is narrowed by.
    then: Option<Arc<Grant>>,
}

/// Whether a call looks or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// Any phase.
    Read,
    /// Apply only, as planned.
    Change,
}

/// What a grant says of one HTTP call.
pub(crate) struct HttpPermit<'a> {
    pub(crate) entry: &'a HttpGrant,
    pub(crate) usage: Use,
    pub(crate) addresses: AddressPolicy,
    pub(crate) max_response: u64,
    /// Of the entry and of what it is narrowed by: what a pool of connections is for.
    pub(crate) digest: Digest,
}

impl Grant {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn new(plugin: PluginKey, spec: GrantSpec) -> Result<Self, GrantError> {
        let each = |index| move |(key, why)| (index, key, why);
        let http = spec
            .http
            .iter()
            .enumerate()
            .map(|(index, entry)| HttpGrant::http(entry).map_err(each(index)));
        let http = http
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| in_table("http", e))?;
        let notify = spec
            .notify
            .iter()
            .enumerate()
            .map(|(index, entry)| HttpGrant::notify(entry).map_err(each(index)));
        let notify = notify
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| in_table("notify", e))?;
        let mut files: Vec<FilesGrant> = Vec::new();
        for (index, entry) in spec.files.iter().enumerate() {
            let entry = FilesGrant::new(entry).map_err(|e| in_table("files", each(index)(e)))?;
            if files.iter().any(|other| other.at == entry.at) {
                let why = format!("`{}` is the name of another folder of this plugin", entry.at);
                return Err(in_table("files", (index, "at", why)));
            }
            files.push(entry);
        }
        let kubernetes = spec
            .kubernetes
            .iter()
            .enumerate()
            .map(|(index, entry)| KubernetesGrant::new(entry).map_err(each(index)));
        let kubernetes = kubernetes
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| in_table("kubernetes", e))?;
        Ok(Self {
            plugin,
            spec,
            http,
            notify,
            files,
            kubernetes,
            then: None,
        })
    }

    /// The grant that allows nothing.
    pub fn nothing(plugin: PluginKey) -> Self {
        let spec = GrantSpec::default();
        Self {
            plugin,
            spec,
            http: Vec::new(),
            notify: Vec::new(),
            files: Vec::new(),
            kubernetes: Vec::new(),
            then: None,
        }
    }

    /// What both this grant, which is that of now, and `then` allow. Headers and signatures are those of now.
    #[must_use]
    pub fn and(mut self, then: Arc<Self>) -> Self {
        if *then != self {
            self.then = Some(then);
        }
        self
    }

    /// Whose grant it is.
    pub fn plugin(&self) -> &PluginKey {
        &self.plugin
    }

    /// What the operator wrote, to pin it and to show it.
    pub fn spec(&self) -> &GrantSpec {
        &self.spec
    }

    /// Those of `grant.http`, then those of `grant.notify`.
    pub(super) fn http_entries(&self) -> impl Iterator<Item = &HttpGrant> {
        self.http.iter().chain(&self.notify)
    }

    /// The secrets that the gate adds for this plugin.
    pub fn secret_names(&self) -> Vec<&str> {
        let templates = self.http_entries().flat_map(HttpGrant::templates);
        let mut names: Vec<&str> = templates.flat_map(SecretTemplate::names).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the grant says of this request; `notify` looks at `grant.notify` alone.
    pub(crate) fn http(
        &self,
        notify: bool,
        method: &Method,
        target: &HttpTarget,
    ) -> Result<HttpPermit<'_>, Refusal> {
        let entries = if notify { &self.notify } else { &self.http };
        let of_url: Vec<&HttpGrant> = entries
            .iter()
            .filter(|entry| entry.pattern.matches(target))
            .collect();
        // What one entry vouches for as a read is a read, also where another entry has the method as a change.
        let found = of_url
            .iter()
            .find(|entry| entry.read.contains(method))
            .map(|entry| (entry, Use::Read));
        let found = found.or_else(|| {
            of_url
                .iter()
                .find(|entry| entry.change.contains(method))
                .map(|entry| (entry, Use::Change))
        });
        let Some((entry, usage)) = found else {
            return Err(self.not_granted(notify, method, target, &of_url));
        };
        let mut permit = HttpPermit {
            entry,
            usage,
            addresses: entry.addresses.clone(),
            max_response: entry.max_response,
            digest: entry.digest,
        };
        if let Some(then) = &self.then {
            let before = then.http(notify, method, target).map_err(narrowed)?;
            permit.usage = permit.usage.max(before.usage);
            permit.addresses = permit.addresses.and(&before.addresses);
            permit.max_response = permit.max_response.min(before.max_response);
            permit.digest = Digest::of(format!("{} {}", permit.digest, before.digest).as_bytes());
        }
        Ok(permit)
    }

    fn not_granted(
        &self,
        notify: bool,
        method: &Method,
        target: &HttpTarget,
        of_url: &[&HttpGrant],
    ) -> Refusal {
        let plugin = &self.plugin;
        let key = if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            "read"
        } else {
            "change"
        };
        if notify {
            let why = format!("`{plugin}` may not send {method} {target} as a notification");
            return Refusal::new(Layer::Grant, why).hint(format!(
                "`[[plugins.{plugin}.grant.notify]]` with url = \"{}\", which is always POST",
                bare(target)
            ));
        }
        match of_url.first() {
            Some(entry) => {
                let why = format!("`{plugin}` may not send {method} to {target}");
                let url = entry.pattern.as_str();
                Refusal::new(Layer::Grant, why).hint(format!(
                    "`{key} = [\"{method}\"]` in `[[plugins.{plugin}.grant.http]]` with url = \"{url}\""
                ))
            }
            None => {
                let why = format!("no grant of `{plugin}` names {target}");
                Refusal::new(Layer::Grant, why).hint(format!(
                    "`[[plugins.{plugin}.grant.http]]` with url = \"{}\" and {key} = [\"{method}\"]",
                    bare(target)
                ))
            }
        }
    }

    /// The folder of this name, where it may be used so.
    pub(crate) fn files(&self, at: &str, usage: Use) -> Result<&FilesGrant, Refusal> {
        let plugin = &self.plugin;
        let Some(entry) = self.files.iter().find(|entry| entry.at == at) else {
            let access = if usage == Use::Read { "read" } else { "change" };
            return Err(Refusal::new(
                Layer::Grant,
                format!("no grant of `{plugin}` names a folder `{at}`"),
            )
            .hint(format!(
                "`[[plugins.{plugin}.grant.files]]` with at = \"{at}\", a path, and access = \"{access}\""
            )));
        };
        if usage == Use::Change && entry.access == Access::Read {
            return Err(
                Refusal::new(Layer::Grant, format!("`{plugin}` may only read in `{at}`")).hint(format!(
                    "`access = \"change\"` in `[[plugins.{plugin}.grant.files]]` with at = \"{at}\""
                )),
            );
        }
        if let Some(then) = &self.then {
            let before = then.files(at, usage).map_err(narrowed)?;
            if before.path != entry.path {
                let why = format!("the folder `{at}` of `{plugin}` was another one when the run started");
                return Err(Refusal::new(Layer::Grant, why).hint("a new run"));
            }
        }
        Ok(entry)
    }
}

impl Grant {
    /// What the grant says of this call of a cluster. Where labels decide, [`Permit::covers`] has the last word.
    pub(crate) fn kubernetes(&self, wanted: &Wanted<'_>) -> Result<Permit<'_>, Refusal> {
        let permit = permit(&self.plugin, &self.kubernetes, wanted)?;
        let then = self
            .then
            .as_ref()
            .map(|then| then.kubernetes(wanted).map_err(narrowed));
        Ok(permit.narrowed_by(then.transpose()?))
    }

    /// What a cluster's own authorization has to allow for this grant to be of use there. What it is narrowed by needs no
    /// more.
    pub fn needs(&self, cluster: &str) -> Needs {
        Needs::of(&self.kubernetes, cluster)
    }

    /// Whether it could cover anything in this cluster.
    pub(crate) fn knows_cluster(&self, cluster: &str) -> bool {
        self.kubernetes
            .iter()
            .any(|entry| entry.clusters.iter().any(|name| name == cluster))
    }
}

fn in_table(table: &'static str, (index, key, why): (usize, &'static str, String)) -> GrantError {
    GrantError {
        table,
        index,
        key,
        why,
    }
}

/// The URL without its query, as a grant would name it.
fn bare(target: &HttpTarget) -> &str {
    target.as_str().split('?').next().unwrap_or_default()
}

fn narrowed(mut refusal: Refusal) -> Refusal {
    refusal.why.push_str(" under the grant that the run started with");
    refusal.allow_hint = Some("a new run, which starts with the grant of now".to_owned());
    refusal
}

#[cfg(test)]
mod tests;
