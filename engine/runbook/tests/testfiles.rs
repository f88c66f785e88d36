//! The tests of runbooks as files: what they say is read, and what is wrong with them is told as well as with a runbook.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{catalogue, source};
use serde_json::json;
use stanch_contract::{AlertStatus, Span, StepId, Verdict};
use stanch_runbook::expr::Answer;
use stanch_runbook::given::{Body, Content, FileIs, NoAnswer, ServerAnswer, Space};
use stanch_runbook::model::Mode;
use stanch_runbook::testfile::{Answered, Call, Deed, RunbookTest};
use stanch_runbook::{LoadErrors, load};

fn read(file: &str) -> Result<Vec<RunbookTest>, LoadErrors> {
    let text = std::fs::read_to_string("tests/good/high-latency-cluster-b.toml").unwrap();
    let runbook = load(&source("high-latency-cluster-b", &text), &catalogue()).unwrap();
    let text = std::fs::read_to_string(format!("tests/testfiles/{file}.test.toml")).unwrap();
    RunbookTest::read(&format!("runbooks/{file}.test.toml"), &text, &runbook)
}

#[test]
fn what_a_test_file_says_is_in_the_test() {
    let tests = read("good").unwrap_or_else(|errors| panic!("{}", errors.render(false, 110)));
    assert_eq!(tests.len(), 2);
    let test = &tests[0];
    assert_eq!(test.alerts.len(), 2);
    let (fires, resolves) = (&test.alerts[0].what, &test.alerts[1].what);
    assert_eq!(
        (fires.status, resolves.status),
        (AlertStatus::Firing, AlertStatus::Resolved)
    );
    // The same labels are the same alert, which began when it came first.
    assert_eq!(fires.fingerprint, resolves.fingerprint);
    assert_eq!(
        (fires.starts_at.as_str(), resolves.starts_at.as_str()),
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")
    );
    assert_eq!(test.answers[0].what.call, Call::Diagnose);
    let Answered::Finding(finding) = &test.answers[0].what.with else {
        panic!()
    };
    assert_eq!(
        (finding.verdict, &finding.data),
        (Verdict::Yes, &json!({"ratio": 0.97}))
    );
    let Answered::Plan(plan, _) = &test.answers[1].what.with else {
        panic!()
    };
    let content = r#"{"body":{"us-east":100},"contentType":"application/json"}"#;
    assert_eq!(plan.actions[0].content.as_deref(), Some(content));
    assert_eq!(test.answers[2].what.of, "page");
    assert!(
        matches!(&test.answers[3].what.with, Answered::Failure(failure) if failure.message.contains("edge"))
    );
    let world = &test.world;
    let answers: Vec<_> = world.http.iter().map(|http| &http.answer).collect();
    assert!(
        matches!(answers[..], [
            ServerAnswer::Response { status: 503, body: Body::Text(text), .. },
            ServerAnswer::Response { status: 200, body: Body::Json(json), .. },
            ServerAnswer::Not(NoAnswer::Lost),
        ] if text.is_empty() && *json == json!({"ok": true})),
        "{answers:?}"
    );
    assert_eq!(
        (world.http[2].times, &world.http[2].sent),
        (Some(1), &Some(json!({"ping": 1})))
    );
    let old = FileIs::There {
        content: Content::Bytes(10 << 20),
        age: Span::from_secs(8 * 86_400),
    };
    assert_eq!(world.files[0].what, old);
    assert_eq!(
        (world.files[1].at, &world.files[1].what),
        (Span::from_secs(600), &FileIs::Gone)
    );
    assert_eq!(
        world.spaces,
        [Space {
            at: Span::ZERO,
            folder: "scratch".into(),
            total: 10 << 30,
            free: 1 << 30
        }]
    );
    assert_eq!(
        (test.people[0].at, test.people[0].what.what),
        (Span::from_secs(180), Deed::Approve)
    );
    assert_eq!(
        test.expect.steps[&StepId::from("restart_hung_pods")],
        Answer::Failed
    );
    assert_eq!(
        test.expect.undone.as_deref(),
        Some(&[StepId::from("reroute")][..])
    );
    assert_eq!(tests[1].mode, Some(Mode::Shadow));
    assert_eq!(tests[1].inputs.as_ref().unwrap()["tail"], json!(100));
}

#[test]
fn every_mistake_of_a_test_file_is_told() {
    let errors = read("broken").unwrap_err();
    insta::assert_snapshot!(errors.render(false, 110));
}

#[test]
fn a_file_without_tests_is_no_test() {
    let text = std::fs::read_to_string("tests/good/high-latency-cluster-b.toml").unwrap();
    let runbook = load(&source("high-latency-cluster-b", &text), &catalogue()).unwrap();
    let errors = RunbookTest::read("a.test.toml", "", &runbook).unwrap_err();
    assert!(errors.to_string().contains("needs `[[test]]`"), "{errors}");
}
