use super::*;
use stanch_plugin::kubernetes::CONFIG_MAP;
use stanch_plugin::testing::{Host, Planned};

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "inference", "name": "flags", "uid": "u1" }, "data": data })
}

fn host() -> Host {
    let host = Host::new();
    host.grant(&ConfigSwitch::asks());
    host.object(map(json!({ "mode": "all-models", "other": "1" })));
    host
}

fn params(extra: Value) -> Value {
    let mut params =
        json!({ "namespace": "inference", "name": "flags", "key": "mode", "value": "local-only" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn plan(host: &Host, extra: Value) -> Result<Planned, Failure> {
    host.plan::<ConfigSwitch>(params(extra))
}

fn value(host: &Host, key: &str) -> Option<String> {
    let map = host.stored(&CONFIG_MAP.named("inference", "flags")).unwrap();
    map.at("/data")
        .get(key)
        .map(|value| value.as_str().unwrap().to_owned())
}

#[test]
fn the_plan_is_a_patch_of_one_key_for_the_version_that_was_read() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (action.verb.as_str(), action.target.as_str()),
        ("patch", "kubernetes:inference/_/configmaps/flags")
    );
    assert_eq!(
        action.content.as_deref(),
        Some(r#"{"body":{"data":{"mode":"local-only"}},"kind":"merge"}"#)
    );
    let map = host.stored(&CONFIG_MAP.named("inference", "flags")).unwrap();
    assert_eq!(action.expect, Some(format!("version:{}", map.version())));
    assert_eq!(
        plan.summary,
        "Switch `mode` of ConfigMap `inference/flags` from `all-models` to `local-only`"
    );
}

#[test]
fn it_is_switched_verified_and_switched_back_and_nothing_else_is_touched() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    assert_eq!(
        host.verify::<ConfigSwitch>(params(json!({}))).unwrap().verdict,
        Verdict::No
    );
    host.apply::<ConfigSwitch>(params(json!({})), &plan).unwrap();
    assert_eq!(
        (value(&host, "mode").as_deref(), value(&host, "other").as_deref()),
        (Some("local-only"), Some("1"))
    );
    let found = host.verify::<ConfigSwitch>(params(json!({}))).unwrap();
    assert_eq!(
        (found.verdict, &found.data["old"]),
        (Verdict::Yes, &json!("all-models"))
    );

    let undo = host.plan_undo::<ConfigSwitch>(params(json!({}))).unwrap();
    assert_eq!(
        undo.summary,
        "Switch `mode` of ConfigMap `inference/flags` back to `all-models`"
    );
    host.apply::<ConfigSwitch>(params(json!({})), &undo).unwrap();
    assert_eq!(
        (value(&host, "mode").as_deref(), value(&host, "other").as_deref()),
        (Some("all-models"), Some("1"))
    );
    assert_eq!(
        host.plan_undo::<ConfigSwitch>(params(json!({}))).unwrap().actions,
        []
    );
}

#[test]
fn a_key_that_is_not_there_is_added_only_where_the_runbook_says_so_and_taken_away_again() {
    let host = host();
    let failure = plan(&host, json!({ "key": "moed" })).unwrap_err();
    assert_eq!(failure.code, FailureCode::NotFound);
    assert!(failure.message.contains("it has `mode`, `other`"), "{failure}");

    let added = json!({ "key": "new", "add": true });
    let plan = plan(&host, added.clone()).unwrap();
    assert_eq!(
        plan.summary,
        "Add `new` to ConfigMap `inference/flags`, as `local-only`"
    );
    host.apply::<ConfigSwitch>(params(added.clone()), &plan).unwrap();
    assert_eq!(value(&host, "new").as_deref(), Some("local-only"));
    let undo = host.plan_undo::<ConfigSwitch>(params(added.clone())).unwrap();
    assert_eq!(
        undo.actions[0].content.as_deref(),
        Some(r#"{"body":{"data":{"new":null}},"kind":"merge"}"#)
    );
    host.apply::<ConfigSwitch>(params(added), &undo).unwrap();
    assert_eq!(value(&host, "new"), None);
}

#[test]
fn a_map_without_any_data_takes_its_first_key() {
    let host = host();
    host.object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "inference", "name": "flags" } }));
    let added = json!({ "add": true });
    let plan = plan(&host, added.clone()).unwrap();
    host.apply::<ConfigSwitch>(params(added), &plan).unwrap();
    assert_eq!(value(&host, "mode").as_deref(), Some("local-only"));
}

#[test]
fn a_value_that_the_runbook_did_not_expect_is_left() {
    let host = host();
    assert_eq!(
        plan(&host, json!({ "from": ["all-models"] }))
            .unwrap()
            .actions
            .len(),
        1
    );
    let failure = plan(&host, json!({ "from": ["eu-only", "us-only"] })).unwrap_err();
    assert!(
        failure
            .message
            .contains("is `all-models`, and the runbook switches it from `eu-only` or `us-only` only"),
        "{failure}"
    );
    assert_eq!(
        plan(&host, json!({ "value": "all-models", "from": ["x"] }))
            .unwrap()
            .actions,
        []
    );
}

