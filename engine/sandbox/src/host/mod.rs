//! The contract's imports, as a guest calls them.
//!
//! Nothing is decided here: each function counts the call, turns the guest's words into the gate's, asks the gate, and
//! turns the answer back. A plugin without a session (one that is only asked what it is) is refused everything.

mod clients;
mod files;
mod http;
mod kubernetes;
mod own;
mod waiting;
mod wasi;

use std::sync::Arc;

use stanch_contract::{Failure, FailureCode};
use tokio_util::sync::CancellationToken;
use wasmtime::ResourceLimiter;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::bindings::{
    common, files as wit_files, host as wit_host, http as wit_http, kubernetes as wit_kubernetes,
};
use crate::call::Meter;
use crate::convert;
use crate::error::LimitHit;
use crate::gate::Session;
use crate::limits::{Limit, Limits, RESOURCES, TABLE_ELEMENTS};
use crate::notebook::{Lines, Notebook};
use crate::time::CallTime;

/// The state of one call: what the host functions work on.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) limiter: Limiter,
    session: Option<Session>,
    clients: clients::Clients,
    http: WasiHttpCtx,
    settings: Arc<str>,
    time: CallTime,
    cancel: CancellationToken,
    calls: u32,
    most_calls: u32,
    pub(crate) meter: Arc<Meter>,
    pub(crate) notebook: Arc<Notebook>,
    pub(crate) seed: [u8; 32],
    pub(crate) printed: [Arc<Lines>; 2],
    /// Whether an instance was made: before that, a fault without a trap is the host's.
    pub(crate) instantiated: bool,
}

/// What a call's state is made of.
pub(crate) struct StateParts<'a> {
    pub(crate) session: Option<Session>,
    pub(crate) limits: &'a Limits,
    pub(crate) settings: Arc<str>,
    pub(crate) cancel: CancellationToken,
    pub(crate) time: CallTime,
    pub(crate) meter: Arc<Meter>,
}

impl State {
    pub(crate) fn new(parts: StateParts<'_>) -> Self {
        let StateParts {
            session,
            limits,
            settings,
            cancel,
            time,
            meter,
        } = parts;
        let notebook = Notebook::new(limits.log, time.clone());
        let wasi::Empty { ctx, seed, printed } = wasi::empty(&notebook, &time);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
        Self {
            wasi: ctx,
            table,
            limiter: Limiter::new(memory),
            clients: clients::Clients::new(session.clone(), &time, memory),
            http: WasiHttpCtx::new(),
            session,
            settings,
            time,
            cancel,
            calls: 0,
            most_calls: limits.calls,
            meter,
            notebook,
            seed,
            printed,
            instantiated: false,
        }
    }

    /// The gate, for one more call; an error where there were too many.
    fn gate(&mut self) -> wasmtime::Result<Result<&Session, common::Failure>> {
        if self.calls >= self.most_calls && self.session.is_some() {
            let allowed = format!("{} calls", self.most_calls);
            return Err(wasmtime::Error::new(LimitHit {
                limit: Limit::HostCalls,
                allowed,
            }));
        }
        self.calls += 1;
        Ok(self.session.as_ref().ok_or_else(|| {
            let message =
                "`describe` is called without capabilities: say what the plugin is, and look at nothing";
            convert::to_guest_failure(Failure::new(FailureCode::Denied, message))
        }))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl common::Host for State {}

/// Links everything that a plugin of any kind may import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    waiting::link(linker)?;
    clients::link(linker)?;
    wit_host::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wit_kubernetes::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wit_http::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wit_files::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    common::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// Counts memory and tables of all the instances of a component together, and ends the call where there is too much:
/// a guest that is merely told so tends to go on with nonsense.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: usize,
    most_memory: usize,
    elements: usize,
}

impl Limiter {
    fn new(most_memory: usize) -> Self {
        Self {
            memory: 0,
            most_memory,
            elements: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let all = self.memory.saturating_add(desired.saturating_sub(current));
        if all > self.most_memory {
            let allowed = stanch_contract::ByteSize(self.most_memory as u64).to_string();
            return Err(wasmtime::Error::new(LimitHit {
                limit: Limit::Memory,
                allowed,
            }));
        }
        if maximum.is_none_or(|most| desired <= most) {
            self.memory = all;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let all = self.elements.saturating_add(desired.saturating_sub(current));
        if all > TABLE_ELEMENTS {
            let allowed = format!("{TABLE_ELEMENTS} elements");
            return Err(wasmtime::Error::new(LimitHit {
                limit: Limit::Tables,
                allowed,
            }));
        }
        if maximum.is_none_or(|most| desired <= most) {
            self.elements = all;
        }
        Ok(true)
    }
}
