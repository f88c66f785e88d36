//! The parts themselves, as other tests rely on them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod alerts;
mod cluster;
mod killed;
mod pages;
mod toxic;
mod traffic;
