//! Each of the contract's functions, called in a plugin of its kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, as tests do, and tests harm files on purpose"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use common::{context, sandbox, scripted};
use serde_json::{Value, json};
use stanch_contract::plan::Capability;
use stanch_contract::{
    ActionState, AttemptMade, CanonicalAction, ChangePlan, CheckedPlan, FailureCode, PluginKind, Progress,
    Span, Verdict,
};
use stanch_sandbox::gate::{ActionLog, Apply, Stop};
use stanch_sandbox::{
    CallFault, Limit, Limits, LogLevel, LogLine, Message, Reading, Sandbox, SandboxOptions,
};

struct NoLog;

#[async_trait]
impl ActionLog for NoLog {
    async fn started(&self, _action: u32) -> Result<(), Stop> {
        Ok(())
    }

    async fn ended(&self, _action: u32, _state: ActionState, _answer: Option<Vec<u8>>) {}
}

fn empty_plan() -> CheckedPlan {
    let offered = ChangePlan {
        summary: "nothing".into(),
        actions: vec![],
        population: None,
        data: json!({"a": 1}),
        extra: Value::Null,
    };
    CheckedPlan {
        population: None,
        summary: "nothing".into(),
        actions: vec![],
        offered,
    }
}

/// An attempt at one action, of which it is not known whether it was done.
fn one_action_made() -> AttemptMade {
    let action = CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: "remove".into(),
        target: "file:scratch".into(),
        identity: "/var/tmp/app".into(),
        expect: None,
        content: None,
        items: vec!["scratch/a@1".into()],
        bytes: None,
        repeat_safe: true,
        before: None,
        reason: String::new(),
    };
    let progress = Progress::from([(
        0,
        ActionState::Unknown {
            detail: "no answer".into(),
        },
    )]);
    AttemptMade {
        plan: CheckedPlan {
            actions: vec![action],
            ..empty_plan()
        },
        progress,
        outcome: None,
    }
}

#[tokio::test]
async fn a_diagnosis_answers_with_verdict_evidence_and_data() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    assert_eq!(plugin.plugin().kind(), PluginKind::Diagnosis);
    assert_eq!(plugin.plugin().manifest().name, "scripted-diagnosis");
    let script = json!({
        "verdict": "no", "summary": "the disk has room",
        "evidence": [{ "label": "used", "value": "41 %", "link": "https://grafana.example/d", "points": [[1, 0.4], [2, "NaN"]] }],
        "do": [{ "log": "looking" }, { "print": "printed" }, { "complain": "odd" }, { "settings": {} }],
    });
    let report = plugin.diagnose(&context(), &script).await;
    let finding = report.result.unwrap();
    assert_eq!(
        (finding.verdict, finding.summary.as_str()),
        (Verdict::No, "the disk has room")
    );
    assert_eq!(finding.evidence[0].points.len(), 1);
    assert_eq!(finding.data, json!({ "calls": [{ "ok": { "grace": "30s" } }] }));
    let line = |level, message: &str| LogLine {
        level,
        message: message.into(),
    };
    let expected = [
        line(LogLevel::Info, "looking"),
        line(LogLevel::Info, "printed"),
        line(LogLevel::Warn, "odd"),
    ];
    assert_eq!(report.logs, expected);
    assert!(
        report.took >= report.cpu / 2,
        "took {:?}, cpu {:?}",
        report.took,
        report.cpu
    );
}

