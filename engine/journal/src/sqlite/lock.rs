//! One engine for each file: a lock that the operating system drops with the process, and who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::StoreError;

/// Held for as long as the store is open.
#[derive(Debug)]
pub(super) struct EngineLock {
    file: File,
}

impl EngineLock {
    /// Takes the lock at `path`; `guarded` is the file that the message names.
    pub(super) fn take(path: &Path, guarded: &Path) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Io {
            doing: "lock",
            path: path.to_owned(),
            why: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = Read::take(&mut file, 100).read_to_string(&mut holder).is_ok()
                    && !holder.trim().is_empty();
                let holder = if known {
                    holder.trim().to_owned()
                } else {
                    "which did not say who it is".to_owned()
                };
                return Err(StoreError::InUse {
                    path: guarded.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Who holds the lock is a courtesy: where the disk is full, the lock alone must do.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for EngineLock {
    /// Closing the file would not do: a process that is just being started has a copy of it until it becomes another program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    #[test]
    fn the_lock_is_free_at_once_though_a_process_that_is_being_started_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.lock");
        let held = EngineLock::take(&path, &path).unwrap();
        let copy = held.file.try_clone().unwrap();
        assert!(matches!(
            EngineLock::take(&path, &path),
            Err(StoreError::InUse { .. })
        ));
        drop(held);
        EngineLock::take(&path, &path).unwrap();
        drop(copy);
    }
}
