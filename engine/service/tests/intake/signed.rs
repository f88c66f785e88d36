//! Senders that sign: Grafana and PagerDuty, with the bodies of their documentation.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;

const GRAFANA: &str = include_str!("../payloads/grafana-1.json");
const PAGERDUTY: &str = include_str!("../payloads/pagerduty-v3.json");

fn hmac(key: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    for part in parts {
        mac.update(part.as_bytes());
    }
    hex::encode(mac.finalize().into_bytes())
}

/// Seconds from now.
pub(super) fn time(offset: i64) -> String {
    (stanch_service::clock::now().0 / 1_000 + offset).to_string()
}

/// A request as Grafana makes it, signed with this key at this time.
fn grafana(body: &str, key: &str, at: &str) -> Request<Body> {
    Request::post("/alerts/grafana")
        .header("X-Grafana-Alerting-Signature", hmac(key, &[at, ":", body]))
        .header("X-Grafana-Alerting-Signature-Timestamp", at)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn pagerduty(body: &str, signature: &str) -> Request<Body> {
    Request::post("/alerts/pagerduty")
        .header("X-PagerDuty-Signature", signature)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn v1(body: &str) -> String {
    format!("v1={}", hmac("correct-horse", &[body]))
}

/// The documentation's event, with another type.
fn event(kind: &str) -> String {
    let mut body: Value = serde_json::from_str(PAGERDUTY).unwrap();
    body["event"]["event_type"] = json!(kind);
    body.to_string()
}

#[tokio::test]
async fn what_grafana_sends_is_taken_signed_or_with_a_bearer() {
    let bench = bench();
    let bearer = post("/alerts/grafana/bearer").body(Body::from(GRAFANA)).unwrap();
    for (request, intake) in [
        (grafana(GRAFANA, "correct-horse", &time(0)), "/alerts/grafana"),
        (bearer, "/alerts/grafana/bearer"),
    ] {
        let (response, answer) = bench.send(request).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{answer}");
        let (path, alerts) = bench.sink.last();
        assert_eq!(path, intake);
        let [memory, cpu] = alerts.as_slice() else {
            panic!("{alerts:?}")
        };
        assert_eq!(
            (memory.name.as_str(), memory.fingerprint.as_str(), memory.status),
            ("High memory usage", "c6eadffa33fcdf37", AlertStatus::Firing)
        );
        assert_eq!(
            (cpu.labels["zone"].as_str(), &cpu.payload["values"]["C"]),
            ("eu-1", &json!(1))
        );
    }
}

#[tokio::test]
async fn a_body_of_grafana_is_none_of_alertmanager_and_the_other_way_round() {
    let bench = bench();
    for (what, request) in [
        (
            "Grafana's at Alertmanager's",
            post("/alerts/am").body(Body::from(GRAFANA)).unwrap(),
        ),
        (
            "Alertmanager's at Grafana's",
            post("/alerts/grafana/bearer")
                .body(include_str!("../payloads/01-firing-1alerts.json").into())
                .unwrap(),
        ),
    ] {
        let (_, answer) = bench
            .refused(what, request, StatusCode::BAD_REQUEST, "malformed")
            .await;
        assert_eq!(answer["where"], "version", "{what}");
    }
}

#[tokio::test]
async fn a_signature_that_is_forged_missing_or_of_another_body_or_time_is_refused() {
    let bench = bench();
    let now = time(0);
    let of_another_body = {
        let mut request = grafana(GRAFANA, "correct-horse", &now);
        *request.body_mut() = Body::from(GRAFANA.replace("us-1", "us-2"));
        request
    };
    let of_another_time = {
        let mut request = grafana(GRAFANA, "correct-horse", &now);
        let later = time(1).parse().unwrap();
        request
            .headers_mut()
            .insert("x-grafana-alerting-signature-timestamp", later);
        request
    };
    let without_a_time = Request::post("/alerts/grafana")
        .header("X-Grafana-Alerting-Signature", hmac("correct-horse", &[GRAFANA]))
        .body(Body::from(GRAFANA))
        .unwrap();
    let bearer_instead = Request::post("/alerts/grafana")
        .header(header::AUTHORIZATION, "Bearer correct-horse")
        .body(Body::from(GRAFANA))
        .unwrap();
    let twice = {
        let mut request = grafana(GRAFANA, "wrong", &now);
        let right = hmac("correct-horse", &[&now, ":", GRAFANA]).parse().unwrap();
        request
            .headers_mut()
            .append("x-grafana-alerting-signature", right);
        request
    };
    let right = v1(PAGERDUTY);
    for (what, request) in [
        ("another key", grafana(GRAFANA, "correct-horse2", &now)),
        ("another body", of_another_body),
        ("another time", of_another_time),
        ("no time", without_a_time),
        ("a bearer instead", bearer_instead),
        ("two signatures", twice),
        (
            "a time that is none, signed",
            grafana(GRAFANA, "correct-horse", "soon"),
        ),
        ("PagerDuty: nothing", pagerduty(PAGERDUTY, "")),
        ("PagerDuty: not hex", pagerduty(PAGERDUTY, "v1=zz")),
        (
            "PagerDuty: another version",
            pagerduty(PAGERDUTY, &right.replace("v1=", "v0=")),
        ),
        (
            "PagerDuty: cut short",
            pagerduty(PAGERDUTY, &right[..right.len() - 2]),
        ),
        (
            "PagerDuty: another body",
            pagerduty(&event("incident.resolved"), &right),
        ),
    ] {
        let (response, _) = bench
            .refused(what, request, StatusCode::UNAUTHORIZED, "credentials")
            .await;
        assert!(
            response.headers().contains_key(header::WWW_AUTHENTICATE),
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_was_signed_more_than_five_minutes_from_now_is_refused_and_within_them_it_is_taken() {
    let bench = bench();
    for (offset, taken) in [(-200, true), (200, true), (-400, false), (400, false)] {
        let request = grafana(GRAFANA, "correct-horse", &time(offset));
        if taken {
            let (response, answer) = bench.send(request).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED, "{offset}: {answer}");
        } else {
            let what = format!("{offset} seconds");
            bench
                .refused(&what, request, StatusCode::UNAUTHORIZED, "stale")
                .await;
        }
    }
}

#[tokio::test]
async fn an_incident_of_pagerduty_fires_is_opened_again_and_is_resolved() {
    let bench = bench();
    for (kind, status, starts_at) in [
        ("incident.triggered", AlertStatus::Firing, "2020-04-09T15:16:27Z"),
        (
            "incident.reopened",
            AlertStatus::Firing,
            "2020-10-02T18:45:22.169Z",
        ),
        ("incident.resolved", AlertStatus::Resolved, "2020-04-09T15:16:27Z"),
    ] {
        let body = event(kind);
        let (response, answer) = bench.send(pagerduty(&body, &v1(&body))).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{kind}: {answer}");
        let (_, alerts) = bench.sink.last();
        let [alert] = alerts.as_slice() else {
            panic!("{alerts:?}")
        };
        assert_eq!(
            (alert.status, alert.starts_at.as_str()),
            (status, starts_at),
            "{kind}"
        );
        assert_eq!(
            (alert.name.as_str(), alert.fingerprint.as_str()),
            ("A little bump in the road", "PGR0VU2")
        );
        assert_eq!(
            (
                alert.labels["service"].as_str(),
                alert.labels["priority"].as_str(),
                alert.labels["urgency"].as_str()
            ),
            ("API Service", "P1", "high")
        );
        assert_eq!(
            (
                alert.annotations["number"].as_str(),
                alert.annotations["url"].as_str()
            ),
            ("2", "https://acme.pagerduty.com/incidents/PGR0VU2")
        );
    }
}

#[tokio::test]
async fn what_people_do_with_an_incident_is_taken_and_fires_nothing() {
    let bench = bench();
    for kind in [
        "incident.priority_updated",
        "incident.acknowledged",
        "service.updated",
        "pagey.ping",
        "not.known.yet",
    ] {
        let body = event(kind);
        let (response, answer) = bench.send(pagerduty(&body, &v1(&body))).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{kind}: {answer}");
        assert_eq!(bench.sink.last().1, Vec::new(), "{kind}");
    }
}

#[tokio::test]
async fn one_of_two_signatures_is_enough_while_the_secret_is_changed() {
    let bench = bench();
    let body = event("incident.triggered");
    let old = format!("v1={},{}", hmac("old", &[&body]), v1(&body));
    let (response, answer) = bench.send(pagerduty(&body, &old)).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{answer}");
}

#[tokio::test]
async fn a_signed_body_that_is_no_event_is_refused_with_its_place() {
    type Spoil = fn(&mut Value);
    let bench = bench();
    let table: [(Spoil, &str); 8] = [
        (|b| *b = json!([]), ""),
        (|b| b["event"] = json!(null), "event"),
        (|b| b["event"]["event_type"] = json!(7), "event.event_type"),
        (|b| b["event"]["data"] = json!("x"), "event.data"),
        (|b| b["event"]["data"]["id"] = json!(""), "event.data.id"),
        (|b| b["event"]["data"]["title"] = json!(null), "event.data.title"),
        (
            |b| b["event"]["data"]["created_at"] = json!("yesterday"),
            "event.data.created_at",
        ),
        (|b| b["event"]["occurred_at"] = json!(null), "event.occurred_at"),
    ];
    for (spoil, at) in table {
        let mut body: Value = serde_json::from_str(&event("incident.triggered")).unwrap();
        spoil(&mut body);
        let body = body.to_string();
        let request = pagerduty(&body, &v1(&body));
        let (_, answer) = bench
            .refused(at, request, StatusCode::BAD_REQUEST, "malformed")
            .await;
        assert_eq!(answer["where"].as_str().unwrap_or_default(), at);
    }
    for body in ["", "{", "event=1"] {
        let request = pagerduty(body, &v1(body));
        bench
            .refused(body, request, StatusCode::BAD_REQUEST, "malformed")
            .await;
    }
}
