//! The same plugin in every language passes the same cases: same findings, same plan, same refusals, same undo.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use serde_json::{Value, json};
use stanch_contract::{FailureCode, Finding, Verdict};
use stanch_recorded::case::{Case, play};
use stanch_sandbox::CallFault;
use stanch_tests::{Installed, Server, built, compiled};

/// A finding or a refusal, without what a clock or a language's own words are in.
#[derive(Debug, PartialEq)]
enum Said {
    Finding {
        verdict: Verdict,
        summary: String,
        evidence: Vec<(String, String)>,
        data: Value,
    },
    Failed(FailureCode, String),
}

impl Said {
    fn of(result: Result<Finding, CallFault>) -> Self {
        match result {
            Ok(finding) => {
                let mut data = finding.data;
                if let Some(slowest) = data.get_mut("slowest_ms") {
                    assert!(slowest.is_null() || slowest.as_f64().is_some(), "{slowest}");
                    *slowest = Value::Null;
                }
                let evidence = finding
                    .evidence
                    .into_iter()
                    .map(|evidence| match evidence.points.len() {
                        0 => (evidence.label, evidence.value),
                        points => {
                            assert!(evidence.unit.is_some() && evidence.link.is_some(), "{evidence:?}");
                            (evidence.label, format!("{points} points"))
                        }
                    });
                Self::Finding {
                    verdict: finding.verdict,
                    summary: finding.summary,
                    evidence: evidence.collect(),
                    data,
                }
            }
            Err(CallFault::Guest(failure) | CallFault::Refused(failure)) => {
                // What a regular expression is wrong in, each language says in its own words.
                let (said, _) = failure
                    .message
                    .split_once("expression: ")
                    .unwrap_or((&failure.message, ""));
                Self::Failed(failure.code, said.to_owned())
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn statuses(path: &str) -> (u16, String) {
    match path {
        "/health" => (200, r#"{"status":"degraded","ü":1}"#.into()),
        "/moved" => (301, String::new()),
        path => (path.trim_start_matches('/').parse().unwrap_or(404), "no".into()),
    }
}

async fn probed(language: &str) {
    let server = Server::start(|request| statuses(&request.path)).await;
    let gone = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let grant = json!({ "http": [
        { "url": format!("{}/**", server.url), "read": ["GET", "HEAD"], "addresses": ["127.0.0.0/8"] },
        { "url": format!("http://{gone}/**"), "read": ["GET"], "addresses": ["127.0.0.0/8"] },
    ] });
    let sandbox = compiled();
    let (reference, other) = tokio::join!(built("rust", "http-probe"), built(language, "http-probe"));
    let reference = Installed::of(&sandbox, reference, grant.clone(), json!({})).await;
    let other = Installed::of(&sandbox, other, grant, json!({})).await;

    let at = |path: &str| format!("{}{path}", server.url);
    let yes = Ok(Verdict::Yes);
    let no = Ok(Verdict::No);
    let invalid = Err(FailureCode::InvalidParams);
    let cases = [
        (json!({ "url": at("/health") }), yes),
        (json!({ "url": at("/health"), "method": "HEAD", "tries": 1 }), yes),
        (json!({ "url": at("/moved") }), no),
        (json!({ "url": at("/moved"), "status": 301 }), yes),
        (json!({ "url": at("/503"), "tries": 5 }), no),
        (json!({ "url": at("/503"), "tries": 5, "passes": 1 }), no),
        (json!({ "url": at("/503"), "status": "5xx", "passes": 2 }), yes),
        (json!({ "url": at("/404"), "status": ["2xx", 404] }), yes),
        (json!({ "url": at("/404"), "status": ["2xx", "403"] }), no),
        (
            json!({ "url": at("/health"), "body": r#""status":\s*"(ok|degraded)""#, "tries": 1 }),
            yes,
        ),
        (json!({ "url": at("/health"), "body": "ü", "tries": 1 }), yes),
        (json!({ "url": at("/health"), "body": "well", "tries": 1 }), no),
        (json!({ "url": at("/health"), "within": "30s", "tries": 1 }), yes),
        (json!({ "url": at("/health"), "passes": 4 }), invalid),
        (json!({ "url": at("/health"), "body": "(" }), invalid),
        (json!({ "url": format!("http://{gone}/"), "tries": 1 }), no),
        (
            json!({ "url": "https://elsewhere.example/", "tries": 2 }),
            Ok(Verdict::Unknown),
        ),
    ];
    for (mut params, expected) in cases {
        params["every"] = json!("1ms");
        let before = server.received().len();
        let was = Said::of(reference.diagnose(params.clone()).await);
        let sent = server.received().len();
        let is = Said::of(other.diagnose(params.clone()).await);
        assert_eq!(is, was, "{language}: {params}");
        assert_eq!(
            server.received().len() - sent,
            sent - before,
            "{language}: {params}"
        );
        let verdict = match was {
            Said::Finding { verdict, .. } => Ok(verdict),
            Said::Failed(code, _) => Err(code),
        };
        assert_eq!(verdict, expected, "{params}");
    }
    for wrong in [
        json!({}),
        json!({ "url": at("/health"), "x": 1 }),
        json!({ "url": 3 }),
    ] {
        assert!(
            other.plugin().check_params(&wrong).is_some(),
            "{language}: {wrong}"
        );
    }
    // The cases that the plugin in Rust is shipped with.
    let cases = stanch_test_support::root().join("plugins/http-probe/cases");
    for entry in std::fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let case = Case::read(&path.display().to_string(), &text, other.plugin().kind()).unwrap();
        let played = Box::pin(play(&sandbox, other.plugin(), &case)).await.unwrap();
        assert_eq!(played.wrong, [], "{language}: {}", path.display());
    }
    let (said, says) = (reference.plugin().manifest(), other.plugin().manifest());
    assert_eq!(
        (&said.name, &said.summary, &said.asks),
        (&says.name, &says.summary, &says.asks)
    );
}

macro_rules! languages {
    ($($name:ident = $case:ident($language:literal);)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            Box::pin($case($language)).await;
        }
    )*};
}

languages! {
    http_probe_in_python_is_the_one_in_rust = probed("python");
    http_probe_in_typescript_is_the_one_in_rust = probed("typescript");
    http_probe_in_go_is_the_one_in_rust = probed("go");
    http_probe_in_c_is_the_one_in_rust = probed("c");
}
