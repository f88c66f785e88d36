//! A component is asked what it is, and gets the answer as its section.

use std::fs;
use std::path::Path;

use stanch_plugin_pack::{add_manifest_section, read_manifest_section};
use stanch_sandbox::Sandbox;

use crate::ToolError;

/// The component with its manifest in it, as its own `describe` gives it. One that has a section already is as it was, where
/// the engine finds nothing wrong with it.
///
/// # Errors
/// Where it is no component, or one that an engine would not run.
pub async fn pack(sandbox: &Sandbox, component: &[u8]) -> Result<Vec<u8>, ToolError> {
    if let Ok(Some(_)) = read_manifest_section(component) {
        sandbox.install(component.into()).await?;
        return Ok(component.to_vec());
    }
    let manifest = sandbox.describe(component.into()).await?;
    Ok(add_manifest_section(component, &manifest)?)
}

/// Writes a component where it is wanted: aside first, so that who reads the folder never sees half a plugin.
///
/// # Errors
/// Where the folder cannot be written to.
#[allow(clippy::disallowed_methods, reason = "this makes plugin files")]
pub fn write(to: &Path, component: &[u8]) -> Result<(), ToolError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(ToolError::file(folder))?;
    }
    let aside = to.with_extension("wasm.new");
    fs::write(&aside, component).map_err(ToolError::file(&aside))?;
    fs::rename(&aside, to).map_err(ToolError::file(to))
}
