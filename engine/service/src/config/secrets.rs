//! `[secrets]`: where the values are. They are read when they are used, not here.

use std::collections::BTreeMap;
use std::path::Path;

use super::settings::SecretPlace;
use super::values;
use stanch_runbook::reading::{Data, Fields, Problems, is_key};

pub(super) fn secrets(
    top: &mut Fields<'_, '_>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, SecretPlace> {
    let mut secrets = BTreeMap::new();
    let Some(node) = top.node("secrets") else {
        return secrets;
    };
    let Data::Table(table) = &node.data else {
        stanch_runbook::reading::wrong_type::<()>(node, "`secrets`", "a table", problems);
        return secrets;
    };
    for entry in &table.entries {
        let name = entry.key.as_ref();
        if !is_key(name, '_') {
            let help = "write lower-case letters, digits and `_`, a letter first".to_owned();
            problems.add(
                &entry.key_at,
                format!("a secret cannot be called `{name}`"),
                "not a name",
                help,
            );
        }
        if let Data::Text(_) = entry.node.data {
            let help = format!("write `{name} = {{ env = \"…\" }}` or `{name} = {{ file = \"…\" }}`");
            problems.add_hidden(
                &entry.node.at,
                format!("the value of `{name}` cannot be in this file"),
                help,
            );
            continue;
        }
        let what = format!("the secret `{name}`");
        let Some(mut fields) = Fields::of(&entry.node, &what, problems) else {
            continue;
        };
        let env = fields.text("env", problems);
        let file = fields.text("file", problems);
        let at = fields.at().clone();
        fields.finish(problems);
        let place = match (env, file) {
            (Some(env), None) => SecretPlace::Env(env.value.to_owned()),
            (None, Some(file)) => SecretPlace::File(values::path(base, file.value)),
            (None, None) | (Some(_), Some(_)) => {
                let help = "write one of `env = \"VARIABLE\"` and `file = \"PATH\"`".to_owned();
                problems.add(&at, format!("{what} needs exactly one place"), "here", help);
                continue;
            }
        };
        secrets.insert(name.to_owned(), place);
    }
    secrets
}
