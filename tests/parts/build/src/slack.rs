//! The SDK that Slack wrote: tests have it sign what Slack would send.

use std::path::{Path, PathBuf};

use crate::tell::Tell;
use crate::{BuildError, cache, python};

/// The version, and no more than it: what it needs for signatures is Python's own.
const SDK: &str = "slack_sdk==3.47.0";

/// The folder of its packages; none where it has to be got first.
pub(crate) fn sdk(cache: &Path) -> Option<PathBuf> {
    let packages = place(cache).join("packages");
    packages.is_dir().then_some(packages)
}

fn place(cache: &Path) -> PathBuf {
    cache
        .join("tools")
        .join(format!("slack-{}", cache::key([SDK.as_bytes()])))
}

/// Gets it.
pub(crate) fn get_sdk(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = place(cache);
    cache::kept(&place, |to| python::packages(to, &[SDK], tell))?;
    Ok(place.join("packages"))
}
