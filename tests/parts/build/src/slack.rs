//! The SDK that Slack wrote: tests have it sign what Slack would send, and hear what Slack's own framework for apps says of it.

use std::path::{Path, PathBuf};

use crate::tell::Tell;
use crate::{BuildError, cache, python};

/// The versions, and no more than these: what they need for what they do here is Python's own.
const SDK: [&str; 2] = ["slack_sdk==3.47.0", "slack_bolt==1.30.0"];

/// The folder of its packages; none where it has to be got first.
pub(crate) fn sdk(cache: &Path) -> Option<PathBuf> {
    let packages = place(cache).join("packages");
    packages.is_dir().then_some(packages)
}

fn place(cache: &Path) -> PathBuf {
    cache
        .join("tools")
        .join(format!("slack-{}", cache::key(SDK.map(str::as_bytes))))
}

/// Gets it.
pub(crate) fn get_sdk(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = place(cache);
    cache::kept(&place, |to| python::packages(to, &SDK, tell))?;
    Ok(place.join("packages"))
}
