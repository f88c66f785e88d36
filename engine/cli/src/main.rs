//! The command line of stanch.
fn main() {}
