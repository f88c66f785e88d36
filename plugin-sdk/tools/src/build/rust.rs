//! Rust: cargo builds a component by itself.

use serde_json::Value;

use super::read;
use crate::project::Project;
use crate::toolbox::run;
use crate::{ToolError, Toolbox};

const TARGET: &str = "wasm32-wasip2";

pub(super) fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    let cargo = tools.need(
        "cargo",
        "it builds the plugin",
        "install rustup from your system's packages or from rustup.rs, then `rustup target add wasm32-wasip2`",
    )?;
    let failed = |said: &str| ToolError::Tool {
        tool: "cargo".into(),
        said: said.to_owned(),
    };
    let built = run(tools.command(cargo, &project.folder).args([
        "build",
        "--release",
        "--lib",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]));
    let messages = match built {
        Err(ToolError::Tool { said, .. }) if said.contains("can't find crate for `core`") => {
            return Err(ToolError::MissingTool {
                tool: format!("the Rust target {TARGET}"),
                what: "plugins are built for it",
                install: format!("`rustup target add {TARGET}`"),
            });
        }
        other => other?,
    };
    let messages = String::from_utf8_lossy(&messages).into_owned();
    let files: Vec<String> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message
                .get("reason")
                .is_some_and(|reason| reason == "compiler-artifact")
        })
        .filter_map(|message| message.get("filenames")?.as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(str::to_owned))
        .filter(|file| file.ends_with(".wasm"))
        .collect();
    let file = files
        .last()
        .ok_or_else(|| failed("it made no component: Cargo.toml has to say `crate-type = [\"cdylib\"]`"))?;
    read(file.as_ref())
}
