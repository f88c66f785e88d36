use super::*;
use stanch_plugin::testing::{Host, reply};

const URL: &str = "http://prometheus:9090";

/// A Prometheus with these samples, by the words that a query has.
fn host(answers: &[(&str, Value)]) -> Host {
    let host = Host::new();
    host.set_settings(json!({ "url": URL }));
    for metric in [
        "DCGM_FI_DEV_FB",
        "DCGM_FI_DEV_GPU_UTIL",
        "DCGM_FI_DEV_XID",
        "requests_started",
        "requests_finished",
    ] {
        let result = answers.iter().find(|(of, _)| *of == metric);
        let result = result.map_or_else(|| json!([]), |(_, result)| result.clone());
        let beginning = match metric {
            "DCGM_FI_DEV_FB" => "sum by (pod, gpu) (DCGM_FI_DEV_FB_USED".to_owned(),
            "DCGM_FI_DEV_GPU_UTIL" => "max by (pod, gpu) (max_over_time(DCGM".to_owned(),
            "DCGM_FI_DEV_XID" => "max by (pod, gpu) (DCGM".to_owned(),
            other => format!("sum by (pod) (increase(inference_{other}"),
        };
        let url = format!("{URL}/api/v1/query?query={}*", http::encode(&beginning));
        host.answer(
            "GET",
            &url,
            reply(
                200,
                json!({ "status": "success", "data": { "resultType": "vector", "result": result } }),
            ),
        );
    }
    host
}

fn sample(pod: &str, value: &str) -> Value {
    json!({ "metric": { "pod": pod, "gpu": "0" }, "value": [1_790_000_000.5, value] })
}

fn ask(host: &Host, what: &[&str]) -> stanch_plugin::testing::Found {
    host.diagnose::<GpuState>(json!({ "namespace": "inference", "what": what }))
        .unwrap()
}

#[test]
fn each_trouble_is_named_with_its_pod_and_why() {
    let table = [
        (
            "memory-full",
            "DCGM_FI_DEV_FB",
            "0.993",
            "llm-1: 99.3 % of the memory of GPU 0 is used",
        ),
        (
            "idle",
            "DCGM_FI_DEV_GPU_UTIL",
            "0",
            "llm-1: GPU 0 was never used more than 0 %",
        ),
        (
            "errors",
            "DCGM_FI_DEV_XID",
            "79",
            "llm-1: the driver of GPU 0 told of the error XID 79",
        ),
        (
            "zombie",
            "requests_started",
            "11.5",
            "llm-1: it took 12 requests in 300 s and answered none",
        ),
    ];
    for (what, metric, value, says) in table {
        let host = host(&[(metric, json!([sample("llm-1", value)]))]);
        let found = ask(&host, &[what]);
        assert_eq!((found.verdict, found.summary.as_str()), (Verdict::Yes, says));
        assert_eq!(found.data["pods"], json!(["llm-1"]));
        assert_eq!(found.data["troubles"][0]["what"], json!(what));
    }
}

#[test]
fn what_is_well_is_a_no_and_what_is_not_known_is_unknown() {
    // What is asked, which metric there is with which value, the answer.
    let table = [
        ("memory-full", Some(("DCGM_FI_DEV_FB", "0.95")), Verdict::No),
        (
            "memory-full",
            Some(("DCGM_FI_DEV_GPU_UTIL", "50")),
            Verdict::Unknown,
        ),
        ("memory-full", Some(("DCGM_FI_DEV_FB", "NaN")), Verdict::Unknown),
        ("idle", Some(("DCGM_FI_DEV_GPU_UTIL", "1")), Verdict::No),
        ("errors", Some(("DCGM_FI_DEV_XID", "0")), Verdict::No),
        ("zombie", Some(("requests_started", "0")), Verdict::No),
        ("zombie", Some(("requests_finished", "3")), Verdict::Unknown),
        ("zombie", None, Verdict::Unknown),
    ];
    for (what, metric, verdict) in table {
        let answers: Vec<_> = metric
            .into_iter()
            .map(|(metric, value)| (metric, json!([sample("llm-1", value)])))
            .collect();
        let found = ask(&host(&answers), &[what]);
        assert_eq!(found.verdict, verdict, "{what} {metric:?}: {}", found.summary);
    }
}

#[test]
fn a_pod_that_answers_is_no_zombie_and_one_in_trouble_decides_whatever_is_unknown() {
    let taken = json!([sample("llm-1", "9"), sample("llm-2", "9")]);
    let host = host(&[
        ("requests_started", taken),
        (
            "requests_finished",
            json!([sample("llm-1", "0"), sample("llm-2", "8")]),
        ),
    ]);
    let found = ask(&host, &["zombie", "memory-full"]);
    assert_eq!(found.verdict, Verdict::Yes);
    assert_eq!(found.data["pods"], json!(["llm-1"]));
}

#[test]
fn pods_are_asked_for_by_name_and_no_name_leaves_its_quotes() {
    let host = host(&[]);
    let params = json!({ "namespace": "inference", "pods": ["llm-1", "a.b"], "what": ["errors"] });
    assert_eq!(
        host.diagnose::<GpuState>(params).unwrap().verdict,
        Verdict::Unknown
    );
    let asked = &host.sent()[0].url;
    assert!(
        asked.contains(&http::encode(r#"namespace="inference", pod=~"llm-1|a\\.b""#)),
        "{asked}"
    );
    for name in ["x\"} or vector(1) #", "", "A"] {
        let params = json!({ "namespace": "inference", "pods": [name], "what": ["errors"] });
        assert_eq!(
            host.diagnose::<GpuState>(params).unwrap_err().code,
            FailureCode::InvalidParams,
            "{name}"
        );
    }
}

#[test]
fn a_prometheus_that_is_away_or_not_granted_is_a_failure_and_no_answer() {
    let host = Host::new();
    host.set_settings(json!({ "url": URL }));
    let params = json!({ "namespace": "inference", "what": ["zombie"] });
    assert_eq!(
        host.diagnose::<GpuState>(params.clone()).unwrap_err().code,
        FailureCode::Denied
    );
    host.answer("GET", &format!("{URL}/*"), reply(503, "starting"));
    assert_eq!(
        host.diagnose::<GpuState>(params).unwrap_err().code,
        FailureCode::Unavailable
    );
}
