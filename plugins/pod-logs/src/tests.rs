use super::*;
use stanch_plugin::kubernetes::POD;
use stanch_plugin::testing::{Found, Host};

fn pod(name: &str, containers: &[(&str, u32)]) -> Value {
    let statuses: Vec<Value> = containers
        .iter()
        .map(|(name, restarts)| json!({ "name": name, "restartCount": restarts, "state": { "running": {} } }))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "inference", "name": name, "labels": { "app": "worker" } },
        "spec": { "containers": [] }, "status": { "phase": "Running", "containerStatuses": statuses },
    })
}

fn log(host: &Host, name: &str, container: &str, previous: bool, text: &str) {
    host.pod_log(&POD.named("inference", name), container, previous, text);
}

/// `worker-0`, of which `server` was restarted, and `worker-1`.
fn host() -> Host {
    let host = Host::new();
    host.grant(&PodLogs::asks());
    host.object(pod("worker-0", &[("server", 1), ("proxy", 0)]));
    host.object(pod("worker-1", &[("server", 0)]));
    log(&host, "worker-0", "server", true, "before\nout of memory\n");
    log(&host, "worker-0", "server", false, "after\n");
    log(&host, "worker-0", "proxy", false, "GET / from dana@example.com\n");
    log(&host, "worker-1", "server", false, "");
    host
}

