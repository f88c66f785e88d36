//! Space set aside for when the disk is full, so that open runs can end.
//!
//! A file whose blocks are really allocated. It is given back, whole, when a commit finds the disk full, and taken again
//! when there is room for it and some more. It does not protect against a file system that has quotas by other measures,
//! or that copies on write and is full to the last block.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// The space set aside.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    file: File,
    size: u64,
    held: u64,
}

impl Reserve {
    /// Sets `size` bytes aside in the file at `path`. Where there is no room for it, nothing is set aside yet.
    pub(super) fn open(path: &Path, size: u64) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut reserve = Self {
            path: path.to_owned(),
            file,
            size,
            held: 0,
        };
        if let Err(error) = reserve.take() {
            if !is_full(&error) {
                return Err(error);
            }
            tracing::warn!(path = %reserve.path.display(), size, "there is no room for the reserve of the journal");
            reserve.release();
        }
        Ok(reserve)
    }

    /// How many bytes are set aside now.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Gives the space back; whether there was any.
    pub(super) fn release(&mut self) -> bool {
        let had = self.held > 0;
        match self.file.set_len(0) {
            Ok(()) => {
                self.held = 0;
                had
            }
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "the reserve of the journal cannot be given back");
                false
            }
        }
    }

    /// Whether the disk has room for the reserve and, so that it is not given back at once, a quarter more; if so, takes
    /// it. Always so where it is held already.
    pub(super) fn retake(&mut self) -> bool {
        if self.held >= self.size && self.size > 0 {
            return true;
        }
        let wanted = self.size.saturating_add((self.size / 4).max(1 << 20));
        let Ok(disk) = fstatvfs(&self.file) else {
            return false;
        };
        if disk.f_bavail.saturating_mul(disk.f_frsize) < wanted {
            return false;
        }
        let taken = self.take();
        if taken.is_err() {
            self.release();
        }
        taken.is_ok()
    }

    fn take(&mut self) -> std::io::Result<()> {
        if self.file.metadata()?.len() != self.size {
            self.file.set_len(0)?;
        }
        if self.size > 0 {
            match fallocate(&self.file, FallocateFlags::empty(), 0, self.size) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill()?,
                Err(errno) => return Err(errno.into()),
            }
            self.file.sync_all()?;
        }
        self.held = self.size;
        Ok(())
    }

    /// Where the file system cannot allocate without writing.
    fn fill(&self) -> std::io::Result<()> {
        let mut file = &self.file;
        let zeros = [0; 1 << 16];
        let mut left = self.size;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            file.write_all(zeros.get(..part).unwrap_or(&zeros))?;
            left -= u64::try_from(part).unwrap_or(left);
        }
        Ok(())
    }
}

/// Whether this means that there is no room.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}
