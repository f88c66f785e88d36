//! A diagnosis plugin that does what its parameters say: see `guest-script`.

#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod bindings {
    use super::Scripted;

    wit_bindgen::generate!({
        path: "../../../plugin-sdk/wit",
        world: "diagnosis-plugin",
        with: {
            "runbook:plugin/common@0.1.0": guest_script::imports::runbook::plugin::common,
            "runbook:plugin/host@0.1.0": guest_script::imports::runbook::plugin::host,
            "runbook:plugin/kubernetes@0.1.0": guest_script::imports::runbook::plugin::kubernetes,
            "runbook:plugin/http@0.1.0": guest_script::imports::runbook::plugin::http,
            "runbook:plugin/files@0.1.0": guest_script::imports::runbook::plugin::files,
        },
    });
    export!(Scripted);
}

use bindings::exports::runbook::plugin::{diagnosis, manifest};
use guest_script::imports::runbook::plugin::common::{Context, Failure, Finding};

struct Scripted;

impl manifest::Guest for Scripted {
    fn describe() -> String {
        include_str!("../manifest.json").to_owned()
    }
}

impl diagnosis::Guest for Scripted {
    fn diagnose(_context: Context, params: String) -> Result<Finding, Failure> {
        guest_script::run(&params, None).map(|done| done.finding())
    }
}
