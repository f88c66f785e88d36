//! JavaScript and TypeScript: the compiler checks the types, esbuild makes one file of the plugin and the kit, and
//! componentize-qjs puts it and the QuickJS engine into one component, with WASI replaced by stubs.
//!
//! componentize-qjs is what `jco componentize --backend quickjs` calls. It is called directly: jco brings two more engines and
//! a bundler, some hundred megabytes of which a plugin uses nothing.

use std::path::Path;

use stanch_contract::PluginKind;

use super::{read, scratch};
use crate::project::{Language, Project};
use crate::toolbox::run;
use crate::{ToolError, Toolbox};

const INSTALL: &str = "in the project's folder: `npm install`";

pub(super) fn component(project: &Project, tools: &Toolbox) -> Result<Vec<u8>, ToolError> {
    let esbuild = tools.need("esbuild", "it makes one file of the plugin and the kit", INSTALL)?;
    let componentize = tools.need("componentize-qjs", "it makes the component", INSTALL)?;
    let source = match project.language {
        Language::TypeScript => {
            let tsc = tools.need("tsc", "it checks the types", INSTALL)?;
            run(tools
                .command(tsc, &project.folder)
                .args(["--project", ".", "--noEmit"]))?;
            project.folder.join("plugin.ts")
        }
        _ => project.folder.join("plugin.js"),
    };
    let scratch = scratch()?;
    let (bundle, out) = (
        scratch.path().join("plugin.js"),
        scratch.path().join("plugin.wasm"),
    );
    let kit = project.kit.join("src");
    let absent = kit.join("absent.ts");
    let absent = match project.kind {
        PluginKind::Notification => ["files", "kubernetes"]
            .map(|interface| format!("--alias:runbook:plugin/{interface}@0.1.0={}", absent.display()))
            .to_vec(),
        _ => Vec::new(),
    };
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    run(tools
        .command(esbuild, &project.folder)
        .arg(kit.join(format!("entry-{}.ts", project.kind.as_str())))
        .args([
            "--bundle",
            "--format=esm",
            "--target=es2023",
            "--external:runbook:*",
        ])
        .args(["--log-level=warning", "--charset=utf8"])
        .arg(flag("alias:@stanch/plugin", &kit.join("index.ts")))
        .arg(flag("alias:@stanch/the-plugin", &source))
        .args(absent)
        .arg(flag("outfile", &bundle)))?;
    run(tools
        .command(componentize, &project.folder)
        .args(["--sync", "--stub-wasi", "--opt-size", "--minify"])
        .arg("--wit")
        .arg(project.wit()?)
        .args(["--world", &project.world()])
        .arg("--js")
        .arg(&bundle)
        .arg("--output")
        .arg(&out))?;
    read(&out)
}
