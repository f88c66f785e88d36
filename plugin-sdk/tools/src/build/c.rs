//! C: `zig cc` or clang makes a module of the plugin's sources and the kit's, and it becomes a component here.
//!
//! The stack has 1 MiB and lies below everything else, so that one that is too small ends in a trap and not in other data: zig
//! puts it there by itself, clang's own has 64 KiB and lies above.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{read, scratch};
use crate::project::Project;
use crate::toolbox::run;
use crate::{ToolError, Toolbox, encode};

const INSTALL: &str = "in the project's folder: `python3 -m venv .venv && .venv/bin/pip install --requirement requirements.txt`, \
                       which brings zig; or install zig, or clang with lld and wasi-libc";

pub(super) fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    let mut compiler = compiler(project, tools)?;
    compiler
        .args([
            "-Os",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror=implicit-function-declaration",
        ])
        .args([
            "-mexec-model=reactor",
            "-Wl,--strip-all",
            "-Wl,-z,stack-size=1048576",
        ])
        .arg(format!("-DSTANCH_{}", project.kind.as_str().to_ascii_uppercase()))
        .arg("-I")
        .arg(project.kit.join("include"))
        .arg("-I")
        .arg(project.kit.join("bindings"))
        .args(sources(&project.folder)?)
        .args(sources(&project.kit.join("src"))?)
        .arg(
            project
                .kit
                .join(format!("bindings/{}_plugin.c", project.kind.as_str())),
        )
        .arg("-o")
        .arg(&out);
    run(&mut compiler)?;
    encode(read(&out)?, &project.wit()?, &project.world())
}

fn compiler(project: &Project, tools: &Toolbox) -> Result<Command, ToolError> {
    if let Some(zig) = ["zig", "python-zig"]
        .into_iter()
        .find_map(|name| tools.find(name))
    {
        let mut command = tools.command(zig, &project.folder);
        command.args(["cc", "-target", "wasm32-wasi"]);
        return Ok(command);
    }
    if let Some(clang) = tools.find("clang") {
        let mut command = tools.command(clang, &project.folder);
        command.args(["--target=wasm32-wasi", "--sysroot=/usr", "-Wl,--stack-first"]);
        return Ok(command);
    }
    Err(ToolError::MissingTool {
        tool: "zig".into(),
        what: "it compiles the plugin",
        install: INSTALL.into(),
    })
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let entries = std::fs::read_dir(folder).map_err(ToolError::file(folder))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .collect();
    found.sort();
    Ok(found)
}
