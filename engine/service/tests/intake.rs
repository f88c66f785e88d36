//! The real router: what Alertmanager sends, and what nobody should send.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop here"
)]

#[path = "intake/mapped.rs"]
mod mapped;
#[path = "intake/signed.rs"]
mod signed;
mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use stanch_contract::AlertStatus;
use stanch_service::intake::{Front, Health, NotDurable, router};
use stanch_service::secrets::Secrets;
use stanch_service::telemetry::Metrics;
use stanch_service::{Current, config};
use support::{Recorder, snapshot_of};
use tower::ServiceExt as _;

const SETTINGS: &str = r#"
[secrets]
bearer = { file = "tests/support/bearer" }
password = { file = "tests/support/password" }
lost = { file = "tests/support/not-there" }
github = { file = "tests/support/github" }

[[intake]]
kind = "alertmanager"
path = "/alerts/am"
auth = { bearer = "${secret:bearer}" }

[[intake]]
kind = "alertmanager"
path = "/alerts/basic"
auth = { basic = { user = "am", password = "${secret:password}" } }

[[intake]]
kind = "alertmanager"
path = "/alerts/lost"
auth = { bearer = "${secret:lost}" }

[[intake]]
kind = "alertmanager"
path = "/alerts/open"

[[intake]]
kind = "grafana"
path = "/alerts/grafana"
auth = { signature = "${secret:bearer}" }

[[intake]]
kind = "grafana"
path = "/alerts/grafana/bearer"
auth = { bearer = "${secret:bearer}" }

[[intake]]
kind = "pagerduty"
path = "/alerts/pagerduty"
auth = { signature = "${secret:bearer}" }

[[intake]]
kind = "cloudevents"
path = "/alerts/events"
auth = { bearer = "${secret:bearer}" }
map = { status = "'firing'", fingerprint = "event.id" }

[[intake]]
kind = "cloudevents"
path = "/alerts/events/subject"
auth = { bearer = "${secret:bearer}" }
map = { status = "event.type.endsWith('.opened')", labels = { zone = "event.data.zone" } }

[[intake]]
kind = "generic"
path = "/alerts/azure"
auth = { bearer = "${secret:bearer}" }
[intake.map]
when = "body.schemaId == 'azureMonitorCommonAlertSchema'"
name = "body.data.essentials.alertRule"
status = "body.data.essentials.monitorCondition == 'Fired'"
fingerprint = "body.data.essentials.originAlertId"
starts_at = "body.data.essentials.firedDateTime"
labels = { severity = "body.data.essentials.severity", item = "body.data.essentials.configurationItems[0]", gone = "body.data.alertContext.properties" }
annotations = { value = "body.data.alertContext.condition.allOf[0].metricValue" }

[[intake]]
kind = "generic"
path = "/alerts/each"
auth = { bearer = "${secret:bearer}" }
[intake.map]
each = "body.alerts"
when = "!has(item.skip)"
name = "item.labels.alertname"
status = "item.status"
fingerprint = "item.fingerprint"
starts_at = "item.startsAt"
labels = { pod = "item.labels.pod", receiver = "body.receiver" }

[[intake]]
kind = "generic"
path = "/alerts/github"
auth = { signature = { secret = "${secret:github}", header = "X-Hub-Signature-256", prefix = "sha256=" } }
map = { name = "body.name", status = "body.open", fingerprint = "string(body.id)", starts_at = "body.since" }

[[intake]]
kind = "generic"
path = "/alerts/timed"
auth = { signature = { secret = "${secret:github}", header = "x-stanch-signature", prefix = "v1=", time = { prefix = "t=", between = "." } } }
map = { name = "body.name", status = "body.open", fingerprint = "string(body.id)" }

[[intake]]
kind = "cloudevents"
path = "/alerts/base64"
auth = { signature = { secret = "${secret:github}", header = "x-signature", encoding = "base64", time = { header = "x-time", between = ":" } } }
map = { status = "'firing'", fingerprint = "event.id" }
"#;

