//! What ends with whoever started the city, however that ended: an engine, and the folder that it works in.
//!
//! Who is killed cleans nothing up. The city notices, because its standard input ends, and does it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How long an engine may take to end what it was doing.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is kept.
#[derive(Debug, Deserialize)]
struct Kept {
    /// The engine's process.
    process: u32,
    /// Its folder.
    folder: PathBuf,
}

/// Keeps nothing until it is told.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Mutex<Option<Kept>>);

impl Keeper {
    /// Keeps this: `{"process": 4711, "folder": "/tmp/…"}`.
    pub(crate) fn told(&self, what: &[u8]) -> Result<(), String> {
        let kept = serde_json::from_slice(what).map_err(|why| why.to_string())?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(())
    }

    /// Ends it: as an operator would, and by force where that takes too long.
    pub(crate) fn end(&self) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Kept { process, folder }) = kept else {
            return;
        };
        let began = Instant::now();
        signal("-TERM", process);
        while signal("-0", process) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
        signal("-KILL", process);
        #[allow(
            clippy::disallowed_methods,
            reason = "the demo's own folder, whose owner is gone"
        )]
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Whether there was such a process.
fn signal(what: &str, process: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.arg(what).arg(process.to_string());
    kill.stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
