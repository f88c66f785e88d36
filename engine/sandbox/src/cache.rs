//! Compiled plugins, on disk.
//!
//! Compiling costs from 20 ms (Rust) to seconds (Python); loading what was compiled costs less than a millisecond. A file
//! is named after the component's digest and the engine's compatibility hash, so another engine, processor or
//! configuration never reads it, and beside it stands the digest of its own content.
//!
//! Compiled code is machine code: loading it is as unsafe as running a program. So the folder must be ours and closed to
//! others, the file ours, closed and unchanged since we wrote it; else it is compiled again. What this does not protect
//! against is somebody who already runs as this user.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use stanch_contract::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder of compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    engine: String,
}

impl Cache {
    /// Opens `folder`, made with mode 0700 where it is not there.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let meta = fs::symlink_metadata(folder)?;
        let why = if !meta.is_dir() {
            Some("it is not a folder".to_owned())
        } else if meta.uid() != rustix::process::geteuid().as_raw() {
            Some("it belongs to another user".to_owned())
        } else if meta.mode() & 0o077 != 0 {
            Some(format!(
                "others can enter it (mode {:o}); `chmod 700` it",
                meta.mode() & 0o777
            ))
        } else {
            None
        };
        if let Some(why) = why {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut hash = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hash);
        let engine = hex::encode(hash.0.finalize()).chars().take(16).collect();
        Ok(Self {
            folder: folder.to_owned(),
            engine,
        })
    }

    /// The component compiled from `digest`, where it is here and unharmed.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        match self.try_load(engine, &path) {
            Ok(component) => Some(component),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin cannot be used and is compiled again");
                None
            }
        }
    }

    fn try_load(&self, engine: &Engine, path: &Path) -> io::Result<Component> {
        let mut file = open_own(path)?;
        let mut recorded = String::new();
        open_own(&seal(path))?.take(128).read_to_string(&mut recorded)?;
        if digest_of(&mut file)?.to_string() != recorded.trim() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its content is not what was written",
            ));
        }
        load_trusted(engine, path)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:#}")))
    }

    /// Keeps what was compiled from `digest`. The digest of the content comes last: half a file is never taken for one.
    #[allow(clippy::disallowed_methods, reason = "the cache is the owner of its files")]
    pub(crate) fn store(&self, digest: Digest, compiled: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        match fs::remove_file(seal(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.put(&path, compiled)?;
        self.put(&seal(&path), Digest::of(compiled).to_string().as_bytes())
    }

    fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let aside = self.folder.join(format!("{}.new", hex::encode(random)));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(content)?;
        fs::rename(&aside, path)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.engine))
    }
}

/// Compiled code that never left this process.
pub(crate) fn load_compiled(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    #[allow(unsafe_code, reason = "the bytes come straight from this process's compiler")]
    // SAFETY: `compiled` is what `Engine::precompile_component` returned a moment ago, never stored anywhere.
    unsafe {
        Component::deserialize(engine, compiled)
    }
}

fn load_trusted(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    #[allow(
        unsafe_code,
        reason = "the one place where compiled code is taken from a file"
    )]
    // SAFETY: the caller checked that the file and its folder are ours and closed to others, and that the content is
    // what `Cache::store` wrote, which is what `Engine::precompile_component` returned.
    unsafe {
        Component::deserialize_file(engine, path)
    }
}

/// Opens a file that is ours, closed to others, and not a link.
fn open_own(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is not our own file, closed to others",
        ));
    }
    Ok(file)
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn seal(path: &Path) -> PathBuf {
    path.with_extension("cwasm.sha256")
}

/// SHA-256 as a [`Hasher`], for a hash that is the same in every build.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
