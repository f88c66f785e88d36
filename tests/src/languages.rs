//! The same plugins in every language: tests/languages/LANGUAGE/PLUGIN, built with the very tools that an author has.
//!
//! Building takes up to half a minute, so what was built is kept outside the checkout under a key of its sources, the kit and
//! the tools, and what was compiled beside it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use stanch_contract::PluginKind;
use stanch_parts_build::{BuildError, Part, keep, shared};
use stanch_plugin_tools::{Language, Project, Toolbox, begin};
use stanch_sandbox::{Sandbox, SandboxOptions};

use crate::packed;

/// The sandbox for plugins in other languages: what it compiled is kept for the next time.
///
/// # Panics
/// Where wasmtime does not start.
pub fn compiled() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX
        .get_or_init(|| {
            Sandbox::new(&SandboxOptions {
                cache: Some(shared("compiled")),
                calls: 16,
                ..SandboxOptions::default()
            })
            .unwrap()
        })
        .clone()
}

/// The component of a plugin in a language.
///
/// # Panics
/// Where a tool is missing or the plugin does not build: a test without its plugin tests nothing.
pub async fn built(language: &str, plugin: &str) -> Arc<[u8]> {
    if language == "rust" {
        return packed(&compiled(), plugin).await;
    }
    let folder = stanch_test_support::root()
        .join("tests/languages")
        .join(language)
        .join(plugin);
    let project = Project::read(&folder).unwrap();
    kept(&format!("plugin-{language}-{plugin}"), project).await
}

/// The component of a project, built where nothing was built of the same yet.
///
/// # Panics
/// As [`built`].
pub async fn kept(name: &str, project: Project) -> Arc<[u8]> {
    let name = name.to_owned();
    let runtime = tokio::runtime::Handle::current();
    let place = tokio::task::spawn_blocking(move || {
        let inputs = inputs(&project);
        keep(&name, inputs.iter().map(Vec::as_slice), |to| {
            let made = runtime.block_on(stanch_plugin_tools::make(&project, &toolbox(), &compiled()));
            let odd = |why: String| BuildError::Odd(format!("`{name}` does not build: {why}"));
            let (component, _) = made.map_err(|error| odd(error.to_string()))?;
            stanch_plugin_tools::write(&to.join("plugin.wasm"), &component)
                .map_err(|error| odd(error.to_string()))
        })
    });
    let place = place.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    tokio::fs::read(place.join("plugin.wasm")).await.unwrap().into()
}

/// A new project as `stanch plugin new` begins it. One in Rust has the kit of this checkout.
///
/// # Panics
/// Where it cannot be begun.
#[allow(clippy::disallowed_methods, reason = "this makes a project's files")]
pub fn begun(folder: &Path, language: Language, kind: PluginKind) -> PathBuf {
    let place = folder.join(format!("my-{}-{}", language.as_str(), kind.as_str()));
    begin(&place, language, kind).unwrap();
    if language == Language::Rust {
        // The kit of this checkout in the place of the published one; nothing is fetched.
        let root = fs::canonicalize(stanch_test_support::root()).unwrap();
        let cargo = std::env::var_os("CARGO_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
            PathBuf::from,
        );
        // What is kept names no folder of the machine that built it.
        let elsewhere = [(&root, "stanch"), (&cargo, "cargo")];
        let flags = elsewhere.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
        let config = format!(
            "[net]\noffline = true\n[build]\ntarget-dir = {:?}\n[target.wasm32-wasip2]\nrustflags = {flags:?}\n",
            root.join("target/authoring")
        );
        fs::create_dir(place.join(".cargo")).unwrap();
        fs::write(place.join(".cargo/config.toml"), config).unwrap();
        let manifest = fs::read_to_string(place.join("Cargo.toml")).unwrap();
        let published = "git = \"https://github.com/stanch/stanch\"";
        assert!(manifest.contains(published), "{manifest}");
        let here = format!("path = {:?}", root.join("plugin-sdk/rust"));
        fs::write(place.join("Cargo.toml"), manifest.replace(published, &here)).unwrap();
        // The versions of the workspace, which are there.
        fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    }
    place
}

/// The tools that `cargo xtask test --install` gets.
///
/// # Panics
/// Where one is missing.
pub fn toolbox() -> Toolbox {
    Toolbox::of_environment().with(tools())
}

/// A `PATH` on which they are found first.
///
/// # Panics
/// Where one is missing.
pub fn tools_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = tools().into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

fn tools() -> Vec<PathBuf> {
    let folders = [Part::PythonTools, Part::ScriptTools, Part::Go].map(|part| {
        let found = part.program();
        let found = found.unwrap_or_else(|| {
            panic!(
                "{} is missing: `cargo xtask test --install` gets it",
                part.words()
            )
        });
        // Of Go it is the program, and `go` where it is on the path.
        if found.is_dir() {
            found
        } else {
            found.parent().map(Path::to_path_buf).unwrap_or_default()
        }
    });
    folders
        .into_iter()
        .filter(|folder| folder.is_absolute())
        .collect()
}

/// Everything that a component is made of, as far as files say it; where they are does not matter.
fn inputs(project: &Project) -> Vec<Vec<u8>> {
    let root = stanch_test_support::root().join("plugin-sdk");
    let folders = [
        project.folder.clone(),
        project.kit.clone(),
        root.join("wit"),
        root.join("tools/src"),
        root.join("tools/templates"),
    ];
    let mut inputs = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        walk(&folder, &mut files);
        files.sort();
        for path in files {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            inputs.push(name.into_bytes());
            inputs.push(fs::read(&path).unwrap());
        }
    }
    inputs
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match name.as_str() {
            "build" if path.join("../stanch-plugin.toml").is_file() => {}
            "node_modules" | ".venv" | "__pycache__" => {}
            _ if path.is_dir() => walk(&path, files),
            _ => files.push(path),
        }
    }
}
