//! Changing: write one file as a whole, remove files that are still the ones that were seen. Blocking.
//!
//! What is not prevented: between the look at a file and its removal or replacement there are some microseconds in which
//! another process can put a new file in its place, and a file that is modified twice within one millisecond and keeps its
//! size looks unmodified. POSIX has no «unlink if unchanged». Links, folders and everything outside stay safe in that window,
//! because it is always a name in an opened folder that is unlinked.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rustix::fs::{AtFlags, Mode, OFlags};
use stanch_contract::Digest;

use super::Removed;
use super::folder::{Folder, Seen, reason, seen, sync};
use super::path::{FilePath, Item};

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The file has the content now.
    Done,
    /// It had the content already: an earlier attempt wrote it.
    Already,
    /// It is not the file that the plan was made for.
    Changed(String),
}

/// A file to be removed: where, and what was seen of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Removal {
    /// Where, and its time.
    pub(crate) item: Item,
    /// Its size when it was seen; `None` where the plan does not say.
    pub(crate) bytes: Option<u64>,
}

/// Writes `content` in place of the file, through a temporary file in the same folder: a reader sees the old or the new. Its
/// permissions stay; its owner is the engine's.
pub(crate) fn write(
    folder: &Folder,
    path: &FilePath,
    content: &[u8],
    expect: Option<i64>,
) -> io::Result<Written> {
    let (parts, name) = path
        .split_last()
        .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let parent = folder.below(parts)?;
    let before = seen(&parent, name)?;
    if before.is_some_and(|seen| !seen.is_file) {
        return Ok(Written::Changed("it is not a regular file".to_owned()));
    }
    if let Some(wrong) = differs(expect, before) {
        let same =
            before.is_some_and(|seen| seen.bytes == content.len() as u64) && holds(&parent, name, content)?;
        return Ok(if same {
            Written::Already
        } else {
            Written::Changed(wrong)
        });
    }
    let temporary = format!(".stanch-{}.tmp", random()?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(before.map_or(0o644, |seen| seen.mode & 0o777));
    let fill = || -> io::Result<Option<String>> {
        let mut file = std::fs::File::from(rustix::fs::openat(&parent, temporary.as_str(), flags, mode)?);
        file.write_all(content)?;
        folder.stamp(&file)?;
        if before.is_some() {
            rustix::fs::fchmod(&file, mode)?;
        }
        file.sync_all()?;
        // Once more, as late as can be.
        if let Some(wrong) = differs(expect, seen(&parent, name)?) {
            return Ok(Some(wrong));
        }
        rustix::fs::renameat(&parent, temporary.as_str(), &parent, name)?;
        Ok(None)
    };
    let filled = fill();
    if !matches!(filled, Ok(None)) {
        let _ = rustix::fs::unlinkat(&parent, temporary.as_str(), AtFlags::empty());
    }
    match filled? {
        Some(wrong) => Ok(Written::Changed(wrong)),
        None => {
            let _ = folder.stamp(&parent);
            // The file is there; that it is not sure to survive a crash of the machine is no reason to say that it is not.
            if let Err(error) = sync(parent) {
                tracing::warn!(%error, "a folder in which a file was written cannot be synced");
            }
            Ok(Written::Done)
        }
    }
}

fn differs(expect: Option<i64>, seen: Option<Seen>) -> Option<String> {
    let expected = expect?;
    match seen {
        None => Some("it is gone".to_owned()),
        Some(seen) if seen.modified_ms != expected => {
            Some("it was modified since the plan was made".to_owned())
        }
        Some(_) => None,
    }
}

fn holds(parent: &std::os::fd::OwnedFd, name: &str, content: &[u8]) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::openat(parent, name, flags, Mode::empty())?);
    let mut now = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, content.len() as u64 + 1), &mut now)?;
    Ok(Digest::of(&now) == Digest::of(content))
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// Removes each file that is still the one that was seen: a regular file of this time and size.
pub(crate) fn remove(folder: &Folder, files: &[Removal]) -> Removed {
    let mut removed = Removed {
        paths: Vec::new(),
        bytes: 0.0,
        refused: Vec::new(),
    };
    let mut by_parent: BTreeMap<&[String], Vec<(&Removal, &str)>> = BTreeMap::new();
    for file in files {
        match file.item.path.split_last() {
            Some((parts, name)) => by_parent.entry(parts).or_default().push((file, name)),
            None => removed
                .refused
                .push(format!("{}: it is the folder itself", file.item.path)),
        }
    }
    for (parts, files) in by_parent {
        let parent = match folder.below(parts) {
            Ok(parent) => parent,
            Err(error) => {
                let why = reason(&error);
                removed
                    .refused
                    .extend(files.iter().map(|(file, _)| format!("{}: {why}", file.item.path)));
                continue;
            }
        };
        let before = removed.paths.len();
        for (file, name) in files {
            match remove_one(&parent, file, name) {
                Ok(bytes) => {
                    removed.paths.push(file.item.path.to_string());
                    removed.bytes += bytes as f64;
                }
                Err(why) => removed.refused.push(format!("{}: {why}", file.item.path)),
            }
        }
        if removed.paths.len() > before {
            let _ = folder.stamp(&parent);
            if let Err(error) = sync(parent) {
                tracing::warn!(%error, "a folder from which files were removed cannot be synced");
            }
        }
    }
    removed
}

fn remove_one(parent: &std::os::fd::OwnedFd, file: &Removal, name: &str) -> Result<u64, String> {
    let now = seen(parent, name).map_err(|error| reason(&error))?;
    let now = now.ok_or_else(|| "it is gone already".to_owned())?;
    if !now.is_file {
        return Err("it is not a regular file".to_owned());
    }
    if now.modified_ms != file.item.modified_ms || file.bytes.is_some_and(|bytes| bytes != now.bytes) {
        return Err("it changed since it was seen".to_owned());
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(|error| reason(&error.into()))?;
    Ok(now.bytes)
}
