//! The command line of stanch.
//!
//! A command is one request to the running engine, over the control socket in its data folder, or works on files alone.
//! What comes back is rendered by the same functions for every reader ([`stanch_service::report`]); with `--json` it is
//! printed as the API gives it.

#![allow(
    unreachable_pub,
    reason = "nothing of a binary is reachable from outside, so the lint has nothing to say"
)]

mod args;
mod client;
mod commands;
mod console;
mod error;
mod files;
mod live;
#[cfg(test)]
mod reference;
mod screens;

use std::process::ExitCode;

use clap::Parser as _;

use self::args::Args;
use self::console::Console;

fn main() -> ExitCode {
    let args = Args::parse();
    let console = Console::new(args.json);
    match commands::run(args, &console) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console.error(&error);
            error.exit().into()
        }
    }
}
