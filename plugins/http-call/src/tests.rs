use super::*;
use stanch_plugin::testing::{Host, reply};

const RUN: &str = "https://rundeck.example/api/14/job/restart/run";
const STATE: &str = "https://rundeck.example/api/14/execution/7";

fn params(extra: Value) -> Value {
    let mut params = json!({
        "url": RUN, "body": { "options": { "region": "eu" } },
        "done": { "url": "https://rundeck.example/api/14/execution/{id}", "id": "/id", "state": "/status", "is": ["succeeded"], "failed": ["failed", "aborted"] },
    });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn rundeck(states: &[&str]) -> Host {
    let host = Host::new();
    host.answer("POST", RUN, reply(201, json!({ "id": 7 })));
    for state in states {
        host.answer("GET", STATE, reply(200, json!({ "status": state })));
    }
    host
}

fn verdict(host: &Host, params: Value) -> (Verdict, String) {
    let found = host.verify::<HttpCall>(params).unwrap();
    (found.verdict, found.summary)
}

#[test]
fn what_was_started_is_waited_for_and_nothing_is_sent_twice() {
    let host = rundeck(&["running", "running", "succeeded"]);
    let plan = host.plan::<HttpCall>(params(json!({}))).unwrap();
    let action = &plan.actions[0];
    assert_eq!(
        (
            action.verb.as_str(),
            action.target.as_str(),
            action.content.as_deref()
        ),
        (
            "POST",
            RUN,
            Some(r#"{"body":{"options":{"region":"eu"}},"contentType":"application/json"}"#)
        )
    );
    let outcome = host.apply::<HttpCall>(params(json!({})), &plan).unwrap();
    assert_eq!(
        (&outcome.data["id"], &outcome.data["status"]),
        (&json!("7"), &json!(201))
    );
    for expected in [Verdict::No, Verdict::No, Verdict::Yes] {
        assert_eq!(verdict(&host, params(json!({}))).0, expected);
    }
    let posts = host.sent().into_iter().filter(|request| request.method == "POST");
    let keys: Vec<_> = posts
        .map(|post| post.header_value("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys, [Some("key".to_owned())]);
}

#[test]
fn what_ended_badly_is_a_no_that_says_so() {
    let host = rundeck(&["aborted"]);
    let plan = host.plan::<HttpCall>(params(json!({}))).unwrap();
    host.apply::<HttpCall>(params(json!({})), &plan).unwrap();
    let (verdict, summary) = verdict(&host, params(json!({})));
    assert_eq!(verdict, Verdict::No);
    assert!(
        summary.contains("ended badly") && summary.contains("aborted"),
        "{summary}"
    );
}

#[test]
fn a_lost_answer_is_not_guessed_at() {
    let host = Host::new();
    host.answer("POST", RUN, Err(Failure::timeout("no answer")));
    let plan = host.plan::<HttpCall>(params(json!({}))).unwrap();
    host.apply::<HttpCall>(params(json!({})), &plan).unwrap_err();
    assert_eq!(verdict(&host, params(json!({}))).0, Verdict::Unknown);

    // Where the state has an address of its own it can be asked for all the same.
    let fixed = params(json!({ "done": { "url": STATE, "state": "/status", "is": ["succeeded"] } }));
    let host = Host::new();
    host.answer("POST", RUN, Err(Failure::timeout("no answer")));
    host.answer("GET", STATE, reply(200, json!({ "status": "succeeded" })));
    let plan = host.plan::<HttpCall>(fixed.clone()).unwrap();
    host.apply::<HttpCall>(fixed.clone(), &plan).unwrap_err();
    assert_eq!(verdict(&host, fixed).0, Verdict::Yes);
}

#[test]
fn only_an_answer_that_the_runbook_expects_is_good() {
    let simple = json!({ "url": RUN, "expect": [202] });
    for (status, good) in [
        (202, true),
        (200, false),
        (302, false),
        (403, false),
        (500, false),
    ] {
        let host = Host::new();
        host.answer("POST", RUN, reply(status, ""));
        let plan = host.plan::<HttpCall>(simple.clone()).unwrap();
        assert_eq!(
            host.apply::<HttpCall>(simple.clone(), &plan).is_ok(),
            good,
            "{status}"
        );
        let expected = if good { Verdict::Yes } else { Verdict::Unknown };
        assert_eq!(verdict(&host, simple.clone()).0, expected, "{status}");
    }
}

#[test]
fn an_id_from_outside_stays_one_segment() {
    for id in [
        json!("../../admin"),
        json!(".."),
        json!(""),
        json!(null),
        json!({}),
        json!("a\nb"),
    ] {
        let host = Host::new();
        host.answer("POST", RUN, reply(201, json!({ "id": id })));
        let plan = host.plan::<HttpCall>(params(json!({}))).unwrap();
        assert!(host.apply::<HttpCall>(params(json!({})), &plan).is_err(), "{id}");
    }
}

#[test]
fn what_does_not_fit_together_says_why() {
    let host = Host::new();
    for (extra, says) in [
        (json!({ "expect": [404] }), "has 404"),
        (
            json!({ "done": { "url": "https://h/{id}", "state": "/s", "is": ["x"] } }),
            "`{id}`",
        ),
        (
            json!({ "done": { "url": "https://h/", "id": "/id", "state": "/s", "is": ["x"] } }),
            "`{id}`",
        ),
    ] {
        let failure = host.plan::<HttpCall>(params(extra)).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams);
        assert!(failure.message.contains(says), "{failure}");
    }
}
