//! What an engine leaves behind, to look for what must not be in it.

use std::path::Path;

/// Every byte that an engine in this folder keeps or says, by file, but for the key of what is sealed: its data, the journal with its
/// log, and its own log.
///
/// # Panics
/// Where that cannot be read.
pub fn kept(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let known = entry.metadata().unwrap();
            if known.is_dir() {
                folders.push(path);
            } else if known.is_file() && !path.ends_with("hidden.key") {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    let log = folder.join("engine.log");
    found.push(("the log".to_owned(), std::fs::read(log).unwrap()));
    found
}
