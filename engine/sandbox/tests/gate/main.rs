//! The gate with real parts: servers on loopback, folders on disk, TLS with certificates made for the test.
//!
//! Each case that is let through has a twin that is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

mod apply;
mod bypass;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod guest;
mod http;
mod plan;
mod world;
