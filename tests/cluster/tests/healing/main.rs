//! From a metric that flips to a healed alert, and every way in which that may go otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod healed;
mod killed;
mod many;
mod refused;

use stanch_parts::{ControlPlane, Space, User};

/// The changes that the engine asked the API server for in a namespace, in order.
fn changes(plane: &ControlPlane, space: &Space<'_>) -> Vec<String> {
    let calls = plane.calls(User::Engine).unwrap();
    let own = calls.iter().filter(|call| {
        let object = call.object.as_deref().unwrap_or_default();
        call.is_change() && object.split('/').next() == Some(space.name())
    });
    own.map(ToString::to_string).collect()
}

/// An eviction, as the audit log has it.
fn eviction(space: &Space<'_>, pod: &str, status: u16) -> String {
    format!("create {}/pods/{pod}/eviction → {status}", space.name())
}
