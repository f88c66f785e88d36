//! `wasi:clocks/monotonic-clock`: WASI's own, except that in a given world it is that world's clock that is waited on.

use std::time::Duration;

use stanch_contract::Timestamp;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Host};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::State;
use crate::time::{CallTime, span};

/// Links it in the place of WASI's own.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Host::resolution(&mut self.clocks())
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        if self.time.given().is_none() {
            return self.clocks().subscribe_instant(when);
        }
        let now = Host::now(self)?;
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        if self.time.given().is_none() {
            return self.clocks().subscribe_duration(duration);
        }
        let at = self.time.now().plus(span(Duration::from_nanos(duration)));
        let time = self.time.clone();
        let waiting = self.table.push(Waiting { time, at })?;
        subscribe(&mut self.table, waiting)
    }
}

/// Waits on the world's clock.
struct Waiting {
    time: CallTime,
    at: Timestamp,
}

#[async_trait]
impl Pollable for Waiting {
    async fn ready(&mut self) {
        // What else is polled with it comes first: only who has nothing else to do waits.
        tokio::task::yield_now().await;
        if let Some(time) = self.time.given()
            && time.now() < self.at
        {
            let end = self.time.until(None).at;
            time.wait(self.at.min(end)).await;
            if self.at > end {
                // The call ends before.
                std::future::pending().await
            }
        }
    }
}
