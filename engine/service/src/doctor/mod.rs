//! `stanch doctor`: whether what stanch.toml names is there, and lets the engine do what runbooks and grants count on.
//!
//! It looks from where it is started, with the environment, the files and the network of who starts it: as the engine's own
//! user, what it says holds for the engine. It changes nothing, and tells nobody anything unless that is asked for.

mod clusters;
mod escalations;
mod provider;
mod servers;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stanch_sandbox::gate::{Access, Facilities};

use crate::config::settings::IntakeAuth;
use crate::secrets::Secrets;
use crate::snapshot::{ProblemKind, Snapshot};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Runbooks and plugins.
    Files,
    /// `[secrets]`.
    Secrets,
    /// The provider of `[oidc]`.
    Provider,
    /// Granted folders.
    Folders,
    /// What `grant.http` and `grant.notify` name.
    Servers,
    /// `[clusters]`, and what they let the engine do.
    Clusters,
    /// The machine's clock.
    Clock,
    /// Who is called for help.
    Escalation,
}

impl Area {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Secrets => "secrets",
            Self::Provider => "provider",
            Self::Folders => "folders",
            Self::Servers => "servers",
            Self::Clusters => "clusters",
            Self::Clock => "clock",
            Self::Escalation => "escalation",
        }
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, or was not tried; somebody should know.
    Attention,
    /// Something will not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// Which one: the name of a secret, a cluster, a plugin.
    pub about: String,
    /// How it is.
    pub health: Health,
    /// What was found, in a sentence.
    pub found: String,
    /// What to do about it.
    pub todo: Option<String>,
}

impl Finding {
    fn new(area: Area, about: impl Into<String>, health: Health, found: impl Into<String>) -> Self {
        Self {
            area,
            about: about.into(),
            health,
            found: found.into(),
            todo: None,
        }
    }

    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

/// Looks at everything. With `send`, each way to call for help carries a test message.
pub async fn examine(
    snapshot: &Snapshot,
    facilities: &Arc<Facilities>,
    secrets: &Arc<Secrets>,
    send: bool,
) -> Vec<Finding> {
    let mut found = files(snapshot);
    found.extend(of_secrets(snapshot, secrets));
    found.extend(provider::examine(snapshot, facilities, secrets).await);
    found.extend(folders(snapshot));
    found.extend(servers::examine(snapshot, &facilities.http).await);
    found.extend(clusters::examine(snapshot, &facilities.clusters).await);
    found.extend(escalations::examine(snapshot, send).await);
    found
}

fn files(snapshot: &Snapshot) -> Vec<Finding> {
    // A cluster's problem is told with the cluster.
    let problems = snapshot
        .problems
        .iter()
        .filter(|problem| problem.kind != ProblemKind::Cluster);
    let mut found: Vec<Finding> = problems
        .map(|problem| {
            let about = problem.path.display().to_string();
            Finding::new(Area::Files, about, Health::Bad, problem.message.clone())
                .todo("`stanch check` shows the place, and what would be right")
        })
        .collect();
    if found.is_empty() {
        let loaded = format!(
            "{} runbooks and {} plugins load",
            snapshot.runbooks.len(),
            snapshot.plugins.len()
        );
        let path = snapshot.settings.path.display().to_string();
        found.push(Finding::new(Area::Files, path, Health::Good, loaded));
    }
    found
}

fn of_secrets(snapshot: &Snapshot, secrets: &Secrets) -> Vec<Finding> {
    let used = |name: &str| {
        let settings = &snapshot.settings;
        let plugins = settings.plugins.values();
        let mut by: BTreeSet<String> = plugins
            .filter(|plugin| plugin.grant.secret_names().contains(&name))
            .map(|plugin| format!("the plugin `{}`", plugin.key))
            .collect();
        let asks = |auth: &IntakeAuth| auth.secret() == name;
        let intakes = settings.intakes.iter();
        by.extend(
            intakes
                .filter(|intake| intake.auth.as_ref().is_some_and(asks))
                .map(|intake| format!("the intake `{}`", intake.path)),
        );
        let oidc = settings
            .oidc
            .as_ref()
            .and_then(|oidc| oidc.client_secret.as_deref());
        if oidc == Some(name) {
            by.insert("`[oidc]`".to_owned());
        }
        by.into_iter().collect::<Vec<_>>().join(", ")
    };
    let names = snapshot.settings.secrets.keys();
    names
        .map(|name| {
            let by = used(name);
            let by = if by.is_empty() { "nothing".to_owned() } else { by };
            match secrets.value(name) {
                Ok(_) => Finding::new(
                    Area::Secrets,
                    name,
                    Health::Good,
                    format!("has a value; used by {by}"),
                ),
                Err(why) => Finding::new(Area::Secrets, name, Health::Bad, format!("{why}; used by {by}"))
                    .todo("give it a value where the engine runs; a variable counts there, not here"),
            }
        })
        .collect()
}

fn folders(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for plugin in snapshot.settings.plugins.values() {
        for entry in &plugin.grant.spec().files {
            let about = format!("{} of `{}`", entry.path, plugin.key);
            let can = match entry.access {
                Access::Read => "can be read",
                Access::Change => "can be read and changed",
            };
            found.push(match usable(&entry.path, entry.access) {
                Ok(()) => Finding::new(Area::Folders, about, Health::Good, can),
                Err(why) => Finding::new(Area::Folders, about, Health::Bad, why)
                    .todo("make it, or let the engine's user use it"),
            });
        }
    }
    found
}

fn usable(path: &str, access: Access) -> Result<(), String> {
    use rustix::fs::{Access as Mode, access as may};
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be used: {error}"))?;
    if !metadata.is_dir() {
        return Err("is not a folder".to_owned());
    }
    let looks = Mode::READ_OK | Mode::EXEC_OK;
    let mode = match access {
        Access::Read => looks,
        Access::Change => looks | Mode::WRITE_OK,
    };
    let what = match access {
        Access::Read => "read",
        Access::Change => "changed",
    };
    may(path, mode).map_err(|error| format!("cannot be {what} by this user: {error}"))
}