#[tokio::test]
async fn a_remediation_plans_applies_verifies_and_plans_the_way_back() {
    let plugin = scripted(&sandbox(), "remediation", Limits::default()).await;
    let script = json!({
        "plan": {
            "summary": "remove one",
            "actions": [{ "verb": "remove", "target": "file:scratch", "items": ["scratch/a@1"], "reason": "old\u{202e}" }],
        },
        "apply": { "summary": "removed" },
        "verify": { "verdict": "yes" },
        "undo": { "summary": "nothing to put back" },
    });
    let plan = plugin.plan(&context(), &script).await.result.unwrap();
    assert_eq!((plan.summary.as_str(), plan.actions.len()), ("remove one", 1));
    assert_eq!(
        (plan.actions[0].items[0].as_str(), plan.actions[0].reason.as_str()),
        ("scratch/a@1", "old")
    );

    let apply = Apply {
        plan: empty_plan(),
        earlier: BTreeMap::new(),
        log: Arc::new(NoLog),
    };
    let outcome = plugin.apply(&context(), &script, apply).await.result.unwrap();
    assert_eq!(
        (outcome.summary.as_str(), &outcome.data),
        ("removed", &json!({ "calls": [], "planned": 0 }))
    );

    let made = AttemptMade {
        plan: empty_plan(),
        progress: Progress::new(),
        outcome: Some(outcome),
    };
    assert_eq!(
        plugin
            .verify(&context(), &script, &made)
            .await
            .result
            .unwrap()
            .verdict,
        Verdict::Yes
    );
    let verified = plugin
        .verify(&context(), &script, &one_action_made())
        .await
        .result
        .unwrap();
    assert_eq!(verified.data["progress"], json!([[0, "unknown", "no answer"]]));
    let undo = plugin.plan_undo(&context(), &script, &made).await.result.unwrap();
    assert_eq!(
        (undo.summary.as_str(), undo.actions.len()),
        ("nothing to put back", 0)
    );
}

#[tokio::test]
async fn a_notification_is_told_the_message() {
    let plugin = scripted(&sandbox(), "notification", Limits::default()).await;
    let message = Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "Disk full".into(),
        text: "It is full.".into(),
        link: None,
        report: json!({ "run": "run1" }),
        thread: "run1".into(),
        extra: Value::Null,
    };
    let report = plugin.notify(&context(), &json!({}), &message).await;
    report.result.unwrap();
    assert_eq!(report.logs[0].message, r#"escalation: Disk full {"calls":[]}"#);
}

#[tokio::test]
async fn a_plugin_is_asked_only_what_its_kind_answers() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let fault = plugin.plan(&context(), &json!({})).await.result.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the engine could not make the call: `under-test` is a diagnosis plugin, not a remediation plugin"
    );
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_recorded_and_a_guest_that_gives_up_was_refused() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let steps = json!([
        { "http": { "url": "https://example.com/" } },
        { "usage": "scratch" },
        { "kubernetes": { "verb": "get", "namespace": "inference", "name": "p" } },
    ]);
    let report = plugin.diagnose(&context(), &json!({ "do": steps })).await;
    let finding = report.result.unwrap();
    for call in finding.data["calls"].as_array().unwrap() {
        assert_eq!(call["err"]["code"], "denied", "{call}");
    }
    assert_eq!(finding.data["calls"].as_array().unwrap().len(), 3);

    let fault = plugin
        .diagnose(&context(), &json!({ "strict": true, "do": steps }))
        .await
        .result
        .unwrap_err();
    assert_eq!(fault.into_failure().code, FailureCode::Denied);
}

#[tokio::test]
async fn a_failure_of_the_guest_keeps_its_code() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let script = json!({ "fail": { "code": "unavailable", "message": "no answer from `db`\u{1b}[0m" } });
    let fault = plugin.diagnose(&context(), &script).await.result.unwrap_err();
    let CallFault::Guest(failure) = fault else {
        panic!("{fault}")
    };
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (FailureCode::Unavailable, "no answer from `db`[0m")
    );
}

#[tokio::test]
async fn wasi_is_there_and_empty() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let finding = plugin
        .diagnose(&context(), &json!({ "do": [{ "environment": {} }] }))
        .await
        .result
        .unwrap();
    let found = &finding.data["calls"][0]["ok"];
    assert_eq!((&found["variables"], &found["arguments"]), (&json!(0), &json!(0)));
    for what in ["passwd", "here", "socket", "lookup"] {
        assert!(found[what].is_string(), "{what} was there: {found}");
    }
}

