//! Writes again what is written out of the contract.

use std::error::Error;
use std::path::Path;

#[allow(clippy::disallowed_methods, reason = "this program writes sources")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, text) in xtask_bindings::all(&root)? {
        let to = root.join(&path);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&to, text)?;
        println!("{}", path.display());
    }
    Ok(())
}
