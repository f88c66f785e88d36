//! `serve`: runs the engine until it is told to end.

use std::path::Path;

use stanch_service::serve;
use stanch_service::telemetry::log;

use super::compile;
use crate::args;
use crate::error::{CliError, Exit};

pub fn serve(config: &Path, args: &args::Serve) -> Result<Exit, CliError> {
    let format = if args.log_json {
        log::LogFormat::Json
    } else {
        log::LogFormat::Text
    };
    log::init(format, args.log.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime
        .block_on(serve::serve(config, compile::compiler()))
        .map_err(|error| CliError::Serve(Box::new(error)))?;
    Ok(Exit::Done)
}
