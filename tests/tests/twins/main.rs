//! The twins of every plugin that changes something for an AI service: the same plan, and each time something else is wrong. The
//! plugins are the real ones behind the real gate; between the gate and what they change are toxiproxy and who answers in the
//! target's place.
//!
//! | | what must be so |
//! |---|---|
//! | the grant is missing | it is planned and refused, and nothing arrives |
//! | somebody else changed it since the plan | it is a conflict where the target can tell, and what they did stays |
//! | the target answers 500 | nobody can tell from that: it is in doubt, nothing is there, and once that was looked at there is nothing to undo |
//! | the target is gone | nothing was sent |
//! | the target says nothing | it is in doubt, and nothing is there |
//! | the target is slow | it is done, once |
//! | it is done and the answer is lost | it is in doubt, and where it can be looked at, that says so; nothing is sent again |
//! | undo after that half | all is as before; or it says that there is no way back |
//!
//! Each of them is [`shape::Twin::all`]; a row of [`http`] or [`cluster`] is a plugin with its target. Plugins that only look or tell
//! are in [`looks`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod cluster;
mod front;
mod http;
mod looks;
mod shape;
