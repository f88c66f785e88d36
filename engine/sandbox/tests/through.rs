//! Between a guest's words and the gate's: what a plugin spells oddly, what it says that it should not know, and what
//! it is charged for while it waits. What the gate itself decides of real components is in `gate/guest.rs`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, as tests do; the shared ones are more than what is used here"
)]

mod common;
#[path = "gate/world.rs"]
mod world;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use common::{context, sandbox};
use serde_json::{Value, json};
use stanch_sandbox::gate::{FilesGrantSpec, GrantSpec, HttpGrantSpec};
use stanch_sandbox::{Installation, InstallationParts, Limits, Sandbox};
use stanch_test_support::guest;
use world::{Server, TOKEN, World, http, only_http};

/// The scripted plugin of this kind, under the world's grant.
async fn plugin(sandbox: &Sandbox, kind: &str, world: &World) -> Installation {
    let parts = InstallationParts {
        key: "waf".into(),
        plugin: sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap(),
        grant: world.grant.clone(),
        limits: Limits::default(),
        settings: Value::Null,
        facilities: world.facilities.clone(),
    };
    Installation::new(sandbox, parts)
}

#[tokio::test]
async fn a_bound_header_is_not_the_plugins_and_a_secret_that_is_echoed_is_not_seen() {
    let echo = Server::start(|got| {
        let header = got
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("none");
        (StatusCode::OK, format!("you sent {header}")).into_response()
    });
    let (sandbox, server) = (sandbox(), echo.await);
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer ${secret:token}".to_owned())]);
    let world = World::new(only_http(HttpGrantSpec {
        headers,
        ..http(&server.url("/**"))
    }));
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let forged = json!({ "http": { "url": server.url("/"), "headers": { "Authorization": "Bearer mine" } } });
    let plain = json!({ "http": { "url": server.url("/") } });
    let report = plugin
        .diagnose(
            &context(),
            &json!({ "do": [forged, plain, { "log": TOKEN }], "summary": TOKEN }),
        )
        .await;
    let finding = report.result.unwrap();
    assert_eq!(finding.data["calls"][0]["err"]["code"], "denied");
    assert_eq!(finding.data["calls"][1]["ok"]["status"], 200);
    assert_eq!(server.last().headers["authorization"], format!("Bearer {TOKEN}"));
    let everything = format!(
        "{} {finding:?} {:?} {:?}",
        finding.data, report.logs, report.ledger
    );
    assert!(!everything.contains(TOKEN), "{everything}");
}

#[tokio::test]
async fn metadata_addresses_are_not_reached_in_any_spelling() {
    let sandbox = sandbox();
    let names = world::Names::with("metadata.example", &[&["169.254.169.254"], &["127.0.0.1"]]);
    let settings = stanch_sandbox::http::HttpSettings {
        system_roots: false,
        resolver: names,
        ..Default::default()
    };
    let urls = [
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/latest/",
        "http://2852039166/latest/",
        "http://0xa9fea9fe/latest/",
        "http://metadata.example/latest/",
    ];
    let grants = [
        "http://169.254.169.254/**",
        "http://[::ffff:a9fe:a9fe]/**",
        "http://metadata.example/**",
    ];
    let spec = GrantSpec {
        http: grants
            .iter()
            .map(|url| HttpGrantSpec {
                addresses: vec![],
                ..http(url)
            })
            .collect(),
        ..Default::default()
    };
    let world = World::with(spec, settings);
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let steps: Vec<Value> = urls
        .iter()
        .map(|url| json!({ "http": { "url": url, "timeout_ms": 2000 } }))
        .collect();
    let report = plugin.diagnose(&context(), &json!({ "do": steps })).await;
    let finding = report.result.unwrap();
    for (url, call) in urls.iter().zip(finding.data["calls"].as_array().unwrap()) {
        assert_eq!(call["err"]["code"], "denied", "{url}: {call}");
    }
    assert_eq!(report.ledger.calls.len(), urls.len());
}

#[tokio::test]
async fn paths_do_not_lead_out_of_the_granted_folder() {
    let (sandbox, folder) = (sandbox(), tempfile::tempdir().unwrap());
    let granted = folder.path().join("granted");
    std::fs::create_dir(&granted).unwrap();
    std::fs::write(granted.join("inside"), "in").unwrap();
    std::fs::write(folder.path().join("outside"), "out").unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside"), granted.join("link")).unwrap();
    let files = vec![FilesGrantSpec {
        path: granted.to_string_lossy().into_owned(),
        at: "scratch".into(),
        access: stanch_sandbox::gate::Access::Read,
    }];
    let world = World::new(GrantSpec {
        files,
        ..Default::default()
    });
    let plugin = plugin(&sandbox, "diagnosis", &world).await;
    let read = |path: &str| json!({ "read": { "path": path } });
    let script = json!({ "do": [
        read("scratch/inside"),
        read("scratch/../outside"),
        read("scratch/link"),
        read("/etc/passwd"),
        { "write": { "path": "scratch/new", "content": "x" } },
        { "scan": { "folder": "scratch" } },
    ] });
    let data = plugin.diagnose(&context(), &script).await.result.unwrap().data;
    assert_eq!(data["calls"][0]["ok"], "in");
    for refused in 1..5 {
        assert!(
            data["calls"][refused]["err"].is_object(),
            "{refused}: {}",
            data["calls"][refused]
        );
    }
    assert_eq!(data["calls"][5]["ok"]["items"].as_array().unwrap().len(), 2);
    assert!(!granted.join("new").exists());
}

#[tokio::test]
async fn waiting_for_a_server_is_not_charged_as_processor_time() {
    let slow = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        (StatusCode::OK, "late").into_response()
    });
    let (sandbox, server) = (sandbox(), slow.await);
    let world = World::new(only_http(http(&server.url("/**"))));
    let installed = plugin(&sandbox, "diagnosis", &world).await;
    let script =
        json!({ "do": [{ "repeat": { "times": 5, "do": [{ "http": { "url": server.url("/") } }] } }] });
    let report = installed.diagnose(&context(), &script).await;
    assert_eq!(report.result.unwrap().data["calls"].as_array().unwrap().len(), 5);
    assert!(
        report.took.as_millis() >= 150 && report.cpu.as_millis() < 150,
        "{:?} {:?}",
        report.took,
        report.cpu
    );
}