#[tokio::test]
async fn clocks_and_random_numbers_work_and_are_noted() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let script = json!({ "do": [{ "now": {} }, { "wall": {} }, { "monotonic": {} }, { "random": {} }] });
    let first = plugin.diagnose(&context(), &script).await;
    let now = first.result.as_ref().unwrap().data["calls"][0]["ok"]
        .as_f64()
        .unwrap();
    assert_eq!(first.readings.clocks[0], Reading::NowMs(now as i64));
    assert!(matches!(first.readings.clocks[1], Reading::NowMs(wall) if wall >= now as i64));
    assert!(
        first.readings.clocks[2..]
            .iter()
            .all(|reading| matches!(reading, Reading::MonotonicNs(_)))
    );
    let second = plugin.diagnose(&context(), &script).await;
    assert_ne!(first.readings.seed, second.readings.seed);
    let random = |report: &stanch_sandbox::CallReport<stanch_contract::Finding>| {
        report.result.as_ref().unwrap().data["calls"][3].clone()
    };
    assert_ne!(random(&first), random(&second));
}

#[tokio::test]
async fn a_guest_sees_its_deadline_and_that_nobody_waits_any_more() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let script = json!({ "do": [{ "remaining": {} }, { "cancelled": {} }] });
    let data = plugin.diagnose(&context(), &script).await.result.unwrap().data;
    let remaining = data["calls"][0]["ok"].as_u64().unwrap();
    assert!((20_000..=30_000).contains(&remaining), "{remaining}");
    assert_eq!(data["calls"][1]["ok"], false);
    let cancelled = context();
    cancelled.cancel.cancel();
    let data = plugin.diagnose(&cancelled, &script).await.result.unwrap().data;
    assert_eq!(data["calls"][1]["ok"], true);
}

#[tokio::test]
async fn a_guest_that_waits_is_woken_where_nobody_needs_it_and_ended_where_its_time_is_over() {
    let script = json!({ "do": [{ "rest_ms": 600_000 }, { "cancelled": {} }] });
    let sandbox = sandbox();
    let cancelled = context();
    cancelled.cancel.cancel();
    let plugin = scripted(&sandbox, "diagnosis", Limits::default()).await;
    let data = plugin.diagnose(&cancelled, &script).await.result.unwrap().data;
    assert_eq!(data["calls"][0]["ok"], true);

    let limits = Limits {
        wall: Span::from_millis(300),
        ..Limits::default()
    };
    let plugin = scripted(&sandbox, "diagnosis", limits).await;
    let fault = plugin.diagnose(&context(), &script).await.result.unwrap_err();
    assert!(
        matches!(&fault, CallFault::Limit(hit) if hit.limit == Limit::Wall),
        "{fault}"
    );
}

#[tokio::test]
async fn two_calls_share_no_memory() {
    // One slot in the pool, so that the second call gets the memory of the first.
    let sandbox = Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 1,
        ..SandboxOptions::default()
    })
    .unwrap();
    let plugin = scripted(&sandbox, "diagnosis", Limits::default()).await;
    let script = json!({ "do": [{ "remember": {} }, { "remember": {} }] });
    for _ in 0..3 {
        let data = plugin.diagnose(&context(), &script).await.result.unwrap().data;
        assert_eq!(data["calls"], json!([{ "ok": 0 }, { "ok": 1 }]));
    }
}

#[tokio::test]
async fn data_that_the_manifest_does_not_allow_is_refused() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let fault = plugin
        .diagnose(&context(), &json!({ "data": { "calls": 3 } }))
        .await
        .result
        .unwrap_err();
    assert!(
        matches!(&fault, CallFault::Output { message } if message.contains("`/calls`")),
        "{fault}"
    );
}

#[tokio::test]
async fn what_is_too_large_is_not_handed_to_a_guest() {
    let plugin = scripted(&sandbox(), "diagnosis", Limits::default()).await;
    let fault = plugin
        .diagnose(&context(), &json!({ "x": "x".repeat(65 << 10) }))
        .await
        .result
        .unwrap_err();
    assert!(fault.to_string().contains("`input` is 64.0 KiB"), "{fault}");
    let mut large = context();
    let mut alert = common::alert();
    alert.payload = json!("x".repeat(65 << 10));
    large.alerts = vec![alert].into();
    let fault = plugin.diagnose(&large, &json!({})).await.result.unwrap_err();
    assert!(
        fault.to_string().contains("the payload of the alert `f1`"),
        "{fault}"
    );
}
