//! The interface `files`.

use super::State;
use crate::bindings::common::Failure;
use crate::bindings::files::{Entries, Entry, Host, Removed, Space};
use crate::convert;
use crate::files as gate;

/// The gate for one more call, or the refusal as the call's answer.
macro_rules! gate {
    ($state:ident) => {
        match $state.gate()? {
            Ok(gate) => gate,
            Err(failure) => return Ok(Err(failure)),
        }
    };
}

impl Host for State {
    async fn usage(&mut self, folder: String) -> wasmtime::Result<Result<Space, Failure>> {
        let answer = gate!(self).files_usage(&folder).await;
        Ok(answer
            .map(
                |gate::Space {
                     total_bytes,
                     free_bytes,
                 }| Space {
                    total_bytes,
                    free_bytes,
                },
            )
            .map_err(convert::to_guest_failure))
    }

    async fn scan(
        &mut self,
        folder: String,
        recursive: bool,
        continue_from: Option<String>,
    ) -> wasmtime::Result<Result<Entries, Failure>> {
        let answer = gate!(self)
            .files_scan(&folder, recursive, continue_from.as_deref())
            .await;
        Ok(answer
            .map(|found| Entries {
                items: found.items.into_iter().map(to_guest_entry).collect(),
                next: found.next,
            })
            .map_err(convert::to_guest_failure))
    }

    async fn read(&mut self, path: String, limit_bytes: u32) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let answer = gate!(self).files_read(&path, limit_bytes).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn write(&mut self, path: String, content: Vec<u8>) -> wasmtime::Result<Result<(), Failure>> {
        let answer = gate!(self).files_write(&path, content).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn remove(
        &mut self,
        folder: String,
        files: Vec<Entry>,
    ) -> wasmtime::Result<Result<Removed, Failure>> {
        let files = files.into_iter().map(from_guest_entry).collect();
        let answer = gate!(self).files_remove(&folder, files).await;
        Ok(answer
            .map(
                |gate::Removed {
                     paths,
                     bytes,
                     refused,
                 }| Removed {
                    paths,
                    bytes,
                    refused,
                },
            )
            .map_err(convert::to_guest_failure))
    }
}

fn to_guest_entry(entry: gate::Entry) -> Entry {
    let gate::Entry {
        path,
        kind,
        bytes,
        modified_ms,
    } = entry;
    Entry {
        path,
        kind,
        bytes,
        modified_ms,
    }
}

fn from_guest_entry(entry: Entry) -> gate::Entry {
    let Entry {
        path,
        kind,
        bytes,
        modified_ms,
    } = entry;
    gate::Entry {
        path,
        kind,
        bytes,
        modified_ms,
    }
}