struct Bench {
    router: Router,
    sink: Arc<Recorder>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

fn bench() -> Bench {
    let settings = config::parse("stanch.toml".as_ref(), SETTINGS)
        .map_err(|e| e.render(false, 100))
        .unwrap();
    let secrets = Arc::new(Secrets::default());
    secrets.refresh(&settings.secrets);
    let current = Arc::new(Current::new(snapshot_of(settings)));
    let (sink, metrics) = (Arc::new(Recorder::default()), Arc::new(Metrics::new()));
    let health = Arc::new(Health::new(Box::new(|| Ok(()))));
    let front = Front::new(
        current,
        secrets,
        Arc::clone(&metrics),
        Arc::clone(&health),
        sink.clone(),
    );
    Bench {
        router: router(Arc::new(front)),
        sink,
        health,
        metrics,
    }
}

fn post(path: &str) -> http::request::Builder {
    Request::post(path).header(header::AUTHORIZATION, "Bearer correct-horse")
}

impl Bench {
    async fn send(&self, request: Request<Body>) -> (Response<()>, String) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            Response::from_parts(parts, ()),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    /// Sends a body that is refused: nothing of it reaches the engine, and the answer says why.
    async fn refused(
        &self,
        what: &str,
        request: Request<Body>,
        status: StatusCode,
        code: &str,
    ) -> (Response<()>, Value) {
        let before = self.sink.count();
        let (response, body) = self.send(request).await;
        assert_eq!(response.status(), status, "{what}: {body}");
        assert_eq!(self.sink.count(), before, "{what}");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json",
            "{what}"
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["code"], code, "{what}");
        assert!(
            body["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{what}"
        );
        (response, body)
    }
}

#[tokio::test]
async fn what_alertmanager_sends_is_taken_with_every_status_and_unknown_fields() {
    let bench = bench();
    let table: [(&str, &[AlertStatus]); 5] = [
        (
            include_str!("payloads/01-firing-1alerts.json"),
            &[AlertStatus::Firing],
        ),
        (
            include_str!("payloads/02-firing-2alerts.json"),
            &[AlertStatus::Firing; 2],
        ),
        (
            include_str!("payloads/03-mixed-2alerts.json"),
            &[AlertStatus::Firing, AlertStatus::Resolved],
        ),
        (
            include_str!("payloads/04-resolved-2alerts.json"),
            &[AlertStatus::Resolved; 2],
        ),
        (
            include_str!("payloads/am-0.34-truncated.json"),
            &[AlertStatus::Firing],
        ),
    ];
    for (body, statuses) in table {
        let (response, answer) = bench
            .send(post("/alerts/am").body(Body::from(body)).unwrap())
            .await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{answer}");
        let (intake, alerts) = bench.sink.last();
        assert_eq!(intake, "/alerts/am");
        assert_eq!(
            alerts.iter().map(|alert| alert.status).collect::<Vec<_>>(),
            statuses
        );
        assert!(
            alerts
                .iter()
                .all(|alert| alert.name == "HighErrorRate" && alert.fingerprint.len() == 16)
        );
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["alerts"], statuses.len());
        assert_eq!(answer["runs"].as_array().map(Vec::len), Some(1));
    }
    let (_, answer) = bench
        .send(
            post("/alerts/am")
                .body(include_str!("payloads/am-0.34-truncated.json").into())
                .unwrap(),
        )
        .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["truncated"], 3);
    assert!(answer["warning"].as_str().unwrap().contains("max_alerts"));
    assert!(
        bench
            .metrics
            .encode()
            .contains("stanch_alerts_truncated_total{intake=\"/alerts/am\"} 6")
    );
}

