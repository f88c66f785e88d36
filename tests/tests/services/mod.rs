//! The plugins for an AI service, in the real sandbox, behind the real gate, with real servers.

#[allow(
    clippy::disallowed_methods,
    reason = "what is written is the sample that an operator gives"
)]
mod blocklist;
mod calls;
mod documents;
mod page;

use serde_json::{Value, json};
use stanch_contract::FailureCode;
use stanch_sandbox::CallFault;
use stanch_tests::Server;

/// A grant for all of this server.
fn grant(server: &Server, read: &[&str], change: &[&str]) -> Value {
    let url = format!("{}/**", server.url);
    json!({ "http": [{ "url": url, "read": read, "change": change, "addresses": ["127.0.0.0/8"] }] })
}

fn code(fault: &CallFault) -> FailureCode {
    crate::code(fault)
}
