//! One `[[plugins.NAME.grant.kubernetes]]`, checked, and what it covers.
//!
//! What changes something is named: a `*` in `resources` stands for reading only, and even then not for what holds
//! credentials or hands out power over the cluster ([`is_named_only`]). Clusters and verbs are always named. Subresources
//! cannot be granted at all: `logs`, `evict` and `scale` are the verbs that have one, and exec, attach, port-forward, proxy,
//! ephemeral containers and service-account tokens are not among them.

use std::collections::BTreeMap;
use std::fmt;

use stanch_contract::{PluginKey, text};

use super::super::entry::Wrong;
use super::super::spec::KubernetesGrantSpec;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::target::{self, granted_as};

/// What can be done to objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    List,
    Logs,
    Delete,
    Evict,
    Patch,
    Create,
    Scale,
}

/// All of them, as stanch.toml writes them.
pub(crate) const VERBS: [Verb; 8] = [
    Verb::Get,
    Verb::List,
    Verb::Logs,
    Verb::Delete,
    Verb::Evict,
    Verb::Patch,
    Verb::Create,
    Verb::Scale,
];

impl Verb {
    /// The word of stanch.toml and of plans.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Logs => "logs",
            Self::Delete => "delete",
            Self::Evict => "evict",
            Self::Patch => "patch",
            Self::Create => "create",
            Self::Scale => "scale",
        }
    }

    /// From the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        VERBS.into_iter().find(|verb| verb.as_str() == word)
    }

    /// Whether it changes something: apply only, as planned.
    pub(crate) fn is_change(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Logs)
    }

    /// Of pods alone.
    pub(crate) fn is_of_pods(self) -> bool {
        matches!(self, Self::Logs | Self::Evict)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where objects are that a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// In this namespace.
    Namespace(&'a str),
    /// In all namespaces.
    Everywhere,
    /// In none: nodes, namespaces.
    Cluster,
}

/// A checked entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KubernetesGrant {
    pub(crate) clusters: Vec<String>,
    pub(crate) verbs: Vec<Verb>,
    pub(crate) resources: Vec<String>,
    pub(crate) namespaces: Vec<String>,
    names: Vec<String>,
    pub(crate) selector: Option<Selector>,
    keys_only: bool,
}

impl KubernetesGrant {
    /// Checks what the operator wrote.
    pub(in crate::gate) fn new(spec: &KubernetesGrantSpec) -> Result<Self, Wrong> {
        let clusters = clusters(&spec.clusters).map_err(|why| ("clusters", why))?;
        let verbs = verbs(&spec.verbs).map_err(|why| ("verbs", why))?;
        resources(&spec.resources, &verbs)?;
        of_secrets(spec, &verbs)?;
        for namespace in &spec.namespaces {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'*';
            if namespace.is_empty() || namespace.len() > 63 || !namespace.bytes().all(fits) {
                return Err(("namespaces", format!("`{}` is not a namespace", shown(namespace))));
            }
        }
        for name in &spec.names {
            if target::object_name(&name.replace('*', "x")).is_err() {
                return Err(("names", format!("`{}` is not the name of an object", shown(name))));
            }
        }
        let selector = spec.selector.as_deref().map(Selector::parse).transpose();
        Ok(Self {
            clusters,
            verbs,
            resources: spec.resources.clone(),
            namespaces: spec.namespaces.clone(),
            names: spec.names.clone(),
            selector: selector.map_err(|error| ("selector", error.to_string()))?,
            keys_only: spec.keys_only,
        })
    }

    /// Whether the resource is covered, as `pods` or `deployments.apps`.
    pub(crate) fn covers_resource(&self, group: &str, resource: &str) -> bool {
        let whole = granted_as(group, resource);
        let by_star = !is_named_only(group, resource);
        self.resources.iter().any(|pattern| {
            *pattern == whole || (by_star && pattern.contains('*') && text::fits(pattern, &whole))
        })
    }

    pub(crate) fn covers_scope(&self, scope: Scope<'_>) -> bool {
        match scope {
            Scope::Cluster => self.namespaces.is_empty(),
            Scope::Everywhere => self.namespaces.iter().any(|pattern| pattern == "*"),
            Scope::Namespace(name) => self.namespaces.iter().any(|pattern| text::fits(pattern, name)),
        }
    }

    pub(crate) fn covers_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| text::fits(pattern, name))
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether it is for the keys of Secrets, without their values.
    pub(crate) fn is_keys_only(&self) -> bool {
        self.keys_only
    }

    /// Whether an object with these labels is covered.
    pub(crate) fn covers_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector
            .as_ref()
            .is_none_or(|selector| selector.matches(labels))
    }

    /// The table of stanch.toml, for messages.
    pub(crate) fn line(&self, plugin: &PluginKey) -> String {
        format!(
            "`[[plugins.{plugin}.grant.kubernetes]]` with resources = {}",
            list(&self.resources)
        )
    }
}

