//! Files in the folders that a grant names.
//!
//! Every path that a plugin says starts with the grant's `at` and is taken apart here before anything is opened; what is
//! opened is opened relative to the folder's handle, so a link, a `..` or a race cannot lead out of it.

pub(crate) mod alter;
pub(crate) mod folder;
mod folders;
pub(crate) mod look;
pub mod path;
pub(crate) mod threads;

pub use folders::{Folders, GivenFolders};

/// One member of a folder, in the words of plugin.wit.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// From the grant's `at` on.
    pub path: String,
    /// `file`, `directory` or `link`.
    pub kind: String,
    /// Its size in bytes; whole.
    pub bytes: f64,
    /// When its content was last modified, in whole milliseconds since 1970.
    pub modified_ms: f64,
}

/// How full the file system of a folder is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Space {
    /// In bytes.
    pub total_bytes: f64,
    /// What an unprivileged process may still write, in bytes.
    pub free_bytes: f64,
}

/// One page of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Entries {
    /// In no particular order.
    pub items: Vec<Entry>,
    /// Hand it to the next `scan` of the same plugin call; `None` at the end.
    pub next: Option<String>,
}

/// What became of the files that were to be removed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Removed {
    /// Those that are gone because of this call.
    pub paths: Vec<String>,
    /// Their sizes added up, in bytes.
    pub bytes: f64,
    /// Those that were left, each with the reason: `PATH: why`.
    pub refused: Vec<String>,
}
