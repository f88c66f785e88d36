//! A granted folder, opened, and how anything in it is reached.
//!
//! Looking (scan, read) goes through cap-std, which follows a link only where it stays inside. Changing follows no link at
//! all: each part of the path is opened from the handle of the part before with `O_NOFOLLOW`, so that neither a link nor a
//! rename between check and use leads anywhere else.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use stanch_contract::{Failure, FailureCode};

use super::GivenFolders;

/// A granted folder.
pub(crate) struct Folder {
    /// Its handle.
    pub(crate) dir: Dir,
    /// Where it really is: its identity for locks.
    pub(crate) real: PathBuf,
    /// The world that it is in, where it is given.
    pub(crate) given: Option<Arc<dyn GivenFolders>>,
}

impl Folder {
    /// Opens the folder that the operator named. Links in the operator's own path are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let real = std::fs::canonicalize(path)?;
        let dir = Dir::open_ambient_dir(&real, ambient_authority())?;
        Ok(Self {
            dir,
            real,
            given: None,
        })
    }

    /// The folder below, through no link.
    pub(crate) fn below(&self, parts: &[String]) -> io::Result<OwnedFd> {
        let mut at: OwnedFd = self.dir.try_clone()?.into_std_file().into();
        for part in parts {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            at = rustix::fs::openat(&at, part.as_str(), flags, Mode::empty())?;
        }
        Ok(at)
    }

    /// What was just changed, a file or a folder, was changed by the given world's clock.
    pub(crate) fn stamp(&self, changed: impl AsFd) -> io::Result<()> {
        let Some(world) = &self.given else { return Ok(()) };
        let now = world.now().0;
        let at = Timespec {
            tv_sec: now.div_euclid(1000),
            tv_nsec: (now.rem_euclid(1000) * 1_000_000) as _,
        };
        let times = Timestamps {
            last_access: at,
            last_modification: at,
        };
        Ok(rustix::fs::futimens(changed, &times)?)
    }

    /// What is at this path itself, through no link; `None` where nothing is.
    pub(crate) fn seen(&self, parts: &[String], name: &str) -> io::Result<Option<Seen>> {
        let parent = match self.below(parts) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        seen(&parent, name)
    }
}

/// What one name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it is a regular file, and not a link, a folder or a device.
    pub(crate) is_file: bool,
    /// In bytes.
    pub(crate) bytes: u64,
    /// In milliseconds since 1970, rounded down.
    pub(crate) modified_ms: i64,
    /// Its permissions.
    pub(crate) mode: u32,
}

/// What this name in this folder stands for, itself and not what it points to.
pub(crate) fn seen(folder: impl AsFd, name: &str) -> io::Result<Option<Seen>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(of_stat(&stat))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn of_stat(stat: &Stat) -> Seen {
    Seen {
        is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ms: millis(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        mode: stat.st_mode & 0o7777,
    }
}

/// Whole milliseconds, rounded down.
pub(crate) fn millis(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds.div_euclid(1_000_000))
}

/// Makes what happened in a folder survive a crash of the machine. A handle that only names the folder cannot be synced,
/// so the same folder is opened through it.
pub(crate) fn sync(folder: OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(rustix::fs::openat(&folder, ".", flags, Mode::empty())?).sync_all()
}

/// An error of the file system in the contract's words.
pub(crate) fn failure(what: &str, path: &dyn std::fmt::Display, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => FailureCode::NotFound,
        io::ErrorKind::PermissionDenied => FailureCode::Denied,
        _ if is_link_error(error) => FailureCode::Denied,
        _ => FailureCode::Failed,
    };
    Failure::new(code, format!("`{path}` cannot be {what}: {}", reason(error)))
}

/// An error of the file system, for people.
pub(crate) fn reason(error: &io::Error) -> String {
    if is_link_error(error) {
        return "a link or a file is where a folder should be, or a link leads out; such are not followed"
            .to_owned();
    }
    error.to_string()
}

/// Whether a link was in the way: `ELOOP` from `O_NOFOLLOW`, `ENOTDIR` with `O_DIRECTORY`, or cap-std's refusal to leave.
fn is_link_error(error: &io::Error) -> bool {
    let raw = error.raw_os_error();
    raw == Some(rustix::io::Errno::LOOP.raw_os_error())
        || raw == Some(rustix::io::Errno::NOTDIR.raw_os_error())
        || (error.kind() == io::ErrorKind::PermissionDenied && raw.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_that_only_names_a_folder_is_synced_and_one_of_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let named = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
        sync(named).unwrap();
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        assert!(sync(OwnedFd::from(file)).is_err());
    }
}
