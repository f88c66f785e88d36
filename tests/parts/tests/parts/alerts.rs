//! A metric flips, Prometheus fires, Alertmanager posts; then the other way round.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use stanch_outside::http::Server;
use stanch_parts::{Alertmanager, Metrics, Prometheus, alertmanager, prometheus, until};

const RULES: &str = r#"
groups:
- name: test
  rules:
  - alert: HangedGpu
    expr: requests_waiting > 5
    labels: {severity: high}
    annotations: {summary: "{{ $labels.pod }} holds {{ $value }} requests"}
"#;

#[test]
fn a_metric_that_flips_is_posted_as_firing_and_then_as_resolved_with_the_bearer_token() {
    let came: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let seen = Arc::clone(&came);
    let receiver = Server::open(move |request| {
        let bearer = request.headers.get("authorization").cloned().unwrap_or_default();
        seen.lock()
            .unwrap()
            .push((bearer, serde_json::from_slice(&request.body).unwrap()));
        (200, String::new())
    })
    .unwrap();
    let metrics = Metrics::open().unwrap();
    let series = r#"requests_waiting{namespace="shop",pod="worker-1"}"#;
    metrics.set(series, 0.0);
    let url = format!("http://{}/alerts", receiver.address);
    let alertmanager = Alertmanager::start(&alertmanager::config(&url, "a token", &["alertname"])).unwrap();
    let config = prometheus::config(&[metrics.address], Some(alertmanager.address));
    let prometheus = Prometheus::start(&config, RULES).unwrap();
    until("a scrape", || {
        (prometheus.value("requests_waiting")? == 0.0).then_some(())
    })
    .unwrap();
    assert!(came.lock().unwrap().is_empty());
    let posted = |status: &str| {
        let came = came.lock().unwrap();
        let (bearer, body) = came.iter().rev().find(|(_, body)| body["status"] == status)?;
        assert_eq!(bearer, "Bearer a token");
        Some(body["alerts"][0].clone())
    };

    metrics.set(series, 9.0);
    let firing = until("the alert", || posted("firing")).unwrap();
    assert_eq!(firing["labels"]["pod"], "worker-1");
    assert_eq!(firing["annotations"]["summary"], "worker-1 holds 9 requests");
    assert_eq!(prometheus.firing().unwrap().len(), 1);
    assert_eq!(alertmanager.alerts().unwrap().len(), 1);

    metrics.set(series, 0.0);
    let resolved = until("its end", || posted("resolved")).unwrap();
    assert_eq!(resolved["fingerprint"], firing["fingerprint"]);
    assert_eq!(prometheus.firing().unwrap().len(), 0);
}

#[test]
fn a_part_that_does_not_take_what_it_is_given_says_so() {
    let refused = Prometheus::start("global: {scrape_interval: often}\n", "").unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("it ended") && text.contains("often"), "{text}");
}
