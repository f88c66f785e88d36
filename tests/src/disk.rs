//! A folder that fills up: what the tests of `disk-usage` and `disk-cleanup` in a real engine share.

use std::fs;
use std::time::{Duration, SystemTime};

use stanch_outside::serve::Scratch;
use stanch_outside::settings;
use stanch_sandbox::Sandbox;

use crate::packed;

/// A file in the folder `files` that is months old.
pub fn old_file(scratch: &Scratch, name: &str, bytes: usize) {
    let name = format!("files/{name}");
    scratch.write(&name, vec![0; bytes]).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
    let file = fs::File::options()
        .write(true)
        .open(scratch.path().join(name))
        .unwrap();
    file.set_modified(old).unwrap();
}

/// The two plugins, in the folder `plugins`; what stanch.toml says of them, which have the folder `files` as `scratch`.
pub async fn plugins(scratch: &Scratch, sandbox: &Sandbox) -> String {
    let folder = scratch.path();
    let files = settings::quoted(&folder.join("files"));
    let mut toml = String::new();
    for (plugin, access) in [("disk-usage", "read"), ("disk-cleanup", "change")] {
        let component = folder.join(format!("plugins/{plugin}.wasm"));
        scratch
            .write(&format!("plugins/{plugin}.wasm"), packed(sandbox, plugin).await)
            .unwrap();
        toml += &settings::plugin(plugin, &component, "");
        toml += &format!(
            "[[plugins.{plugin}.grant.files]]\npath = {files}\nat = \"scratch\"\naccess = \"{access}\"\n"
        );
    }
    toml
}
