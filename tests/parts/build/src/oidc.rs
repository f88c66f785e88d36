//! A provider of OpenID Connect: `oidc-provider` for Node, which the OpenID Foundation certified.

use std::path::{Path, PathBuf};

use crate::languages::{npm, write};
use crate::tell::Tell;
use crate::{BuildError, cache};

const PACKAGE: &str = include_str!("oidc/package.json");
const LOCK: &str = include_str!("oidc/package-lock.json");

fn place(cache: &Path) -> PathBuf {
    cache
        .join("tools")
        .join(format!("oidc-{}", cache::key([LOCK.as_bytes()])))
}

/// The folder of its packages; none where it has to be got first.
pub(crate) fn found(cache: &Path) -> Option<PathBuf> {
    let modules = place(cache).join("node_modules");
    modules.join("oidc-provider").is_dir().then_some(modules)
}

/// Gets it.
pub(crate) fn get(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = place(cache);
    cache::kept(&place, |to| {
        write(&to.join("package.json"), PACKAGE)?;
        write(&to.join("package-lock.json"), LOCK)?;
        npm(to, tell)
    })?;
    Ok(place.join("node_modules"))
}
