//! Every value that applies to a runbook and has a default, with where it comes from.

use crate::model::{Origin, Runbook};

/// One line for each value: key, value, origin, in columns.
pub fn resolved(runbook: &Runbook) -> String {
    let keys = width(runbook.settings.iter().map(|setting| setting.key.as_str()));
    let values = width(runbook.settings.iter().map(|setting| setting.value.as_str()));
    let mut out = String::new();
    for setting in &runbook.settings {
        let from = match setting.from {
            Origin::Runbook => format!("the runbook ({})", runbook.path),
            Origin::Folder => "the folder's defaults (stanch.toml)".to_owned(),
            Origin::Engine => "the engine's default".to_owned(),
        };
        out.push_str(&format!(
            "{:keys$}  {:values$}  {from}\n",
            setting.key, setting.value
        ));
    }
    out
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
