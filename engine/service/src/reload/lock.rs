//! `stanch.lock` beside stanch.toml: which plugins, by digest, are loaded. It is a record for people and their version
//! control; nothing reads it. Where the folder cannot be written, as with a mounted ConfigMap, it is left out.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use crate::snapshot::Snapshot;

const HEAD: &str = "# The plugins as the engine loaded them. Written by stanch.\n";

/// Writes the record of this snapshot, where it is another one than before.
pub(super) fn write(snapshot: &Snapshot) {
    let path = snapshot.settings.path.with_file_name("stanch.lock");
    if snapshot.plugins.is_empty() && !path.exists() {
        return;
    }
    let mut text = HEAD.to_owned();
    for (key, installed) in &snapshot.plugins {
        let source = toml::Value::String(installed.settings.written.clone());
        // Writing to a String cannot fail.
        write!(
            text,
            "\n[plugins.{key}]\nsource = {source}\nsha256 = \"{}\"\n",
            installed.digest
        )
        .ok();
    }
    if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return;
    }
    if let Err(error) = replace(&path, &text) {
        tracing::debug!(path = %path.display(), %error, "the record of plugins cannot be written");
    }
}

/// In one step, so that nobody reads half a file.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_file_name(".stanch.lock.new");
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&aside, path)
}
