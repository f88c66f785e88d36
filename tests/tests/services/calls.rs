//! `key-revoke` and `http-call`, with servers that keep what they were told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use stanch_contract::{FailureCode, Verdict};
use stanch_tests::{Installed, Server, code, http_grant};

/// Keys by their path. Answers a deletion with this status, whatever it did.
async fn keys(answer: Arc<Mutex<u16>>) -> (Server, Arc<Mutex<BTreeMap<String, String>>>) {
    let keys = Arc::new(Mutex::new(BTreeMap::from([
        ("/users/mallory/keys/k1".to_owned(), "active".to_owned()),
        ("/users/alice/keys/k2".to_owned(), "active".to_owned()),
    ])));
    let kept = keys.clone();
    let server = Server::start(move |request| {
        let mut kept = kept.lock().unwrap();
        match (request.method.as_str(), kept.get(&request.path)) {
            (_, None) => (404, String::new()),
            ("GET", Some(state)) => (200, json!({ "state": state }).to_string()),
            (_, Some(_)) => {
                kept.remove(&request.path);
                (*answer.lock().unwrap(), String::new())
            }
        }
    })
    .await;
    (server, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn key_revoke_revokes_one_key_once_and_says_that_it_cannot_be_undone() {
    let answer = Arc::new(Mutex::new(204));
    let (server, keys) = keys(answer.clone()).await;
    let settings = json!({ "url": format!("{}/users/{{user}}/keys/{{key}}", server.url), "revoke": { "method": "DELETE" } });
    let plugin = Installed::new(
        "key-revoke",
        http_grant(&server, &["GET"], &["DELETE"]),
        settings.clone(),
    )
    .await;
    let params = json!({ "user": "mallory", "key": "k1" });

    let reader = Installed::new("key-revoke", http_grant(&server, &["GET"], &[]), settings).await;
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("DELETE"), "{refused}");
    // What comes from an alert names one key and no other thing.
    for user in ["..", "alice/keys/k2?x=", "alice%2Fkeys%2Fk2"] {
        let fault = plugin
            .plan(&json!({ "user": user, "key": "k1" }))
            .await
            .unwrap_err();
        assert_ne!(code(&fault), FailureCode::Unavailable, "{fault}");
    }
    assert_eq!(keys.lock().unwrap().len(), 2);

    // It is done, and the answer says that something went wrong.
    *answer.lock().unwrap() = 500;
    let plan = plugin.plan(&params).await.unwrap();
    assert!(plan.summary.contains("THIS CANNOT BE UNDONE"), "{}", plan.summary);
    let checked = plugin.check(plan).await.unwrap();
    assert!(!checked.actions[0].repeat_safe);
    plugin.apply(&params, checked).await.unwrap_err();
    assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::Yes);
    assert_eq!(
        keys.lock().unwrap().keys().collect::<Vec<_>>(),
        ["/users/alice/keys/k2"]
    );
    let fault = plugin.plan(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::NotFound, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_call_starts_a_job_once_and_waits_for_its_end() {
    let looks = Arc::new(Mutex::new(0));
    let seen = looks.clone();
    let server = Server::start(
        move |request| match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/job/restart/run") => (201, json!({ "id": 7 }).to_string()),
            ("POST", "/job/broken/run") => (500, "no".to_owned()),
            ("GET", "/execution/7") => {
                let mut looks = seen.lock().unwrap();
                *looks += 1;
                let state = if *looks < 3 { "running" } else { "succeeded" };
                (200, json!({ "status": state }).to_string())
            }
            _ => (404, String::new()),
        },
    )
    .await;
    let params = |job: &str| {
        json!({
            "url": format!("{}/job/{job}/run", server.url), "body": { "region": "eu" }, "expect": [201],
            "done": { "url": format!("{}/execution/{{id}}", server.url), "id": "/id", "state": "/status", "is": ["succeeded"] },
        })
    };
    let plugin = Installed::new("http-call", http_grant(&server, &["GET"], &["POST"]), json!({})).await;
    let reader = Installed::new("http-call", http_grant(&server, &["GET"], &[]), json!({})).await;
    let restart = params("restart");
    let refused = reader.refused(&restart).await;
    assert!(refused.to_string().contains("POST"), "{refused}");

    let checked = plugin.checked(&restart).await;
    assert!(
        !checked.actions[0].repeat_safe,
        "only the service knows what a second request does"
    );
    plugin.apply(&restart, checked).await.unwrap();
    for verdict in [Verdict::No, Verdict::No, Verdict::Yes] {
        assert_eq!(plugin.verify(&restart).await.unwrap().verdict, verdict);
    }
    let posts: Vec<_> = server
        .received()
        .into_iter()
        .filter(|request| request.method == "POST")
        .collect();
    assert_eq!(
        (
            posts.len(),
            posts[0].headers.get("idempotency-key").map(String::len)
        ),
        (1, Some("run0000000000000.step.do".len()))
    );

    let broken = params("broken");
    let checked = plugin.checked(&broken).await;
    plugin.apply(&broken, checked).await.unwrap_err();
    assert_eq!(
        plugin.verify(&broken).await.unwrap().verdict,
        Verdict::Unknown,
        "it is not guessed"
    );
}
