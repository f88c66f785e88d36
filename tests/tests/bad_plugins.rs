//! Files that are no plugin, or not the one they say: each is told clearly, by the author's tools and by the engine that it is
//! put in front of; what is in service stays, and nothing is half installed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and makes files on purpose"
)]

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_outside::serve::{Scratch, command, program};
use stanch_service::ProblemKind;
use stanch_service::serve::{self, Served};
use stanch_test_support::{Craft, core_diagnosis};

const SETTINGS: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
reserve = "1MiB"
[plugins.looks]
source = "plugins/looks.wasm"
"#;

fn manifest(version: &str) -> Value {
    json!({
        "name": "looks", "version": version, "summary": "Looks.",
        "params": { "type": "object", "additionalProperties": false },
    })
}

/// A plugin whose code says one thing and whose section another.
fn saying(said: &Value, section: &Value) -> Vec<u8> {
    Craft {
        core: Some(core_diagnosis(&said.to_string(), "", "")),
        manifest: Some(section.to_string()),
        ..Craft::of("diagnosis-plugin")
    }
    .build()
}

fn good(version: &str) -> Vec<u8> {
    saying(&manifest(version), &manifest(version))
}

/// One whose description is the 10 MB from address 16 on.
fn verbose() -> Vec<u8> {
    let said = manifest("2.0.0").to_string();
    let core = core_diagnosis(&said, "", "")
        .replace(
            "(memory (export \"memory\") 8)",
            "(memory (export \"memory\") 200)",
        )
        .replace(&format!("(i32.const {})", said.len()), "(i32.const 10485760)");
    Craft {
        core: Some(core),
        manifest: Some(said),
        ..Craft::of("diagnosis-plugin")
    }
    .build()
}

/// What is put in the plugin's place, and what has to be said of it.
fn bad() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |member: &str, value: Value| {
        let mut manifest = manifest("2.0.0");
        manifest[member] = value;
        manifest
    };
    let whole = good("2.0.0");
    let schema = with("params", json!({ "type": "strnig" }));
    let other = Craft {
        manifest: Some(manifest("2.0.0").to_string()),
        ..Craft::world("export run: func();")
    };
    vec![
        ("text", b"#!/bin/sh\n".to_vec(), "not WebAssembly"),
        (
            "a core module",
            b"\0asm\x01\0\0\0".to_vec(),
            "core WebAssembly module",
        ),
        ("a truncated file", whole[..whole.len() / 2].to_vec(), "cut short"),
        ("another world", other.build(), "exports none of the interfaces"),
        (
            "a manifest that differs between code and section",
            saying(&manifest("2.0.0"), &with("summary", json!("Looks, and more."))),
            "differ in `summary`",
        ),
        (
            "a bad schema",
            saying(&schema, &schema),
            "not a usable JSON Schema",
        ),
        ("a description of 10 MB", verbose(), "describe"),
    ]
}

fn stanch(folder: &Path, arguments: &[&str]) -> Output {
    command(&program("stanch").unwrap(), folder, arguments)
        .output()
        .unwrap()
}

