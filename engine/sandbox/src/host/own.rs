//! The interface `host`: what a plugin may ask of the call itself. Needs no grant.

use std::time::Duration;

use super::State;
use crate::bindings::host::{Host, Level};
use crate::notebook::LogLevel;

impl Host for State {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.notebook.log(level, &message).map_err(wasmtime::Error::new)
    }

    fn now_ms(&mut self) -> wasmtime::Result<f64> {
        Ok(self.notebook.now_ms() as f64)
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.time.left().as_millis()).unwrap_or(u32::MAX))
    }

    fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.cancel.is_cancelled())
    }

    async fn sleep(&mut self, ms: u32) -> wasmtime::Result<()> {
        tokio::select! {
            () = self.time.sleep(Duration::from_millis(u64::from(ms))) => {}
            () = self.cancel.cancelled() => {}
        }
        Ok(())
    }

    fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(self.settings.as_ref().to_owned())
    }
}
