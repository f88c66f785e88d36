//! When the process dies.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Signal, getpid, kill_process};

/// On which side of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it is kept.
    Before,
    /// After it is kept, and before anybody knows.
    After,
}

/// A fuse: read at each append, and counted down from the first that finds it so.
#[derive(Debug)]
pub(crate) struct Fuse {
    file: PathBuf,
    burning: Mutex<Burning>,
}

#[derive(Debug, Default)]
struct Burning {
    /// What the file said last.
    said: String,
    /// Appends since then.
    count: u64,
}

impl Fuse {
    /// The file `fuse` beside this one.
    pub(crate) fn beside(config: &Path) -> Self {
        Self {
            file: config.with_file_name("fuse"),
            burning: Mutex::default(),
        }
    }

    /// An append of these events begins: on which side of it the process dies, if it does.
    pub(crate) fn strikes(&self, events: &[String]) -> Option<Moment> {
        let said = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut burning = self.burning.lock().unwrap_or_else(PoisonError::into_inner);
        if burning.said != said {
            *burning = Burning { said, count: 0 };
        }
        burning.count += 1;
        let (moment, at) = burning.said.trim().split_once(' ')?;
        let moment = match moment {
            "before" => Moment::Before,
            "after" => Moment::After,
            _ => return None,
        };
        let strikes = match at.parse::<u64>() {
            Ok(nth) => nth == burning.count,
            Err(_) => events.iter().any(|event| event == at),
        };
        strikes.then_some(moment)
    }

    /// Ends the process as `kill -9` does, at an append of these events. Nothing comes after it.
    pub(crate) async fn die(&self, moment: Moment, events: &[String]) -> ! {
        let side = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.file.with_file_name("struck"));
        let _ = file.and_then(|mut file| writeln!(file, "{side} {}", events.join(" ")));
        let _ = kill_process(getpid(), Signal::KILL);
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_strikes_at_the_append_that_was_said_and_only_there() {
        let folder = tempfile::tempdir().unwrap();
        let fuse = Fuse::beside(&folder.path().join("stanch.toml"));
        let appends = ["RunOpened", "LockTaken", "RunClosed"].map(|event| [event.to_owned()]);
        assert_eq!(fuse.strikes(&appends[1]), None, "there is none");
        for (said, expected) in [
            ("before 2", Moment::Before),
            ("after 2", Moment::After),
            ("after 2 ", Moment::After),
            ("before LockTaken", Moment::Before),
        ] {
            let mut file = std::fs::File::create(folder.path().join("fuse")).unwrap();
            std::io::Write::write_all(&mut file, said.as_bytes()).unwrap();
            let strikes = appends.each_ref().map(|events| fuse.strikes(events));
            assert_eq!(strikes, [None, Some(expected), None], "{said}");
        }
    }
}
