//! A place where people are asked and told: as stanch.toml's `[approvals]` names it, and a step's `approval.channels`.

use std::fmt;

use serde::{Deserialize, Serialize};
use stanch_contract::PluginKey;

use crate::load::fields::{Got, is_key};
use crate::problem::{At, Problems};

/// A place where people are asked and told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// A channel of Slack: its name with `#`, or its id.
    Slack {
        /// Which.
        to: String,
    },
    /// A notification plugin tells people; they answer elsewhere.
    Plugin {
        /// Its key.
        key: PluginKey,
        /// Its parameter `to`.
        to: Option<String>,
    },
}

impl fmt::Display for Channel {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack { to } => write!(f, "slack:{to}"),
            Self::Plugin { key, to: Some(to) } => write!(f, "{key}:{to}"),
            Self::Plugin { key, to: None } => write!(f, "{key}"),
        }
    }
}

impl Channel {
    /// `slack:#incidents`, `slack:C024BE91L`, or a notification plugin's key with whom it tells: `page:inference-oncall`. What is
    /// none is told; whether the plugin is there is another matter.
    pub fn read(written: &Got<&str>, problems: &mut Problems<'_>) -> Option<Self> {
        let (kind, to) = match written.value.split_once(':') {
            Some((kind, to)) => (kind, Some(to)),
            None => (written.value, None),
        };
        if kind == "slack" {
            let to = to.unwrap_or_default();
            let named = to.strip_prefix('#').unwrap_or(to);
            let plain = |c: char| c.is_alphanumeric() || "-_".contains(c);
            if named.is_empty() || !named.chars().all(plain) {
                let help = "write `slack:#incidents`, or `slack:` and the channel's id".to_owned();
                let message = format!("`{}` is no channel of Slack", written.value);
                problems.add(&written.at, message, "not a channel", help);
                return None;
            }
            return Some(Self::Slack { to: to.to_owned() });
        }
        if !is_key(kind, '-') || to == Some("") {
            let help = "write `slack:#NAME`, or a notification plugin's key and whom it tells, such as `page:inference-oncall`".to_owned();
            let message = format!("`{}` is no channel", written.value);
            problems.add(&written.at, message, "not a channel", help);
            return None;
        }
        Some(Self::Plugin {
            key: kind.into(),
            to: to.map(str::to_owned),
        })
    }

    /// Tells that there is no `[slack]` for a channel of Slack.
    pub fn no_slack(at: &At, problems: &mut Problems<'_>) {
        let help = "add a `[slack]` section with its `token` and `signing` secrets: docs/slack.md".to_owned();
        problems.add(at, "Slack is not set up", "there is no `[slack]`", help);
    }
}
