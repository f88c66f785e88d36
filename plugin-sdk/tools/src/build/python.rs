//! Python: componentize-py puts the interpreter, the kit and the plugin into one component and runs their imports once, so
//! that a call begins where they end. WASI is replaced by stubs: what a plugin needs of the world it asks the host for.

use super::{read, scratch};
use crate::project::Project;
use crate::toolbox::run;
use crate::{ToolError, Toolbox};

pub(super) fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    let tool = tools.need(
        "componentize-py",
        "it makes the component",
        "in the project's folder: `python3 -m venv .venv && .venv/bin/pip install --requirement requirements.txt`",
    )?;
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    let mut command = tools.command(tool, &project.folder);
    command
        .arg("--quiet")
        .arg("--wit-path")
        .arg(project.wit()?)
        .args(["--world", &project.world(), "componentize", "--stub-wasi"])
        // Installed packages of the environment are for the tools; what a plugin is made of is in its folder.
        .env_remove("VIRTUAL_ENV")
        .arg("--python-path")
        .arg(&project.folder)
        .arg("--python-path")
        .arg(&project.kit)
        .arg("--output")
        .arg(&out)
        .arg(format!("stanch_{}", project.kind.as_str()));
    run(&mut command)?;
    read(&out)
}
