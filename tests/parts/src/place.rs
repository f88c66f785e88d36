//! The folder of a part: its settings, its data and what it says. It goes when the part does, and stays where a test
//! failed.
//!
//! It is removed by a program of its own, at the end of a pipe that ends with whoever made the folder: by his leave, or
//! because he was killed, or because the part is shared by all tests of a program and nobody is there to drop it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::PartError;

/// Waits for the end of the pipe. A part that is being killed may still write, so that a folder is not empty at once.
const REMOVES: &str = r#"cat >/dev/null
[ -e "$1/kept" ] && exit
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null && exit; sleep 0.2; done"#;

/// A folder.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    remover: Child,
    kept: AtomicBool,
}

impl Place {
    /// Makes it.
    ///
    /// # Errors
    /// Where the folder cannot be made, or there is no shell.
    pub fn new(name: &str) -> Result<Self, PartError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let turn = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("stanch-{name}-{}-{turn}", std::process::id()));
        let failed = |why| PartError::of(&format!("the folder {}", path.display()), why);
        fs::create_dir(&path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let mut remover = Command::new("sh");
        remover.args(["-c", REMOVES, "sh"]).arg(&path).current_dir("/");
        remover
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let remover = remover.spawn().map_err(|why| PartError::of("`sh`", why))?;
        Ok(Self {
            path,
            remover,
            kept: AtomicBool::new(false),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in it, and says where that is.
    ///
    /// # Errors
    /// Where it cannot be written.
    #[allow(clippy::disallowed_methods, reason = "a folder of our own")]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, PartError> {
        let file = self.path.join(name);
        let failed = |why| PartError::of(&file.display().to_string(), why);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&file, content).map_err(failed)?;
        Ok(file)
    }

    /// A test failed: the folder stays, and the test's output says where it is.
    pub fn keep(&self) {
        if !self.kept.swap(true, Ordering::Relaxed) {
            let _ = File::create(self.path.join("kept"));
            eprintln!("what the parts said is kept in {}", self.path.display());
        }
    }

    /// [`Place::keep`] where the thread that drops something is one whose test failed.
    pub fn keep_if_failed(&self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.keep_if_failed();
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner() {
        let place = Place::new("place").unwrap();
        let file = place.write("a/b.txt", "b").unwrap();
        let path = place.path().to_owned();
        assert!(file.starts_with(&path) && file.exists());
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a folder of the test's own")]
    fn a_folder_stays_where_a_test_failed() {
        let failed = std::thread::spawn(|| {
            let place = Place::new("place").unwrap();
            std::panic::panic_any(place.path().to_owned());
            #[allow(unreachable_code, reason = "so that the folder lives until here")]
            drop(place);
        });
        let path = failed.join().unwrap_err().downcast::<PathBuf>().unwrap();
        assert!(path.join("kept").exists());
        fs::remove_dir_all(*path).unwrap();
    }
}
