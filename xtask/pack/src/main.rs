//! Asks built plugins what they are and writes the answers into them: `xtask-pack FROM TO [FROM TO …]`.
//!
//! A program of its own because it needs the sandbox, and xtask is to be there at once.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use stanch_sandbox::{Sandbox, SandboxOptions};

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    match packed(&files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn packed(files: &[std::ffi::OsString]) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sandbox = Sandbox::new(&SandboxOptions {
        calls: 1,
        cache: None,
    })?;
    for pair in files.chunks(2) {
        let [from, to] = pair else {
            return Err("files come in pairs: FROM TO".into());
        };
        let (from, to) = (Path::new(from), Path::new(to));
        runtime
            .block_on(pack(&sandbox, from, to))
            .map_err(|error| format!("`{}` cannot be packed: {error}", from.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}

async fn pack(sandbox: &Sandbox, from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let component = fs::read(from)?;
    let packed = stanch_plugin_tools::pack(sandbox, &component).await?;
    Ok(stanch_plugin_tools::write(to, &packed)?)
}
