use super::*;
use stanch_plugin::testing::{Host, reply};

const URL: &str = "https://events.pagerduty.com/v2/enqueue";

fn host() -> Host {
    let host = Host::new();
    host.set_settings(json!({}));
    host
}

fn message() -> Message {
    Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "Disk full".into(),
        text: "The cleanup failed.".into(),
        link: Some("https://stanch.example/runs/r".into()),
        report: json!({ "run": "r" }),
        thread: "run-r".into(),
        ..Default::default()
    }
}

fn tell(host: &Host, params: Value) -> Result<(), Failure> {
    host.notify::<PagerDuty>(params, &message())
}

fn bodies(host: &Host) -> Vec<Value> {
    let sent = host.sent();
    sent.iter()
        .map(|request| stanch_plugin::serde_json::from_slice(&request.body).unwrap())
        .collect()
}

#[test]
fn one_key_for_a_run_triggers_acknowledges_and_resolves() {
    let host = host();
    host.answer("POST", URL, reply(202, json!({ "status": "success" })));
    for params in [
        json!({ "component": "gateway" }),
        json!({ "event": "acknowledge" }),
        json!({ "event": "resolve" }),
    ] {
        tell(&host, params).unwrap();
    }
    let bodies = bodies(&host);
    let said: Vec<_> = bodies
        .iter()
        .map(|body| {
            (
                body["event_action"].as_str().unwrap(),
                body["dedup_key"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("trigger", "run-r"),
            ("acknowledge", "run-r"),
            ("resolve", "run-r")
        ]
    );
    let payload = &bodies[0]["payload"];
    assert_eq!(
        (
            &payload["summary"],
            &payload["severity"],
            &payload["component"],
            &payload["source"]
        ),
        (
            &json!("Disk full"),
            &json!("error"),
            &json!("gateway"),
            &json!("stanch")
        )
    );
    assert!(
        bodies.iter().all(|body| body.get("routing_key").is_none()),
        "it is the gate's to add"
    );
}

#[test]
fn what_passes_by_is_tried_again_and_what_is_wrong_is_not() {
    let host = host();
    let mut slow = reply(429, "").unwrap();
    slow.headers.push(("retry-after".into(), "7".into()));
    let started = host.now();
    host.answer("POST", URL, Ok(slow));
    host.answer("POST", URL, reply(500, ""));
    host.answer("POST", URL, Err(Failure::unavailable("connection refused")));
    host.answer("POST", URL, reply(202, ""));
    tell(&host, json!({})).unwrap();
    assert_eq!(host.now() - started, 7_000 + 4_000 + 8_000);

    for status in [200, 302, 400, 403, 404] {
        let host = self::host();
        host.answer("POST", URL, reply(status, json!({ "status": "invalid event", "message": "Event object is invalid", "errors": ["'routing_key' is incorrect"] })));
        let failure = tell(&host, json!({})).unwrap_err();
        assert_eq!(host.sent().len(), 1, "{status}");
        assert!(
            failure.message.contains("'routing_key' is incorrect"),
            "{failure}"
        );
    }
}

#[test]
fn it_does_not_try_for_ever_nor_longer_than_the_call_may_take() {
    let down = host();
    down.answer("POST", URL, reply(503, ""));
    assert!(
        tell(&down, json!({}))
            .unwrap_err()
            .message
            .contains("after 4 tries")
    );
    let short = host();
    short.set_remaining(2_500);
    short.answer("POST", URL, reply(503, ""));
    tell(&short, json!({})).unwrap_err();
    assert_eq!(short.sent().len(), 1);
}

#[test]
fn an_event_is_cut_to_what_pagerduty_takes() {
    let host = host();
    host.answer("POST", URL, reply(202, ""));
    let message = Message {
        title: "x".repeat(5_000),
        thread: "k".repeat(400),
        report: json!("r".repeat(600_000)),
        ..message()
    };
    host.notify::<PagerDuty>(json!({}), &message).unwrap();
    let body = bodies(&host).remove(0);
    assert_eq!(
        body["payload"]["summary"].as_str().unwrap().chars().count(),
        SUMMARY
    );
    assert_eq!(body["dedup_key"].as_str().unwrap().chars().count(), KEY);
    assert!(
        body.to_string().len() < LARGEST
            && body["payload"]["custom_details"]["report"]
                .as_str()
                .unwrap()
                .contains("too large")
    );
}

#[test]
fn severities_are_pagerdutys_own() {
    for (ours, theirs) in [
        ("low", "info"),
        ("medium", "warning"),
        ("high", "error"),
        ("critical", "critical"),
        ("", "critical"),
    ] {
        assert_eq!(severity(ours), theirs);
    }
}

#[test]
fn an_address_without_a_grant_is_a_failure() {
    let host = host();
    host.set_settings(json!({ "url": "https://elsewhere.example/" }));
    assert_eq!(tell(&host, json!({})).unwrap_err().code, FailureCode::Denied);
}
