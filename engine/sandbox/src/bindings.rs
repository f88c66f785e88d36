//! The host's side of `runbook:plugin@0.1.0`, generated from plugin-sdk/wit.
//!
//! One module for each world; what the worlds share is generated once, in `diagnosis`, so that one set of host functions
//! serves all three. Functions that only look at the call's own state are synchronous: an async host function costs a
//! future on the heap. All can end the call, which is how a spent budget gets its name.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, where the documentation is"
)]
pub(crate) mod diagnosis {
    wasmtime::component::bindgen!({
        path: "../../plugin-sdk/wit",
        world: "diagnosis-plugin",
        imports: {
            "runbook:plugin/host.sleep": async | trappable,
            "runbook:plugin/host": trappable,
            default: async | trappable,
        },
        exports: { default: async },
    });
}

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, where the documentation is"
)]
pub(crate) mod remediation {
    wasmtime::component::bindgen!({
        path: "../../plugin-sdk/wit",
        world: "remediation-plugin",
        exports: { default: async },
        with: {
            "runbook:plugin/common": super::diagnosis::runbook::plugin::common,
            "runbook:plugin/host": super::diagnosis::runbook::plugin::host,
            "runbook:plugin/kubernetes": super::diagnosis::runbook::plugin::kubernetes,
            "runbook:plugin/http": super::diagnosis::runbook::plugin::http,
            "runbook:plugin/files": super::diagnosis::runbook::plugin::files,
        },
    });
}

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, where the documentation is"
)]
pub(crate) mod notification {
    wasmtime::component::bindgen!({
        path: "../../plugin-sdk/wit",
        world: "notification-plugin",
        exports: { default: async },
        with: {
            "runbook:plugin/common": super::diagnosis::runbook::plugin::common,
            "runbook:plugin/host": super::diagnosis::runbook::plugin::host,
            "runbook:plugin/http": super::diagnosis::runbook::plugin::http,
        },
    });
}

pub(crate) use diagnosis::runbook::plugin::{common, files, host, http, kubernetes};
pub(crate) use notification::exports::runbook::plugin::notification as notify;
pub(crate) use remediation::exports::runbook::plugin::remediation as remedy;
