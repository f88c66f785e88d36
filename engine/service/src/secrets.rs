//! The operator's secrets with the value of now.
//!
//! stanch.toml says where values are; they are read again with every look at the files, so a rotated secret takes hold
//! without a new generation. A secret without a value is an error of what uses it, not of the file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use stanch_sandbox::secret::{Secret, SecretSource};

use crate::config::settings::SecretPlace;

/// The most that a secret's file may have.
const MOST: u64 = 64 << 10;

type Values = BTreeMap<String, Result<Arc<Secret>, String>>;

/// All secrets, by name.
#[derive(Default)]
pub struct Secrets(ArcSwap<Values>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.load().keys()).finish()
    }
}

impl Secrets {
    /// Reads all values again.
    pub fn refresh(&self, places: &BTreeMap<String, SecretPlace>) {
        let before = self.0.load();
        let values = places.iter().map(|(name, place)| {
            let value = read(place).and_then(|value| match before.get(name) {
                Some(Ok(same)) if same.expose() == value => Ok(Arc::clone(same)),
                _ => Secret::new(value)
                    .map(Arc::new)
                    .map_err(|unfit| unfit.to_string()),
            });
            (name.clone(), value)
        });
        self.0.store(Arc::new(values.collect()));
    }

    /// The value of a secret, or why there is none.
    ///
    /// # Errors
    /// A sentence that names the secret and where it was looked for.
    pub fn value(&self, name: &str) -> Result<Arc<Secret>, String> {
        match self.0.load().get(name) {
            Some(Ok(secret)) => Ok(Arc::clone(secret)),
            Some(Err(why)) => Err(format!("the secret `{name}` has no value: {why}")),
            None => Err(format!("there is no secret `{name}`")),
        }
    }
}

impl SecretSource for Secrets {
    fn get(&self, name: &str) -> Option<Arc<Secret>> {
        self.value(name).ok()
    }
}

fn read(place: &SecretPlace) -> Result<Vec<u8>, String> {
    match place {
        SecretPlace::Env(name) => match std::env::var_os(name) {
            Some(value) if !value.is_empty() => Ok(value.into_encoded_bytes()),
            _ => Err(format!("the environment variable `{name}` is not set")),
        },
        SecretPlace::File(path) => {
            file(path).map_err(|error| format!("the file `{}` cannot be read: {error}", path.display()))
        }
    }
}

fn file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut value = Vec::new();
    std::fs::File::open(path)?.take(MOST).read_to_end(&mut value)?;
    if value.ends_with(b"\n") {
        value.pop();
    }
    if value.ends_with(b"\r") {
        value.pop();
    }
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_has_its_new_value_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let places = BTreeMap::from([("token".to_owned(), SecretPlace::File(path.clone()))]);
        let secrets = Secrets::default();
        secrets.refresh(&places);
        assert!(
            secrets
                .value("token")
                .err()
                .unwrap()
                .contains("`token` has no value")
        );
        std::fs::write(&path, "first\n").unwrap();
        secrets.refresh(&places);
        assert_eq!(secrets.value("token").unwrap().expose(), b"first");
        let held = secrets.get("token").unwrap();
        secrets.refresh(&places);
        assert!(
            Arc::ptr_eq(&held, &secrets.get("token").unwrap()),
            "the same value is not made again"
        );
        std::fs::write(&path, "second\r\n").unwrap();
        secrets.refresh(&places);
        assert_eq!(secrets.value("token").unwrap().expose(), b"second");
        assert_eq!(format!("{secrets:?}"), r#"{"token"}"#);
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let secrets = Secrets::default();
        secrets.refresh(&BTreeMap::from([(
            "a".to_owned(),
            SecretPlace::Env("STANCH_TEST_NOT_SET".into()),
        )]));
        assert_eq!(
            secrets.value("a").err().unwrap(),
            "the secret `a` has no value: the environment variable `STANCH_TEST_NOT_SET` is not set"
        );
        assert_eq!(secrets.value("b").err().unwrap(), "there is no secret `b`");
    }
}
