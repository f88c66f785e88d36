//! A project becomes a component: the language's own tools, then what they leave.

mod c;
mod go;
mod python;
mod rust;
mod script;

use std::path::PathBuf;

use stanch_contract::Manifest;
use stanch_sandbox::Sandbox;

use crate::project::{Language, Project};
use crate::{ToolError, Toolbox, pack};

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// Where it is: `build/NAME.wasm` in the project's folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its size.
    pub bytes: u64,
}

/// Builds a project. Only what an engine would install takes the place of what was built before.
///
/// # Errors
/// Where a tool is missing or fails, and where an engine would not run what came out.
pub async fn build(project: &Project, tools: &Toolbox, sandbox: &Sandbox) -> Result<Built, ToolError> {
    let (component, manifest) = make(project, tools, sandbox).await?;
    let path = project.output().join(format!("{}.wasm", manifest.name));
    pack::write(&path, &component)?;
    Ok(Built {
        path,
        bytes: component.len() as u64,
        manifest,
    })
}

/// The component that a project becomes, with its manifest in it; nothing is written.
///
/// # Errors
/// As [`build`].
pub async fn make(
    project: &Project,
    tools: &Toolbox,
    sandbox: &Sandbox,
) -> Result<(Vec<u8>, Manifest), ToolError> {
    let tools = tools.of_project(&project.folder);
    let of = project.clone();
    let component = tokio::task::spawn_blocking(move || component(&of, &tools))
        .await
        .map_err(|error| ToolError::Tool {
            tool: "stanch".into(),
            said: error.to_string(),
        })??;
    let packed = pack::pack(sandbox, &component).await?;
    let plugin = sandbox.install(packed.as_slice().into()).await?;
    if plugin.kind() != project.kind {
        return Err(ToolError::Kind {
            said: project.kind.as_str(),
            built: plugin.kind().as_str(),
        });
    }
    Ok((packed, plugin.manifest().clone()))
}

fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    match project.language {
        Language::Rust => rust::component(project, tools),
        Language::Python => python::component(project, tools),
        Language::JavaScript | Language::TypeScript => script::component(project, tools),
        Language::Go => go::component(project, tools),
        Language::C => c::component(project, tools),
    }
}

/// A folder for one build.
fn scratch() -> Result<tempfile::TempDir, ToolError> {
    tempfile::tempdir().map_err(ToolError::file(&std::env::temp_dir()))
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, ToolError> {
    std::fs::read(path).map_err(ToolError::file(path))
}
