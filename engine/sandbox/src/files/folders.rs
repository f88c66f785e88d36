//! Where the folders are that grants name: on the machine, or in a world that is given.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanch_contract::Timestamp;

use super::Space;
use super::folder::Folder;

/// Folders that are given: a test's own, each in place of one that a grant names.
pub trait GivenFolders: Send + Sync {
    /// Where it really is.
    ///
    /// # Errors
    /// Where there is no such folder in this world.
    fn place(&self, granted: &Path) -> io::Result<PathBuf>;

    /// How full its file system is.
    ///
    /// # Errors
    /// Where that is not given.
    fn space(&self, granted: &Path) -> io::Result<Space>;

    /// What time it is: a file that is written was changed then.
    fn now(&self) -> Timestamp;
}

/// Where granted folders are.
#[derive(Clone, Default)]
pub enum Folders {
    /// Where the grant says.
    #[default]
    Machine,
    /// In a world that is given.
    Given(Arc<dyn GivenFolders>),
}

impl Folders {
    /// Opens the folder that the operator named.
    pub(crate) fn open(&self, granted: &Path) -> io::Result<Folder> {
        match self {
            Self::Machine => Folder::open(granted),
            Self::Given(world) => {
                let mut folder = Folder::open(&world.place(granted)?)?;
                // For people and locks it is the operator's folder.
                folder.real = granted.to_owned();
                folder.given = Some(world.clone());
                Ok(folder)
            }
        }
    }
}

impl fmt::Debug for Folders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "Machine",
            Self::Given(_) => "Given",
        })
    }
}
