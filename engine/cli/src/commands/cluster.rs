//! What is for the operator of clusters, and of everything that the engine counts on: `plugin rbac`, `doctor`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use stanch_runbook::problem::did_you_mean;
use stanch_sandbox::gate::Needs;
use stanch_service::config::Settings;
use stanch_service::config::settings::PluginSettings;
use stanch_service::doctor::{self, Health};
use stanch_service::rbac::{self, Who};
use stanch_service::serve::read_settings;

use super::files::{self, Loaded};
use crate::args::{Doctor, Rbac};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

/// Prints the roles that grants need in a cluster.
pub fn rbac(config: &Path, it: &Rbac, console: &Console) -> Result<Exit, CliError> {
    let settings = read_settings(config).map_err(|error| files::unusable(console, error))?;
    let plugins = chosen(&settings, &it.plugins)?;
    let cluster = the_cluster(&plugins, it.cluster.as_deref())?;
    let mut needs = Needs::default();
    for plugin in plugins {
        needs.extend(plugin.grant.needs(&cluster));
    }
    let acts_as = settings
        .clusters
        .get(&cluster)
        .and_then(|cluster| cluster.impersonate.as_deref());
    let who = Who {
        logs_in: &it.user,
        acts_as,
    };
    let objects = rbac::manifests(&it.name, &needs, who);
    if console.is_json() {
        console.json(&json!({ "apiVersion": "v1", "kind": "List", "items": objects }))?;
    } else {
        console.raw(&rbac::yaml(&cluster, &needs, &objects))?;
    }
    Ok(Exit::Done)
}

fn chosen<'a>(settings: &'a Settings, keys: &[String]) -> Result<Vec<&'a PluginSettings>, CliError> {
    if keys.is_empty() {
        return Ok(settings.plugins.values().collect());
    }
    let known = || settings.plugins.keys().map(|key| key.as_str());
    let find = |key: &String| {
        let found = settings.plugins.get(&key.as_str().into());
        found.ok_or_else(|| CliError::Usage {
            message: format!("stanch.toml has no plugin `{key}`"),
            hint: did_you_mean(key, known()).unwrap_or_else(|| {
                let known: Vec<&str> = known().collect();
                format!("it has: {}", known.join(", "))
            }),
        })
    };
    keys.iter().map(find).collect()
}

/// The cluster that is meant: the one that is named, else the only one that there is a grant for.
fn the_cluster(plugins: &[&PluginSettings], named: Option<&str>) -> Result<String, CliError> {
    let specs = plugins.iter().flat_map(|plugin| &plugin.grant.spec().kubernetes);
    let granted: BTreeSet<&str> = specs
        .flat_map(|spec| spec.clusters.iter().map(String::as_str))
        .collect();
    let all: Vec<&str> = granted.iter().copied().collect();
    let usage = |message: String, hint: String| Err(CliError::Usage { message, hint });
    match (named, all.as_slice()) {
        (_, []) => usage(
            "none of these plugins is granted anything in a cluster".to_owned(),
            "add `[[plugins.KEY.grant.kubernetes]]` to stanch.toml; docs/operator.md says what it can have"
                .to_owned(),
        ),
        (Some(named), _) if granted.contains(named) => Ok(named.to_owned()),
        (Some(named), _) => usage(
            format!("nothing is granted in the cluster `{named}`"),
            format!("there are grants for: {}", all.join(", ")),
        ),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => usage(
            "there are grants for more than one cluster, and each needs roles of its own".to_owned(),
            format!("name one with --cluster: {}", all.join(", ")),
        ),
    }
}

/// Looks whether everything that the engine counts on is there.
pub async fn doctor(config: &Path, it: &Doctor, console: &Console) -> Result<Exit, CliError> {
    let Loaded { snapshot, parts } = files::load(config, console).await?;
    let found = doctor::examine(&snapshot, &parts.facilities, &parts.secrets, it.send).await;
    console.show(&found, |width| screens::examined(&found, width))?;
    let bad = found.iter().any(|finding| finding.health == Health::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Done })
}
