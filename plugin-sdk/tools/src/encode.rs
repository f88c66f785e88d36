//! A core module with the exports of a world becomes a component of it, in this process.
//!
//! What Go and C compile to is a core module that imports WASI preview 1. The adapter of the wasmtime that the engine is
//! built with stands between that and WASI 0.2; of it only what the module calls is kept.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::ToolError;

/// The component. `wit` is a folder with the contract, `world` a world of it.
///
/// # Errors
/// Where the module does not have what the world exports, or asks for what it does not import.
pub fn encode(core: Vec<u8>, wit: &Path, world: &str) -> Result<Vec<u8>, ToolError> {
    let failed = |why: String| ToolError::Encode {
        world: world.to_owned(),
        why,
    };
    let mut core = core;
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(wit)
        .map_err(|error| failed(format!("{error:#}")))?;
    let of = resolve
        .select_world(&[package], Some(world))
        .map_err(|error| failed(format!("{error:#}")))?;
    embed_component_metadata(&mut core, &resolve, of, StringEncoding::UTF8, false)
        .map_err(|error| failed(format!("{error:#}")))?;
    let encoded = ComponentEncoder::default()
        .module(&core)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode());
    encoded.map_err(|error| failed(format!("{error:#}")))
}
