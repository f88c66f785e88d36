//! The real parts that tests start: got where they are missing, beside cargo's work where there is some, because a
//! control plane takes minutes to build.

use std::thread::{JoinHandle, spawn};

use stanch_parts_build::Part;

use crate::shell::{TaskError, root, step};

/// Those that are not there.
pub(crate) fn missing() -> Vec<Part> {
    Part::ALL
        .into_iter()
        .filter(|part| part.program().is_none())
        .collect()
}

/// Gets what is missing. Each line that is said on the way has the part's name before it, so that it can be told from
/// what others say meanwhile.
pub(crate) fn get() -> Result<(), TaskError> {
    for part in missing() {
        let tell = |line: &str| eprintln!("    {}: {line}", part.words());
        step(&format!("get {} ({})", part.words(), part.how()), || {
            let got = part.get(&root(), &tell);
            got.map(drop).map_err(|why| TaskError::Other(why.to_string()))
        })?;
    }
    Ok(())
}

/// [`get`], while something else is done.
pub(crate) struct Getting(JoinHandle<Result<(), TaskError>>);

impl Getting {
    /// Begins.
    pub(crate) fn begin() -> Self {
        Self(spawn(get))
    }

    /// Waits until all is there.
    pub(crate) fn done(self) -> Result<(), TaskError> {
        let Self(thread) = self;
        let ended = thread.join();
        ended.unwrap_or_else(|_| {
            Err(TaskError::Other(
                "what gets the parts of tests panicked".to_owned(),
            ))
        })
    }
}
