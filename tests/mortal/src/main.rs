//! `stanch serve`, with a journal that kills the process: SIGKILL before an append is kept, or after it is on the disk and
//! before anybody knows.
//!
//! Called as `stanch` is (`serve --config PATH`). When it dies is said by the file `fuse` beside stanch.toml: `before 7` is
//! the seventh append, counted from the first that finds the file so, and `after LockTaken` the next with such an event;
//! without the file it lives. Before it dies it writes a line to the file `struck`: the side, and the events of the append.
//! Everything else is the service as it ships.

mod fuse;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use stanch_service::serve;
use stanch_service::telemetry::log::{self, LogFormat};

use fuse::Fuse;
use store::Mortal;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).skip_while(|word| word != "--config");
    let config = arguments
        .nth(1)
        .map(PathBuf::from)
        .ok_or("`--config PATH` is needed")?;
    let fuse = Fuse::beside(&config);
    log::init(LogFormat::Text, None)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::serve_on(&config, |store| {
        Arc::new(Mortal::new(store, fuse))
    }))?;
    Ok(())
}
