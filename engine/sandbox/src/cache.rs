//! Compiled plugins, on disk.
//!
//! Compiling costs from 20 ms (Rust) to seconds (Python); loading what was compiled costs less than a millisecond. A file
//! is named after the component's digest and the engine's compatibility hash, so another engine, processor or
//! configuration never reads it. Beside it stands its seal: which file it was that we wrote, and whether its code was once
//! asked what it is and said what the component's section says, so that it need not be asked at each start.
//!
//! Compiled code is machine code: loading it is as unsafe as running a program. So the folder must be ours and closed to
//! others, the file ours, closed and unchanged since we wrote it; else it is compiled again. That it is unchanged is the
//! kernel's word: the seal names the file by number, length and time of its last change, which nobody can set back, and
//! asking for these takes a millionth of the time that reading a Python plugin's 35 MiB takes. What this does not protect
//! against is somebody who already runs as this user, and a disk that forgets, against which the engine's own program is
//! not protected either. What was not loaded for a month is removed.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use stanch_contract::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::clock;

/// The ends of the names of seals: of this engine, and of those before it.
const SEAL: &str = ".cwasm.seal";
const OLD_SEAL: &str = ".cwasm.sha256";
/// What a seal says besides where the code was asked what it is.
const DESCRIBED: &str = "described";
/// What was not loaded for this long is removed.
const UNUSED: Duration = Duration::from_secs(30 * 86_400);

/// What was compiled before.
pub(crate) struct Cached {
    pub(crate) component: Component,
    /// Its code was asked what it is, and said what the component's section says.
    pub(crate) described: bool,
}

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
        let cache = Self {
            folder: folder.to_owned(),
            engine,
        };
        if let Err(error) = cache.sweep() {
            tracing::warn!(folder = %folder.display(), %error, "compiled plugins that nobody uses stay");
        }
        Ok(cache)
    }

    /// What was compiled from `digest`, where it is here and unharmed.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Cached> {
        let path = self.path(digest);
        match try_load(engine, &path) {
            Ok(cached) => Some(cached),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin cannot be used and is compiled again");
                None
            }
        }
    }

    /// Keeps what was compiled from `digest`. The seal comes last: half a file is never taken for one.
    pub(crate) fn store(&self, digest: Digest, compiled: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        match remove(&seal(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.put(&path, compiled)?;
        self.put(&seal(&path), identity(&open_own(&path)?)?.as_bytes())
    }

    /// Notes that the code compiled from `digest` said of itself what its component's section says.
    pub(crate) fn note_described(&self, digest: Digest) -> io::Result<()> {
        let path = self.path(digest);
        let sealed = identity(&open_own(&path)?)?;
        // Only of the file that was loaded: another one in its place would have another identity than its seal says.
        if sealed_as(&path)?.0 == sealed {
            self.put(&seal(&path), format!("{sealed} {DESCRIBED}").as_bytes())?;
        }
        Ok(())
    }

    /// Removes what nobody loaded for long: code of engines and plugins that are gone, and what a death left half written.
    /// What cannot be removed stays.
    fn sweep(&self) -> io::Result<()> {
        let now = SystemTime::UNIX_EPOCH + clock::since_1970();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (path, meta) = (entry.path(), entry.metadata()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = [".cwasm", SEAL, OLD_SEAL, ".new"]
                .iter()
                .any(|end| name.ends_with(end));
            // A file is as old as its seal, which each load renews.
            let used = fs::symlink_metadata(seal(&path)).unwrap_or(meta).modified()?;
            let idle = now.duration_since(used).unwrap_or_default();
            if ours && idle > UNUSED {
                tracing::debug!(path = %path.display(), "a compiled plugin that nobody uses is removed");
                let _ = remove(&path);
            }
        }
        Ok(())
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
    // SAFETY: the caller checked that the file and its folder are ours and closed to others, and that it is the file that
    // `Cache::store` wrote, unchanged since: what `Engine::precompile_component` returned.
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

/// Which file it is, and as of when: its number, length and the time of its last change, which is the kernel's to set.
fn identity(file: &File) -> io::Result<String> {
    let meta = file.metadata()?;
    let (seconds, nanos) = (meta.ctime(), meta.ctime_nsec());
    Ok(format!(
        "{}:{}:{} {seconds}.{nanos:09}",
        meta.dev(),
        meta.ino(),
        meta.len()
    ))
}

/// The identity that the seal names, and whether its code was asked what it is.
fn sealed_as(path: &Path) -> io::Result<(String, bool)> {
    let mut sealed = String::new();
    open_own(&seal(path))?.take(256).read_to_string(&mut sealed)?;
    Ok(match sealed.strip_suffix(DESCRIBED) {
        Some(identity) => (identity.trim_end().to_owned(), true),
        None => (sealed, false),
    })
}

fn try_load(engine: &Engine, path: &Path) -> io::Result<Cached> {
    let file = open_own(path)?;
    let (sealed, described) = sealed_as(path)?;
    if identity(&file)? != sealed {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not the file that was written",
        ));
    }
    let component = load_trusted(engine, path)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:#}")))?;
    // Where it cannot be noted that it is used it is compiled again in a month.
    let _ = File::open(seal(path))
        .and_then(|seal| seal.set_modified(SystemTime::UNIX_EPOCH + clock::since_1970()));
    Ok(Cached { component, described })
}

#[allow(clippy::disallowed_methods, reason = "the cache is the owner of its files")]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

fn seal(path: &Path) -> PathBuf {
    path.with_extension("cwasm.seal")
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
