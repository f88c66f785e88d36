//! The key, and what is sealed with it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use stanch_contract::{Digest, RunId};

use super::mark::Mark;
use crate::executor::mail::Content;

/// Apart from the journal, so that who is given a copy of the journal is not given the key.
const FILE: &str = "hidden.key";
const LENGTH: usize = 32;

/// Why nothing can be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The file is not there, cannot be read or written.
    #[error("the key of hidden inputs, `{path}`: {why}; put it back from where the data folder is backed up")]
    Key {
        /// Where.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The cipher refuses.
    #[error("a hidden value cannot be sealed")]
    Cipher,
}

/// Seals what only a few may see.
pub(crate) struct Seals {
    path: PathBuf,
    keys: Mutex<Option<Arc<Keys>>>,
}

struct Keys {
    seal: LessSafeKey,
    nonce: hmac::Key,
    name: hmac::Key,
}

impl Seals {
    /// With the key in this folder. It is made when something is sealed for the first time.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE),
            keys: Mutex::default(),
        }
    }

    /// A value, sealed for a run: the content to keep, and the mark that stands for it.
    pub(crate) fn seal(&self, run: &RunId, value: &[u8]) -> Result<(Mark, Content), SealError> {
        let keys = self.keys(true)?;
        let mut context = hmac::Context::with_key(&keys.nonce);
        context.update(run.as_str().as_bytes());
        context.update(&[0]);
        context.update(value);
        let mut nonce = [0; NONCE_LEN];
        let tag = context.sign();
        nonce.copy_from_slice(tag.as_ref().get(..NONCE_LEN).ok_or(SealError::Cipher)?);
        let mut sealed = value.to_vec();
        let aad = Aad::from(run.as_str().as_bytes());
        keys.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealError::Cipher)?;
        let bytes = Bytes::from([nonce.as_slice(), &sealed].concat());
        let digest = Digest::of(&bytes);
        Ok((Mark(digest), Content { digest, bytes }))
    }

    /// What was sealed for this run; nothing where it was not sealed, or for another run.
    pub(crate) fn open(&self, run: &RunId, content: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let keys = self.keys(false)?;
        let Some((nonce, sealed)) = content.split_at_checked(NONCE_LEN) else {
            return Ok(None);
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Cipher)?;
        let mut value = sealed.to_vec();
        let aad = Aad::from(run.as_str().as_bytes());
        let opened = keys.seal.open_in_place(nonce, aad, &mut value);
        Ok(opened.ok().map(|value| value.to_vec()))
    }

    /// A name for a value, by which it is known again and not guessed.
    pub(crate) fn name(&self, value: &[u8]) -> Result<Digest, SealError> {
        let keys = self.keys(true)?;
        Ok(Digest::of(hmac::sign(&keys.name, value).as_ref()))
    }

    fn keys(&self, make: bool) -> Result<Arc<Keys>, SealError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = &*keys {
            return Ok(Arc::clone(keys));
        }
        let key = self.read(make).map_err(|why| SealError::Key {
            path: self.path.display().to_string(),
            why: why.to_string(),
        })?;
        let one = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let of = |what: &str| hmac::sign(&one, what.as_bytes());
        let seal = UnboundKey::new(&CHACHA20_POLY1305, of("seal").as_ref()).map_err(|_| SealError::Cipher)?;
        let made = Arc::new(Keys {
            seal: LessSafeKey::new(seal),
            nonce: hmac::Key::new(hmac::HMAC_SHA256, of("nonce").as_ref()),
            name: hmac::Key::new(hmac::HMAC_SHA256, of("name").as_ref()),
        });
        *keys = Some(Arc::clone(&made));
        Ok(made)
    }

    fn read(&self, make: bool) -> std::io::Result<Vec<u8>> {
        let mut key = Vec::new();
        match OpenOptions::new().read(true).open(&self.path) {
            Ok(file) => {
                // One byte more than there should be, so that a longer file is noticed.
                file.take(LENGTH as u64 + 1).read_to_end(&mut key)?;
            }
            Err(why) if make && why.kind() == std::io::ErrorKind::NotFound => {
                key.resize(LENGTH, 0);
                getrandom::fill(&mut key).map_err(std::io::Error::other)?;
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&self.path)?;
                file.write_all(&key)?;
                file.sync_all()?;
                // What is sealed with it must not outlive it: its name has to be on the disk too.
                if let Some(folder) = self.path.parent() {
                    File::open(folder)?.sync_all()?;
                }
            }
            Err(why) => return Err(why),
        }
        if key.len() != LENGTH {
            let why = format!("it has to be {LENGTH} bytes long");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        Ok(key)
    }
}
