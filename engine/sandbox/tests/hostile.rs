//! Plugins that mean harm or are broken: each call ends at the limit that is meant for it, by that limit's name, within
//! its budget, and the engine serves the next call as if nothing had been.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, as tests do, and tests harm files on purpose"
)]

mod common;

use std::time::{Duration, Instant};

use common::{context, installation, sandbox, scripted};
use serde_json::{Value, json};
use stanch_contract::{ByteSize, FailureCode, Finding, Span};
use stanch_sandbox::{CallFault, CallReport, InstallError, Installation, Limit, Limits, Sandbox};
use stanch_test_support::{Craft, core_diagnosis};

const MANIFEST: &str = r#"{"name":"hostile","version":"0.1.0","summary":"Means harm.","params":{}}"#;

/// Runs `script`, then sees whether the engine still serves.
async fn suffer(limits: Limits, script: Value) -> CallReport<Finding> {
    let sandbox = sandbox();
    let plugin = scripted(&sandbox, "diagnosis", limits).await;
    let report = plugin.diagnose(&context(), &script).await;
    still_serves(&sandbox).await;
    report
}

async fn still_serves(sandbox: &Sandbox) {
    let good = scripted(sandbox, "diagnosis", Limits::default()).await;
    good.diagnose(&context(), &json!({ "do": [{ "log": "well" }] }))
        .await
        .result
        .unwrap();
}

fn limit(report: &CallReport<Finding>) -> Limit {
    match &report.result {
        Err(CallFault::Limit(hit)) => hit.limit,
        other => panic!("no limit, but {other:?}"),
    }
}

/// A diagnosis plugin out of core WebAssembly.
async fn crafted(sandbox: &Sandbox, extra: &str, body: &str) -> Result<Installation, InstallError> {
    let craft = Craft {
        core: Some(core_diagnosis(MANIFEST, extra, body)),
        manifest: Some(MANIFEST.into()),
        ..Craft::of("diagnosis-plugin")
    };
    let plugin = sandbox.install(craft.build().into()).await?;
    Ok(installation(sandbox, plugin, Limits::default()))
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_processor_time() {
    let limits = Limits {
        cpu: Span::from_millis(100),
        ..Limits::default()
    };
    let report = suffer(limits, json!({ "do": [{ "spin": {} }] })).await;
    assert_eq!(limit(&report), Limit::Cpu);
    assert!(
        report.cpu >= Duration::from_millis(100) && report.cpu < Duration::from_millis(500),
        "{:?}",
        report.cpu
    );
    let failure = report.result.unwrap_err().into_failure();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (FailureCode::Budget, "it reached its limit `cpu` of 100ms")
    );
}

#[tokio::test]
async fn a_loop_within_its_processor_time_comes_to_its_end() {
    let report = suffer(Limits::default(), json!({ "do": [{ "spin_ms": 50 }] })).await;
    report.result.unwrap();
}

#[tokio::test]
async fn a_spinning_guest_gives_way_to_others() {
    let sandbox = sandbox();
    let limits = Limits {
        cpu: Span::from_millis(500),
        ..Limits::default()
    };
    let spinner = scripted(&sandbox, "diagnosis", limits).await;
    // One thread for all: what is measured is how long it is held.
    let spinning = tokio::spawn(async move {
        spinner
            .diagnose(&context(), &json!({ "do": [{ "spin": {} }] }))
            .await
    });
    let mut longest = Duration::ZERO;
    while !spinning.is_finished() {
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        longest = longest.max(before.elapsed());
    }
    assert_eq!(limit(&spinning.await.unwrap()), Limit::Cpu);
    assert!(longest < Duration::from_millis(400), "others waited {longest:?}");
}

#[tokio::test]
async fn a_loop_in_start_ends_when_it_is_installed() {
    let sandbox = sandbox();
    let endless = "(func $endless (loop br 0)) (start $endless)";
    let error = crafted(&sandbox, endless, "").await.err().unwrap();
    assert!(
        matches!(&error, InstallError::Describe(CallFault::Limit(hit)) if hit.limit == Limit::Cpu),
        "{error}"
    );
    still_serves(&sandbox).await;
}

