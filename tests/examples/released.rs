//! Keeps what a released contract was built with: one plugin for each language, in tests/released/VERSION. Done once for each
//! version of the contract, when it is released: `cargo run --package stanch-tests --example released`. It needs `zstd`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "it stops where anything is wrong, and makes files"
)]

use std::process::Command;

use stanch_plugin_tools::{Project, make};
use stanch_tests::{Released, begun, compiled, toolbox};

#[tokio::main]
async fn main() {
    let folder = Released::now();
    assert!(
        !folder.exists(),
        "{} is there: what was released is never built again",
        folder.display()
    );
    let scratch = tempfile::tempdir().unwrap();
    let kept = scratch.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    for (language, kind) in Released::all() {
        let place = begun(scratch.path(), language, kind);
        let made = make(&Project::read(&place).unwrap(), &toolbox(), &compiled()).await;
        let path = kept.join(Released::name(language, kind).trim_end_matches(".zst"));
        std::fs::write(&path, made.unwrap().0).unwrap();
        // The tool's own compression is a third better than what the library for reading has.
        let mut zstd = Command::new("zstd");
        let done = zstd.args(["-19", "--quiet", "--rm"]).arg(&path).status();
        assert!(done.unwrap().success(), "`zstd` failed");
    }
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::copy(Released::contract(), folder.join("plugin.wit")).unwrap();
}
