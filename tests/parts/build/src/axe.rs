//! axe-core: rules of WCAG, run in a page by the tests of pages. Only its script is used.

use std::path::{Path, PathBuf};

use crate::languages::{npm, write};
use crate::tell::Tell;
use crate::{BuildError, cache};

const PACKAGE: &str = include_str!("axe/package.json");
const LOCK: &str = include_str!("axe/package-lock.json");

fn place(cache: &Path) -> PathBuf {
    cache
        .join("tools")
        .join(format!("axe-{}", cache::key([LOCK.as_bytes()])))
}

/// Where its script is; none where it has to be got first.
pub(crate) fn found(cache: &Path) -> Option<PathBuf> {
    let script = place(cache).join("node_modules/axe-core/axe.min.js");
    script.is_file().then_some(script)
}

/// Gets it.
pub(crate) fn get(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = place(cache);
    cache::kept(&place, |to| {
        write(&to.join("package.json"), PACKAGE)?;
        write(&to.join("package-lock.json"), LOCK)?;
        npm(to, tell)
    })?;
    Ok(place.join("node_modules/axe-core/axe.min.js"))
}
