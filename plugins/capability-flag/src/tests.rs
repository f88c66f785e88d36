use super::*;
use stanch_plugin::http::Response;
use stanch_plugin::kubernetes::CONFIG_MAP;
use stanch_plugin::testing::{Host, Planned, reply};

const URL: &str = "https://flags.example/flags/local-model-only";

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "inference", "name": "flags", "uid": "u1" }, "data": data })
}

fn in_cluster() -> Host {
    let host = Host::new();
    host.grant(&CapabilityFlag::asks());
    host.object(map(json!({ "local-model-only": "false", "other": "1" })));
    host
}

/// What the service has, one after the other; the last for ever.
fn service(values: &[Value]) -> Host {
    let host = Host::new();
    host.set_settings(json!({ "flags": { "local-model-only": URL } }));
    for (at, value) in values.iter().enumerate() {
        host.answer("GET", URL, document(value, at));
    }
    host.answer("PUT", URL, reply(200, ""));
    host
}

fn document(value: &Value, version: usize) -> Result<Response, Failure> {
    let mut answer = reply(200, json!({ "value": value, "owner": "platform" }))?;
    answer.headers.push(("etag".into(), format!("\"{version}\"")));
    Ok(answer)
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "flag": "local-model-only", "value": true, "lost": ["Creative Writing"], "kept": ["Search"] });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn mapped(value: &str) -> Value {
    params(json!({ "value": value, "config_map": { "namespace": "inference", "name": "flags" } }))
}

fn planned(host: &Host, params: Value) -> Result<Planned, Failure> {
    host.plan::<CapabilityFlag>(params)
}

fn flag(host: &Host) -> Option<String> {
    let map = host.stored(&CONFIG_MAP.named("inference", "flags")).unwrap();
    map.at("/data")
        .get("local-model-only")
        .map(|value| value.as_str().unwrap().to_owned())
}

