//! The reference in docs/cli.md is what clap knows, written out; this test keeps it so.
//!
//! `STANCH_UPDATE_DOCS=1 cargo test -p stanch-cli reference` writes it again.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Args;
use crate::error::EXITS;

const START: &str = "<!-- The rest is written by the test in engine/cli/src/reference.rs. -->\n";

fn reference() -> String {
    let mut root = Args::command();
    root.build();
    let mut out = String::from("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (exit, meaning) in EXITS {
        writeln!(out, "| {} | {meaning} |", exit as u8).unwrap();
    }
    out.push_str("\n## Options of every command\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        argument(&mut out, arg);
    }
    out.push_str("\n## Commands\n");
    for command in root.get_subcommands() {
        section(&mut out, command, "stanch");
    }
    out
}

fn section(out: &mut String, command: &Command, before: &str) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage
        .trim_start_matches("Usage:")
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\n");
    writeln!(
        out,
        "\n### `{name}`\n\n{about}.\n\n```text\n{}\n```",
        usage.trim()
    )
    .unwrap();
    let own = |arg: &&Arg| !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    if command.get_arguments().any(|arg| own(&arg)) {
        out.push('\n');
    }
    for arg in command.get_arguments().filter(own) {
        argument(out, arg);
    }
    for inner in command.get_subcommands() {
        section(out, inner, &name);
    }
}

fn argument(out: &mut String, arg: &Arg) {
    let values = arg.get_value_names().unwrap_or_default().join(" ");
    let takes = arg.get_action().takes_values();
    let form = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) if takes => format!("--{long} <{values}>"),
        (Some(long), _) => format!("--{long}"),
        (None, _) => format!("<{values}>"),
    };
    let short = arg
        .get_short()
        .map(|short| format!(", `-{short}`"))
        .unwrap_or_default();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let possible = if possible.is_empty() || !takes {
        String::new()
    } else {
        format!(" ({})", possible.join(", "))
    };
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = if default.is_empty() || !takes {
        String::new()
    } else {
        format!("; `{}` where not given", default.join(" "))
    };
    let env = arg
        .get_env()
        .map(|env| format!("; or `{}` in the environment", env.to_string_lossy()))
        .unwrap_or_default();
    writeln!(out, "- `{form}`{short}: {help}{possible}{env}{default}").unwrap();
}

#[test]
fn the_documented_reference_is_what_the_program_takes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (guide, written) = text
        .split_once(START)
        .expect("docs/cli.md has the line that the reference begins with");
    let reference = reference();
    if std::env::var_os("STANCH_UPDATE_DOCS").is_some() {
        let mut file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut file, format!("{guide}{START}{reference}").as_bytes()).unwrap();
        return;
    }
    assert_eq!(
        written, reference,
        "docs/cli.md is old: STANCH_UPDATE_DOCS=1 cargo test -p stanch-cli reference"
    );
}

#[test]
fn every_command_that_a_page_shows_is_one_that_the_program_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kits = ["python", "typescript", "go", "c"].map(|kit| format!("plugin-sdk/{kit}/README.md"));
    let mut pages: Vec<String> = kits.to_vec();
    pages.extend(
        [
            "README.md",
            "docs/operator.md",
            "docs/plugin-author.md",
            "docs/cli.md",
        ]
        .map(str::to_owned),
    );
    let mut checked = 0;
    for page in &pages {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let shown = text.split_once(START).map_or(text.as_str(), |(guide, _)| guide);
        let shown = shown.replace("\\\n", " ");
        let mut fenced = false;
        for line in shown.lines().map(str::trim) {
            fenced ^= line.starts_with("```");
            let command = line.strip_prefix("$ ").unwrap_or(line).strip_prefix("stanch ");
            let Some(command) = command.filter(|_| fenced) else {
                continue;
            };
            let words = words(command);
            let parsed = <Args as clap::Parser>::try_parse_from(
                std::iter::once("stanch").chain(words.iter().map(String::as_str)),
            );
            assert!(parsed.is_ok(), "{page}: {line}: {:?}", parsed.err());
            checked += 1;
        }
    }
    assert!(checked >= 40, "only {checked} examples");
}

/// The words of an example, up to a comment, a pipe, a redirection or another command; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = None;
    for c in line.chars() {
        match c {
            '"' | '\'' if quoted == Some(c) => quoted = None,
            '"' | '\'' if quoted.is_none() => quoted = Some(c),
            '#' | '>' | '|' | '&' if quoted.is_none() && words.last().is_some_and(String::is_empty) => break,
            ' ' if quoted.is_none() => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
