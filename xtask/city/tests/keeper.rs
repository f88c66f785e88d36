//! Whatever becomes of who started the city, what it was told to keep ends with it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops there, in a folder of its own"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_outside::http::{Connection, free_port};

#[test]
fn an_engine_and_its_folder_go_with_whoever_started_the_city() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("journal"), "something").unwrap();
    let mut engine = Command::new("sleep").arg("600").spawn().unwrap();
    let mut city = Command::new(env!("CARGO_BIN_EXE_stanch-city"))
        .arg(free_port().unwrap().to_string())
        .arg(folder.path().join("scratch"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(city.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let places: Value = serde_json::from_str(&line).unwrap();
    let control = places["control"].as_str().unwrap().parse().unwrap();
    let told = json!({ "process": engine.id(), "folder": kept }).to_string();
    let answer = Connection::open(control)
        .unwrap()
        .send("POST", "/keep", &[], &told)
        .unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(
        engine.try_wait().unwrap().is_none(),
        "it runs as long as the city does"
    );

    // What SIGTERM, SIGKILL and the end of a terminal have in common.
    drop(city.stdin.take());
    let began = Instant::now();
    let ended = loop {
        if let Some(ended) = engine.try_wait().unwrap() {
            break ended;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the engine goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(!ended.success(), "it was told to end: {ended}");
    assert!(city.wait().unwrap().success());
    assert!(!kept.exists());
}