/// Credentials, and what hands out power over a cluster or its objects: had by its name only, never through `*`, not even to
/// read. The last four groups are in no list of the contract's design; each signs, authenticates, authorises or takes the
/// API's place.
pub(crate) fn is_named_only(group: &str, resource: &str) -> bool {
    match group {
        "" => matches!(resource, "secrets" | "serviceaccounts"),
        "apiextensions.k8s.io" => resource == "customresourcedefinitions",
        "rbac.authorization.k8s.io"
        | "admissionregistration.k8s.io"
        | "apiregistration.k8s.io"
        | "certificates.k8s.io"
        | "authentication.k8s.io"
        | "authorization.k8s.io" => true,
        _ => false,
    }
}

fn clusters(names: &[String]) -> Result<Vec<String>, String> {
    if names.is_empty() {
        return Err("it names no cluster: write a name of `[clusters]`".to_owned());
    }
    if let Some(name) = names.iter().find(|name| name.contains('*')) {
        return Err(format!(
            "`{}` is a pattern, and clusters are named: one that is added later is not granted by itself",
            shown(name)
        ));
    }
    Ok(names.to_vec())
}

fn verbs(words: &[String]) -> Result<Vec<Verb>, String> {
    let known = || VERBS.map(|verb| format!("`{verb}`")).join(", ");
    if words.is_empty() {
        return Err(format!("it names no verb: write some of {}", known()));
    }
    let mut verbs = Vec::with_capacity(words.len());
    for word in words {
        let verb = Verb::parse(word)
            .ok_or_else(|| format!("`{}` is not a verb: write some of {}", shown(word), known()))?;
        if verbs.contains(&verb) {
            return Err(format!("`{verb}` is named twice"));
        }
        verbs.push(verb);
    }
    Ok(verbs)
}

fn resources(names: &[String], verbs: &[Verb]) -> Result<(), Wrong> {
    let wrong = |why: String| Err(("resources", why));
    if names.is_empty() {
        return wrong("it names no resource: write plurals, as in `pods` or `deployments.apps`".to_owned());
    }
    for name in names {
        if let Some((_, sub)) = name.split_once('/') {
            return wrong(format!(
                "`{}` is a subresource, and none can be granted: `logs`, `evict` and `scale` are verbs, and nothing else reaches `{}`",
                shown(name),
                shown(sub)
            ));
        }
        let fits =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.' || b == b'*';
        if name.is_empty()
            || name.len() > 320
            || !name.bytes().all(fits)
            || name.starts_with('.')
            || name.ends_with('.')
        {
            return wrong(format!(
                "`{}` is not a resource: write the plural, and its group after a dot, as in `deployments.apps`",
                shown(name)
            ));
        }
        if name.contains('*')
            && let Some(verb) = verbs.iter().find(|verb| verb.is_change())
        {
            return wrong(format!(
                "`{name}` is a pattern beside `{verb}`: what changes something is named, each resource by itself"
            ));
        }
    }
    if let Some(verb) = verbs.iter().find(|verb| verb.is_of_pods())
        && !names.iter().any(|name| text::fits(name, "pods"))
    {
        return Err((
            "verbs",
            format!("`{verb}` is of pods, which `resources` does not name"),
        ));
    }
    Ok(())
}

/// What is written would be shown to people and kept, so no value of a Secret is ever written; and what takes keys away has no
/// use for the values, so it sees none. That is one entry by itself, for Secrets that it names.
fn of_secrets(spec: &KubernetesGrantSpec, verbs: &[Verb]) -> Result<(), Wrong> {
    const SECRETS: &str = "secrets";
    let has = |verb| verbs.contains(&verb);
    let named = spec.resources.iter().any(|name| name == SECRETS);
    if named && has(Verb::Create) {
        let why = "`create` of secrets cannot be granted: what it writes would be shown to people and kept in the journal";
        return Err(("resources", why.to_owned()));
    }
    if !spec.keys_only {
        return if named && has(Verb::Patch) {
            let why = "`patch` of secrets is had with `keys_only = true` alone: it takes keys away, and neither writes a value nor sees one";
            Err(("resources", why.to_owned()))
        } else {
            Ok(())
        };
    }
    if spec.resources != [SECRETS] {
        let why = format!(
            "it is about Secrets alone: write `resources = [\"{SECRETS}\"]`, and the rest in an entry of its own"
        );
        return Err(("keys_only", why));
    }
    let any = spec.names.is_empty() || spec.names.iter().any(|name| name.contains('*'));
    if has(Verb::Patch) && any {
        let why = "a Secret whose keys are taken away is named, each by itself: write `names = [\"NAME\"]`";
        return Err(("keys_only", why.to_owned()));
    }
    Ok(())
}

pub(crate) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

fn shown(word: &str) -> String {
    text::clean_line_to(word, 80)
}

#[cfg(test)]
mod tests;