#[tokio::test]
async fn the_wrong_credential_is_refused_and_the_right_one_is_not() {
    let bench = bench();
    let body = || Body::from(include_str!("payloads/01-firing-1alerts.json"));
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let table = [
        ("/alerts/am", Some("Bearer correct-horse".to_owned()), true),
        ("/alerts/am", Some("bearer   correct-horse".to_owned()), true),
        ("/alerts/am", Some("Bearer correct-hors".to_owned()), false),
        ("/alerts/am", Some("Bearer correct-horse2".to_owned()), false),
        ("/alerts/am", Some("Bearer".to_owned()), false),
        ("/alerts/am", Some("Bearer ".to_owned()), false),
        ("/alerts/am", Some("correct-horse".to_owned()), false),
        ("/alerts/am", Some(basic("am:correct-horse")), false),
        ("/alerts/am", None, false),
        ("/alerts/basic", Some(basic("am:battery:staple")), true),
        ("/alerts/basic", Some(basic("am:battery")), false),
        ("/alerts/basic", Some(basic("ma:battery:staple")), false),
        ("/alerts/basic", Some(basic("am")), false),
        ("/alerts/basic", Some("Basic ???".to_owned()), false),
        ("/alerts/basic", Some("Bearer correct-horse".to_owned()), false),
        ("/alerts/open", None, true),
    ];
    for (path, credential, right) in table {
        let mut request = Request::post(path);
        if let Some(credential) = &credential {
            request = request.header(header::AUTHORIZATION, credential);
        }
        let request = request.body(body()).unwrap();
        if right {
            assert_eq!(
                bench.send(request).await.0.status(),
                StatusCode::ACCEPTED,
                "{path} {credential:?}"
            );
            continue;
        }
        let what = format!("{path} {credential:?}");
        let (response, _) = bench
            .refused(&what, request, StatusCode::UNAUTHORIZED, "credentials")
            .await;
        let scheme = if path == "/alerts/basic" {
            "Basic"
        } else {
            "Bearer"
        };
        assert!(
            response.headers()[header::WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .starts_with(scheme)
        );
    }
    let twice = Request::post("/alerts/am")
        .header(header::AUTHORIZATION, "Bearer wrong")
        .header(header::AUTHORIZATION, "Bearer correct-horse")
        .body(body())
        .unwrap();
    bench
        .refused("two credentials", twice, StatusCode::UNAUTHORIZED, "credentials")
        .await;
    let (response, _) = bench
        .refused(
            "a credential without a value",
            post("/alerts/lost").body(body()).unwrap(),
            StatusCode::SERVICE_UNAVAILABLE,
            "no-credential",
        )
        .await;
    assert_eq!(response.headers()[header::RETRY_AFTER], "30");
}

#[tokio::test]
async fn every_bad_body_is_refused_with_what_is_wrong_and_where() {
    let bench = bench();
    let good: Value = serde_json::from_str(include_str!("payloads/02-firing-2alerts.json")).unwrap();
    let changed = |change: fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        body.to_string().into_bytes()
    };
    let nested = format!(
        r#"{{"version":"4","alerts":[],"x":{}1{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "line 1 column 0"),
        ("not JSON", b"alertname=A&x=1".to_vec(), "line 1 column 1"),
        (
            "cut short",
            good.to_string().into_bytes()[..300].to_vec(),
            "line 1 column 300",
        ),
        (
            "two documents",
            [good.to_string(), good.to_string()].concat().into_bytes(),
            "line 1 column",
        ),
        ("a list", b"[]".to_vec(), "byte 0"),
        (
            "a list that has the fields",
            br#"["4", [], 0]"#.to_vec(),
            "byte 0",
        ),
        ("deeply nested", nested.into_bytes(), "byte 94"),
        (
            "not UTF-8",
            b"{\"version\":\"4\",\"alerts\":[{\"status\":\"\xc3\x28\"}]}".to_vec(),
            "byte 36",
        ),
        (
            "a lone surrogate",
            br#"{"version":"4","alerts":[{"status":"\ud800"}]}"#.to_vec(),
            "alerts[0]",
        ),
        (
            "another version",
            changed(|b| b["version"] = json!("3")),
            "version",
        ),
        ("no version", changed(|b| b["version"] = Value::Null), "version"),
        ("no alerts", changed(|b| b["alerts"] = Value::Null), "alerts"),
        (
            "alerts of another type",
            changed(|b| b["alerts"] = json!({"a": 1})),
            "line 1 column",
        ),
        (
            "an alert of another type",
            changed(|b| b["alerts"][1] = json!("x")),
            "alerts[1]",
        ),
        (
            "another status",
            changed(|b| b["alerts"][1]["status"] = json!("pending")),
            "alerts[1].status",
        ),
        (
            "a label of another type",
            changed(|b| b["alerts"][1]["labels"]["pod"] = json!(1)),
            "alerts[1].labels.pod",
        ),
        (
            "labels of another type",
            changed(|b| b["alerts"][0]["labels"] = json!("x")),
            "alerts[0].labels",
        ),
        (
            "a time that is none",
            changed(|b| b["alerts"][0]["startsAt"] = json!("now")),
            "alerts[0].startsAt",
        ),
        (
            "a count that is none",
            changed(|b| b["truncatedAlerts"] = json!(-1)),
            "line 1 column",
        ),
    ];
    for (what, body, at) in table {
        let request = post("/alerts/am").body(Body::from(body)).unwrap();
        let (_, answer) = bench
            .refused(what, request, StatusCode::BAD_REQUEST, "malformed")
            .await;
        let found = answer["where"].as_str().unwrap_or_default();
        assert!(
            found.starts_with(at),
            "{what}: `{found}` does not begin with `{at}`: {answer}"
        );
    }
    assert!(bench.metrics.encode().contains("reason=\"malformed\"} 19"));
}

