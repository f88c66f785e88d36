//! A request to an API server, read: which verb on what, as cases and plans name it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;
use stanch_sandbox::kubernetes::ClusterRequest;

use super::kinds::Kind;
use super::state::Key;

/// A request whose path is one of a kind that there is.
pub(super) struct Request<'r> {
    pub(super) verb: Verb,
    pub(super) kind: &'r Kind,
    pub(super) namespace: Option<String>,
    /// Of a list and of what is to be created: empty.
    pub(super) name: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) content_type: &'r str,
    /// JSON; null where there is none.
    pub(super) body: Value,
    /// The server is asked to do everything but keep it.
    pub(super) dry_run: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Logs,
    Delete,
    Evict,
    Create,
    Patch,
    Scale,
}

impl Verb {
    fn of(method: &Method, named: bool, sub: Option<&str>) -> Option<Self> {
        Some(match (method.as_str(), named, sub) {
            ("GET", true, None) => Self::Get,
            ("GET", false, None) => Self::List,
            ("GET", true, Some("log")) => Self::Logs,
            ("DELETE", true, None) => Self::Delete,
            ("POST", true, Some("eviction")) => Self::Evict,
            ("POST", false, None) => Self::Create,
            ("PATCH", true, None) => Self::Patch,
            ("PATCH", true, Some("scale")) => Self::Scale,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Logs => "logs",
            Self::Delete => "delete",
            Self::Evict => "evict",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Scale => "scale",
        }
    }
}

impl<'r> Request<'r> {
    /// Reads it; nothing where there is no such path.
    pub(super) fn read(kinds: &'r [Kind], asked: &ClusterRequest<'r>) -> Option<Self> {
        let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, sub) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, sub] => (*plural, Some(*name), Some(*sub)),
            _ => return None,
        };
        let kind = kinds
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)?;
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
        let options = body.get("deleteOptions").unwrap_or(&body);
        let dry_run = query.contains_key("dryRun") || options.get("dryRun").is_some();
        Some(Self {
            verb: Verb::of(asked.method, name.is_some(), sub)?,
            kind,
            namespace: namespace.map(str::to_owned),
            name: name.unwrap_or_default().to_owned(),
            query,
            content_type: asked.content_type,
            body,
            dry_run,
        })
    }

    pub(super) fn key(&self) -> Key {
        Key {
            group: self.kind.group.clone(),
            plural: self.kind.plural.clone(),
            namespace: self.namespace.clone(),
            name: match self.verb {
                Verb::Create => super::kinds::text(&self.body, "/metadata/name").to_owned(),
                _ => self.name.clone(),
            },
        }
    }

    /// `VERB TARGET`, as plans and cases have it.
    pub(super) fn shown(&self) -> String {
        let target = self.key().to_string();
        format!("{} {}", self.verb.as_str(), target.trim_end_matches('/'))
    }
}
