use super::*;
use stanch_plugin::testing::{Found, Host, reply};

const BASE: &str = "http://prometheus:9090";

fn host(status: u16, body: Value) -> Host {
    let host = Host::new();
    host.set_settings(json!({ "url": format!("{BASE}/") }));
    host.answer("GET", &format!("{BASE}/api/v1/query*"), reply(status, body));
    host
}

fn ask(host: &Host, extra: Value) -> Found {
    let mut params = json!({ "query": "q" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    host.diagnose::<PrometheusQuery>(params).unwrap()
}

/// An instant answer with these values, as Prometheus sends them.
fn vector(values: &[&str]) -> Value {
    let result: Vec<Value> = (0..)
        .zip(values)
        .map(|(i, value)| json!({ "metric": { "__name__": "up", "node": format!("n{i}") }, "value": [1767225600.0, value] }))
        .collect();
    json!({ "status": "success", "data": { "resultType": "vector", "result": result } })
}

/// A range answer with these points, the last of them now.
fn matrix(host_now: i64, values: &[&str], step_s: i64, ended_s_ago: i64) -> Value {
    let last = host_now / 1000 - ended_s_ago;
    let count = values.len() as i64;
    let points: Vec<Value> = (0..)
        .zip(values)
        .map(|(i, v)| json!([last - (count - 1 - i) * step_s, v]))
        .collect();
    let result = json!([{ "metric": {}, "values": points }]);
    json!({ "status": "success", "data": { "resultType": "matrix", "result": result } })
}

#[test]
fn a_value_is_compared_with_the_bound() {
    let table = [
        ("0.97", json!({ "above": 0.95 }), Verdict::Yes),
        ("0.95", json!({ "above": 0.95 }), Verdict::No),
        ("1.5", json!({ "below": 2.0 }), Verdict::Yes),
        ("2", json!({ "below": 2.0 }), Verdict::No),
        ("0", json!({ "equals": 0 }), Verdict::Yes),
        ("1", json!({ "equals": 0 }), Verdict::No),
        ("5", json!({ "above": 1, "below": 10 }), Verdict::Yes),
        ("50", json!({ "above": 1, "below": 10 }), Verdict::No),
        ("+Inf", json!({ "above": 1 }), Verdict::Yes),
        ("NaN", json!({ "above": 1 }), Verdict::Unknown),
    ];
    for (value, bound, expected) in table {
        let finding = ask(&host(200, vector(&[value])), bound.clone());
        assert_eq!(finding.verdict, expected, "{value} {bound}: {}", finding.summary);
    }
}

#[test]
fn no_data_is_unknown_and_never_no() {
    for bound in [
        json!({ "above": 1 }),
        json!({ "below": 1 }),
        json!({ "equals": 0 }),
        json!({ "below": 1, "series": "all" }),
    ] {
        assert_eq!(
            ask(&host(200, vector(&[])), bound.clone()).verdict,
            Verdict::Unknown,
            "{bound}"
        );
    }
}

#[test]
fn several_series_decide_only_as_the_runbook_says() {
    let table = [
        (vec!["1", "9"], json!({}), Verdict::Unknown),
        (vec!["1", "9"], json!({ "series": "any" }), Verdict::Yes),
        (vec!["1", "9"], json!({ "series": "all" }), Verdict::No),
        (vec!["8", "9"], json!({ "series": "all" }), Verdict::Yes),
        (vec!["1", "2"], json!({ "series": "any" }), Verdict::No),
        // One that cannot be judged leaves open what it could change.
        (vec!["1", "NaN"], json!({ "series": "any" }), Verdict::Unknown),
        (vec!["9", "NaN"], json!({ "series": "any" }), Verdict::Yes),
        (vec!["9", "NaN"], json!({ "series": "all" }), Verdict::Unknown),
        (vec!["1", "NaN"], json!({ "series": "all" }), Verdict::No),
    ];
    for (values, mut params, expected) in table {
        params["above"] = json!(5);
        assert_eq!(
            ask(&host(200, vector(&values)), params.clone()).verdict,
            expected,
            "{values:?} {params}"
        );
    }
}

#[test]
fn a_curve_is_evidence_and_its_last_point_decides_unless_said() {
    let now = Host::new().now();
    for (points, expected) in [("last", Verdict::No), ("any", Verdict::Yes), ("all", Verdict::No)] {
        let host = host(200, matrix(now, &["1", "9", "2"], 60, 0));
        let finding = ask(
            &host,
            json!({ "above": 5, "range": "10m", "step": "1m", "points": points }),
        );
        assert_eq!(finding.verdict, expected, "{points}");
        assert_eq!(
            finding.evidence[0]
                .points
                .iter()
                .map(|p| p.value)
                .collect::<Vec<_>>(),
            [1.0, 9.0, 2.0]
        );
        assert_eq!(finding.data["value"], 2.0);
        assert!(
            host.sent()[0]
                .url
                .ends_with("&start=1767225000.000&end=1767225600.000&step=60.000")
        );
    }
}

#[test]
fn a_curve_that_ended_before_now_is_unknown() {
    let now = Host::new().now();
    let params = json!({ "above": 5, "range": "10m", "step": "1m" });
    assert_eq!(
        ask(&host(200, matrix(now, &["9"], 60, 60)), params.clone()).verdict,
        Verdict::Yes
    );
    assert_eq!(
        ask(&host(200, matrix(now, &["9"], 60, 300)), params).verdict,
        Verdict::Unknown
    );
}

#[test]
fn the_query_cannot_leave_its_place_in_the_url() {
    let host = host(200, vector(&["1"]));
    ask(&host, json!({ "query": "up{a=\"x\"}&time=0#", "above": 0 }));
    let expected = format!("{BASE}/api/v1/query?query=up%7Ba%3D%22x%22%7D%26time%3D0%23&time=1767225600.000");
    assert_eq!(host.sent()[0].url, expected);
}

#[test]
fn what_prometheus_refuses_is_a_failure_that_says_why() {
    let table = [
        (400, "bad_data", FailureCode::InvalidParams),
        (503, "timeout", FailureCode::Timeout),
        (422, "execution", FailureCode::Failed),
    ];
    for (status, kind, code) in table {
        let host = host(
            status,
            json!({ "status": "error", "errorType": kind, "error": "parse error at 1:3" }),
        );
        let failure = host
            .diagnose::<PrometheusQuery>(json!({ "query": "q(", "above": 1 }))
            .unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains("parse error at 1:3"), "{failure}");
    }
    let page = Host::new();
    page.set_settings(json!({ "url": BASE }));
    page.answer(
        "GET",
        &format!("{BASE}/*"),
        reply(502, "<html>bad gateway</html>"),
    );
    let failure = page
        .diagnose::<PrometheusQuery>(json!({ "query": "q", "above": 1 }))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
}

#[test]
fn a_server_that_is_down_and_a_gate_that_refuses_are_failures_and_not_answers() {
    let host = Host::new();
    host.set_settings(json!({ "url": BASE }));
    let ask = || {
        host.diagnose::<PrometheusQuery>(json!({ "query": "q", "above": 1 }))
            .unwrap_err()
            .code
    };
    assert_eq!(ask(), FailureCode::Denied);
    host.answer(
        "GET",
        &format!("{BASE}/*"),
        Err(Failure::unavailable("connection refused")),
    );
    assert_eq!(ask(), FailureCode::Unavailable);
}

#[test]
fn parameters_and_settings_that_cannot_hold_are_refused() {
    let host = host(200, vector(&["1"]));
    for params in [
        json!({ "query": "q" }),
        json!({ "above": 1 }),
        json!({ "query": "q", "above": 1, "step": "1s" }),
        json!({ "query": "q", "above": 1, "range": "1d", "step": "1s" }),
        json!({ "query": "q", "abve": 1 }),
    ] {
        let failure = host.diagnose::<PrometheusQuery>(params.clone()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams, "{params}: {failure}");
    }
    host.set_settings(json!({}));
    let failure = host
        .diagnose::<PrometheusQuery>(json!({ "query": "q", "above": 1 }))
        .unwrap_err();
    assert!(failure.message.contains("`settings`"), "{failure}");
}
