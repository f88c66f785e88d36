//! What builds, tests, shows and measures stanch: `cargo xtask …`.
//!
//! It depends on next to nothing, so that it is there at once and what takes long is a step of its own that can be seen:
//! all work is cargo's and the engine's, started from here.

mod bench;
mod demo;
mod engine;
mod needs;
mod parts;
mod plugins;
mod shell;
mod test;

use std::process::ExitCode;

use demo::With;

const USAGE: &str = "\
cargo xtask bench [PART…]      measure speed and memory beside their goals: start, alerts, watched, checks, change, recycle,
                               crates, plugins
cargo xtask demo               open a small city that breaks at the press of a button, beside the engine that mends it
cargo xtask demo --once WHAT   play one thing that breaks in the terminal: latency, provider, toxic, pod,
                               disk-full, all
cargo xtask demo --built …     either of them, with what is built already
cargo xtask parts              get the real parts that tests start: a Kubernetes control plane and others
cargo xtask plugins            build the plugins and write their manifests into them
cargo xtask test [--install]   pass all tests; --install installs what they need first
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["bench", parts @ ..] if let Some(parts) = bench::Part::named(parts) => bench::these(&parts),
        ["demo"] => demo::show(With::Built),
        ["demo", "--built"] => demo::show(With::WhatIsThere),
        ["demo", "--once"] => demo::once(With::Built, "all"),
        ["demo", "--once", scenario] => demo::once(With::Built, scenario),
        ["demo", "--built", "--once", scenario] => demo::once(With::WhatIsThere, scenario),
        ["parts"] => parts::get(),
        ["plugins"] => built_plugins(),
        ["test"] => test::all(false),
        ["test", "--install"] => test::all(true),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn built_plugins() -> Result<(), shell::TaskError> {
    let workspace = shell::Workspace::read()?;
    let binaries = engine::Binaries::build(&workspace, engine::Build::Dev)?;
    let folder = plugins::build(&workspace, &binaries)?;
    println!("{}", folder.display());
    Ok(())
}