#[tokio::test]
async fn waiting_past_the_deadline_ends_at_the_wall_clock() {
    let limits = Limits {
        wall: Span::from_millis(200),
        ..Limits::default()
    };
    let report = suffer(limits, json!({ "do": [{ "sleep_ms": 60_000 }] })).await;
    assert_eq!(limit(&report), Limit::Wall);
    assert!(report.took < Duration::from_secs(2), "{:?}", report.took);
    assert!(
        report.cpu < Duration::from_millis(200),
        "waiting is not charged: {:?}",
        report.cpu
    );
    assert_eq!(
        report.result.unwrap_err().into_failure().code,
        FailureCode::Timeout
    );
}

#[tokio::test]
async fn many_short_waits_are_not_charged_as_processor_time() {
    let limits = Limits {
        cpu: Span::from_millis(100),
        ..Limits::default()
    };
    let script = json!({ "do": [{ "repeat": { "times": 30, "do": [{ "sleep_ms": 12 }] } }] });
    let report = suffer(limits, script).await;
    report.result.unwrap();
}

#[tokio::test]
async fn memory_beyond_the_limit_is_not_given() {
    let limits = Limits {
        memory: ByteSize(8 << 20),
        ..Limits::default()
    };
    let report = suffer(limits.clone(), json!({ "do": [{ "grow_mib": 64 }] })).await;
    assert_eq!(limit(&report), Limit::Memory);
    suffer(limits, json!({ "do": [{ "grow_mib": 4 }] }))
        .await
        .result
        .unwrap();
}

#[tokio::test]
async fn memory_that_is_asked_for_at_once_is_not_given() {
    let sandbox = sandbox();
    let plugin = crafted(&sandbox, "", "(drop (memory.grow (i32.const 60000)))")
        .await
        .unwrap();
    assert_eq!(
        limit(&plugin.diagnose(&context(), &json!({})).await),
        Limit::Memory
    );
    still_serves(&sandbox).await;
}

#[tokio::test]
async fn tables_beyond_the_limit_are_not_given() {
    let sandbox = sandbox();
    let body = "(loop (drop (table.grow $t (ref.null func) (i32.const 1000))) br 0)";
    let plugin = crafted(&sandbox, "(table $t 1 funcref)", body).await.unwrap();
    assert_eq!(
        limit(&plugin.diagnose(&context(), &json!({})).await),
        Limit::Tables
    );
    still_serves(&sandbox).await;
}