#[test]
fn the_plan_says_what_users_lose_and_keep() {
    let plan = planned(&in_cluster(), mapped("true")).unwrap();
    assert_eq!(
        plan.summary,
        "Switch `local-model-only` of ConfigMap `inference/flags` from `false` to `true`. \
         Users lose: Creative Writing. They keep: Search"
    );
    assert_eq!(
        plan.actions[0].content.as_deref(),
        Some(r#"{"body":{"data":{"local-model-only":"true"}},"kind":"merge"}"#)
    );
    let plan = planned(&service(&[json!(false)]), params(json!({ "kept": [] }))).unwrap();
    assert!(
        plan.summary
            .ends_with("from `false` to `true`. Users lose: Creative Writing"),
        "{}",
        plan.summary
    );
    assert_eq!(
        (
            plan.actions[0].verb.as_str(),
            plan.actions[0].expect.as_deref(),
            plan.actions[0].content.as_deref()
        ),
        (
            "PUT",
            Some("etag:\"0\""),
            Some(r#"{"body":{"owner":"platform","value":true},"contentType":"application/json"}"#)
        )
    );
}

#[test]
fn it_is_switched_verified_and_switched_back() {
    let host = in_cluster();
    let plan = planned(&host, mapped("true")).unwrap();
    host.apply::<CapabilityFlag>(mapped("true"), &plan).unwrap();
    assert_eq!(flag(&host).as_deref(), Some("true"));
    assert_eq!(
        host.verify::<CapabilityFlag>(mapped("true")).unwrap().verdict,
        Verdict::Yes
    );
    let undo = host.plan_undo::<CapabilityFlag>(mapped("true")).unwrap();
    assert!(
        undo.summary
            .ends_with("back to `false`. Users have again: Creative Writing"),
        "{}",
        undo.summary
    );
    host.apply::<CapabilityFlag>(mapped("true"), &undo).unwrap();
    assert_eq!(flag(&host).as_deref(), Some("false"));
    assert_eq!(
        host.plan_undo::<CapabilityFlag>(mapped("true")).unwrap().actions,
        []
    );
    assert_eq!(planned(&host, mapped("false")).unwrap().actions, []);
}

#[test]
fn what_somebody_switched_since_is_theirs() {
    let host = in_cluster();
    let plan = planned(&host, mapped("true")).unwrap();
    host.object(map(json!({ "local-model-only": "false", "other": "2" })));
    let failure = host.apply::<CapabilityFlag>(mapped("true"), &plan).unwrap_err();
    assert_eq!(
        (failure.code, flag(&host).as_deref()),
        (FailureCode::Conflict, Some("false"))
    );

    let plan = planned(&host, mapped("true")).unwrap();
    host.apply::<CapabilityFlag>(mapped("true"), &plan).unwrap();
    host.object(map(json!({ "local-model-only": "eu-only" })));
    let failure = host.plan_undo::<CapabilityFlag>(mapped("true")).unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(
        failure.message.contains("is `eu-only`, which was not set here"),
        "{failure}"
    );
}

#[test]
fn a_service_that_fails_changes_nothing_and_a_stale_version_is_a_conflict() {
    for (status, code) in [
        (412, FailureCode::Conflict),
        (409, FailureCode::Conflict),
        (500, FailureCode::Failed),
    ] {
        let host = Host::new();
        host.set_settings(json!({ "flags": { "local-model-only": URL } }));
        host.answer("GET", URL, document(&json!(false), 1));
        host.answer("PUT", URL, reply(status, ""));
        let plan = planned(&host, params(json!({}))).unwrap();
        let failure = host
            .apply::<CapabilityFlag>(params(json!({})), &plan)
            .unwrap_err();
        assert_eq!(failure.code, code, "{status}");
        assert_eq!(
            host.plan_undo::<CapabilityFlag>(params(json!({})))
                .unwrap()
                .actions,
            []
        );
    }
}

#[test]
fn a_lost_answer_is_settled_by_what_is_there() {
    for (then, verdict, actions) in [(json!(true), Verdict::Yes, 1), (json!(false), Verdict::No, 0)] {
        let host = Host::new();
        host.set_settings(json!({ "flags": { "local-model-only": URL } }));
        host.answer("GET", URL, document(&json!(false), 1));
        host.answer("GET", URL, document(&then, 2));
        host.answer("PUT", URL, Err(Failure::timeout("no answer")));
        let plan = planned(&host, params(json!({}))).unwrap();
        host.apply::<CapabilityFlag>(params(json!({})), &plan)
            .unwrap_err();
        assert_eq!(
            host.verify::<CapabilityFlag>(params(json!({}))).unwrap().verdict,
            verdict
        );
        assert_eq!(
            host.plan_undo::<CapabilityFlag>(params(json!({})))
                .unwrap()
                .actions
                .len(),
            actions
        );
    }
}

#[test]
fn what_cannot_be_switched_says_why() {
    let table = [
        (
            params(json!({ "flag": "other" })),
            "no flag that the operator names: `local-model-only`",
        ),
        (
            params(json!({ "from": [1, "x"] })),
            "switches it from `1` or `x` only",
        ),
    ];
    for (params, says) in table {
        let failure = planned(&service(&[json!(false)]), params).unwrap_err();
        assert!(failure.message.contains(says), "{failure}");
    }
    let bare = Host::new();
    bare.set_settings(json!({}));
    let failure = planned(&bare, params(json!({}))).unwrap_err();
    assert!(failure.message.contains("name no `flags`"), "{failure}");
    let host = in_cluster();
    let mut missing = mapped("true");
    missing["flag"] = json!("local-only");
    assert_eq!(planned(&host, missing).unwrap_err().code, FailureCode::NotFound);
    let mut number = mapped("true");
    number["value"] = json!(1);
    assert_eq!(
        planned(&host, number).unwrap_err().code,
        FailureCode::InvalidParams
    );
    let mut elsewhere = mapped("true");
    elsewhere["config_map"]["name"] = json!("secret-flags");
    host.object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "inference", "name": "secret-flags" }, "data": { "local-model-only": "false" } }));
    assert_eq!(planned(&host, elsewhere).unwrap_err().code, FailureCode::Denied);
}
