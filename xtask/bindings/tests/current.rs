//! What is committed is what the contract says.

#![allow(clippy::unwrap_used, reason = "a test stops there")]

use std::path::Path;

#[test]
fn the_bindings_of_the_kits_and_the_reference_are_those_of_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = xtask_bindings::all(&root).unwrap();
    assert!(files.len() > 20, "only {} files", files.len());
    for (path, text) in files {
        let committed = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        assert!(
            committed == text,
            "{} is old: `cargo run -p xtask-bindings` writes it again",
            path.display()
        );
    }
}
