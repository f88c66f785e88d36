//! The built binary compiles plugins for its engine: in a child, bounded, when one is installed or swapped, and never for a call.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests, which write the files that are read"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use stanch_contract::ByteSize;
use stanch_outside::alertmanager::{notification, now};
use stanch_outside::http::{Connection, free_port};
use stanch_outside::serve::{Engine, Scratch, pack};
use stanch_outside::settings;
use stanch_sandbox::{Compiler, InstallError};

const TOKEN: &str = "a-token-of-a-test";
const RUNBOOK: &str = r#"name = "looks"
title = "Looks"
owner = "tests"
mode = "ask"
[trigger]
alert = "Looked"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "full"
ask = "Is it full?"
uses = "usage"
with = { folder = "scratch", above = 0.99 }
"#;

fn stanch() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_stanch"))
}

fn compiler(memory: ByteSize) -> Compiler {
    Compiler {
        program: stanch().to_owned(),
        arguments: vec!["compile-plugin".into()],
        memory,
    }
}

/// The sum of a counter over its labels.
fn counted(listens: SocketAddr, name: &str) -> u64 {
    let metrics = Connection::open(listens).unwrap().get("/metrics").unwrap().body;
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{'])
            .then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
    });
    values.sum()
}

fn reached(listens: SocketAddr, name: &str, least: u64) {
    let began = Instant::now();
    while counted(listens, name) < least {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "`{name}` never came to {least}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The same plugin to whoever calls it, and another one to who compiles it.
fn altered(plugin: &[u8]) -> Vec<u8> {
    [plugin, &[0, 3, 1, b'n', 1]].concat()
}

#[test]
fn a_plugin_is_compiled_when_it_is_installed_or_swapped_and_never_for_a_call() {
    let scratch = Scratch::new("compiled").unwrap();
    let (folder, listens) = (scratch.path(), free_port().unwrap());
    let plugin = folder.join("plugins/usage.wasm");
    std::fs::create_dir(folder.join("plugins")).unwrap();
    pack(stanch(), &stanch_test_support::component("disk-usage"), &plugin).unwrap();
    let granted = format!(
        "[[plugins.usage.grant.files]]\npath = {}\nat = \"scratch\"\naccess = \"read\"\n",
        settings::quoted(folder)
    );
    let text = settings::engine(listens, "tests", "ask") + &settings::plugin("usage", &plugin, "") + &granted;
    scratch.write("runbooks/looks.toml", RUNBOOK).unwrap();
    scratch.write("stanch.toml", text).unwrap();

    let start = || Engine::start(stanch(), folder, listens, TOKEN).unwrap();
    let compiled = || counted(listens, "stanch_plugins_compiled");
    let mut seen = 0;
    let mut called = |times: u64| {
        let before = counted(listens, "stanch_plugin_calls_total");
        for _ in 0..times {
            seen += 1;
            let instance = format!("node-{seen}");
            let alert = notification("Looked", &[("instance", &instance)], true, &now().unwrap());
            let mut connection = Connection::open(listens).unwrap();
            let answer = connection
                .post("/alerts/alertmanager", TOKEN, &alert.to_string())
                .unwrap();
            assert_eq!(answer.status, 202, "{}", answer.body);
        }
        reached(listens, "stanch_plugin_calls_total", before + times);
    };

    let engine = start();
    assert_eq!(compiled(), 1, "when it was installed");
    called(20);
    assert_eq!(compiled(), 1, "twenty calls later");
    std::fs::write(
        folder.join("aside.wasm"),
        altered(&std::fs::read(&plugin).unwrap()),
    )
    .unwrap();
    std::fs::rename(folder.join("aside.wasm"), &plugin).unwrap();
    engine.tell(&["reload"]).unwrap();
    assert_eq!(compiled(), 2, "when it was swapped");
    called(20);
    assert_eq!(compiled(), 2, "twenty calls later");
    engine.tell(&["reload"]).unwrap();
    assert_eq!(compiled(), 2, "a reload of the same");
    engine.stop().unwrap();

    let engine = start();
    called(5);
    assert_eq!(compiled(), 0, "what was compiled before is not compiled again");
    engine.stop().unwrap();
}

/// A component whose one function is as large as one may be: the compiler's memory grows faster than a function does.
fn hostile() -> Vec<u8> {
    let body = "local.get 0 i64.mul ".repeat(300_000);
    let text = format!("(component (core module (func (param i64) (result i64) local.get 0 {body})))");
    wat::parse_str(text).unwrap()
}

#[test]
fn a_component_that_takes_more_memory_to_compile_than_it_may_is_refused_and_a_good_one_is_not() {
    let time = Duration::from_secs(120);
    let good = std::fs::read(stanch_test_support::component("disk-usage")).unwrap();
    let tight = compiler(ByteSize(96 << 20));
    assert!(!tight.compile(&good, time).unwrap().is_empty());
    assert_eq!(
        tight.compile(&hostile(), time).unwrap_err(),
        InstallError::CompileMemory {
            most: ByteSize(96 << 20)
        }
    );
    assert!(
        !tight.compile(&good, time).unwrap().is_empty(),
        "the next one is compiled as ever"
    );
    // With what an engine gives it the same component compiles: it is the memory that it failed on.
    assert!(
        !compiler(Compiler::MEMORY)
            .compile(&hostile(), time)
            .unwrap()
            .is_empty()
    );
    let error = tight.compile(b"\0asm no component", time).unwrap_err();
    assert!(matches!(error, InstallError::Compile { .. }), "{error}");
}

#[test]
fn a_compiler_that_takes_too_long_is_ended() {
    let soon = Duration::from_millis(1);
    assert_eq!(
        compiler(Compiler::MEMORY).compile(&hostile(), soon).unwrap_err(),
        InstallError::CompileTime { most: soon }
    );
}
