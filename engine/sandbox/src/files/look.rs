//! Looking: how full, what is there, what is in it. Blocking; called on the threads for that.

use std::io::{self, Read};

use cap_std::fs::{Dir, FileType, MetadataExt, OpenOptions, OpenOptionsExt, ReadDir};
use rustix::fs::OFlags;

use super::folder::{Folder, millis};
use super::path::{FilePath, is_showable};
use super::{Entry, Space};

/// Entries on one page of a scan.
pub(crate) const PAGE: usize = 1000;
/// Folders within folders beyond this are not descended into.
const DEEPEST: usize = 64;

/// The most of a file that is read in one call.
pub(crate) const MOST_READ: u64 = 16 << 20;

/// How full the file system of a folder is.
pub(crate) fn usage(folder: &Folder, path: &FilePath) -> io::Result<Space> {
    let dir = open_dir(folder, path)?;
    if let Some(world) = &folder.given {
        return world.space(&folder.real);
    }
    let stat = rustix::fs::fstatvfs(&dir)?;
    let size = stat.f_frsize as f64;
    Ok(Space {
        total_bytes: stat.f_blocks as f64 * size,
        free_bytes: stat.f_bavail as f64 * size,
    })
}

fn open_dir(folder: &Folder, path: &FilePath) -> io::Result<Dir> {
    if path.rest().is_empty() {
        folder.dir.try_clone()
    } else {
        folder.dir.open_dir(path.rest().join("/"))
    }
}

/// The first `limit` bytes of a file.
pub(crate) fn read(folder: &Folder, path: &FilePath, limit: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // Opening a named pipe would wait for its writer.
    options
        .read(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0));
    let file = folder.dir.open_with(path.rest().join("/"), &options)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut content = Vec::new();
    file.take(limit.min(MOST_READ)).read_to_end(&mut content)?;
    Ok(content)
}

/// A scan under way: the open folders from the first to the one being read. It holds handles and no list, so that a folder of
/// a million files costs no more than one of ten.
pub(crate) struct Scan {
    recursive: bool,
    open: Vec<(String, ReadDir)>,
}

impl Scan {
    /// Begins at this folder.
    pub(crate) fn start(folder: &Folder, path: &FilePath, recursive: bool) -> io::Result<Self> {
        Ok(Self {
            recursive,
            open: vec![(path.to_string(), open_dir(folder, path)?.entries()?)],
        })
    }

    /// The next page; empty at the end. What cannot be shown to a person, and what is neither file, folder nor link, is left
    /// out; so is what disappears while it is looked at, and a folder that may not be opened.
    pub(crate) fn page(&mut self) -> io::Result<Vec<Entry>> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some((prefix, entries)) = self.open.last_mut() else {
                break;
            };
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Ok(metadata) = entry.metadata() else { continue };
            let Some(kind) = kind(metadata.file_type()) else {
                continue;
            };
            let path = format!("{prefix}/{name}");
            if !is_showable(&name) || path.len() > 4096 {
                continue;
            }
            page.push(Entry {
                path: path.clone(),
                kind: kind.to_owned(),
                bytes: metadata.len() as f64,
                modified_ms: millis(metadata.mtime(), metadata.mtime_nsec()) as f64,
            });
            if self.recursive && kind == "directory" && self.open.len() < DEEPEST {
                match entry.open_dir().and_then(|dir| dir.entries()) {
                    Ok(entries) => self.open.push((path, entries)),
                    Err(error) => tracing::debug!(path, %error, "a folder is not scanned"),
                }
            }
        }
        Ok(page)
    }

    /// Whether everything was seen.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }
}

fn kind(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        Some("file")
    } else if kind.is_dir() {
        Some("directory")
    } else if kind.is_symlink() {
        Some("link")
    } else {
        None
    }
}
