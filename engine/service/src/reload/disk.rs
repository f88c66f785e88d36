//! What the files say now, without reading again what did not change.
//!
//! A file counts as unchanged while device, inode, size and both times are as they were, and the times lie far enough
//! before the reading that a later write would have moved them; what decides is the digest of the content. A change through
//! a symlink (a mounted ConfigMap) shows as another inode.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use stanch_contract::{ByteSize, Digest};

/// Times younger than this may stay the same over a further write: file systems count them in ticks.
const SETTLED_MS: i64 = 1_000;

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Content {
    /// As at the last reading.
    Same(Digest),
    /// Read now.
    New(Digest, Vec<u8>),
    /// There is no such file.
    #[default]
    Missing,
    /// There is one, and it cannot be read.
    Unreadable(String),
}

impl Content {
    /// What tells this content from another one.
    pub(super) fn mark(&self) -> Digest {
        match self {
            Self::Same(digest) | Self::New(digest, _) => *digest,
            Self::Missing => Digest::of(b"missing"),
            Self::Unreadable(why) => Digest::of(why.as_bytes()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug, Clone)]
struct Seen {
    stamp: Stamp,
    settled: bool,
    digest: Digest,
}

/// What was read before.
#[derive(Debug, Default)]
pub(super) struct Disk {
    seen: HashMap<PathBuf, Seen>,
}

impl Disk {
    /// Forgets everything, so that all is read again.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Forgets one file.
    pub(super) fn forget_one(&mut self, path: &Path) {
        self.seen.remove(path);
    }

    /// The content of one file of at most `most` bytes.
    pub(super) fn read(&mut self, path: &Path, most: u64, now_ms: i64) -> Content {
        let (content, seen) = look(path, self.seen.get(path), most, now_ms);
        self.remember(path, seen);
        content
    }

    /// The contents of many files, in their order, read by several threads.
    pub(super) fn read_all(&mut self, paths: &[PathBuf], most: u64, now_ms: i64) -> Vec<Content> {
        let seen = &self.seen;
        let looked = parallel(paths, |path| look(path, seen.get(path), most, now_ms));
        let mut contents = Vec::with_capacity(paths.len());
        for (path, (content, seen)) in paths.iter().zip(looked) {
            self.remember(path, seen);
            contents.push(content);
        }
        contents
    }

    fn remember(&mut self, path: &Path, seen: Option<Seen>) {
        match seen {
            Some(seen) => self.seen.insert(path.to_owned(), seen),
            None => self.seen.remove(path),
        };
    }
}

fn look(path: &Path, before: Option<&Seen>, most: u64, now_ms: i64) -> (Content, Option<Seen>) {
    match try_look(path, before, most, now_ms) {
        Ok((content, seen)) => (content, Some(seen)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Content::Missing, None),
        Err(error) => (Content::Unreadable(error.to_string()), None),
    }
}

fn try_look(path: &Path, before: Option<&Seen>, most: u64, now_ms: i64) -> io::Result<(Content, Seen)> {
    if let Some(before) = before
        && before.settled
        && stamp(&std::fs::metadata(path)?) == before.stamp
    {
        return Ok((Content::Same(before.digest), before.clone()));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let stamp = stamp(&metadata);
    // Before any of it is read.
    if stamp.size > most {
        return Err(io::Error::other(too_large(stamp.size, most)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size.min(most)).unwrap_or(0) + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(too_large(bytes.len() as u64, most)));
    }
    let digest = Digest::of(&bytes);
    let youngest = stamp.modified.max(stamp.changed).0.saturating_mul(1_000);
    let settled = youngest.saturating_add(SETTLED_MS) < now_ms;
    let same = before.is_some_and(|before| before.digest == digest);
    let content = if same {
        Content::Same(digest)
    } else {
        Content::New(digest, bytes)
    };
    Ok((
        content,
        Seen {
            stamp,
            settled,
            digest,
        },
    ))
}

fn too_large(bytes: u64, most: u64) -> String {
    format!("it has {}, and may have {}", ByteSize(bytes), ByteSize(most))
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// The runbooks of a folder: `NAME.toml`, not hidden, not a test; by file name.
pub(super) fn runbooks_of(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(stem) = name.strip_suffix(".toml") else {
            continue;
        };
        if name.starts_with('.') || stem.ends_with(".test") || entry.path().is_dir() {
            continue;
        }
        found.push((stem.to_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

/// `work` on every item, by several threads where there is much of it; the results in the items' order.
pub(super) fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    /// What one thread does in less time than another takes to start.
    const WORTH_IT: usize = 64;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    if threads == 1 || items.len() < WORTH_IT {
        return items.iter().map(work).collect();
    }
    let (work, mut parts) = (&work, Vec::with_capacity(threads));
    std::thread::scope(|scope| {
        let running: Vec<_> = items
            .chunks(items.len().div_ceil(threads))
            .map(|chunk| {
                (
                    chunk,
                    scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()),
                )
            })
            .collect();
        for (chunk, thread) in running {
            // A thread that died is done again here, where the same cause shows in its own place.
            parts.push(thread.join().unwrap_or_else(|_| chunk.iter().map(work).collect()));
        }
    });
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use super::*;

    const LATER: i64 = i64::MAX / 2;

    #[test]
    fn a_file_is_read_again_only_where_it_may_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let mut disk = Disk::default();
        assert_eq!(disk.read(&path, 100, LATER), Content::Missing);
        std::fs::write(&path, "one").unwrap();
        let one = Digest::of(b"one");
        assert_eq!(disk.read(&path, 100, LATER), Content::New(one, b"one".to_vec()));
        assert_eq!(disk.read(&path, 100, LATER), Content::Same(one));
        std::fs::write(&path, "two").unwrap();
        assert_eq!(disk.read(&path, 100, LATER).mark(), Digest::of(b"two"));
        assert!(
            matches!(disk.read(&path, 2, LATER), Content::Same(_)),
            "what was read is not measured again"
        );
        disk.forget();
        assert!(matches!(disk.read(&path, 2, LATER), Content::Unreadable(_)));
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again_though_its_times_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let mut disk = Disk::default();
        std::fs::write(&path, "one").unwrap();
        let written_ms = std::fs::metadata(&path).unwrap().mtime() * 1_000;
        disk.read(&path, 100, written_ms);
        assert!(!disk.seen[&path].settled);
        // Same inode, same size; the stamp is forced to be the same too.
        let stamp = disk.seen[&path].stamp.clone();
        std::fs::write(&path, "two").unwrap();
        disk.seen.get_mut(&path).unwrap().stamp = Stamp { ..stamp };
        assert_eq!(disk.read(&path, 100, written_ms).mark(), Digest::of(b"two"));
    }

    #[test]
    fn tests_hidden_files_and_folders_are_no_runbooks() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.toml",
            "a.toml",
            "a.test.toml",
            ".hidden.toml",
            "a.toml~",
            "4913",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("dir.toml")).unwrap();
        let names: Vec<String> = runbooks_of(folder.path())
            .unwrap()
            .into_iter()
            .map(|(stem, _)| stem)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn parallel_work_keeps_its_order() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(
            parallel(&items, |n| n * 2),
            items.iter().map(|n| n * 2).collect::<Vec<_>>()
        );
        assert!(parallel(&[] as &[u8], |n| *n).is_empty());
    }
}
