//! The file as a whole: its sections, and what can only be said of several of them together.

use std::path::Path;

use serde_json::{Map, Value};
use stanch_contract::{Digest, PluginKey};

use super::settings::Settings;
use super::values::Names;
use super::{
    approvals, clusters, folders, guardrails, intakes, oidc, people, plugins, secrets, server, values,
};
use stanch_runbook::LoadErrors;
use stanch_runbook::reading::{self, At, Fields, Problems};

/// Settings from the text of stanch.toml. `path` is the file as the operator named it; what the file says of other paths
/// is relative to its folder.
///
/// # Errors
/// Everything that is wrong with the file, each with its place and what would be right.
pub fn parse(path: &Path, text: &str) -> Result<Settings, LoadErrors> {
    let shown = path.to_string_lossy();
    let mut problems = Problems::new(&shown, text);
    let table = reading::parse(text, &mut problems);
    let mut top = Fields::new(&table, &At::start(), "stanch.toml");
    let base = path.parent().unwrap_or(Path::new(""));

    let server = server::server(&mut top, base, &mut problems);
    let store = server::store(&mut top, base, &mut problems);
    let vars = match top.node("vars") {
        None => Value::Object(Map::new()),
        Some(node) => values::plain_object(node, "`[vars]`", &mut problems),
    };
    let secrets = secrets::secrets(&mut top, base, &mut problems);
    let names = Names::new(secrets.keys());
    let folders = folders::folders(&mut top, base, &mut problems);
    let (clusters, known) = clusters::clusters(&mut top, base, &mut problems);
    let plugins = plugins::plugins(&mut top, base, &names, &known, &mut problems);
    let installed: Vec<&str> = plugins.keys().map(PluginKey::as_str).collect();
    let intakes = intakes::intakes(&mut top, &names, &installed, &mut problems);
    let oidc = oidc::oidc(&mut top, &names, &folders, &mut problems);
    let users = people::users(&mut top, oidc.as_ref(), &folders, &mut problems);
    let has_slack = top.has("slack");
    let slack = approvals::slack(&mut top, &names, &mut problems);
    let (approvals, break_glass) = approvals::approvals(&mut top, has_slack, &installed, &mut problems);
    let mut guardrails = guardrails::guardrails(&mut top, &mut problems);
    server::beyond_loopback(&server, &intakes, &mut problems);
    top.finish(&mut problems);
    problems.finish()?;

    for (key, plugin) in &plugins {
        if let Some(targets) = plugin.targets {
            guardrails.plugin_targets.insert(
                key.clone(),
                stanch_runbook::guardrails::TargetCeilings::all(targets),
            );
        }
    }
    Ok(Settings {
        path: path.to_owned(),
        digest: Digest::of(text.as_bytes()),
        server: server.value,
        store,
        folders,
        vars,
        secrets,
        clusters,
        intakes: intakes.into_iter().map(|intake| intake.value.into()).collect(),
        users,
        oidc,
        approvals,
        break_glass,
        slack,
        guardrails,
        plugins,
    })
}
