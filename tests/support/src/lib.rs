//! What tests of several crates need: the test plugins, those of tests/guests, built when a test asks for one, and those
//! that no compiler makes, crafted; and a disk that is really full.
//!
//! Cargo is asked once in each process and does nothing where nothing changed; its own lock on the target folder
//! keeps tests that run at the same time apart.

mod craft;
pub mod disk;

pub use craft::{Craft, core_diagnosis};

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

static BUILT: Mutex<Option<HashMap<String, Arc<[u8]>>>> = Mutex::new(None);

/// The component of `tests/guests/NAME`, with the manifest beside its source as its section.
///
/// # Panics
/// Where it does not build: a test without its plugin tests nothing.
#[allow(
    clippy::panic,
    clippy::expect_used,
    reason = "only tests call this, and they must stop here"
)]
pub fn guest(name: &str) -> Arc<[u8]> {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(component) = built.get(name) {
        return component.clone();
    }
    let component = std::fs::read(component(name)).expect("the component that cargo built");
    let manifest = root().join("tests/guests").join(name).join("manifest.json");
    let manifest = std::fs::read_to_string(manifest).expect("the plugin's manifest");
    let packed: Arc<[u8]> = stanch_plugin_pack::add_manifest_section(&component, &manifest)
        .expect("a component to pack")
        .into();
    built.insert(name.to_owned(), packed.clone());
    packed
}

/// Where the crate `name` is, built as a component. It has no manifest section yet.
///
/// # Panics
/// Where it does not build.
pub fn component(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build_components);
    target()
        .join("wasm32-wasip2/plugin")
        .join(format!("{}.wasm", name.replace('-', "_")))
}

/// All of them with one command, the one of `cargo xtask plugins`: what they share would be compiled with other features for
/// one alone, and each would be built once more, over what ships.
#[allow(
    clippy::panic,
    clippy::expect_used,
    reason = "only tests call this, and they must stop here"
)]
fn build_components() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(root()).args([
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "plugin",
        "--target",
        "wasm32-wasip2",
    ]);
    for folder in ["plugins", "tests/guests", "tests/effects"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder of the checkout") {
            let entry = entry.expect("an entry of a folder of the checkout");
            let manifest = std::fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
            if let Some(name) = name.filter(|_| manifest.contains("\"cdylib\"")) {
                build.args(["--package", name.trim_matches('"')]);
            }
        }
    }
    let output = build.output().expect("cargo to start");
    if !output.status.success() {
        panic!(
            "the plugins do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Where cargo puts what it makes.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The workspace's folder: found from the package under test, because one target folder may serve several checkouts and
/// then this crate may have been compiled in another of them.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let found = package
        .iter()
        .flat_map(|package| package.ancestors())
        .find(|folder| folder.join("tests/guests").is_dir());
    found.map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."),
        Path::to_path_buf,
    )
}
