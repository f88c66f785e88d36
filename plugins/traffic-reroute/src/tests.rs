use super::*;
use crate::route::{BY_WEIGHT, WEIGHTS};
use stanch_plugin::http::Response;
use stanch_plugin::testing::{Host, Planned, reply};

const HANDLER: &str = "http://127.0.0.1:2019/id/inference";
const ETAG: &str = r#""/config/apps/http/x 5f""#;

fn handler(policy: &str, dials: &[&str], weights: &[u32]) -> Result<Response, Failure> {
    let upstreams: Vec<Value> = dials.iter().map(|dial| json!({ "dial": dial })).collect();
    let body = json!({
        "@id": "inference", "handler": "reverse_proxy", "upstreams": upstreams,
        "load_balancing": { "selection_policy": { "policy": policy, "weights": weights } },
    });
    let mut response = reply(200, body)?;
    response.headers.push(("etag".into(), ETAG.into()));
    Ok(response)
}

const DIALS: [&str; 2] = ["10.0.0.1:80", "10.0.0.2:80"];

/// Caddy with these weights, one after the other: each is read once, the last for ever.
fn host(weights: &[[u32; 2]]) -> Host {
    let host = Host::new();
    host.set_settings(
        json!({ "caddy": "http://127.0.0.1:2019/", "upstreams": { "eu": DIALS[0], "us-east": DIALS[1] } }),
    );
    for weights in weights {
        host.answer("GET", HANDLER, handler(BY_WEIGHT, &DIALS, weights));
    }
    host.answer("PATCH", &format!("{HANDLER}/{WEIGHTS}"), reply(200, ""));
    host
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "route": "inference", "to": "us-east" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn plan(host: &Host, extra: Value) -> Result<Planned, Failure> {
    host.plan::<TrafficReroute>(params(extra))
}

#[test]
fn the_plan_is_one_patch_of_the_weights_for_the_whole_handler_as_it_was_read() {
    let host = host(&[[100, 0]]);
    let plan = plan(&host, json!({ "weight": 10 })).unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (action.verb.as_str(), action.target.clone(), action.expect.clone()),
        (
            "PATCH",
            format!("{HANDLER}/{WEIGHTS}"),
            Some(format!("etag:{ETAG}"))
        )
    );
    assert_eq!(
        action.content.as_deref(),
        Some(r#"{"body":[9,1],"contentType":"application/json"}"#)
    );
    assert_eq!(
        plan.summary,
        "Route `inference`: eu 90 %, us-east 10 % instead of eu 100 %, us-east 0 %"
    );
}

#[test]
fn it_is_moved_verified_and_moved_back_to_what_was_there() {
    let host = host(&[[7, 3], [0, 1], [0, 1], [7, 3]]);
    let plan = plan(&host, json!({})).unwrap();
    host.apply::<TrafficReroute>(params(json!({})), &plan).unwrap();
    let found = host.verify::<TrafficReroute>(params(json!({}))).unwrap();
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    let undo = host.plan_undo::<TrafficReroute>(params(json!({}))).unwrap();
    assert_eq!(
        undo.actions[0].content.as_deref(),
        Some(r#"{"body":[7,3],"contentType":"application/json"}"#)
    );
    assert_eq!(undo.summary, "Route `inference` back to eu 70 %, us-east 30 %");
    host.apply::<TrafficReroute>(params(json!({})), &undo).unwrap();
    assert_eq!(
        host.verify::<TrafficReroute>(params(json!({}))).unwrap().verdict,
        Verdict::Yes
    );
    let bodies: Vec<String> = host
        .sent()
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| String::from_utf8(request.body.clone()).unwrap())
        .collect();
    assert_eq!(bodies, ["[0,1]", "[7,3]"]);
}

#[test]
fn stages_are_moved_back_at_once_to_what_the_first_found_wherever_they_stopped() {
    for (stopped, now) in [(1, [9, 1]), (2, [1, 1]), (3, [0, 1])] {
        let host = host(&[[7, 0], [9, 1], [1, 1], now]);
        let mut made = plan(&host, json!({ "weight": 10 })).unwrap();
        for weight in [50, 100].into_iter().take(stopped - 1) {
            made.actions
                .extend(plan(&host, json!({ "weight": weight })).unwrap().actions);
        }
        // What was read for the stages that did not come.
        for _ in stopped..3 {
            plan(&host, json!({})).unwrap();
        }
        host.apply::<TrafficReroute>(params(json!({})), &made).unwrap();
        let found = host.verify::<TrafficReroute>(params(json!({}))).unwrap();
        assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
        let undo = host.plan_undo::<TrafficReroute>(params(json!({}))).unwrap();
        assert_eq!(
            undo.actions[0].content.as_deref(),
            Some(r#"{"body":[7,0],"contentType":"application/json"}"#)
        );
    }
}

#[test]
fn where_it_is_so_already_nothing_is_sent() {
    assert_eq!(plan(&host(&[[0, 3]]), json!({})).unwrap().actions, []);
    assert_eq!(
        plan(&host(&[[9, 1]]), json!({ "weight": 10 })).unwrap().actions,
        []
    );
}

#[test]
fn what_somebody_changed_since_is_theirs() {
    let done = |host: &Host| {
        let plan = plan(host, json!({})).unwrap();
        host.apply::<TrafficReroute>(params(json!({})), &plan).unwrap();
        host.plan_undo::<TrafficReroute>(params(json!({})))
    };
    let failure = done(&host(&[[100, 0], [50, 50]])).unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(
        failure
            .message
            .contains("has eu 50 %, us-east 50 %, which was not set here"),
        "{failure}"
    );
    assert_eq!(
        done(&host(&[[100, 0], [100, 0]])).unwrap().actions,
        [],
        "put back by somebody"
    );
    let others = host(&[[100, 0]]);
    others.answer(
        "GET",
        HANDLER,
        handler(BY_WEIGHT, &[DIALS[1], DIALS[0]], &[0, 100]),
    );
    let failure = done(&others).unwrap_err();
    assert!(failure.message.contains("are others by now"), "{failure}");
}

#[test]
fn a_stale_change_is_a_conflict_and_a_server_that_fails_is_none() {
    for (status, code) in [
        (412, FailureCode::Conflict),
        (500, FailureCode::Failed),
        (503, FailureCode::Unavailable),
    ] {
        let host = Host::new();
        host.set_settings(json!({ "caddy": "http://127.0.0.1:2019", "upstreams": { "us-east": DIALS[1] } }));
        host.answer("GET", HANDLER, handler(BY_WEIGHT, &DIALS, &[100, 0]));
        host.answer(
            "PATCH",
            &format!("{HANDLER}/{WEIGHTS}"),
            reply(status, json!({ "error": "no" })),
        );
        let plan = plan(&host, json!({})).unwrap();
        let failure = host
            .apply::<TrafficReroute>(params(json!({})), &plan)
            .unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert_eq!(
            host.plan_undo::<TrafficReroute>(params(json!({})))
                .unwrap()
                .actions,
            [],
            "it was refused"
        );
    }
}

#[test]
fn a_lost_answer_is_settled_by_what_is_there() {
    let lossy = Host::new();
    lossy.set_settings(json!({ "caddy": "http://127.0.0.1:2019", "upstreams": { "us-east": DIALS[1] } }));
    lossy.answer("GET", HANDLER, handler(BY_WEIGHT, &DIALS, &[100, 0]));
    lossy.answer("GET", HANDLER, handler(BY_WEIGHT, &DIALS, &[0, 1]));
    lossy.answer(
        "PATCH",
        &format!("{HANDLER}/{WEIGHTS}"),
        Err(Failure::timeout("no answer")),
    );
    let plan = plan(&lossy, json!({})).unwrap();
    lossy
        .apply::<TrafficReroute>(params(json!({})), &plan)
        .unwrap_err();
    assert_eq!(
        lossy.verify::<TrafficReroute>(params(json!({}))).unwrap().verdict,
        Verdict::Yes
    );
    assert_eq!(
        lossy
            .plan_undo::<TrafficReroute>(params(json!({})))
            .unwrap()
            .actions
            .len(),
        1
    );
}

#[test]
fn what_cannot_be_moved_says_why() {
    let with = |answer: Result<Response, Failure>| {
        let host = Host::new();
        host.set_settings(json!({ "caddy": "http://127.0.0.1:2019", "upstreams": { "eu": DIALS[0], "us-east": DIALS[1], "asia": "10.0.0.3:80" } }));
        host.answer("GET", HANDLER, answer);
        host
    };
    let good = || handler(BY_WEIGHT, &DIALS, &[100, 0]);
    let mut without_etag = good().unwrap();
    without_etag.headers.clear();
    let table = [
        (
            good(),
            json!({ "to": "mars" }),
            "no upstream that the operator names: `asia`, `eu`, `us-east`",
        ),
        (good(), json!({ "to": "asia" }), "has no upstream `10.0.0.3:80`"),
        (
            good(),
            json!({ "to": "eu", "weight": 90 }),
            "it is not guessed which",
        ),
        (
            handler("least_conn", &DIALS, &[100, 0]),
            json!({}),
            "not a proxy that chooses by weight",
        ),
        (
            handler(BY_WEIGHT, &DIALS, &[100]),
            json!({}),
            "1 weights for 2 upstreams",
        ),
        (Ok(without_etag), json!({}), "has no ETag"),
        (
            reply(404, json!({ "error": "unknown object ID 'inference'" })),
            json!({}),
            "unknown object ID",
        ),
    ];
    for (answer, extra, says) in table {
        let failure = plan(&with(answer), extra).unwrap_err();
        assert!(failure.message.contains(says), "{says}: {failure}");
    }
    let closed = Host::new();
    closed.set_settings(json!({ "caddy": "http://127.0.0.1:2019", "upstreams": {} }));
    assert_eq!(plan(&closed, json!({})).unwrap_err().code, FailureCode::Denied);
}

fn http_route(rules: Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "namespace": "edge", "name": "inference", "uid": "u1" }, "spec": { "rules": rules },
    })
}

