//! The queries of the shipped runbooks, the rules that start them, and `gpu-state`, with a real Prometheus.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::path::PathBuf;

use serde_json::json;
use stanch_contract::{FailureCode, Verdict};
use stanch_parts::{Metrics, Prometheus, prometheus, until};
use stanch_sandbox::CallFault;
use stanch_tests::Installed;

fn shipped(name: &str) -> String {
    let path: PathBuf = stanch_test_support::root().join("runbooks").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The query of a check, for these labels.
fn query(runbook: &str, check: &str, labels: &[(&str, &str)]) -> String {
    let runbook: toml::Table = shipped(runbook).parse().unwrap();
    let of = |list: &toml::Value| {
        let found = list
            .as_array()?
            .iter()
            .find(|one| one["id"].as_str() == Some(check))?;
        Some(found["with"]["query"].as_str()?.to_owned())
    };
    let found = runbook.get("diagnosis").and_then(of);
    let mut query = found.or_else(|| of(&runbook["recovery"]["check"])).unwrap();
    for (name, value) in labels {
        query = query.replace(&format!("${{alert.labels.{name}}}"), value);
    }
    assert!(!query.contains("${"), "{query}");
    query
}

/// What a pod of `llm` counts.
fn requests(metrics: &Metrics, pod: &str, started: f64, finished: f64) {
    for (what, count) in [("started", started), ("finished", finished)] {
        let series =
            format!("inference_requests_{what}_total{{namespace=\"inference\",app=\"llm\",pod=\"{pod}\"}}");
        metrics.set(&series, count);
    }
}

#[test]
fn the_example_rules_name_the_zombie_and_the_runbooks_queries_see_it_and_no_other() {
    let metrics = Metrics::open().unwrap();
    // Pods are looked at for as long as it takes two scrapes to show that they count.
    let rules = shipped("alerts.example.yml")
        .replace("for: 2m", "for: 0s")
        .replace("for: 5m", "for: 0s");
    let prometheus = Prometheus::start(&prometheus::config(&[metrics.address], None), &rules).unwrap();
    let labels = [("namespace", "inference"), ("app", "llm")];
    let [zombie, all_answer, full] =
        ["zombie", "all_answer", "gpu_memory_full"].map(|check| query("hanged-gpu.toml", check, &labels));
    assert_eq!(
        prometheus.value(&zombie),
        None,
        "nothing is known where the metric is not there"
    );

    let gpu = |pod: &str, used: f64, free: f64| {
        let of =
            |what: &str| format!("DCGM_FI_DEV_FB_{what}{{namespace=\"inference\",pod=\"{pod}\",gpu=\"0\"}}");
        metrics.set(&of("USED"), used);
        metrics.set(&of("FREE"), free);
    };
    gpu("llm-1", 79_000.0, 1_000.0);
    gpu("llm-2", 40_000.0, 40_000.0);
    gpu("other-1", 80_000.0, 0.0);
    let mut count = 0.0;
    let fired = until("the alert of llm-1", || {
        count += 1.0;
        // One takes requests and finishes none, the other finishes what it takes, the third has nothing to do.
        requests(&metrics, "llm-1", count, 3.0);
        requests(&metrics, "llm-2", count, count);
        requests(&metrics, "llm-3", 7.0, 7.0);
        let firing = prometheus.firing()?;
        let hangs = firing
            .iter()
            .filter(|alert| alert["labels"]["alertname"] == "GPUWorkerHangs");
        let pods: Vec<String> = hangs
            .map(|alert| alert["labels"]["pod"].as_str().unwrap().to_owned())
            .collect();
        // Before a second sample of what was finished llm-2 may look the same.
        (pods == ["llm-1"] && prometheus.value(&zombie) == Some(1.0)).then_some(pods)
    });
    assert_eq!(fired.unwrap(), ["llm-1"]);
    assert_eq!(prometheus.value(&full), Some(79_000.0 / 80_000.0));

    // The fresh pod answers, and the old one's series go with it.
    metrics.retain(|series| !series.contains("llm-1"));
    gpu("llm-4", 10_000.0, 70_000.0);
    until("that all answer", || {
        count += 1.0;
        requests(&metrics, "llm-2", count, count);
        requests(&metrics, "llm-4", count, count);
        // What was counted of llm-1 is in the last five minutes still: the alert names what is scraped, the query looks back.
        let now = query("hanged-gpu.toml", "zombie", &labels).replace("[5m]", "[3s]");
        (prometheus.value(&now) == Some(0.0)).then_some(())
    })
    .unwrap();
    assert_eq!(all_answer, zombie, "recovery asks what the diagnosis asked");
    assert_eq!(prometheus.value(&full), Some(0.5));
}

#[test]
fn the_queries_of_crash_loop_tell_no_from_nothing_known() {
    let metrics = Metrics::open().unwrap();
    let rules = shipped("alerts.example.yml").replace("for: 5m", "for: 0s");
    let prometheus = Prometheus::start(&prometheus::config(&[metrics.address], None), &rules).unwrap();
    let labels = [("namespace", "inference"), ("container", "api")];
    let [memory, others, none_loops] =
        ["out_of_memory", "others_run", "none_loops"].map(|check| query("crash-loop.toml", check, &labels));
    for query in [&memory, &others, &none_loops] {
        assert_eq!(prometheus.value(query), None, "{query}");
    }
    let of = |metric: &str, pod: &str, more: &str| {
        format!("{metric}{{namespace=\"inference\",container=\"api\",pod=\"{pod}\"{more}}}")
    };
    for (pod, ready) in [("api-1", 0.0), ("api-2", 1.0)] {
        metrics.set(&of("kube_pod_container_info", pod, ""), 1.0);
        metrics.set(&of("kube_pod_container_status_ready", pod, ""), ready);
    }
    let are = |memory_is: f64, others_are: f64, loop_is: f64| {
        let said = [&memory, &others, &none_loops].map(|query| prometheus.value(query));
        (said == [Some(memory_is), Some(others_are), Some(loop_is)]).then_some(())
    };
    until("that none is killed and none loops", || are(0.0, 1.0, 0.0)).unwrap();
    let waiting = of(
        "kube_pod_container_status_waiting_reason",
        "api-1",
        ",reason=\"CrashLoopBackOff\"",
    );
    metrics.set(&waiting, 1.0);
    let killed = of(
        "kube_pod_container_status_last_terminated_reason",
        "api-1",
        ",reason=\"OOMKilled\"",
    );
    metrics.set(&killed, 1.0);
    until("that one is killed and loops", || are(1.0, 1.0, 1.0)).unwrap();
    until("the alert", || {
        let firing = prometheus.firing()?;
        let loops = firing
            .iter()
            .find(|alert| alert["labels"]["alertname"] == "PodCrashLoops")?;
        (loops["labels"]["pod"] == "api-1" && loops["labels"]["container"] == "api").then_some(())
    })
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn gpu_state_names_the_full_gpu_and_the_zombie_and_says_unknown_where_nothing_is_known() {
    let metrics = Metrics::open().unwrap();
    let prometheus = Prometheus::start(&prometheus::config(&[metrics.address], None), "").unwrap();
    let grant = json!({ "http": [{
        "url": format!("{}/api/v1/query", prometheus.url()), "read": ["GET"], "addresses": ["127.0.0.0/8"],
    }] });
    let settings = json!({ "url": prometheus.url() });
    let plugin = Installed::new("gpu-state", grant, settings.clone()).await;
    let ask = |what: &[&str]| json!({ "namespace": "inference", "what": what });
    let nothing = plugin.diagnose(ask(&["memory-full", "zombie"])).await.unwrap();
    assert_eq!(nothing.verdict, Verdict::Unknown, "{}", nothing.summary);

    for (pod, used) in [("llm-1", 79_000.0), ("llm-2", 40_000.0)] {
        let of =
            |what: &str| format!("DCGM_FI_DEV_{what}{{namespace=\"inference\",pod=\"{pod}\",gpu=\"0\"}}");
        metrics.set(&of("FB_USED"), used);
        metrics.set(&of("FB_FREE"), 80_000.0 - used);
        metrics.set(&of("GPU_UTIL"), 60.0);
        metrics.set(&of("XID_ERRORS"), 0.0);
    }
    let mut count = 0.0;
    until("two samples of what is counted", || {
        count += 1.0;
        requests(&metrics, "llm-1", count, 3.0);
        requests(&metrics, "llm-2", count, count);
        let finished = "sum(increase(inference_requests_finished_total{pod=\"llm-2\"}[5m])) > 0";
        prometheus.value(finished)
    })
    .unwrap();
    let found = plugin.diagnose(ask(&["memory-full", "zombie"])).await.unwrap();
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    assert_eq!(found.data["pods"], json!(["llm-1"]));
    let troubles: Vec<&str> = found.data["troubles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trouble| trouble["what"].as_str().unwrap())
        .collect();
    assert_eq!(troubles, ["memory-full", "zombie"]);
    let well = plugin.diagnose(ask(&["idle", "errors"])).await.unwrap();
    assert_eq!(well.verdict, Verdict::No, "{}", well.summary);

    let closed = Installed::new("gpu-state", json!({}), settings).await;
    let fault = closed.diagnose(ask(&["zombie"])).await.unwrap_err();
    assert!(
        matches!(&fault, CallFault::Guest(failure) | CallFault::Refused(failure) if failure.code == FailureCode::Denied),
        "{fault}"
    );
}

#[test]
fn the_queries_about_queues_certificates_and_providers_answer_what_is_asked_and_nothing_where_nothing_is_known()
 {
    let metrics = Metrics::open().unwrap();
    // `instance` is what was probed, as it is where the blackbox exporter is scraped.
    let config = prometheus::config(&[metrics.address], None)
        .replace("job_name: test,", "job_name: test, honor_labels: true,");
    let prometheus = Prometheus::start(&config, "groups: []").unwrap();
    let of_queue = |check| {
        // A minute is too long to wait for its second point.
        query("queue-backlog.toml", check, &[("queue", "q")]).replace("[10m:1m]", "[10s:1s]")
    };
    let [long, growing, failing] = ["long", "growing", "failing"].map(of_queue);
    let days = query(
        "certificate-expiring.toml",
        "expires_soon",
        &[("instance", "https://api.example")],
    );
    let provider = query("high-latency-cluster-b.toml", "provider_5xx", &[]);
    for query in [&long, &growing, &failing, &days, &provider] {
        assert_eq!(prometheus.value(query), None, "{query}");
    }

    let now = prometheus.value("vector(time())").unwrap();
    metrics.set(
        "probe_ssl_earliest_cert_expiry{instance=\"https://api.example\"}",
        now + 1.5 * 86_400.0,
    );
    let mut count = 0.0;
    until("a queue that grows, of which nothing fails", || {
        count += 1.0;
        metrics.set("queue_messages_ready{queue=\"q\"}", 10_000.0 + count);
        metrics.set("queue_messages_ready{queue=\"other\"}", 90_000.0);
        metrics.set("queue_messages_handled_total{queue=\"q\"}", count);
        metrics.set("provider_requests_total{cluster=\"b\",code=\"200\"}", count);
        let grows = prometheus.value(&growing)? > 0.0;
        let well = prometheus.value(&failing)? == 0.0 && prometheus.value(&provider)? == 0.0;
        (grows && well).then_some(())
    })
    .unwrap();
    let waiting = prometheus.value(&long).unwrap();
    assert!((10_000.0..90_000.0).contains(&waiting), "{waiting}");
    let left = prometheus.value(&days).unwrap();
    assert!((1.4..1.6).contains(&left), "{left}");

    until("failures that are seen", || {
        count += 1.0;
        metrics.set("queue_messages_handled_total{queue=\"q\"}", count);
        metrics.set("queue_messages_failed_total{queue=\"q\"}", count);
        metrics.set("provider_requests_total{cluster=\"b\",code=\"200\"}", count);
        metrics.set("provider_requests_total{cluster=\"b\",code=\"503\"}", count);
        let fail = prometheus.value(&failing)? > 0.2 && prometheus.value(&provider)? > 0.05;
        fail.then_some(())
    })
    .unwrap();
}
