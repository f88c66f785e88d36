//! Go: the standard toolchain makes a module of the plugin and the kit that stays there after its start (`c-shared`), and it
//! becomes a component here.

use super::{read, scratch};
use crate::project::Project;
use crate::toolbox::run;
use crate::{ToolError, Toolbox, encode};

pub(super) fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    let go = tools.need(
        "go",
        "it compiles the plugin",
        "install Go 1.25 or newer from your system's packages or from go.dev",
    )?;
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    run(tools
        .command(go, &project.folder)
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        // Without names and line tables, and without the check that would refuse the runtime's own allocator to the kit.
        .args([
            "build",
            "-buildmode=c-shared",
            "-trimpath",
            "-ldflags=-s -w -checklinkname=0",
        ])
        .arg("-o")
        .arg(&out)
        .arg("."))?;
    encode(read(&out)?, &project.wit()?, &project.world())
}