/// A cluster with a route of these rules.
fn gateway(rules: Value) -> Host {
    let host = Host::new();
    host.grant(&TrafficReroute::asks());
    host.object(http_route(rules));
    host
}

fn two() -> Value {
    json!({ "backendRefs": [{ "name": "eu", "port": 80, "weight": 9 }, { "name": "us-east", "namespace": "far", "port": 80 }] })
}

#[test]
fn of_an_httproute_the_weights_of_the_rule_with_several_backends_are_set_for_the_version_that_was_read() {
    let host = gateway(json!([{ "backendRefs": [{ "name": "metrics" }] }, two()]));
    let plan = plan(
        &host,
        json!({ "namespace": "edge", "to": "far/us-east:80", "weight": 50 }),
    )
    .unwrap();
    assert_eq!(
        plan.summary,
        "Route `edge/inference`: eu:80 50 %, far/us-east:80 50 % instead of eu:80 90 %, far/us-east:80 10 %"
    );
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    let content: Value = stanch_plugin::serde_json::from_str(action.content.as_deref().unwrap()).unwrap();
    assert_eq!(
        content,
        json!({ "kind": "json", "body": [
            { "op": "add", "path": "/spec/rules/1/backendRefs/0/weight", "value": 1 },
            { "op": "add", "path": "/spec/rules/1/backendRefs/1/weight", "value": 1 },
        ] })
    );
    assert!(
        action.expect.as_deref().unwrap().starts_with("version:"),
        "{action:?}"
    );
}

