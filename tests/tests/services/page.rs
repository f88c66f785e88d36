//! `pagerduty`, with a server that takes only what fits the schema that PagerDuty publishes. There is no PagerDuty here.

use std::sync::atomic::{AtomicUsize, Ordering};

use jsonschema::Validator;
use serde_json::{Value, json};
use stanch_contract::FailureCode;
use stanch_sandbox::Message;
use stanch_tests::{Installed, Server, code};

/// The only secret that the tests' source knows; with what the grant puts after it, it is as long as an integration key.
const SECRET: &str = "the-webhook-secret";
const REST: &str = "-of-pagerduty-";

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(include_str!("pagerduty-events-v2.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// What is wrong with an event, as PagerDuty would say.
fn wrong(schema: &Validator, body: &[u8]) -> Vec<String> {
    match serde_json::from_slice(body) {
        Ok(event) => schema
            .iter_errors(&event)
            .map(|error| error.to_string())
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

async fn pagerduty(busy: usize) -> Server {
    let (schema, asked) = (schema(), AtomicUsize::new(0));
    Server::start(move |request| {
        if asked.fetch_add(1, Ordering::SeqCst) < busy {
            return (429, String::new());
        }
        let errors = wrong(&schema, &request.body);
        if request.method == "POST" && errors.is_empty() {
            return (
                202,
                json!({ "status": "success", "message": "Event processed", "dedup_key": "k" }).to_string(),
            );
        }
        let said =
            json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
        (400, said.to_string())
    })
    .await
}

async fn plugin(server: &Server, key: &str) -> Installed {
    let url = format!("{}/v2/enqueue", server.url);
    let grant = json!({ "notify": [{ "url": url, "members": { "routing_key": key }, "addresses": ["127.0.0.0/8"] }] });
    Installed::new("pagerduty", grant, json!({ "url": url })).await
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
        extra: Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_takes_what_is_sent_and_the_key_is_the_gates() {
    let server = pagerduty(1).await;
    let plugin = plugin(&server, &format!("${{secret:webhook}}{REST}")).await;
    for event in ["trigger", "acknowledge", "resolve"] {
        plugin
            .notify(&json!({ "event": event, "component": "gateway" }), &message())
            .await
            .unwrap();
    }
    let received = server.received();
    let bodies: Vec<Value> = received
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    // The first one twice: it was told to come again.
    let said: Vec<&str> = bodies
        .iter()
        .map(|body| body["event_action"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["trigger", "trigger", "acknowledge", "resolve"]);
    for body in &bodies {
        assert_eq!(
            (&body["dedup_key"], body["routing_key"].as_str().unwrap()),
            (&json!("run-r"), format!("{SECRET}{REST}").as_str())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_pagerduty_does_not_know_is_said_and_nothing_is_tried_again() {
    let server = pagerduty(0).await;
    let fault = plugin(&server, "short")
        .await
        .notify(&json!({}), &message())
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("short"), "{fault}");
    let without =
        json!({ "notify": [{ "url": format!("{}/other", server.url), "addresses": ["127.0.0.0/8"] }] });
    let elsewhere = Installed::new(
        "pagerduty",
        without,
        json!({ "url": format!("{}/v2/enqueue", server.url) }),
    )
    .await;
    let fault = elsewhere.notify(&json!({}), &message()).await.unwrap_err();
    assert_eq!((code(&fault), server.received().len()), (FailureCode::Denied, 1));
}

#[test]
fn the_schema_refuses_what_pagerduty_refuses() {
    let schema = schema();
    let good = json!({
        "routing_key": "e93facc04764012d7bfb002500d5d1a6", "event_action": "trigger",
        "payload": { "summary": "s", "severity": "critical", "source": "h" },
    });
    assert_eq!(wrong(&schema, good.to_string().as_bytes()), [""; 0]);
    for (pointer, value) in [
        ("/routing_key", json!("short")),
        ("/event_action", json!("page")),
        ("/event_action", json!("resolve")),
        ("/payload", Value::Null),
        ("/payload/severity", json!("high")),
        ("/payload/summary", json!("x".repeat(1_025))),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(
            !wrong(&schema, bad.to_string().as_bytes()).is_empty(),
            "{pointer}"
        );
    }
    assert!(!wrong(&schema, b"text").is_empty());
}
