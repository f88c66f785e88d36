//! Alerts that do not come by themselves: the real program and a real Alertmanager whose notifications are lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::http::Connection;
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_outside::settings;
use stanch_parts::{Alertmanager, alertmanager};
use stanch_tests::{Server, packed, sandbox};

const TOKEN: &str = "a token";

const RUNBOOK: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
[trigger]
alert = "DiskFull"
[impact]
severity = "high"
summary = "Writes fail next."
[[mitigation]]
id = "clean"
do = "Remove old files"
by_hand = "rm /var/tmp/app/*.log"
"#;

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not come")
}

/// A folder with a runbook and an intake of which more is said.
fn laid_out(more: &str, plugins: &str) -> (Scratch, SocketAddr) {
    let scratch = Scratch::new("missed").unwrap();
    let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "{}{more}\n{plugins}",
        settings::engine(listens, "platform", "ask")
    );
    scratch.write("stanch.toml", settings).unwrap();
    scratch.write("runbooks/disk-full.toml", RUNBOOK).unwrap();
    (scratch, listens)
}

fn started(scratch: &Scratch, listens: SocketAddr) -> Engine {
    Engine::start(&program("stanch").unwrap(), scratch.path(), listens, TOKEN).unwrap()
}

fn runs(engine: &Engine) -> usize {
    engine.ask(&["runs"]).unwrap().as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_notification_was_lost_is_taken_in_at_the_start_and_once() {
    // It posts to where nobody is.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = alertmanager::config(&format!("http://{nobody}/"), TOKEN, &["alertname"]);
    let alertmanager = Alertmanager::start(&config).unwrap();
    let alert =
        r#"[{"labels":{"alertname":"DiskFull","instance":"node-1"},"startsAt":"2026-11-24T00:00:00Z"}]"#;
    let mut connection = Connection::open(alertmanager.address).unwrap();
    assert_eq!(
        connection.post("/api/v2/alerts", "unused", alert).unwrap().status,
        200
    );
    until("the alert in Alertmanager", || {
        let active = |alert: &Value| alert["status"]["state"] == "active";
        alertmanager.alerts()?.iter().any(active).then_some(())
    });
    let url = format!("http://{}", alertmanager.address);

    let (scratch, listens) = laid_out(&format!("reconcile = \"{url}\""), "");
    let engine = started(&scratch, listens);
    until("the run", || (runs(&engine) == 1).then_some(()));
    let run = engine.ask(&["runs"]).unwrap()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let whole = engine.ask(&["runs", "show", &run]).unwrap();
    assert_eq!(whole["alerts"][0]["labels"]["instance"], "node-1");
    // No is final: what still fires asks nobody again, after a restart neither.
    engine.tell(&["cancel", &run, "--leave"]).unwrap();
    until("the end", || {
        (engine.ask(&["runs", "show", &run]).unwrap()["phase"] == "closed").then_some(())
    });
    engine.stop().unwrap();
    let engine = started(&scratch, listens);
    let read = |scratch: &Scratch| {
        let log = std::fs::read_to_string(scratch.path().join("engine.log")).unwrap();
        log.contains("what fires was read: all of it had come")
            .then_some(())
    };
    until("a second look", || read(&scratch));
    assert_eq!(runs(&engine), 1);

    // What goes to another receiver is none of this engine's.
    let (other, listens) = laid_out(
        &format!("reconcile = {{ url = \"{url}\", receiver = \"another\" }}"),
        "",
    );
    let engine = started(&other, listens);
    until("a look", || read(&other));
    assert_eq!(runs(&engine), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_silence_of_an_alert_that_is_expected_is_told_and_that_it_is_heard_again() {
    let hook = Server::start(|_| (200, String::new())).await;
    let plugins = format!(
        "[plugins.deaf]\nsource = \"plugins/webhook.wasm\"\nsettings = {{ url = \"{url}/deaf\" }}\n\
         [plugins.tell]\nsource = \"plugins/webhook.wasm\"\nsettings = {{ url = \"{url}/tell\" }}\n\
         [[plugins.tell.grant.notify]]\nurl = \"{url}/tell\"\naddresses = [\"127.0.0.1/32\"]\n",
        url = hook.url
    );
    let expects = "expects = { alert = \"Watchdog\", within = \"2s\", tell = [\"deaf\", \"tell:night\"] }";
    let (scratch, listens) = laid_out(expects, &plugins);
    let bytes = packed(&sandbox(), "webhook").await;
    scratch.write("plugins/webhook.wasm", bytes).unwrap();
    let engine = started(&scratch, listens);

    let told = || -> Vec<Value> {
        hook.received()
            .iter()
            .map(|told| serde_json::from_slice(&told.body).unwrap())
            .collect()
    };
    let first = until("the silence", || told().first().cloned());
    assert_eq!(
        (&first["kind"], &first["to"]),
        (&Value::from("escalation"), &Value::from("night")),
        "{first}"
    );
    assert!(
        first["title"]
            .as_str()
            .unwrap()
            .contains("`Watchdog` did not come to `/alerts/alertmanager`"),
        "{first}"
    );

    let body = r#"{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Watchdog"},
        "annotations":{},"startsAt":"2026-11-24T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"w"}]}"#;
    let mut connection = Connection::open(listens).unwrap();
    assert_eq!(
        connection
            .post("/alerts/alertmanager", TOKEN, body)
            .unwrap()
            .status,
        202
    );
    let again = until("that it is heard again", || told().get(1).cloned());
    assert_eq!(again["kind"], "progress", "{again}");
    assert!(
        again["title"]
            .as_str()
            .unwrap()
            .contains("comes to `/alerts/alertmanager` again"),
        "{again}"
    );
    engine.stop().unwrap();
}
