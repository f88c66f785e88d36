use serde_json::{Value, json};
use stanch_outside::http::{Answer, Connection};

use super::*;

fn ask(pods: &Pods, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", api::TOKEN);
    let headers = [("authorization", bearer.as_str())];
    Connection::open(pods.api)
        .unwrap()
        .send(method, path, &headers, body)
        .unwrap()
}

fn pod(pods: &Pods) -> Value {
    let answer = ask(pods, "GET", "/api/v1/namespaces/inference/pods/llm-2", "");
    serde_json::from_str(&answer.body).unwrap()
}

fn eviction(uid: &Value, dry: bool) -> String {
    let dry = if dry { json!(["All"]) } else { json!([]) };
    json!({ "deleteOptions": { "preconditions": { "uid": uid }, "dryRun": dry } }).to_string()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_worker_that_hangs_is_evicted_by_its_uid_and_another_of_its_name_answers() {
    let pods = Pods::open().unwrap();
    let path = "/api/v1/namespaces/inference/pods/llm-2/eviction";
    pods.hang();
    assert!(!pods.is_zombie(), "nobody asked it yet");
    for _ in 0..COUNT * 4 {
        let answer = Connection::open(pods.front).unwrap().get("/v1/complete").unwrap();
        assert_eq!(answer.status, 200, "another one answers");
    }
    assert!(pods.is_zombie());
    let uid = pod(&pods)["metadata"]["uid"].clone();
    assert_eq!(
        ask(&pods, "POST", path, &eviction(&json!("another"), false)).status,
        409
    );
    assert_eq!(ask(&pods, "POST", path, &eviction(&uid, true)).status, 201);
    assert_eq!(
        pod(&pods)["metadata"].get("deletionTimestamp"),
        None,
        "a dry run does nothing"
    );
    assert_eq!(ask(&pods, "POST", path, &eviction(&uid, false)).status, 201);
    assert!(pod(&pods)["metadata"].get("deletionTimestamp").is_some());
    // Of the three that are left none may go.
    let other: Value =
        serde_json::from_str(&ask(&pods, "GET", &path.replace("llm-2/eviction", "llm-1"), "").body).unwrap();
    let refused = ask(
        &pods,
        "POST",
        &path.replace("llm-2", "llm-1"),
        &eviction(&other["metadata"]["uid"], false),
    );
    assert_eq!(refused.status, 429);
    assert!(refused.body.contains("needs 3 healthy pods"), "{}", refused.body);
    until("replaced", || {
        let now = pod(&pods);
        now["metadata"]["uid"] != uid && now["status"]["conditions"][0]["status"] == "True"
    });
    assert!(!pods.is_zombie());
    // It was not that one.
    assert_eq!(ask(&pods, "POST", path, &eviction(&uid, false)).status, 409);
}

#[test]
fn who_has_no_token_gets_nothing_and_what_is_not_there_is_not_made_up() {
    let pods = Pods::open().unwrap();
    let list = "/api/v1/namespaces/inference/pods";
    assert_eq!(Connection::open(pods.api).unwrap().get(list).unwrap().status, 401);
    let count = |selector: &str| {
        let answer = ask(
            &pods,
            "GET",
            &format!("{list}?labelSelector={selector}&limit=100"),
            "",
        );
        let found: Option<Value> = serde_json::from_str(&answer.body).ok();
        (
            answer.status,
            found.and_then(|list| list["items"].as_array().map(Vec::len)),
        )
    };
    assert_eq!(count("app%3Dllm"), (200, Some(COUNT)));
    assert_eq!(count("app%3Dother"), (200, Some(0)));
    assert_eq!(count("app!%3Dllm").0, 400);
    for path in [
        "/api/v1/namespaces/inference/pods/llm-9",
        "/apis/apps/v1",
        "/api/v1/secrets",
    ] {
        assert_eq!(ask(&pods, "GET", path, "").status, 404, "{path}");
    }
    assert_eq!(
        ask(&pods, "DELETE", "/api/v1/namespaces/inference/pods/llm-2", "").status,
        404
    );
}
