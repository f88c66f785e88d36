//! What is written out of the contract: the bindings of the kits for C and Go, and the reference.
//!
//! They are committed, so that an author and a reader need no generator; `cargo run -p xtask-bindings` writes them again, and a
//! test holds them against the contract. (Rust's are a macro's, Python's and JavaScript's are made by their tools.)
//!
//! Those for Go are generated for a program each, and the kit is a library for all three kinds of plugin: what the three worlds
//! share stands in it once, and each world's exports are a package that a plugin of that kind brings in.

mod reference;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;
use wit_parser::{Resolve, WorldId};

const KINDS: [&str; 3] = ["diagnosis", "remediation", "notification"];
const MODULE: &str = "github.com/stanch/stanch/plugin-sdk/go/internal/wit";

/// Everything that is written: where each file goes in the checkout `root`, and its text.
///
/// # Errors
/// Where the contract cannot be read, or what the worlds share is not the same in each.
pub fn all(root: &Path) -> Result<BTreeMap<PathBuf, String>, Box<dyn Error>> {
    let mut files = BTreeMap::new();
    for kind in KINDS {
        let (mut resolve, world) = contract(root, kind)?;
        let options = wit_bindgen_c::Opts {
            // What it would say is embedded when the plugin is built.
            no_object_file: true,
            ..Default::default()
        };
        for (name, text) in generated(options.build(), &mut resolve, world)? {
            files.insert(
                Path::new("plugin-sdk/c/bindings").join(name),
                without_object(text),
            );
        }
        let (mut resolve, world) = contract(root, kind)?;
        let options = wit_bindgen_go::Opts {
            // Not every machine has gofmt, and the text must not depend on that.
            format: wit_bindgen_go::Format::False,
            ..Default::default()
        };
        for (name, text) in generated(options.build(), &mut resolve, world)? {
            let Some((path, text)) = placed(&name, text, kind) else {
                continue;
            };
            if let Some(earlier) = files.insert(path.clone(), text.clone())
                && earlier != text
            {
                return Err(format!("{} differs between the worlds", path.display()).into());
            }
        }
    }
    files.insert(reference::PAGE.into(), reference::page(root)?);
    Ok(files)
}

fn contract(root: &Path, kind: &str) -> Result<(Resolve, WorldId), Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root.join("plugin-sdk/wit"))?;
    let world = resolve.select_world(&[package], Some(&format!("{kind}-plugin")))?;
    Ok((resolve, world))
}

fn generated(
    mut generator: Box<dyn wit_bindgen_core::WorldGenerator>,
    resolve: &mut Resolve,
    world: WorldId,
) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut files = Files::default();
    generator.generate(resolve, world, &mut files)?;
    files
        .iter()
        .map(|(name, text)| Ok((name.to_owned(), String::from_utf8(text.to_vec())?)))
        .collect()
}

/// Without what insists on the object file that is not generated.
fn without_object(text: String) -> String {
    let start = "// Ensure that the *_component_type.o object is linked in\n";
    match text.split_once(start) {
        Some((before, after)) => {
            let after = after.split_once("\n}\n").map_or("", |(_, after)| after);
            format!("{}\n{after}", before.trim_end())
        }
        None => text,
    }
}

/// Where a file for Go goes in the kit, as a part of it; none where the kit has its own.
fn placed(name: &str, text: String, kind: &str) -> Option<(PathBuf, String)> {
    if name == "go.mod" {
        return None;
    }
    let text = text
        .replace("\"go.bytecodealliance.org/pkg/wit/", &format!("\"{MODULE}/"))
        .replace("\"wit_component/", &format!("\"{MODULE}/"));
    let folder = Path::new("plugin-sdk/go/internal/wit");
    if name == "wit_exports.go" {
        let text = text.replacen("package main", &format!("package {kind}"), 1);
        return Some((folder.join("exports").join(kind).join(name), text));
    }
    Some((folder.join(name), text))
}