fn ask(host: &Host, extra: Value) -> Result<Found, Failure> {
    let mut params = json!({ "namespace": "inference", "selector": "app=worker" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    host.diagnose::<PodLogs>(params)
}

/// `POD/CONTAINER` with `~` before it where it is the previous one.
fn kept(found: &Found) -> Vec<String> {
    let logs = found.data["logs"].as_array().unwrap().iter();
    logs.map(|log| {
        let previous = if log["previous"] == true { "~" } else { "" };
        format!(
            "{previous}{}/{}",
            log["pod"].as_str().unwrap(),
            log["container"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn every_container_s_log_is_kept_and_the_previous_one_where_there_was_one() {
    let found = ask(&host(), json!({})).unwrap();
    assert_eq!(found.verdict, Verdict::Yes);
    assert_eq!(
        kept(&found),
        [
            "~worker-0/server",
            "worker-0/server",
            "worker-0/proxy",
            "worker-1/server"
        ]
    );
    assert_eq!(found.data["logs"][0]["text"], "before\nout of memory\n");
    assert_eq!(found.summary, "Kept 4 logs, 4 lines, 46 B; replaced 1 email");
    assert_eq!(found.data["replaced"], json!({ "email": 1 }));
    let first = &found.evidence[0];
    assert_eq!(
        (first.label.as_str(), first.value.as_str()),
        ("worker-0/server, previous: 2 lines", "before\nout of memory")
    );
    assert_eq!(found.evidence[3].value, "(empty)");
}

#[test]
fn what_is_asked_for_is_kept_and_nothing_else() {
    let table = [
        (
            json!({ "previous": false }),
            vec!["worker-0/server", "worker-0/proxy", "worker-1/server"],
        ),
        (
            json!({ "containers": ["server"] }),
            vec!["~worker-0/server", "worker-0/server", "worker-1/server"],
        ),
        (json!({ "pods": ["worker-1"] }), vec!["worker-1/server"]),
    ];
    for (extra, expected) in table {
        assert_eq!(kept(&ask(&host(), extra.clone()).unwrap()), expected, "{extra}");
    }
    let found = ask(&host(), json!({ "tail": 1, "containers": ["server"] })).unwrap();
    assert_eq!(found.data["logs"][0]["text"], "out of memory\n");
}

#[test]
fn what_the_operator_says_is_replaced_whatever_the_runbook_says() {
    let text = "10.0.0.1 dana@example.com AKIAIOSFODNN7EXAMPLE\n";
    let replaced = |settings: Value, extra: Value| {
        let host = host();
        host.set_settings(settings);
        log(&host, "worker-1", "server", false, text);
        let found = ask(&host, with(json!({ "pods": ["worker-1"] }), extra)).unwrap();
        found.data["logs"][0]["text"]
            .as_str()
            .unwrap()
            .trim_end()
            .to_owned()
    };
    let table = [
        (json!({}), json!({}), "10.0.0.1 [email] [aws-key]"),
        (
            json!({}),
            json!({ "redact": ["ipv4"] }),
            "[ipv4] [email] [aws-key]",
        ),
        (
            json!({ "redact": ["email"] }),
            json!({}),
            "10.0.0.1 [email] AKIAIOSFODNN7EXAMPLE",
        ),
        (
            json!({ "redact": ["email"] }),
            json!({ "redact": [] }),
            "10.0.0.1 [email] AKIAIOSFODNN7EXAMPLE",
        ),
    ];
    for (settings, extra, expected) in table {
        assert_eq!(
            replaced(settings.clone(), extra.clone()),
            expected,
            "{settings} {extra}"
        );
    }
}

fn with(mut params: Value, extra: Value) -> Value {
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

#[test]
fn what_one_log_does_not_need_the_others_have_and_what_is_cut_is_said() {
    let host = host();
    let long: String = (0..1000).map(|number| format!("{number:04}\n")).collect();
    log(&host, "worker-0", "proxy", false, &long);
    let found = ask(&host, json!({ "max_bytes": "620B" })).unwrap();
    // Three short ones cost 32 bytes together; the last is empty, so the long one has half of the rest.
    let proxy = &found.data["logs"][2];
    assert_eq!((&proxy["lines"], &proxy["cut_lines"]), (&json!(49), &json!(951)));
    assert!(proxy["text"].as_str().unwrap().ends_with("0999\n"));
    let shown = &found.evidence[2];
    assert_eq!(shown.label, "worker-0/proxy: 49 lines, 951 before them cut off");
}

#[test]
fn the_answer_stays_within_what_a_plugin_may_answer() {
    let host = Host::new();
    host.grant(&PodLogs::asks());
    let line = format!("{}\n", "\\\"".repeat(60));
    for number in 0..25 {
        let name = format!("worker-{number:02}");
        host.object(pod(&name, &[("server", 1), ("proxy", 1)]));
        for (container, previous) in [
            ("server", true),
            ("server", false),
            ("proxy", true),
            ("proxy", false),
        ] {
            log(&host, &name, container, previous, &line.repeat(1000));
        }
    }
    let found = ask(&host, json!({})).unwrap();
    let evidence: usize = found
        .evidence
        .iter()
        .map(|e| e.label.len() + e.value.len() + 32)
        .sum();
    let bytes = found.summary.len() + found.data.to_string().len() + evidence;
    assert!(bytes < 256 * 1024, "{bytes} bytes");
    assert!(found.evidence.len() <= 100);
    assert_eq!(found.data["logs"].as_array().unwrap().len(), 80);
    assert_eq!(found.verdict, Verdict::No);
    assert!(
        found.summary.contains("5 are not kept, the first worker-20"),
        "{}",
        found.summary
    );
}

#[test]
fn a_log_that_could_not_be_read_is_a_no_and_the_others_are_kept() {
    let host = host();
    host.fail("logs", Failure::unavailable("the node `node-1` does not answer"));
    let found = ask(&host, json!({})).unwrap();
    assert_eq!((found.verdict, kept(&found).len()), (Verdict::No, 3));
    let missing = &found.data["missing"][0];
    assert_eq!(
        (&missing["pod"], &missing["container"], &missing["previous"]),
        (&json!("worker-0"), &json!("server"), &json!(true))
    );
    assert!(
        found.evidence[0]
            .label
            .starts_with("Not kept: worker-0/server, previous"),
        "{:?}",
        found.evidence[0]
    );
}

#[test]
fn what_is_not_there_to_be_kept_is_listed_and_no_no() {
    let host = host();
    host.object(pod("worker-2", &[("server", 3)]));
    log(&host, "worker-2", "server", false, "up\n");
    host.object(pod("worker-4", &[("server", 3)]));
    host.fail(
        "logs",
        Failure::failed("previous terminated container \"server\" in pod \"worker-2\" not found"),
    );
    log(&host, "worker-4", "server", false, "up\n");
    let mut waiting = pod("worker-3", &[("server", 0)]);
    waiting["status"]["containerStatuses"][0]["state"] =
        json!({ "waiting": { "reason": "ImagePullBackOff" } });
    host.object(waiting);
    let names = json!({ "pods": ["worker-2", "worker-3", "worker-4", "worker-9"] });
    let found = ask(&host, names).unwrap();
    assert_eq!(found.verdict, Verdict::Yes);
    assert_eq!(kept(&found), ["worker-2/server", "worker-4/server"]);
    let whys: Vec<&str> = found.data["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|missing| missing["why"].as_str().unwrap())
        .collect();
    assert_eq!(
        whys,
        [
            "no pod of that name has the labels `app=worker`",
            "it has not started",
            "it is not there any more",
            "it is not there any more",
        ]
    );
}

#[test]
fn a_container_that_backs_off_has_the_log_of_its_last_instance() {
    let host = host();
    let mut loops = pod("worker-1", &[("server", 7)]);
    loops["status"]["containerStatuses"][0]["state"] = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    host.object(loops);
    log(&host, "worker-1", "server", false, "panic\n");
    let found = ask(&host, json!({ "pods": ["worker-1"] })).unwrap();
    assert_eq!(kept(&found), ["worker-1/server"]);
}

#[test]
fn what_ran_before_the_others_and_ended_well_is_kept_only_where_it_is_named() {
    let host = host();
    let mut pod = pod("worker-1", &[("server", 0)]);
    pod["status"]["initContainerStatuses"] = json!([
        { "name": "fetch", "restartCount": 0, "state": { "terminated": { "exitCode": 0 } } },
        { "name": "migrate", "restartCount": 0, "state": { "terminated": { "exitCode": 1 } } },
    ]);
    host.object(pod);
    for name in ["fetch", "migrate"] {
        log(&host, "worker-1", name, false, "x\n");
    }
    let found = ask(&host, json!({ "pods": ["worker-1"] })).unwrap();
    assert_eq!(kept(&found), ["worker-1/migrate", "worker-1/server"]);
    let found = ask(&host, json!({ "pods": ["worker-1"], "containers": ["fetch"] })).unwrap();
    assert_eq!(kept(&found), ["worker-1/fetch"]);
}

#[test]
fn where_the_time_is_over_the_rest_is_missing_and_said() {
    let host = host();
    host.set_remaining(2_000);
    let found = ask(&host, json!({})).unwrap();
    assert_eq!((found.verdict, kept(&found).len()), (Verdict::No, 0));
    assert!(
        found.summary.contains("the time of the call was over"),
        "{}",
        found.summary
    );
}

#[test]
fn without_a_grant_for_logs_there_is_no_answer() {
    let host = Host::new();
    let mut asks = PodLogs::asks();
    asks["kubernetes"][0]["verbs"] = json!(["get", "list"]);
    host.grant(&asks);
    host.object(pod("worker-0", &[("server", 0)]));
    assert_eq!(ask(&host, json!({})).unwrap_err().code, FailureCode::Denied);
    let nothing = ask(&host, json!({ "selector": "app=wroker" })).unwrap();
    assert_eq!(nothing.verdict, Verdict::Unknown);
}

#[test]
fn parameters_and_settings_that_are_not_known_are_refused() {
    let host = host();
    let table = [
        json!({ "redact": ["everything"] }),
        json!({ "tail": "all" }),
        json!({ "selector": "" }),
    ];
    for extra in table {
        let failure = ask(&host, extra.clone()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams, "{extra}");
    }
    host.set_settings(json!({ "redact": ["emails"] }));
    let failure = ask(&host, json!({})).unwrap_err();
    assert!(failure.message.contains("emails"), "{failure}");
}