#[tokio::test]
async fn a_flood_of_calls_ends_at_their_number() {
    let limits = Limits {
        calls: 50,
        ..Limits::default()
    };
    let report = suffer(
        limits.clone(),
        json!({ "do": [{ "flood_calls": { "url": "https://example.com/" } }] }),
    )
    .await;
    assert_eq!(limit(&report), Limit::HostCalls);
    assert!(report.ledger.calls.len() <= 50, "{}", report.ledger.calls.len());
    let as_many_as_allowed = json!({ "do": [{ "repeat": { "times": 50, "do": [{ "usage": "scratch" }] } }] });
    let finding = suffer(limits, as_many_as_allowed).await.result.unwrap();
    assert_eq!(finding.data["calls"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_flood_of_log_lines_ends_at_their_bytes() {
    for flood in ["flood_log", "flood_print"] {
        for text in ["", "a line of some length"] {
            let report = suffer(Limits::default(), json!({ "do": [{ flood: text }] })).await;
            assert_eq!(limit(&report), Limit::Log, "{flood} {text}");
            let bytes: usize = report.logs.iter().map(|line| line.message.len()).sum();
            assert!(bytes <= 64 << 10, "{flood}: {bytes}");
        }
    }
}

#[tokio::test]
async fn an_answer_over_its_size_is_not_taken() {
    for bytes in [300 << 10, 10 << 20] {
        let report = suffer(Limits::default(), json!({ "data": { "$bytes": bytes } })).await;
        assert_eq!(limit(&report), Limit::Output, "{bytes}");
    }
    let output = Some(ByteSize(400 << 10));
    let report = suffer(
        Limits {
            output,
            ..Limits::default()
        },
        json!({ "data": { "$bytes": 300 << 10 } }),
    )
    .await;
    // Large enough, and so its schema is what is wrong with it.
    assert!(
        matches!(report.result, Err(CallFault::Output { .. })),
        "{:?}",
        report.result
    );
}

#[tokio::test]
async fn a_huge_text_in_one_host_call_is_not_carried_over() {
    let report = suffer(Limits::default(), json!({ "do": [{ "huge_call": 20 << 20 }] })).await;
    assert_eq!(limit(&report), Limit::HostcallFuel);
}

#[tokio::test]
async fn deep_json_is_refused_with_its_place() {
    for depth in [100, 100_000] {
        let report = suffer(Limits::default(), json!({ "data": { "$deep": depth } })).await;
        let fault = report.result.unwrap_err();
        assert!(
            matches!(&fault, CallFault::Output { message } if message.contains("nested deeper")),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_place() {
    let report = suffer(
        Limits::default(),
        json!({ "raw_data": true, "data": "{nonsense" }),
    )
    .await;
    let fault = report.result.unwrap_err();
    assert!(
        matches!(&fault, CallFault::Output { message } if message.starts_with("`data`")),
        "{fault}"
    );
}

#[tokio::test]
async fn a_panic_is_a_trap_with_its_last_words() {
    let report = suffer(
        Limits::default(),
        json!({ "do": [{ "trap": "the index is\u{1b}[2J out of bounds" }] }),
    )
    .await;
    let fault = report.result.unwrap_err();
    let CallFault::Trap { message } = &fault else {
        panic!("{fault}")
    };
    assert!(
        message.contains("unreachable") && message.contains("the index is[2J out of bounds"),
        "{message}"
    );
    assert_eq!(fault.into_failure().code, FailureCode::Trap);
}

#[tokio::test]
async fn an_exit_is_a_trap() {
    let report = suffer(Limits::default(), json!({ "do": [{ "exit": 0 }] })).await;
    assert!(
        matches!(&report.result, Err(CallFault::Trap { message }) if message.contains("exited")),
        "{:?}",
        report.result
    );
}

#[tokio::test]
async fn a_stack_without_end_is_a_trap() {
    let report = suffer(Limits::default(), json!({ "do": [{ "recurse": {} }] })).await;
    assert!(
        matches!(report.result, Err(CallFault::Trap { .. })),
        "{:?}",
        report.result
    );
}

#[tokio::test]
async fn too_many_open_resources_end_at_their_number() {
    let sandbox = sandbox();
    let wit = "package test:hoard;
        world it {
            include runbook:plugin/diagnosis-plugin@0.1.0;
            import wasi:cli/stderr@0.2.0;
        }
        package wasi:io@0.2.0 { interface streams { resource output-stream; } }
        package wasi:cli@0.2.0 {
            interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
        }";
    let import = r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $open (result i32)))"#;
    let craft = Craft {
        wit: wit.into(),
        world: "test:hoard/it".into(),
        core: Some(core_diagnosis(
            MANIFEST,
            import,
            "(loop (drop (call $open)) br 0)",
        )),
        manifest: Some(MANIFEST.into()),
    };
    let plugin = sandbox.install(craft.build().into()).await.unwrap();
    let plugin = installation(&sandbox, plugin, Limits::default());
    assert_eq!(
        limit(&plugin.diagnose(&context(), &json!({})).await),
        Limit::Resources
    );
    still_serves(&sandbox).await;
}

#[tokio::test]
async fn an_answer_that_points_nowhere_is_refused() {
    let sandbox = sandbox();
    let plugin = crafted(&sandbox, "", "(return (i32.const -16))").await.unwrap();
    let fault = plugin.diagnose(&context(), &json!({})).await.result.unwrap_err();
    assert!(
        matches!(fault, CallFault::Output { .. } | CallFault::Trap { .. }),
        "{fault:?}"
    );
    still_serves(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_calls_at_the_same_time_do_not_touch_a_good_one() {
    let sandbox = sandbox();
    let limits = Limits {
        cpu: Span::from_millis(200),
        wall: Span::from_secs(5),
        ..Limits::default()
    };
    let scripts = [
        json!({ "do": [{ "spin": {} }] }),
        json!({ "do": [{ "grow_mib": 200 }] }),
        json!({ "do": [{ "flood_log": "x" }] }),
        json!({ "do": [{ "trap": "x" }] }),
    ];
    let mut hostile = tokio::task::JoinSet::new();
    for script in scripts.into_iter().cycle().take(24) {
        let plugin = scripted(&sandbox, "diagnosis", limits.clone()).await;
        hostile.spawn(async move { plugin.diagnose(&context(), &script).await.result.is_err() });
    }
    let good = scripted(&sandbox, "diagnosis", Limits::default()).await;
    for _ in 0..20 {
        good.diagnose(&context(), &json!({ "do": [{ "now": {} }] }))
            .await
            .result
            .unwrap();
    }
    assert!(hostile.join_all().await.into_iter().all(|failed| failed));
    still_serves(&sandbox).await;
}
