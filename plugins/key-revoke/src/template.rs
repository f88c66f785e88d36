//! What the operator writes with `{user}` and `{key}` in it.

use stanch_plugin::prelude::*;

/// The template with these two in it.
///
/// # Errors
/// One without `{key}` would be the same for each key.
pub(crate) fn filled(template: &str, user: &str, key: &str) -> Result<String, Failure> {
    if !template.contains("{key}") {
        let why = format!(
            "The operator's settings have `{template}` without `{{key}}`: it would be the same for each key"
        );
        return Err(Failure::invalid_params(why));
    }
    Ok(template
        .split('{')
        .enumerate()
        .map(|(at, part)| match part.split_once('}') {
            Some(("user", rest)) if at > 0 => user.to_owned() + rest,
            Some(("key", rest)) if at > 0 => key.to_owned() + rest,
            _ if at > 0 => format!("{{{part}"),
            _ => part.to_owned(),
        })
        .collect())
}

/// What stands between `{user}` and `{key}`, whichever is first; none where one of them is not there.
pub(crate) fn between(template: &str) -> Option<&str> {
    let (user, key) = (template.find("{user}")?, template.find("{key}")?);
    let (first, last) = if user < key {
        (user + "{user}".len(), key)
    } else {
        (key + "{key}".len(), user)
    };
    template.get(first..last)
}
