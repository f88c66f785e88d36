//! Senders that say nothing of alerts by themselves: CloudEvents and any JSON, by a mapping, signed in whatever header.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sha2::Sha256;
use stanch_contract::{Alert, AlertStatus, Timestamp};

use super::signed::time;
use super::{Bench, bench, post};

const KEY: &str = "It's a Secret to Everybody";

fn sent(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    post(path)
        .header(header::CONTENT_TYPE, kind)
        .body(body.into())
        .unwrap()
}

fn json_to(path: &str, body: &Value) -> Request<Body> {
    sent(path, "application/json", body.to_string())
}

fn event(kind: &str, body: &Value) -> Request<Body> {
    sent("/alerts/events/subject", kind, body.to_string())
}

impl Bench {
    /// Sends what is taken, and gives what became of it.
    async fn taken(&self, what: &str, request: Request<Body>) -> Vec<Alert> {
        let before = self.sink.count();
        let (response, answer) = self.send(request).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{what}: {answer}");
        assert_eq!(self.sink.count(), before + 1, "{what}");
        self.sink.last().1
    }

    async fn malformed(&self, what: &str, request: Request<Body>, at: &str) {
        let (_, answer) = self
            .refused(what, request, StatusCode::BAD_REQUEST, "malformed")
            .await;
        assert_eq!(
            answer["where"].as_str().unwrap_or_default(),
            at,
            "{what}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_event_is_the_same_alert_in_each_mode_that_it_can_come_in() {
    let bench = bench();
    let structured = sent(
        "/alerts/events",
        "application/cloudevents+json; charset=UTF-8",
        include_str!("../payloads/cloudevents-json.json"),
    );
    let structured = bench.taken("structured", structured).await;
    // The specification's own re-encoding of that event.
    let binary = post("/alerts/events")
        .header("ce-specversion", "1.0")
        .header("ce-type", "com.example.someevent")
        .header("ce-source", "/mycontext")
        .header("ce-id", "C234-1234-1234")
        .header("CE-Time", "2018-04-05T17:31:00Z")
        .header("ce-comexampleextension1", "value")
        .header("ce-comexampleothervalue", "5")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(
            r#"{ "appinfoA" : "abc", "appinfoB" : 123, "appinfoC" : true }"#,
        ))
        .unwrap();
    let mut binary = bench.taken("binary", binary).await;
    let batch = format!("[{}]", include_str!("../payloads/cloudevents-json.json"));
    let batch = bench
        .taken(
            "batch",
            sent("/alerts/events", "application/cloudevents-batch+json", batch),
        )
        .await;
    let [alert] = structured.as_slice() else {
        panic!("{structured:?}")
    };
    assert_eq!(
        (
            alert.name.as_str(),
            alert.fingerprint.as_str(),
            alert.status,
            alert.starts_at.as_str()
        ),
        (
            "com.example.someevent",
            "C234-1234-1234",
            AlertStatus::Firing,
            "2018-04-05T17:31:00Z"
        )
    );
    let labels: Vec<(&str, &str)> = alert
        .labels
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(
        labels,
        [
            ("alertname", "com.example.someevent"),
            ("comexampleextension1", "value"),
            ("comexampleothervalue", "5"),
            ("source", "/mycontext"),
            ("type", "com.example.someevent"),
        ]
    );
    assert_eq!(alert.payload["data"]["appinfoB"], 123);
    assert_eq!(batch, structured);
    // A header has no types: the number is text there, and all else is the same.
    assert_eq!(binary[0].payload["comexampleothervalue"], "5");
    binary[0].payload["comexampleothervalue"] = json!(5);
    assert_eq!(binary, structured);
}

#[tokio::test]
async fn a_batch_is_an_alert_for_each_event_and_an_empty_one_is_none() {
    let bench = bench();
    let kind = "application/cloudevents-batch+json";
    let batch = include_str!("../payloads/cloudevents-batch.json");
    let alerts = bench.taken("two", sent("/alerts/events", kind, batch)).await;
    let found: Vec<(&str, &str)> = alerts
        .iter()
        .map(|alert| (alert.name.as_str(), alert.labels["source"].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("com.example.someevent", "/mycontext/4"),
            ("com.example.someotherevent", "/mycontext/9")
        ]
    );
    assert_eq!(alerts[0].payload["data_base64"], "YmFzZTY0IGVuY29kZWQgc3RyaW5n");
    assert_eq!(bench.taken("none", sent("/alerts/events", kind, "[]")).await, []);
    // One that is wrong is not left out: the sender hears of it, and nothing of the body counts.
    let spoilt = batch.replace("\"id\" : \"C234", "\"ID\" : \"C234");
    bench
        .malformed("one of two", sent("/alerts/events", kind, spoilt), "[1].id")
        .await;
}

#[tokio::test]
async fn data_is_what_its_type_says_whichever_way_it_comes() {
    let bench = bench();
    let kind = "application/cloudevents+json";
    let xml = include_str!("../payloads/cloudevents-xml.json");
    let alerts = bench.taken("XML", sent("/alerts/events", kind, xml)).await;
    assert_eq!(alerts[0].payload["data"], "<much wow=\"xml\"/>");
    assert!(!alerts[0].labels.contains_key("unsetextension"));
    let of = |kind: &str, data: Value| {
        let mut event =
            json!({ "specversion": "1.0", "type": "t", "source": "s", "id": "i", "datacontenttype": kind });
        event
            .as_object_mut()
            .unwrap()
            .extend(data.as_object().unwrap().clone());
        event
    };
    for (kind, data, expected) in [
        (
            "application/json",
            json!({ "data_base64": STANDARD.encode(r#"{"a":1}"#) }),
            json!({ "a": 1 }),
        ),
        (
            "text/plain",
            json!({ "data_base64": STANDARD.encode("plain") }),
            json!("plain"),
        ),
        (
            "application/json",
            json!({ "data": "{\"a\":1}" }),
            json!("{\"a\":1}"),
        ),
    ] {
        let body = of(kind, data).to_string();
        let alerts = bench
            .taken(kind, sent("/alerts/events", "application/cloudevents+json", body))
            .await;
        assert_eq!(alerts[0].payload["data"], expected, "{kind}");
    }
    let plain = post("/alerts/events")
        .header("ce-specversion", "1.0")
        .header("ce-type", "t")
        .header("ce-source", "/s%20%E2%82%AC")
        .header("ce-id", "\"quoted \\\" id\"")
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(Body::from(vec![0_u8, 159, 146]))
        .unwrap();
    let alerts = bench.taken("bytes", plain).await;
    assert_eq!(
        alerts[0].payload["data_base64"],
        STANDARD.encode([0_u8, 159, 146])
    );
    assert_eq!(
        (
            alerts[0].labels["source"].as_str(),
            alerts[0].fingerprint.as_str()
        ),
        ("/s €", "quoted \" id")
    );
}

#[tokio::test]
async fn an_event_is_told_from_others_by_its_source_and_subject_whatever_happens_to_it() {
    let bench = bench();
    let kind = "application/cloudevents+json";
    let of = |what: &str, subject: &str, id: &str| {
        json!({
            "specversion": "1.0", "type": what, "source": "/checks", "subject": subject, "id": id, "data": { "zone": "eu" },
        })
    };
    let opened = bench
        .taken("opened", event(kind, &of("check.opened", "disk", "1")))
        .await
        .remove(0);
    let closed = bench
        .taken("closed", event(kind, &of("check.closed", "disk", "2")))
        .await
        .remove(0);
    let other = bench
        .taken("other", event(kind, &of("check.opened", "cpu", "3")))
        .await
        .remove(0);
    assert_eq!(
        (opened.status, closed.status),
        (AlertStatus::Firing, AlertStatus::Resolved)
    );
    assert_eq!(opened.fingerprint, closed.fingerprint);
    assert_ne!(opened.fingerprint, other.fingerprint);
    assert_eq!(
        (opened.labels["zone"].as_str(), opened.labels["subject"].as_str()),
        ("eu", "disk")
    );
    assert!(
        Timestamp::parse_rfc3339(&opened.starts_at).is_some(),
        "it began when it came: {}",
        opened.starts_at
    );
    let mut without = of("check.opened", "", "4");
    without.as_object_mut().unwrap().remove("subject");
    bench
        .malformed("no subject", event(kind, &without), "map.fingerprint")
        .await;
    let mut no_zone = of("check.opened", "disk", "5");
    no_zone["data"] = json!({});
    bench
        .malformed(
            "a label that is not there",
            event(kind, &no_zone),
            "map.labels.zone",
        )
        .await;
}

#[tokio::test]
async fn what_is_no_event_is_refused_with_what_is_wrong_and_where() {
    let bench = bench();
    let kind = "application/cloudevents+json";
    type Spoil = fn(&mut Value);
    let table: [(Spoil, &str); 9] = [
        (|e| *e = json!("x"), ""),
        (|e| e["specversion"] = json!("0.3"), "specversion"),
        (|e| e["specversion"] = json!(null), "specversion"),
        (|e| e["id"] = json!(""), "id"),
        (|e| e["source"] = json!(7), "source"),
        (|e| e["type"] = json!(null), "type"),
        (|e| e["time"] = json!("yesterday"), "time"),
        (|e| e["data_base64"] = json!("YQ=="), "data_base64"),
        (
            |e| {
                e.as_object_mut().unwrap().remove("data");
                e["data_base64"] = json!("???");
            },
            "data_base64",
        ),
    ];
    for (spoil, at) in table {
        let mut body: Value =
            serde_json::from_str(include_str!("../payloads/cloudevents-json.json")).unwrap();
        spoil(&mut body);
        bench
            .malformed(at, sent("/alerts/events", kind, body.to_string()), at)
            .await;
    }
    let deep = format!(
        r#"{{"specversion":"1.0","data":{}1{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    bench
        .malformed("nested", sent("/alerts/events", kind, deep), "byte 91")
        .await;
    let binary = |headers: &[(&str, &str)], body: &str| {
        let mut request = post("/alerts/events").header("ce-specversion", "1.0");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let whole = [("ce-type", "t"), ("ce-source", "s"), ("ce-id", "i")];
    let json = ("content-type", "application/json");
    for (what, headers, body, at) in [
        ("no id", [whole[0], whole[1], json].to_vec(), "{}", "ce-id"),
        (
            "overlong",
            [whole[0], whole[1], ("ce-id", "%C0%A0"), json].to_vec(),
            "{}",
            "ce-id",
        ),
        (
            "twice",
            [whole[0], whole[1], whole[2], ("ce-id", "j"), json].to_vec(),
            "{}",
            "ce-id",
        ),
        (
            "no JSON",
            [whole[0], whole[1], whole[2], json].to_vec(),
            "{",
            "line 1 column 1",
        ),
    ] {
        bench.malformed(what, binary(&headers, body), at).await;
    }
    for (what, request) in [
        (
            "another format",
            sent("/alerts/events", "application/cloudevents+avro", "x"),
        ),
        ("no event", sent("/alerts/events", "application/json", "{}")),
        (
            "no type at all",
            post("/alerts/events").body(Body::from("{}")).unwrap(),
        ),
        ("data of no type", binary(&whole, "{}")),
    ] {
        bench
            .refused(what, request, StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type")
            .await;
    }
}

#[tokio::test]
async fn any_json_is_an_alert_by_the_mapping_of_its_intake() {
    let bench = bench();
    let body = include_str!("../payloads/azure-monitor.json");
    let resolved = bench
        .taken(
            "resolved",
            sent("/alerts/azure", "application/json; charset=utf-8", body),
        )
        .await;
    let [resolved] = resolved.as_slice() else {
        panic!("{resolved:?}")
    };
    assert_eq!(
        (
            resolved.name.as_str(),
            resolved.status,
            resolved.starts_at.as_str()
        ),
        (
            "WCUS-R2-Gen2",
            AlertStatus::Resolved,
            "2019-03-22T13:58:24.3713213Z"
        )
    );
    let labels: Vec<(&str, &str)> = resolved
        .labels
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(
        labels,
        [
            ("alertname", "WCUS-R2-Gen2"),
            ("item", "wcus-r2-gen2"),
            ("severity", "Sev3")
        ],
        "what is null is no label"
    );
    assert_eq!(resolved.annotations["value"], "7.727");
    assert_eq!(resolved.payload["data"]["essentials"]["signalType"], "Metric");
    let fired = body.replace("\"Resolved\"", "\"Fired\"");
    let fired = bench
        .taken("fired", sent("/alerts/azure", "application/json", fired))
        .await;
    assert_eq!(
        (fired[0].status, &fired[0].fingerprint),
        (AlertStatus::Firing, &resolved.fingerprint)
    );
    let other = body.replace("azureMonitorCommonAlertSchema", "another");
    assert_eq!(
        bench
            .taken(
                "what the mapping says is none",
                sent("/alerts/azure", "application/json", other)
            )
            .await,
        []
    );
}

#[tokio::test]
async fn a_list_is_an_alert_for_each_item_and_says_the_same_as_the_sender_that_is_known() {
    let bench = bench();
    let body = include_str!("../payloads/03-mixed-2alerts.json");
    let known = bench
        .taken("known", post("/alerts/am").body(Body::from(body)).unwrap())
        .await;
    let mapped = bench
        .taken("mapped", sent("/alerts/each", "application/json", body))
        .await;
    let tell = |alerts: &[Alert]| -> Vec<(String, String, AlertStatus, String)> {
        let tell = |alert: &Alert| {
            (
                alert.name.clone(),
                alert.fingerprint.clone(),
                alert.status,
                alert.starts_at.clone(),
            )
        };
        alerts.iter().map(tell).collect()
    };
    assert_eq!(tell(&mapped), tell(&known));
    assert_eq!(mapped[0].payload, known[0].payload);
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(mapped[0].labels["receiver"], body["receiver"].as_str().unwrap());
    let mut skipped = body.clone();
    skipped["alerts"][0]["skip"] = json!(true);
    assert_eq!(
        bench
            .taken("one left", json_to("/alerts/each", &skipped))
            .await
            .len(),
        1
    );
    skipped["alerts"] = json!([]);
    assert_eq!(bench.taken("none", json_to("/alerts/each", &skipped)).await, []);
}

#[tokio::test]
async fn a_mapping_without_a_value_refuses_the_body_with_its_place_and_takes_nothing_of_it() {
    type Spoil = fn(&mut Value);
    let bench = bench();
    let good: Value = serde_json::from_str(include_str!("../payloads/02-firing-2alerts.json")).unwrap();
    let table: [(&str, Spoil, &str); 11] = [
        ("no list", |b| b["alerts"] = json!({}), "map.each"),
        (
            "no list at all",
            |b| drop(b.as_object_mut().unwrap().remove("alerts")),
            "map.each",
        ),
        (
            "an item that is none",
            |b| b["alerts"][1] = json!(7),
            "map.when of [1]",
        ),
        (
            "no name",
            |b| b["alerts"][1]["labels"] = json!({}),
            "map.name of [1]",
        ),
        (
            "an empty name",
            |b| b["alerts"][0]["labels"]["alertname"] = json!(""),
            "map.name of [0]",
        ),
        (
            "a list for a name",
            |b| b["alerts"][0]["labels"]["alertname"] = json!([1]),
            "map.name of [0]",
        ),
        (
            "another status",
            |b| b["alerts"][1]["status"] = json!("pending"),
            "map.status of [1]",
        ),
        (
            "no fingerprint",
            |b| b["alerts"][1]["fingerprint"] = json!(""),
            "map.fingerprint of [1]",
        ),
        (
            "a long one",
            |b| b["alerts"][1]["fingerprint"] = json!("x".repeat(129)),
            "map.fingerprint of [1]",
        ),
        (
            "a time that is none",
            |b| b["alerts"][1]["startsAt"] = json!("now"),
            "map.starts_at of [1]",
        ),
        (
            "a label that is a list",
            |b| b["alerts"][1]["labels"]["pod"] = json!([]),
            "map.labels.pod of [1]",
        ),
    ];
    for (what, spoil, at) in table {
        let mut body = good.clone();
        spoil(&mut body);
        bench.malformed(what, json_to("/alerts/each", &body), at).await;
    }
    for (what, body, at) in [
        ("nothing", String::new(), "line 1 column 0"),
        ("not JSON", "a=1".to_owned(), "line 1 column 1"),
        (
            "nested",
            format!("{}{}", "[".repeat(65), "]".repeat(65)),
            "byte 64",
        ),
    ] {
        bench
            .malformed(what, sent("/alerts/each", "application/json", body), at)
            .await;
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
    ] {
        let request = sent("/alerts/each", kind, good.to_string());
        bench
            .refused(kind, request, StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type")
            .await;
    }
    let without = post("/alerts/each").body(Body::from(good.to_string())).unwrap();
    bench
        .refused(
            "no type",
            without,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type",
        )
        .await;
    let mut many = good.clone();
    many["alerts"] = Value::Array(vec![json!({}); 10_001]);
    bench
        .malformed("too many", json_to("/alerts/each", &many), "")
        .await;
    let large = sent("/alerts/each", "application/json", vec![b' '; (4 << 20) + 1]);
    bench
        .refused("too large", large, StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        .await;
}

#[tokio::test]
async fn what_hides_or_turns_text_is_gone_from_what_a_mapping_makes() {
    let bench = bench();
    let mut body: Value = serde_json::from_str(include_str!("../payloads/01-firing-1alerts.json")).unwrap();
    body["alerts"][0]["labels"]["alertname"] = json!("a\u{202e}b\u{1b}[31m\nc");
    body["alerts"][0]["labels"]["pod"] = json!("p\u{200b}");
    let alerts = bench.taken("cleaned", json_to("/alerts/each", &body)).await;
    assert_eq!(
        (alerts[0].name.as_str(), alerts[0].labels["pod"].as_str()),
        ("ab[31m c", "p")
    );
}

fn mac(parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn signed(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

const BODY: &str = r#"{"name":"CheckFailed","open":true,"id":7,"since":1795478400}"#;

#[tokio::test]
async fn a_body_is_taken_with_the_signature_that_stanch_toml_describes_and_with_no_other() {
    let bench = bench();
    let hub = "x-hub-signature-256";
    let right = format!("sha256={}", hex::encode(mac(&[BODY])));
    let alerts = bench
        .taken("signed", signed("/alerts/github", &[(hub, &right)], BODY))
        .await;
    assert_eq!(
        (alerts[0].fingerprint.as_str(), alerts[0].starts_at.as_str()),
        ("7", "2026-11-24T00:00:00.000Z")
    );
    // GitHub's own example, «Testing the webhook payload validation»: its signature is right, and its body is no JSON.
    let example = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    bench
        .malformed(
            "GitHub's",
            signed("/alerts/github", &[(hub, example)], "Hello, World!"),
            "line 1 column 1",
        )
        .await;
    let upper = right.to_uppercase().replace("SHA256", "sha256");
    bench
        .taken("in capitals", signed("/alerts/github", &[(hub, &upper)], BODY))
        .await;
    let two = format!("sha256={},{right}", "00".repeat(32));
    bench
        .taken("one of two", signed("/alerts/github", &[(hub, &two)], BODY))
        .await;
    let bearer = [("authorization", "Bearer correct-horse")];
    let bare = right.trim_start_matches("sha256=");
    let sha1 = right.replace("sha256", "sha1");
    let another = format!("sha256={}", hex::encode(mac(&[BODY, " "])));
    let base64 = format!("sha256={}", STANDARD.encode(mac(&[BODY])));
    for (what, headers) in [
        ("no signature", vec![]),
        ("a bearer instead", bearer.to_vec()),
        ("an empty one", vec![(hub, "")]),
        ("a prefix alone", vec![(hub, "sha256=")]),
        ("without its prefix", vec![(hub, bare)]),
        ("another prefix", vec![(hub, sha1.as_str())]),
        ("of another body", vec![(hub, another.as_str())]),
        ("another encoding", vec![(hub, base64.as_str())]),
        ("cut short", vec![(hub, &right[..right.len() - 2])]),
        ("another header", vec![("x-hub-signature", right.as_str())]),
        ("two headers", vec![(hub, right.as_str()), (hub, right.as_str())]),
    ] {
        let request = signed("/alerts/github", &headers, BODY);
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
async fn a_signed_time_is_good_for_five_minutes_wherever_it_is() {
    let bench = bench();
    let body = r#"{"specversion":"1.0","type":"t","source":"s","id":"i"}"#;
    for offset in [0, -200, 200, -400, 400] {
        let at = time(offset);
        // As the gate signs notifications: one engine can alert another.
        let one = format!("t={at},v1={}", hex::encode(mac(&[&at, ".", BODY])));
        let in_one = signed("/alerts/timed", &[("x-stanch-signature", &one)], BODY);
        let two = STANDARD.encode(mac(&[&at, ":", body]));
        let in_two = Request::post("/alerts/base64")
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .header("x-signature", two)
            .header("x-time", &at)
            .body(Body::from(body))
            .unwrap();
        for (what, request) in [("in one header", in_one), ("in two", in_two)] {
            if offset.abs() < 300 {
                bench.taken(what, request).await;
            } else {
                bench
                    .refused(what, request, StatusCode::UNAUTHORIZED, "stale")
                    .await;
            }
        }
    }
    let (now, later) = (time(0), time(1));
    let right = hex::encode(mac(&[&now, ".", BODY]));
    for (what, value) in [
        ("another time", format!("t={later},v1={right}")),
        ("no time", format!("v1={right}")),
        ("two times", format!("t={now},t={now},v1={right}")),
        (
            "a time that is none",
            format!("t=soon,v1={}", hex::encode(mac(&["soon", ".", BODY]))),
        ),
        (
            "the body alone",
            format!("t={now},v1={}", hex::encode(mac(&[BODY]))),
        ),
    ] {
        let request = signed("/alerts/timed", &[("x-stanch-signature", &value)], BODY);
        bench
            .refused(what, request, StatusCode::UNAUTHORIZED, "credentials")
            .await;
    }
}
