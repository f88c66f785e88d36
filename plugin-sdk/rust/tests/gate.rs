//! The fake host's gate is as strict as the engine's, so that a plugin's own tests find what the engine would refuse.

#![allow(clippy::unwrap_used, reason = "a test stops there")]

use stanch_plugin::prelude::*;
use stanch_plugin::testing::{Host, reply};

const URL: &str = "https://api.example/thing";

/// Does what its parameters say, whatever its plan was.
struct Unruly;

#[derive(Deserialize, JsonSchema)]
struct Params {
    planned: Vec<(String, Value)>,
    sent: Vec<(String, Value)>,
    #[serde(default)]
    change_while_planning: bool,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Data {
    count: u32,
}

impl Remediation for Unruly {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Does what it is told").reversible();

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        if params.change_while_planning {
            http::post(URL).send()?;
        }
        let actions = params.planned.iter().map(|(url, body)| Action::post(url, body));
        Ok(Plan::new("Do things").actions(actions.collect::<Result<Vec<_>, _>>()?))
    }

    fn apply(_: &Context, params: &Params, _: &Plan<Data>) -> Result<Outcome<Data>, Failure> {
        for (url, body) in &params.sent {
            http::post(url).json(body)?.send()?.ok()?;
        }
        Ok(Outcome::new("Done"))
    }
}

fn run(planned: Value, sent: Value) -> (Result<Value, FailureCode>, Vec<&'static str>) {
    let host = Host::new();
    host.answer("POST", &format!("{URL}*"), reply(200, ""));
    let params = json!({ "planned": planned, "sent": sent });
    let plan = host.plan::<Unruly>(params.clone()).unwrap();
    let outcome = host.apply::<Unruly>(params, &plan);
    let states = host.progress().iter().map(|state| state.as_str()).collect();
    (
        outcome
            .map(|outcome| outcome.data)
            .map_err(|failure| failure.code),
        states,
    )
}

#[test]
fn what_was_planned_passes_in_any_order_and_other_writings_of_the_same_json() {
    let planned = json!([[URL, { "a": 1, "b": 2 }], [format!("{URL}/2"), null]]);
    let sent = json!([[format!("{URL}/2"), null], [URL, { "b": 2.0, "a": 1 }]]);
    assert_eq!(
        run(planned, sent),
        (Ok(json!({ "count": 0 })), vec!["done", "done"])
    );
}

#[test]
fn what_was_not_planned_is_refused() {
    let table = [
        (
            "another target",
            json!([[format!("{URL}/other"), { "a": 1 }]]),
            vec!["not-sent"],
        ),
        ("other content", json!([[URL, { "a": 2 }]]), vec!["not-sent"]),
        (
            "twice",
            json!([[URL, { "a": 1 }], [URL, { "a": 1 }]]),
            vec!["done"],
        ),
    ];
    for (what, sent, states) in table {
        assert_eq!(
            run(json!([[URL, { "a": 1 }]]), sent),
            (Err(FailureCode::Denied), states),
            "{what}"
        );
    }
}

#[test]
fn a_plan_that_changes_something_is_refused() {
    let host = Host::new();
    host.answer("POST", URL, reply(200, ""));
    let params = json!({ "planned": [], "sent": [], "change_while_planning": true });
    assert_eq!(host.plan::<Unruly>(params).unwrap_err().code, FailureCode::Denied);
    assert!(host.sent().is_empty());
}

#[test]
fn where_there_is_nothing_to_say_the_data_is_the_default_and_fits_the_schema() {
    let (outcome, _) = run(json!([]), json!([]));
    assert_eq!(outcome, Ok(json!({ "count": 0 })));
}

#[test]
fn a_host_function_without_a_host_says_what_is_missing() {
    let failure = std::thread::spawn(|| http::get(URL).send())
        .join()
        .unwrap()
        .unwrap_err();
    assert!(failure.message.contains("testing::Host::new()"), "{failure}");
}

#[test]
fn settings_logs_and_time_are_the_tests() {
    let host = Host::new();
    host.set_settings(json!({ "count": 3 }));
    assert_eq!(host::settings::<Data>().unwrap(), Data { count: 3 });
    info!("at {}", host::now());
    host::sleep(std::time::Duration::from_secs(2));
    assert_eq!(host::now().to_string(), "2026-01-01T00:00:02.000Z");
    assert_eq!(host.logs(), ["at 2026-01-01T00:00:00.000Z"]);
}
