//! Ordinary HTTP clients, which know nothing of stanch, read under the same grant as the contract's own call.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops there")]

use serde_json::{Value, json};
use stanch_sandbox::gate::Decision;
use stanch_tests::{Installed, Server, built, compiled};

const SECRET: &str = "Bearer the-webhook-secret";

async fn server() -> Server {
    Server::start(|request| {
        let key = request.headers.get("authorization").cloned().unwrap_or_default();
        match request.path.as_str() {
            "/api/echo" => (200, format!("you sent {key}")),
            "/api/search" => (200, format!("{} bytes", request.body.len())),
            "/api/gone" => (410, "gone".into()),
            "/large" => (200, "x".repeat(3 << 20)),
            _ => (200, "well".into()),
        }
    })
    .await
}

fn grant(server: &Server) -> Value {
    let open = json!(["127.0.0.0/8"]);
    json!({ "http": [
        { "url": format!("{}/api/*", server.url), "read": ["GET"], "change": ["POST"], "addresses": open,
          "headers": { "authorization": "Bearer ${secret:webhook}" } },
        { "url": format!("{}/api/search", server.url), "read": ["POST"], "addresses": open },
        { "url": format!("{}/large", server.url), "read": ["GET"], "addresses": open, "max_response": "3MiB" },
        // Loopback is a private network, and nothing opens it here.
        { "url": format!("{}/closed/**", server.url), "read": ["GET"] },
    ] })
}

/// What the client was told of each URL, and the reasons that the gate wrote down for what it refused.
async fn asked(plugin: &Installed, params: Value) -> (Vec<String>, Vec<String>) {
    let report = plugin.report(params).await;
    let answers = report.result.unwrap().data["answers"].as_array().unwrap().clone();
    let refused = report
        .ledger
        .calls
        .iter()
        .filter_map(|call| match &call.decision {
            Decision::Refused(refusal) => Some(format!("{}: {}", refusal.layer.as_str(), refusal.why)),
            Decision::Allowed | Decision::Replayed => None,
        });
    let told = answers.iter().map(|answer| answer.as_str().unwrap().to_owned());
    (told.collect(), refused.collect())
}

async fn installed(language: &str, server: &Server) -> Installed {
    let component = built(language, "ordinary-client").await;
    Installed::of(&compiled(), component, grant(server), json!({})).await
}

async fn reads_what_the_grant_names(language: &str) {
    let server = server().await;
    let plugin = installed(language, &server).await;
    let at = |path: &str| format!("{}{path}", server.url);

    let (told, refused) = asked(&plugin, json!({ "urls": [at("/api/echo"), at("/api/gone")] })).await;
    assert_eq!(told.len(), 2);
    assert!(
        told[0].starts_with("200 you sent ") && !told[0].contains("webhook-secret"),
        "{told:?}"
    );
    assert_eq!(told[1], "410 gone");
    assert!(refused.is_empty(), "{refused:?}");
    for request in server.received() {
        assert_eq!(request.headers["authorization"], SECRET);
        assert_eq!(request.headers["host"], server.url.trim_start_matches("http://"));
        assert_eq!(request.headers["accept-encoding"], "identity");
    }
    // What the operator vouches for as a read may have a body.
    let search = json!({ "urls": [at("/api/search")], "method": "POST", "body": "all" });
    assert_eq!(asked(&plugin, search).await.0, ["200 3 bytes"]);
}

async fn is_refused_what_the_grant_does_not_name(language: &str, denied: &str) {
    let server = server().await;
    let plugin = installed(language, &server).await;
    let at = |path: &str| format!("{}{path}", server.url);

    let table = [
        json!({ "urls": [at("/other")] }),
        json!({ "urls": ["https://elsewhere.example/"] }),
        json!({ "urls": [at("/closed/a")] }),
        json!({ "urls": [at("/api/a")], "method": "POST", "body": "x" }),
        json!({ "urls": [at("/api/a")], "method": "DELETE" }),
        json!({ "urls": [at("/api/%2e%2e/other")] }),
    ];
    for params in table {
        let (told, refused) = asked(&plugin, params.clone()).await;
        assert!(told[0].contains(denied), "{params}: {told:?}");
        assert_eq!(refused.len(), 1, "{params}: {refused:?}");
    }
    assert!(server.received().is_empty());
}

// Of Rust it is wstd, which asks through `wasi:http`; Go and Python have clients in their standard libraries, which the kits
// lead to the contract's own call.

#[tokio::test(flavor = "multi_thread")]
async fn wstd_reads_what_the_grant_names() {
    Box::pin(reads_what_the_grant_names("rust")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wstd_is_refused_what_it_does_not_name() {
    Box::pin(is_refused_what_the_grant_does_not_name(
        "rust",
        "HttpRequestDenied",
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn net_http_reads_what_the_grant_names() {
    Box::pin(reads_what_the_grant_names("go")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn net_http_is_refused_what_it_does_not_name() {
    Box::pin(is_refused_what_the_grant_does_not_name("go", "error: denied: ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urllib_reads_what_the_grant_names() {
    Box::pin(reads_what_the_grant_names("python")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urllib_is_refused_what_it_does_not_name() {
    Box::pin(is_refused_what_the_grant_does_not_name(
        "python",
        "error: denied: ",
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_wasi_http_nothing_is_changed_even_where_the_grant_names_it() {
    let server = server().await;
    let plugin = installed("rust", &server).await;
    let url = format!("{}/api/a", server.url);
    let (_, refused) = asked(&plugin, json!({ "urls": [url], "method": "POST", "body": "x" })).await;
    assert!(
        refused[0].starts_with("request: POST") && refused[0].contains("an ordinary HTTP client only reads"),
        "{refused:?}"
    );
    assert!(server.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_the_same_time_wait_for_their_turn() {
    let server = server().await;
    let plugin = installed("rust", &server).await;
    let urls: Vec<String> = (0..40).map(|n| format!("{}/api/{n}", server.url)).collect();
    let (told, refused) = asked(&plugin, json!({ "urls": urls })).await;
    assert_eq!(told, vec!["200 well".to_owned(); 40], "{refused:?}");
    assert_eq!(server.received().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_fill_no_more_than_the_plugins_memory() {
    let server = server().await;
    let plugin = installed("rust", &server).await;
    let url = format!("{}/large", server.url);
    // 21 of them are 63 MiB, and the memory is 64 MiB. Once they are read there is room for the last.
    let (told, refused) = asked(&plugin, json!({ "urls": [url], "unread": 24 })).await;
    assert!(refused.is_empty(), "{refused:?}");
    let (failed, read): (Vec<_>, Vec<_>) = told.iter().partition(|answer| answer.starts_with("error"));
    assert_eq!((failed.len(), read.len()), (3, 22), "{told:?}");
    assert!(failed[0].contains("read or drop them"), "{failed:?}");
}