#[tokio::test]
async fn a_body_is_too_large_with_and_without_a_length() {
    let bench = bench();
    let huge = vec![b' '; (4 << 20) + 1];
    let told = post("/alerts/am")
        .header(header::CONTENT_LENGTH, huge.len())
        .body(Body::empty())
        .unwrap();
    bench
        .refused("announced", told, StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        .await;
    let chunks = huge
        .chunks(64 << 10)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect::<Vec<_>>();
    let untold = post("/alerts/am")
        .body(Body::from_stream(futures_util::stream::iter(chunks)))
        .unwrap();
    bench
        .refused("in chunks", untold, StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        .await;
    // Its twin: a large group within the limit.
    let mut body: Value = serde_json::from_str(include_str!("payloads/01-firing-1alerts.json")).unwrap();
    let one = body["alerts"][0].clone();
    body["alerts"] = Value::Array(vec![one; 4000]);
    let (response, answer) = bench
        .send(post("/alerts/am").body(Body::from(body.to_string())).unwrap())
        .await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{answer}");
    assert_eq!(bench.sink.last().1.len(), 4000);
}

#[tokio::test]
async fn a_wrong_method_path_or_encoding_is_told_apart() {
    let bench = bench();
    let body = || Body::from(include_str!("payloads/01-firing-1alerts.json"));
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let request = Request::builder()
            .method(method)
            .uri("/alerts/am")
            .body(Body::empty())
            .unwrap();
        let (response, _) = bench.send(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()[header::ALLOW], "POST");
    }
    bench
        .refused(
            "path",
            post("/alerts/other").body(body()).unwrap(),
            StatusCode::NOT_FOUND,
            "not-found",
        )
        .await;
    bench
        .refused(
            "a path below",
            post("/alerts/am/").body(body()).unwrap(),
            StatusCode::NOT_FOUND,
            "not-found",
        )
        .await;
    let zipped = post("/alerts/am")
        .header(header::CONTENT_ENCODING, "gzip")
        .body(body())
        .unwrap();
    bench
        .refused("gzip", zipped, StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding")
        .await;
    // Content types are nobody's hurdle: the body tells what it is.
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        let request = post("/alerts/am")
            .header(header::CONTENT_TYPE, kind)
            .body(body())
            .unwrap();
        assert_eq!(
            bench.send(request).await.0.status(),
            StatusCode::ACCEPTED,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_durable_is_asked_for_again() {
    let bench = bench();
    let body = || Body::from(include_str!("payloads/01-firing-1alerts.json"));
    bench.sink.refuse(Some(NotDurable {
        reason: "the disk is full".into(),
        retry_after: Duration::from_secs(7),
    }));
    let request = post("/alerts/am").body(body()).unwrap();
    let (response, answer) = bench
        .refused("full", request, StatusCode::SERVICE_UNAVAILABLE, "not-durable")
        .await;
    assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    assert_eq!(answer["detail"], "the disk is full");
    bench.sink.refuse(None);
    assert_eq!(
        bench
            .send(post("/alerts/am").body(body()).unwrap())
            .await
            .0
            .status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn while_the_engine_ends_it_is_alive_and_not_ready_and_takes_nothing() {
    let bench = bench();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(bench.send(get("/readyz")).await.0.status(), StatusCode::OK);
    bench.health.drain();
    assert_eq!(bench.send(get("/healthz")).await.0.status(), StatusCode::OK);
    let (response, text) = bench.send(get("/readyz")).await;
    assert_eq!(
        (response.status(), text.as_str()),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the engine is ending\n"
        )
    );
    let request = post("/alerts/am")
        .body(include_str!("payloads/01-firing-1alerts.json").into())
        .unwrap();
    let (response, _) = bench
        .refused("draining", request, StatusCode::SERVICE_UNAVAILABLE, "draining")
        .await;
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn metrics_can_be_read() {
    let bench = bench();
    bench
        .send(
            post("/alerts/am")
                .body(include_str!("payloads/02-firing-2alerts.json").into())
                .unwrap(),
        )
        .await;
    let (response, text) = bench
        .send(Request::get("/metrics").body(Body::empty()).unwrap())
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        text.contains("stanch_alerts_accepted_total{intake=\"/alerts/am\"} 2"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"));
}
