//! The built binary: `stanch doctor` and the servers that grants name. What it opens is a connection, and nothing more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

use std::path::Path;

use serde_json::Value;
use stanch_outside::http::{Sink, free_port};
use stanch_outside::serve::{Scratch, command, pack};
use stanch_outside::settings;

#[test]
fn doctor_opens_a_connection_to_each_server_of_a_grant_and_sends_nothing() {
    let program = Path::new(env!("CARGO_BIN_EXE_stanch"));
    let scratch = Scratch::new("doctor").unwrap();
    let plugin = scratch.path().join("probe.wasm");
    pack(program, &stanch_test_support::component("http-probe"), &plugin).unwrap();
    let (sink, closed) = (Sink::open("yes").unwrap(), free_port().unwrap());
    let listens = free_port().unwrap();
    let grants = [
        settings::http("probe", &format!("http://{}/a", sink.address), "read = [\"GET\"]"),
        // The same server again: it is tried once.
        settings::http(
            "probe",
            &format!("http://{}/b", sink.address),
            "change = [\"POST\"]",
        ),
        settings::http(
            "probe",
            &format!("https://{}/**", sink.address),
            "read = [\"GET\"]",
        ),
        settings::http("probe", &format!("http://{closed}/**"), "read = [\"GET\"]"),
        format!(
            "[[plugins.probe.grant.http]]\nurl = \"http://localhost:{}/**\"\nread = [\"GET\"]\n",
            sink.address.port()
        ),
        settings::http("probe", "https://no-such-host.invalid/**", "read = [\"GET\"]"),
        format!(
            "[[plugins.probe.grant.notify]]\nurl = \"http://{}/page\"\naddresses = [\"127.0.0.0/8\"]\n",
            sink.address
        ),
    ];
    std::fs::create_dir(scratch.path().join("runbooks")).unwrap();
    let text =
        settings::engine(listens, "team", "ask") + &settings::plugin("probe", &plugin, "") + &grants.concat();
    scratch.write("stanch.toml", text).unwrap();

    let output = command(program, scratch.path(), &["doctor", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let found: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let found: Vec<&Value> = found.iter().filter(|one| one["area"] == "servers").collect();
    let (sink_at, closed_at) = (sink.address, closed);
    let expected = [
        (
            format!("http://{sink_at} of `probe`"),
            "good",
            "no request was sent",
        ),
        (
            format!("https://{sink_at} of `probe`"),
            "bad",
            "no TLS connection",
        ),
        (
            format!("http://{closed_at} of `probe`"),
            "bad",
            "Connection refused",
        ),
        (
            format!("http://localhost:{} of `probe`", sink_at.port()),
            "bad",
            "must not be reached",
        ),
        (
            "https://no-such-host.invalid:443 of `probe`".to_owned(),
            "bad",
            "cannot be resolved",
        ),
        // Under other addresses it is another question.
        (
            format!("http://{sink_at} of `probe`"),
            "good",
            "no request was sent",
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (one, (about, health, words)) in found.iter().zip(&expected) {
        assert_eq!(
            (one["about"].as_str().unwrap(), one["health"].as_str().unwrap()),
            (about.as_str(), *health)
        );
        assert!(one["found"].as_str().unwrap().contains(words), "{one:#?}");
        let todo = one["todo"].as_str().unwrap_or_default();
        assert_eq!(
            todo.contains("grant.http]]` with url ="),
            *health == "bad",
            "{one:#?}"
        );
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    let came = (
        sink.came.looks.load(std::sync::atomic::Ordering::Relaxed),
        sink.came.changes.load(std::sync::atomic::Ordering::Relaxed),
    );
    assert_eq!(came, (0, 0), "no request was sent");
}
