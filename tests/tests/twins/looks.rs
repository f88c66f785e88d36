//! Plugins that change nothing: `gpu-state`, which asks Prometheus, and `pagerduty`, which tells people. What they cannot learn they do not
//! say, and whom they cannot tell they say so.

use serde_json::json;
use stanch_contract::{FailureCode, Verdict};
use stanch_outside::http::Server;
use stanch_sandbox::Message;
use stanch_tests::{Installed, code};

use crate::front::Front;
use crate::shape::{Trouble, Way as _};

#[tokio::test(flavor = "multi_thread")]
async fn gpu_state_says_nothing_of_gpus_that_it_cannot_ask_about() {
    let prometheus = Server::open(move |request| {
        // The share that is used; whatever else is asked about is idle and well.
        let value = if request.first.contains("FB_FREE") {
            "0.99"
        } else {
            "0"
        };
        let result = json!([{ "metric": { "pod": "llm-1", "gpu": "0" }, "value": [1_790_000_000, value] }]);
        let data = json!({ "resultType": "vector", "result": result });
        (200, json!({ "status": "success", "data": data }).to_string())
    })
    .unwrap();
    let front = Front::before(prometheus.address);
    let grant = json!({ "http": [{ "url": format!("{}/api/v1/*", front.url()), "read": ["GET"], "addresses": ["127.0.0.0/8"] }] });
    let settings = json!({ "url": front.url() });
    let plugin = Installed::new("gpu-state", grant, settings.clone()).await;
    let params = json!({ "namespace": "inference", "what": ["memory-full"] });
    let said = plugin.diagnose(params.clone()).await.unwrap();
    assert_eq!(said.verdict, Verdict::Yes, "{}", said.summary);
    front.set(Trouble::Slow);
    assert_eq!(
        plugin.diagnose(params.clone()).await.unwrap().verdict,
        Verdict::Yes
    );
    for trouble in [Trouble::Gone, Trouble::Silent, Trouble::AnswerLost] {
        front.set(trouble);
        let fault = plugin.diagnose(params.clone()).await.unwrap_err();
        let codes = [FailureCode::Unavailable, FailureCode::Timeout];
        assert!(codes.contains(&code(&fault)), "{trouble:?}: {fault}");
    }
    front.heal();
    let closed = Installed::new("gpu-state", json!({}), settings).await;
    let fault = closed.diagnose(params.clone()).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied);
}

fn message() -> Message {
    Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "Disk full".into(),
        text: "The cleanup failed.".into(),
        link: None,
        report: json!({ "run": "r" }),
        thread: "run-r".into(),
        extra: json!(null),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_that_cannot_be_told_is_a_failure_so_that_the_next_channel_is() {
    let server = Server::open(|_| {
        let said = json!({ "status": "success", "message": "Event processed", "dedup_key": "k" });
        (202, said.to_string())
    })
    .unwrap();
    let front = Front::before(server.address);
    let url = format!("{}/v2/enqueue", front.url());
    let grant = |url: &str| {
        let members = json!({ "routing_key": "${secret:webhook}-of-pagerduty-" });
        json!({ "notify": [{ "url": url, "members": members, "addresses": ["127.0.0.0/8"] }] })
    };
    let settings = json!({ "url": url });
    let plugin = Installed::new("pagerduty", grant(&url), settings.clone()).await;
    plugin.notify(&json!({}), &message()).await.unwrap();
    assert_eq!(front.arrived(), 1);
    front.set(Trouble::Slow);
    plugin.notify(&json!({}), &message()).await.unwrap();
    for trouble in [
        Trouble::Fails,
        Trouble::Gone,
        Trouble::Silent,
        Trouble::AnswerLost,
    ] {
        front.heal();
        front.set(trouble);
        let said = plugin.notify(&json!({}), &message()).await;
        assert!(said.is_err(), "{trouble:?}: nobody knows that people were told");
    }
    front.heal();
    let elsewhere = Installed::new("pagerduty", grant(&url.replace("enqueue", "other")), settings).await;
    let arrived = front.arrived();
    let fault = elsewhere.notify(&json!({}), &message()).await.unwrap_err();
    assert_eq!((code(&fault), front.arrived()), (FailureCode::Denied, arrived));
}
