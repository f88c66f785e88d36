//! The operator's secrets, and how their values are kept out of everything that is shown, stored or handed to a plugin.
//!
//! A [`Secret`] has no Display, Debug, Serialize or Clone. A [`SecretTemplate`] puts it into a header at the moment a request
//! is sent, and a [`Redactor`] takes its value out of what comes back.

use std::sync::Arc;

mod redactor;

pub use redactor::{REDACTED, Redactor};

/// Shorter values cannot be told from ordinary text, so they cannot be kept out of answers.
const SHORTEST: usize = 4;

/// Where the gate gets secrets from: the operator's `[secrets]`, with the value of now.
pub trait SecretSource: Send + Sync {
    /// The secret of this name; `None` where stanch.toml names none or its value cannot be read.
    fn get(&self, name: &str) -> Option<Arc<Secret>>;
}

/// A secret value: at least 4 bytes, none of them a control character. Overwritten when it is dropped.
pub struct Secret(Box<[u8]>);

/// Why a value cannot be a secret. Does not contain the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitSecret {
    /// Too short to be told from ordinary text.
    #[error(
        "the value is shorter than {SHORTEST} bytes and could not be kept out of answers and logs: use a longer one"
    )]
    TooShort,
    /// It would end the header that it is put into.
    #[error("the value contains a control character: a line break at its end is the usual cause")]
    Control,
}

impl Secret {
    /// A secret of this value.
    ///
    /// # Errors
    /// Where it is too short, or contains a control character.
    pub fn new(value: impl Into<Vec<u8>>) -> Result<Self, UnfitSecret> {
        let secret = Self(value.into().into_boxed_slice());
        if secret.0.iter().any(u8::is_ascii_control) {
            return Err(UnfitSecret::Control);
        }
        if secret.0.len() < SHORTEST {
            return Err(UnfitSecret::TooShort);
        }
        Ok(secret)
    }

    /// A value that is only ever looked for and taken out, whatever is in it.
    pub(crate) fn of_any(value: Vec<u8>) -> Self {
        Self(value.into_boxed_slice())
    }

    /// The value, for the place that sends it or signs with it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving out a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}

/// A text with `${secret:NAME}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Secret(String),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("a `${{` is not closed: write `${{secret:NAME}}`, or `$${{` for a literal `${{`")]
    Unclosed,
    /// `${…}` with something else in it.
    #[error("`${{{0}}}` is not known here: write `${{secret:NAME}}` with a name from [secrets]")]
    NotASecret(String),
    /// A character that a header cannot carry.
    #[error("the value contains a control character")]
    Control,
}

/// A secret that a template names and the operator's file does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret `{0}` is not there: [secrets] names none, or its value cannot be read")]
pub struct MissingSecret(pub String);

impl SecretTemplate {
    /// Reads the text.
    ///
    /// # Errors
    /// Where a `${…}` is not `${secret:NAME}`, or the text has a control character.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.chars().any(char::is_control) {
            return Err(TemplateError::Control);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = after;
                continue;
            }
            literal.push_str(before);
            let (inner, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            let name = inner.strip_prefix("secret:").filter(|name| is_name(name));
            let name = name.ok_or_else(|| TemplateError::NotASecret(inner.to_owned()))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Secret(name.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The secrets that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The name, where the template is nothing but one secret.
    pub fn only_secret(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Secret(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with the values of now. A [`Secret`] itself, so that it is handled as one.
    ///
    /// # Errors
    /// Where a secret is not there.
    pub fn fill(&self, source: &dyn SecretSource) -> Result<Secret, MissingSecret> {
        let mut value = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => value.extend_from_slice(text.as_bytes()),
                Part::Secret(name) => {
                    let secret = source.get(name).ok_or_else(|| MissingSecret(name.clone()))?;
                    value.extend_from_slice(secret.expose());
                }
            }
        }
        Ok(Secret(value.into_boxed_slice()))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Fixed(BTreeMap<&'static str, Arc<Secret>>);

    impl SecretSource for Fixed {
        fn get(&self, name: &str) -> Option<Arc<Secret>> {
            self.0.get(name).cloned()
        }
    }

    #[test]
    fn a_template_is_filled_with_the_value_of_now() {
        let source = Fixed(BTreeMap::from([(
            "token",
            Arc::new(Secret::new("s3cr3t").unwrap()),
        )]));
        let template = SecretTemplate::parse("Bearer ${secret:token}, $${literal}").unwrap();
        assert_eq!(
            template.fill(&source).ok().unwrap().expose(),
            b"Bearer s3cr3t, ${literal}"
        );
        assert_eq!(template.names().collect::<Vec<_>>(), ["token"]);
        let missing = SecretTemplate::parse("${secret:other}")
            .unwrap()
            .fill(&source)
            .err();
        assert_eq!(missing, Some(MissingSecret("other".into())));
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for text in ["${secret:a", "${vars.a}", "${secret:}", "${secret:a b}", "a\r\nb"] {
            assert!(SecretTemplate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_to_be_found_and_free_of_control_characters() {
        assert_eq!(Secret::new("abc").err(), Some(UnfitSecret::TooShort));
        assert_eq!(Secret::new("abcdef\n").err(), Some(UnfitSecret::Control));
        assert!(Secret::new("abcd").is_ok());
    }
}
