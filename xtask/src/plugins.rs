//! Building plugins: compiled for wasm32-wasip2, then asked what they are, and the answer written into each.
//!
//! What ships goes to `plugins/` in cargo's target folder, what tests use to `guests/`; the name is the package's.

use std::fs;
use std::path::{Path, PathBuf};

use std::process::Command;

use crate::engine::Binaries;
use crate::shell::{Guest, TaskError, Workspace, cargo, run, step};

/// What components are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Builds them all; says where those that ship are.
pub(crate) fn build(workspace: &Workspace, binaries: &Binaries) -> Result<PathBuf, TaskError> {
    let target = workspace.target();
    let guests = workspace.guests();
    step(&format!("build {} components for {TARGET}", guests.len()), || {
        let mut build = cargo();
        build.args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
        for guest in &guests {
            build.args(["--package", &guest.package]);
        }
        run(&mut build)
    })?;
    let built = target.join(TARGET).join("plugin");
    let packed = |guest: &Guest| {
        let folder = target.join(if guest.ships { "plugins" } else { "guests" });
        folder.join(format!("{}.wasm", guest.package))
    };
    let stale: Vec<(PathBuf, PathBuf)> = guests
        .iter()
        .map(|guest| (built.join(format!("{}.wasm", guest.library)), packed(guest)))
        .filter(|(from, to)| !is_newer(to, from))
        .collect();
    if !stale.is_empty() {
        step(
            &format!("write the manifests of {} components into them", stale.len()),
            || {
                stale.iter().try_for_each(|(from, to)| {
                    run(Command::new(binaries.get("stanch"))
                        .args(["plugin", "pack"])
                        .arg(from)
                        .arg(to))
                })
            },
        )?;
    }
    Ok(target.join("plugins"))
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let changed = |file: &Path| fs::metadata(file).and_then(|known| known.modified()).ok();
    match (changed(file), changed(than)) {
        (Some(file), Some(than)) => file > than,
        _ => false,
    }
}
