use super::*;
use stanch_plugin::testing::{Host, reply};

const URL: &str = "https://api.example/health";

fn ask(host: &Host, extra: Value) -> (Verdict, String) {
    let mut params = json!({ "url": URL, "tries": 2, "every": "1s" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let finding = host.diagnose::<HttpProbe>(params).unwrap();
    (finding.verdict, finding.summary)
}

#[test]
fn the_right_status_is_a_yes_and_another_is_a_no() {
    let table = [
        (200, json!({}), Verdict::Yes),
        (302, json!({}), Verdict::No),
        (404, json!({ "status": 404 }), Verdict::Yes),
        (404, json!({ "status": "404" }), Verdict::Yes),
        (204, json!({ "status": ["3xx", 204] }), Verdict::Yes),
        (205, json!({ "status": ["3xx", 204] }), Verdict::No),
        (500, json!({ "status": "5xx" }), Verdict::Yes),
    ];
    for (status, params, expected) in table {
        let host = Host::new();
        host.answer("GET", URL, reply(status, ""));
        assert_eq!(ask(&host, params.clone()).0, expected, "{status} {params}");
    }
}

#[test]
fn every_try_must_pass_unless_fewer_are_enough() {
    for (passes, expected) in [(2, Verdict::No), (1, Verdict::Yes)] {
        let host = Host::new();
        host.answer("GET", URL, reply(503, ""));
        host.answer("GET", URL, reply(200, ""));
        assert_eq!(ask(&host, json!({ "passes": passes })).0, expected);
    }
}

#[test]
fn a_no_that_is_certain_ends_the_tries() {
    let host = Host::new();
    host.answer("GET", URL, reply(503, ""));
    ask(&host, json!({ "tries": 5 }));
    assert_eq!(host.sent().len(), 1);
}

#[test]
fn a_refused_connection_is_a_no_and_a_refusing_gate_is_unknown() {
    let host = Host::new();
    host.answer("GET", URL, Err(Failure::unavailable("connection refused")));
    let (verdict, summary) = ask(&host, json!({}));
    assert_eq!(verdict, Verdict::No);
    assert!(summary.contains("connection refused"), "{summary}");

    let host = Host::new();
    assert_eq!(ask(&host, json!({})).0, Verdict::Unknown);
    host.answer(
        "GET",
        URL,
        Err(Failure::new(
            FailureCode::Budget,
            "the answer has more than 1 MiB",
        )),
    );
    assert_eq!(ask(&host, json!({})).0, Verdict::Unknown);
}

#[test]
fn too_slow_is_a_no_and_in_time_is_a_yes() {
    for (latency, expected) in [(400, Verdict::Yes), (600, Verdict::No)] {
        let host = Host::new();
        host.answer("GET", URL, reply(200, ""));
        host.set_latency(latency);
        assert_eq!(ask(&host, json!({ "within": "500ms" })).0, expected, "{latency}");
    }
}

#[test]
fn the_body_must_match_where_it_is_asked_for() {
    let host = Host::new();
    host.answer("GET", URL, reply(200, r#"{"status":"degraded"}"#));
    assert_eq!(
        ask(&host, json!({ "body": r#""status":\s*"(ok|degraded)""# })).0,
        Verdict::Yes
    );
    assert_eq!(
        ask(&host, json!({ "body": r#""status":\s*"ok""# })).0,
        Verdict::No
    );
    let failure = host
        .diagnose::<HttpProbe>(json!({ "url": URL, "body": "(" }))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidParams);
}

#[test]
fn a_call_that_ends_before_the_tries_do_is_unknown() {
    let host = Host::new();
    host.answer("GET", URL, reply(200, ""));
    host.set_remaining(1500);
    assert_eq!(ask(&host, json!({})).0, Verdict::Unknown);
}

#[test]
fn parameters_that_cannot_hold_are_refused() {
    let host = Host::new();
    for params in [
        json!({}),
        json!({ "url": URL, "passes": 4 }),
        json!({ "url": URL, "tries": 0 }),
        json!({ "url": URL, "x": 1 }),
    ] {
        assert_eq!(
            host.diagnose::<HttpProbe>(params.clone()).unwrap_err().code,
            FailureCode::InvalidParams,
            "{params}"
        );
    }
}
