//! `[[runbooks]]`: the folders, and what each team may do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use stanch_runbook::model::Mode;

use super::settings::{Folder, PluginFilter};
use super::values;
use stanch_runbook::reading::{Fields, Problems, did_you_mean};

/// `teams` of somebody: to whose runbooks their role is bounded. Each is one of `[[runbooks]]`.
pub(super) fn teams(
    fields: &mut Fields<'_, '_>,
    folders: &[Folder],
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let written = fields.texts("teams", problems)?;
    let known = || {
        folders
            .iter()
            .map(|folder| folder.team.as_str())
            .filter(|team| !team.is_empty())
    };
    for team in &written {
        if !known().any(|known| known == team.value) {
            let help = did_you_mean(team.value, known());
            let help = help
                .unwrap_or_else(|| format!("write `team = \"{}\"` at the team's [[runbooks]]", team.value));
            let message = format!("no folder of runbooks is the team `{}`'s", team.value);
            problems.add(&team.at, message, "not a team", help);
        }
    }
    Some(written.iter().map(|team| team.value.to_owned()).collect())
}

pub(super) fn folders(top: &mut Fields<'_, '_>, base: &Path, problems: &mut Problems<'_>) -> Vec<Folder> {
    let mut folders = Vec::new();
    let mut seen: BTreeMap<PathBuf, ()> = BTreeMap::new();
    for node in top.tables("runbooks", "runbooks", problems) {
        let Some(mut fields) = Fields::of(node, "`[[runbooks]]`", problems) else {
            continue;
        };
        let path = fields.needed_text("path", "path = \"runbooks\"", problems);
        let team = fields
            .text("team", problems)
            .map(|team| team.value.to_owned())
            .unwrap_or_default();
        let plugins = fields.texts("plugins", problems).map_or_else(
            || vec!["*".to_owned()],
            |keys| keys.iter().map(|key| key.value.to_owned()).collect(),
        );
        let modes = [("shadow", Mode::Shadow), ("ask", Mode::Ask), ("auto", Mode::Auto)];
        let max_mode = fields
            .word("max_mode", &modes, problems)
            .map_or(Mode::Auto, |mode| mode.value);
        let defaults = match fields.node("defaults") {
            None => Value::Object(Map::new()),
            Some(node) => values::plain_object(node, "`[runbooks.defaults]`", problems),
        };
        fields.finish(problems);
        let Some(written) = path else { continue };
        let path = values::path(base, written.value);
        if seen.insert(path.clone(), ()).is_some() {
            let help = "give each folder once".to_owned();
            problems.add(
                &written.at,
                format!("the folder `{}` is there twice", written.value),
                "again",
                help,
            );
        }
        folders.push(Folder {
            path,
            written: written.value.to_owned(),
            team,
            plugins: PluginFilter(plugins),
            max_mode,
            defaults,
        });
    }
    folders
}
