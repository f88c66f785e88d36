//! A disk that is really full: a file system in memory, of a few MiB.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// It is gone with this value.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over a folder, which only its owner may enter.
    ///
    /// # Errors
    /// Where this process may not mount.
    pub fn over(folder: &Path, mebibytes: u32) -> std::io::Result<Self> {
        let options = format!("size={mebibytes}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "stanch-test"])
            .arg(folder)
            .output()?;
        match mounted.status.success() {
            true => Ok(Self(folder.to_owned())),
            false => Err(std::io::Error::other(
                String::from_utf8_lossy(&mounted.stderr).into_owned(),
            )),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it to the last block; gives back what is to be removed.
    pub fn fill(&self) -> std::io::Result<PathBuf> {
        let path = self.0.join("ballast");
        let mut file = File::options().create(true).append(true).open(&path)?;
        let mut part = vec![7; 1 << 16];
        while !part.is_empty() {
            if let Err(error) = file.write_all(&part) {
                if error.kind() != ErrorKind::StorageFull {
                    return Err(error);
                }
                part.truncate(part.len() / 2);
            }
        }
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Does the work of a test that mounts. Root mounts here. Anybody else runs the test once more as root of a user namespace,
/// and this is the place where that one's verdict is the verdict.
///
/// # Panics
/// Where the work does, and where there are no user namespaces.
#[allow(clippy::panic, reason = "only tests call this, and they must stop here")]
pub fn where_one_may_mount(test: &str, work: impl FnOnce()) {
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return work();
    }
    let inside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap_or_default())
        .args(["--exact", test])
        .output();
    let passed = inside.as_ref().is_ok_and(|inside| {
        inside.status.success() && String::from_utf8_lossy(&inside.stdout).contains("1 passed")
    });
    assert!(
        passed,
        "{inside:?}\nthis test needs to mount a file system: run it as root, or allow user namespaces"
    );
}
