//! What builds, tests, shows and measures stanch.
fn main() {}
