//! Files in the folders that the grant names. Every path starts with the grant's `at`.

use crate::{Failure, sys};

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

impl EntryKind {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Other => "other",
        }
    }
}

/// One entry of a folder, as it was when it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Starts with the grant's `at`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: i64,
}

impl Entry {
    /// How a plan names it: `PATH@MODIFIED-MS`.
    pub fn item(&self) -> String {
        format!("{}@{}", self.path, self.modified_ms)
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The file system that a folder is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What is free to write.
    pub free_bytes: u64,
}

impl Space {
    /// The used share, between 0 and 1; 0 where there is no space at all.
    pub fn used_share(&self) -> f64 {
        if self.total_bytes == 0 {
            return 0.0;
        }
        self.total_bytes.saturating_sub(self.free_bytes) as f64 / self.total_bytes as f64
    }
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// What is gone.
    pub paths: Vec<String>,
    /// How much it was.
    pub bytes: u64,
    /// What was left, because it is no longer what was seen.
    pub refused: Vec<String>,
}

/// One page of a folder's entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The entries.
    pub items: Vec<Entry>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// How full the file system of `folder` is.
pub fn usage(folder: &str) -> Result<Space, Failure> {
    sys::usage(folder)
}

/// One page of the entries of `folder`, from where the page before said.
pub fn scan_page(folder: &str, recursive: bool, continue_from: Option<&str>) -> Result<Page, Failure> {
    sys::scan(folder, recursive, continue_from)
}

/// The entries of `folder`, page after page as they are needed. Ends after the first failure.
pub fn scan(folder: &str, recursive: bool) -> Scan {
    Scan {
        folder: folder.to_owned(),
        recursive,
        page: Vec::new().into_iter(),
        next: Some(None),
    }
}

/// What [`scan`] gives.
#[derive(Debug)]
pub struct Scan {
    folder: String,
    recursive: bool,
    page: std::vec::IntoIter<Entry>,
    /// None: the last page is here. Some(None): nothing was asked yet.
    next: Option<Option<String>>,
}

impl Iterator for Scan {
    type Item = Result<Entry, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            let from = self.next.take()?;
            match scan_page(&self.folder, self.recursive, from.as_deref()) {
                Ok(page) => {
                    self.page = page.items.into_iter();
                    self.next = page.next.map(Some);
                }
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

/// The first `limit` bytes of a file.
pub fn read(path: &str, limit: u32) -> Result<Vec<u8>, Failure> {
    sys::read(path, limit)
}

/// Writes a file. A change: only in `apply`, and only as planned ([`Action::write`](crate::Action::write)).
pub fn write(path: &str, content: &[u8]) -> Result<(), Failure> {
    sys::write(path, content)
}

/// Removes files of a folder, each only if it is still the one that was seen. A change: only in `apply`, and only as
/// planned ([`Action::remove`](crate::Action::remove)).
pub fn remove(folder: &str, files: &[Entry]) -> Result<Removed, Failure> {
    sys::remove(folder, files)
}
