//! Why the store could not do as asked.

use std::path::PathBuf;

use stanch_contract::{Digest, RunId};

/// Why the store could not do as asked. It can be told to several callers: one commit carries many batches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The fence: somebody else wrote to the run, or an earlier batch of it was lost.
    #[error(
        "run `{run}` has {stored} events in the journal, not {expected}: read it again before writing to it"
    )]
    Conflict {
        /// The run.
        run: RunId,
        /// How many events the writer thought there were.
        expected: u64,
        /// How many there are.
        stored: u64,
    },
    /// A named value is not at the revision that was to be replaced.
    #[error("`{name}` is at revision {stored}, not {expected}: read it again before writing it")]
    Changed {
        /// Its name.
        name: String,
        /// The revision that was to be replaced.
        expected: u64,
        /// The one that is there; 0 where there is none.
        stored: u64,
    },
    /// A write names a run that the store does not have.
    #[error("run `{0}` is not in the journal")]
    NoSuchRun(RunId),
    /// A pin names a content that the store does not have.
    #[error("content `{0}` is not in the journal: write it in the batch that pins it")]
    NoSuchContent(Digest),
    /// A batch that no store takes.
    #[error("the journal does not take this: {0}")]
    Unfit(String),
    /// No space is left, and this batch may not use what was set aside, or that is used up too.
    #[error(
        "the disk under the journal is full: free some space on it; open runs go on in what `store.reserve` set aside"
    )]
    DiskFull,
    /// The store was closed, or its writer is gone; with a writer that is gone it is open whether the batch is kept.
    #[error("the journal is closed")]
    Closed,
    /// Another engine uses the file.
    #[error("`{}` is used by another engine, {holder}: stop that one, or set another `store.path`", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who.
        holder: String,
    },
    /// The file was written by a newer engine.
    #[error(
        "`{}` has format {found}, this engine knows up to {known}: run the newer engine that wrote it, or restore a copy \
         from before",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that this engine knows.
        known: i64,
    },
    /// The file is not a journal.
    #[error("`{}` is not a journal of stanch: set another `store.path`, or move the file away", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What is in the file is not what was written.
    #[error("`{}` is damaged ({why}): restore a copy, or move it away to start with an empty journal", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The operating system or the database refused. For an append this leaves open, until the store is read again,
    /// whether the batch is kept: a flush that failed may have reached the disk all the same.
    #[error("cannot {doing} `{}`: {why}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}
