//! `stanch init`: what it writes runs at once, with a real Alertmanager that has nothing but what it wrote.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests, which change the files that are read"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use stanch_outside::http::{Connection, free_port};
use stanch_outside::run::appeared;
use stanch_outside::serve::{Engine, command};
use stanch_parts::{Alertmanager, until};

fn stanch(folder: &Path, line: &[&str]) -> Output {
    command(env!("CARGO_BIN_EXE_stanch").as_ref(), folder, line)
        .output()
        .unwrap()
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

fn passed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    said
}

#[test]
fn what_is_written_loads_and_is_tested_and_nothing_is_written_over() {
    let above = tempfile::tempdir().unwrap();
    let said = passed(&stanch(above.path(), &["init", "ops/stanch"]));
    assert!(
        said.contains("cd ops/stanch") && said.contains("stanch serve"),
        "{said}"
    );
    let folder = above.path().join("ops/stanch");
    let mode = |file: &str| folder.join(file).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode("secrets/alertmanager"),
            mode("secrets"),
            mode("alertmanager.yml")
        ),
        (0o600, 0o700, 0o600)
    );
    let token = read(&folder, "secrets/alertmanager").trim().to_owned();
    assert!(token.len() == 64 && read(&folder, "alertmanager.yml").contains(&token));
    for file in [
        "stanch.toml",
        "first-alert.json",
        ".gitignore",
        "runbooks/first-alert.toml",
    ] {
        assert!(!read(&folder, file).contains(&token), "{file}");
    }
    assert!(passed(&stanch(&folder, &["check"])).contains("1 runbook, 0 plugins: all well"));
    assert!(passed(&stanch(&folder, &["test"])).contains("2 passed, 0 failed"));
    passed(&stanch(&folder, &["doctor"]));

    // One file that is there stops all of it.
    std::fs::remove_file(folder.join("stanch.toml")).unwrap();
    let again = stanch(&folder, &["init"]);
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("is there already"), "{said}");
    assert!(!folder.join("stanch.toml").exists(), "nothing is half-done");
    assert_eq!(read(&folder, "secrets/alertmanager").trim(), token);

    let other = above.path().join("other");
    passed(&stanch(above.path(), &["init", "other", "--json"]));
    assert_ne!(read(&other, "secrets/alertmanager").trim(), token);
}

#[test]
fn an_alert_of_a_real_alertmanager_comes_to_a_person_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    passed(&stanch(folder, &["init"]));
    // Only the port is another, and Alertmanager's waits are shorter: tests run beside each other, and nobody waits.
    let listens = free_port().unwrap();
    let settings = read(folder, "stanch.toml").replace("127.0.0.1:9440", &listens.to_string());
    std::fs::write(folder.join("stanch.toml"), settings).unwrap();
    let snippet = read(folder, "alertmanager.yml")
        .replace("127.0.0.1:9440", &listens.to_string())
        .replace("group_wait: 10s", "group_wait: 1s")
        .replace("group_interval: 30s", "group_interval: 1s");
    let engine = Engine::start(Path::new(env!("CARGO_BIN_EXE_stanch")), folder, listens, "unused").unwrap();
    let alertmanager = Alertmanager::start(&snippet).unwrap();
    let post = |ends: Option<&str>| {
        let mut alert =
            json!({ "labels": { "alertname": "FirstAlert" }, "startsAt": "2026-01-01T00:00:00Z" });
        if let Some(ends) = ends {
            alert["endsAt"] = json!(ends);
        }
        let mut connection = Connection::open(alertmanager.address).unwrap();
        let answer = connection
            .post("/api/v2/alerts", "", &json!([alert]).to_string())
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    post(None);
    let run = appeared(&engine, "first-alert", Duration::from_secs(60)).unwrap();
    engine.tell(&["answer", &run, "is_seen", "yes"]).unwrap();
    until("the step to be asked about", || {
        engine.tell(&["done", &run, "look_around"]).ok()
    })
    .unwrap();
    post(Some("2026-01-01T00:00:01Z"));
    let view = until("the run to end", || {
        let view: Value = engine.ask(&["runs", "show", &run]).ok()?;
        stanch_outside::run::ending(&view).map(str::to_owned)
    })
    .unwrap();
    assert_eq!(view, "healed");
    engine.stop().unwrap();
}
