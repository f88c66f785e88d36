//! A notification plugin that does what its parameters say: see `guest-script`.

#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod bindings {
    use super::Scripted;

    wit_bindgen::generate!({
        path: "../../../plugin-sdk/wit",
        world: "notification-plugin",
        with: {
            "runbook:plugin/common@0.1.0": guest_script::imports::runbook::plugin::common,
            "runbook:plugin/host@0.1.0": guest_script::imports::runbook::plugin::host,
            "runbook:plugin/http@0.1.0": guest_script::imports::runbook::plugin::http,
        },
    });
    export!(Scripted);
}

use bindings::exports::runbook::plugin::{manifest, notification};
use guest_script::imports::runbook::plugin::common::{Context, Failure};
use guest_script::imports::runbook::plugin::host;

struct Scripted;

impl manifest::Guest for Scripted {
    fn describe() -> String {
        include_str!("../manifest.json").to_owned()
    }
}

impl notification::Guest for Scripted {
    /// The script's steps; with `"strict": true` a message that could not be sent is a failure.
    fn notify(_context: Context, params: String, message: notification::Message) -> Result<(), Failure> {
        let done = guest_script::run(&params, None)?;
        host::log(
            host::Level::Info,
            &format!("{}: {} {}", message.kind, message.title, done.data()),
        );
        Ok(())
    }
}
