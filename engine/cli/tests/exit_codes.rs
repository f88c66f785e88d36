//! The built binary without an engine: what it prints where, and what it exits with.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Output;

use stanch_outside::serve::command;

fn stanch(folder: &Path, line: &[&str]) -> Output {
    command(env!("CARGO_BIN_EXE_stanch").as_ref(), folder, line)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn each_kind_of_trouble_has_its_exit_code_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stanch.toml");
    let table: [(&[&str], bool, i32, &str); 12] = [
        (&["--version"], false, 0, ""),
        (&["help"], false, 0, ""),
        (&["frobnicate"], false, 2, "unrecognized subcommand"),
        (&["settle", "r1", "clean"], false, 2, "--happened"),
        (&["status"], false, 3, "name it with --config or STANCH_CONFIG"),
        (&["status"], true, 3, "start it with `stanch serve`"),
        (
            &["approve", "r1"],
            true,
            3,
            "no engine answers on `data/control.sock`",
        ),
        (
            &["run", "disk-full", "--input", "@nowhere.json"],
            true,
            4,
            "nowhere.json",
        ),
        (&["alert", "stanch.toml"], true, 4, "it is not JSON"),
        (&["run", "disk-full", "--input", "node"], true, 2, "NAME=VALUE"),
        (
            &["--server", "http://stanch.example", "status"],
            true,
            2,
            "in the clear to loopback alone",
        ),
        (
            &["--server", "http://127.0.0.1:1", "status"],
            false,
            3,
            "no engine answers on `http://127.0.0.1:1`",
        ),
    ];
    for (line, configured, code, says) in table {
        if configured {
            std::fs::File::create(&config).unwrap();
        } else if config.exists() {
            std::fs::rename(&config, folder.path().join("away")).unwrap();
        }
        let output = stanch(folder.path(), line);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line:?}: {stderr}");
        assert!(stderr.contains(says), "{line:?}: {stderr}");
        assert!(
            code == 0 || output.stdout.is_empty(),
            "{line:?}: trouble is not told where results are"
        );
    }
}

#[test]
fn for_a_program_trouble_is_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = stanch(folder.path(), &["status", "--json"]);
    let problem: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["code"], "command-line");
    assert!(
        problem["hint"].as_str().unwrap().contains("--config"),
        "{problem}"
    );
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let output = stanch(folder.path(), &["status"]);
    assert!(!text(&output.stderr).contains('\u{1b}'));
}

#[test]
fn a_token_is_printed_with_the_digest_that_the_engine_compares() {
    let folder = tempfile::tempdir().unwrap();
    let output = stanch(folder.path(), &["user", "token", "da\"na", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = stanch_contract::Digest::of(made["token"].as_str().unwrap().as_bytes());
    assert_eq!(made["token_sha256"], digest.to_string());

    let output = stanch(folder.path(), &["user", "token", "da\"na"]);
    let printed = text(&output.stdout);
    let entry: String = printed
        .lines()
        .skip_while(|line| !line.contains("[[users]]"))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        entry.contains("name = \"da\\\"na\"") && entry.contains("token_sha256 = \""),
        "{printed}"
    );
}

#[test]
fn completions_are_printed_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = stanch(folder.path(), &["completions", shell]);
        assert!(text(&output.stdout).contains("approve"), "{shell}");
    }
}