#[test]
fn the_operators_names_are_good_for_backends_too() {
    let host = gateway(json!([two()]));
    host.set_settings(json!({ "upstreams": { "far": "far/us-east:80" } }));
    let plan = plan(&host, json!({ "namespace": "edge", "to": "far" })).unwrap();
    assert!(plan.summary.contains("eu:80 0 %, far 100 %"), "{}", plan.summary);
}

#[test]
fn which_rule_or_backend_of_an_httproute_is_meant_is_not_guessed() {
    let table = [
        (json!([two(), two()]), json!({}), "2 rules with several backends"),
        (
            json!([two(), two()]),
            json!({ "rule": 2 }),
            "does not share traffic",
        ),
        (
            json!([{ "backendRefs": [{ "name": "eu" }] }]),
            json!({}),
            "0 rules with several backends",
        ),
        (
            json!([{ "backendRefs": [{ "name": "eu" }] }]),
            json!({ "rule": 0 }),
            "does not share traffic",
        ),
        (
            json!([two()]),
            json!({ "to": "us-east" }),
            "`eu:80`, `far/us-east:80`",
        ),
    ];
    for (rules, extra, says) in table {
        let host = gateway(rules.clone());
        let mut all = json!({ "namespace": "edge", "to": "far/us-east:80" });
        all.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let failure = plan(&host, all).unwrap_err();
        assert!(failure.message.contains(says), "{rules}: {failure:?}");
    }
}

#[test]
fn without_a_namespace_and_without_a_caddy_nothing_is_moved() {
    let host = Host::new();
    host.set_settings(json!({}));
    let failure = plan(&host, json!({})).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidParams);
    assert!(failure.message.contains("`caddy`"), "{failure:?}");
}