#[test]
fn what_somebody_wrote_between_plan_and_apply_is_not_lost() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.object(map(json!({ "mode": "all-models", "other": "2" })));
    let failure = host.apply::<ConfigSwitch>(params(json!({})), &plan).unwrap_err();
    assert_eq!(
        (failure.code, host.progress()[0].as_str()),
        (FailureCode::Conflict, "refused")
    );
    assert_eq!(value(&host, "mode").as_deref(), Some("all-models"));
}

#[test]
fn what_somebody_switched_after_it_is_theirs() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.apply::<ConfigSwitch>(params(json!({})), &plan).unwrap();
    let undone = |data: Value| {
        host.object(map(data));
        host.plan_undo::<ConfigSwitch>(params(json!({})))
    };
    for (data, said) in [
        (json!({ "mode": "eu-only" }), "is `eu-only`"),
        (json!({}), "is gone"),
    ] {
        let failure = undone(data).unwrap_err();
        assert_eq!(failure.code, FailureCode::Conflict);
        assert!(failure.message.contains(said), "{failure}");
    }
    // Another key may have changed: only this one is put back.
    assert_eq!(
        undone(json!({ "mode": "local-only", "other": "9" }))
            .unwrap()
            .actions
            .len(),
        1
    );
    let mut other = map(json!({ "mode": "local-only" }));
    other["metadata"]["uid"] = json!("u2");
    host.object(other);
    let failure = host.plan_undo::<ConfigSwitch>(params(json!({}))).unwrap_err();
    assert!(failure.message.contains("another one by now"), "{failure}");
}

#[test]
fn a_lost_answer_is_settled_by_what_is_there() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.fail("patch", Failure::timeout("no answer in time"));
    host.apply::<ConfigSwitch>(params(json!({})), &plan).unwrap_err();
    assert_eq!(
        host.verify::<ConfigSwitch>(params(json!({}))).unwrap().verdict,
        Verdict::No
    );
    host.object(map(json!({ "mode": "local-only" })));
    assert_eq!(
        host.verify::<ConfigSwitch>(params(json!({}))).unwrap().verdict,
        Verdict::Yes
    );
    assert_eq!(
        host.plan_undo::<ConfigSwitch>(params(json!({})))
            .unwrap()
            .actions
            .len(),
        1
    );
}

#[test]
fn what_was_refused_is_not_put_back() {
    let host = host();
    let plan = plan(&host, json!({})).unwrap();
    host.fail(
        "patch",
        Failure::denied("the user `stanch` may not patch `configmaps`"),
    );
    host.apply::<ConfigSwitch>(params(json!({})), &plan).unwrap_err();
    assert_eq!(
        host.plan_undo::<ConfigSwitch>(params(json!({}))).unwrap().actions,
        []
    );
}

#[test]
fn what_cannot_be_switched_says_why() {
    let table = [
        (json!({ "immutable": true }), "is immutable"),
        (json!({ "data": { "mode": "x".repeat(17_000) } }), "no switch"),
        (json!({ "binaryData": { "mode": "AAAA" } }), "is binary"),
    ];
    for (changes, said) in table {
        let host = host();
        let mut map = map(json!({ "mode": "all-models" }));
        map.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        host.object(map);
        let failure = plan(&host, json!({})).unwrap_err();
        assert!(failure.message.contains(said), "{failure}");
    }
    let host = host();
    let long = plan(&host, json!({ "value": "x".repeat(17_000) })).unwrap_err();
    assert_eq!(long.code, FailureCode::InvalidParams);
    host.remove_object(&CONFIG_MAP.named("inference", "flags"));
    assert_eq!(plan(&host, json!({})).unwrap_err().code, FailureCode::NotFound);
}

#[test]
fn another_map_and_a_map_that_may_only_be_read_are_left() {
    let host = host();
    host.object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "inference", "name": "other" }, "data": { "mode": "x" } }));
    assert_eq!(
        plan(&host, json!({ "name": "other" })).unwrap_err().code,
        FailureCode::Denied
    );
    let reader = Host::new();
    let mut asks = ConfigSwitch::asks();
    asks["kubernetes"][0]["verbs"] = json!(["get"]);
    reader.grant(&asks);
    reader.object(map(json!({ "mode": "all-models" })));
    assert_eq!(plan(&reader, json!({})).unwrap_err().code, FailureCode::Denied);
}

#[test]
fn a_value_is_shown_as_one_line_and_not_at_full_length() {
    assert_eq!(quoted("a\nb\u{1b}[31m"), "`a b [31m`");
    assert_eq!(quoted(&"x".repeat(200)), format!("`{}…`", "x".repeat(120)));
    assert_eq!(quoted(&"ü".repeat(120)), format!("`{}`", "ü".repeat(120)));
}
