//! The kill switch. Sticky; only a person clears it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stanch_contract::{PluginKey, Timestamp};

use super::{Blocked, Claim, Guard};

/// What a pause covers. Written `all`, `runbook:NAME`, `plugin:KEY`, `namespace:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PauseScope {
    /// Everything.
    All,
    /// One runbook.
    Runbook(String),
    /// One plugin.
    Plugin(PluginKey),
    /// One Kubernetes namespace, in every cluster.
    Namespace(String),
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Runbook(name) => write!(f, "runbook:{name}"),
            Self::Plugin(key) => write!(f, "plugin:{key}"),
            Self::Namespace(name) => write!(f, "namespace:{name}"),
        }
    }
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what a pause can cover: write `all`, `runbook:NAME`, `plugin:KEY` or `namespace:NAME`")]
pub struct NotAScope(String);

impl FromStr for PauseScope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some((_, "")) | None => Err(NotAScope(text.to_owned())),
            Some(("runbook", name)) => Ok(Self::Runbook(name.to_owned())),
            Some(("plugin", key)) => Ok(Self::Plugin(key.into())),
            Some(("namespace", name)) => Ok(Self::Namespace(name.to_owned())),
            Some(_) => Err(NotAScope(text.to_owned())),
        }
    }
}

impl Serialize for PauseScope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PauseScope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pause {
    /// What it covers.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub scope: PauseScope,
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paused (`{}`) by `{}`: {}", self.scope, self.by, self.reason)
    }
}

/// The pauses, one for each scope.
#[derive(Debug, Clone, Default)]
pub(super) struct Pauses(Vec<Pause>);

impl Pauses {
    pub(super) fn set(&mut self, pause: Pause) {
        self.clear(&pause.scope);
        self.0.push(pause);
    }

    pub(super) fn clear(&mut self, scope: &PauseScope) -> bool {
        let before = self.0.len();
        self.0.retain(|pause| pause.scope != *scope);
        self.0.len() != before
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Pause> {
        self.0.iter()
    }

    pub(super) fn covering(
        &self,
        runbook: &str,
        plugin: &PluginKey,
        namespaces: &[String],
    ) -> Option<&Pause> {
        self.0.iter().find(|pause| match &pause.scope {
            PauseScope::All => true,
            PauseScope::Runbook(name) => name == runbook,
            PauseScope::Plugin(key) => key == plugin,
            PauseScope::Namespace(name) => namespaces.contains(name),
        })
    }

    pub(super) fn blocking(&self, claim: &Claim) -> Option<Blocked> {
        self.covering(&claim.runbook, &claim.plugin, &claim.namespaces)
            .map(|pause| Blocked {
                guard: Guard::Pause,
                message: pause.to_string(),
                holder: None,
            })
    }
}