/// Looks at the files again until `done`.
async fn until(served: &Served, what: &str, mut done: impl FnMut(&Served) -> bool) {
    let began = Instant::now();
    while !done(served) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{what}: not within a minute"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The version that is in service.
fn version(served: &Served) -> String {
    let snapshot = served.reloader().current().load();
    snapshot.plugins[&"looks".into()].facts.manifest.version.clone()
}

fn problems(served: &Served, kind: ProblemKind) -> Vec<String> {
    let snapshot = served.reloader().current().load();
    let problems = snapshot.problems.iter().filter(|problem| problem.kind == kind);
    problems.map(|problem| problem.rendered.clone()).collect()
}

fn put(folder: &Path, name: &str, write: impl FnOnce(&Path)) {
    let aside = folder.join(format!("{name}~"));
    write(&aside);
    std::fs::rename(aside, folder.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_plugin_is_told_and_the_old_one_stays_in_service() {
    let scratch = Scratch::new("bad-plugins").unwrap();
    let folder = scratch.path();
    scratch.write("plugins/looks.wasm", good("1.0.0")).unwrap();
    scratch.write("stanch.toml", SETTINGS).unwrap();
    let served = serve::start(&folder.join("stanch.toml")).await.unwrap();
    assert_eq!(version(&served), "1.0.0");

    for (what, bytes, told) in bad() {
        put(folder, "plugins/looks.wasm", |aside| {
            std::fs::write(aside, &bytes).unwrap()
        });
        until(&served, what, |served| {
            problems(served, ProblemKind::Plugin)
                .iter()
                .any(|said| said.contains(told))
        })
        .await;
        assert_eq!(version(&served), "1.0.0", "{what}");
    }
    // A hole of 200 MB, which reading would fill memory with.
    put(folder, "plugins/looks.wasm", |aside| {
        std::fs::File::create(aside).unwrap().set_len(200 << 20).unwrap();
    });
    until(&served, "a huge file", |served| {
        problems(served, ProblemKind::Plugin)
            .iter()
            .any(|said| said.contains("200.0 MiB"))
    })
    .await;
    assert_eq!(version(&served), "1.0.0");

    // A name that is taken.
    let twice = format!("{SETTINGS}[plugins.looks]\nsource = \"plugins/other.wasm\"\n");
    put(folder, "stanch.toml", |aside| {
        std::fs::write(aside, twice).unwrap()
    });
    until(&served, "a name that is taken", |served| {
        problems(served, ProblemKind::Settings)
            .iter()
            .any(|said| said.contains("looks"))
    })
    .await;
    assert_eq!(version(&served), "1.0.0");

    // None of it is in the way of what is good.
    put(folder, "stanch.toml", |aside| {
        std::fs::write(aside, SETTINGS).unwrap()
    });
    put(folder, "plugins/looks.wasm", |aside| {
        std::fs::write(aside, good("2.0.0")).unwrap()
    });
    until(&served, "a good one", |served| version(served) == "2.0.0").await;
    until(&served, "no problem is left", |served| {
        served.reloader().current().load().problems.is_empty()
    })
    .await;
    served.drain().await;
}

#[test]
fn the_authors_tools_tell_the_same_and_leave_nothing() {
    let scratch = Scratch::new("bad-plugins").unwrap();
    let folder = scratch.path();
    let mut table = bad();
    table.push(("a huge file", Vec::new(), "200.0 MiB"));
    for (what, bytes, told) in table {
        scratch.write("bad.wasm", &bytes).unwrap();
        if bytes.is_empty() {
            std::fs::File::options()
                .write(true)
                .open(folder.join("bad.wasm"))
                .unwrap()
                .set_len(200 << 20)
                .unwrap();
        }
        for command in [
            &["plugin", "check", "bad.wasm"][..],
            &["plugin", "inspect", "bad.wasm"],
            &["plugin", "pack", "bad.wasm", "packed.wasm"],
            &["plugin", "diff", "bad.wasm", "bad.wasm"],
        ] {
            let output = stanch(folder, command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{what}: {command:?}");
            assert!(said.contains(told), "{what}: {command:?}: {said}");
            assert!(said.contains("bad.wasm"), "{what}: {command:?}: {said}");
        }
        let left: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["bad.wasm"], "{what}");
    }
}

#[test]
fn an_author_who_asks_for_more_than_can_be_granted_is_told() {
    let scratch = Scratch::new("bad-plugins").unwrap();
    let folder = scratch.path();
    let asking = |url: &str| {
        let mut manifest = manifest("1.0.0");
        manifest["asks"] = json!({ "http": [{ "url": url, "read": ["GET"] }] });
        scratch.write("asks.wasm", saying(&manifest, &manifest)).unwrap();
        let output = stanch(folder, &["plugin", "check", "asks.wasm"]);
        assert!(output.status.success(), "an engine would install it");
        String::from_utf8(output.stdout).unwrap()
    };
    let every = asking("https://**");
    assert!(
        every.contains("no operator can grant this as it is") && every.contains("`**`"),
        "{every}"
    );
    let one = asking("https://api.example/health");
    assert!(
        !one.contains("no operator") && one.contains("https://api.example/health"),
        "{one}"
    );
}
