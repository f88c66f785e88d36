//! Texts for people: titles, questions, instructions. They take no expressions, so a `${…}` in one is a mistake and told.

use crate::load::Cx;
use crate::load::fields::{Fields, Got};
use crate::problem::Problems;

/// A text that has to be there.
pub(crate) fn line(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    example: &str,
    cx: &mut Cx<'_>,
) -> Option<String> {
    let got = fields.needed_text(key, example, &mut cx.problems)?;
    plain(&got, key, &mut cx.problems);
    Some(got.value.to_owned())
}

/// Tells `${…}` where it would be shown as it is.
pub(crate) fn plain(got: &Got<&str>, key: &str, problems: &mut Problems<'_>) {
    if got.value.contains("${") {
        let message = format!("`{key}` is text for people and takes no `${{…}}`");
        let help =
            "say it in words; values are shown beside it: the plan, the alert, what checks found".to_owned();
        problems.add(&got.at, message, "would be shown as it is", help);
    }
}
