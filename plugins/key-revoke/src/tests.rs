use super::*;
use stanch_plugin::http::Response;
use stanch_plugin::kubernetes::SECRET;
use stanch_plugin::testing::{Host, Planned, reply};

const URL: &str = "https://keys.example/users/mallory/keys/k1";

fn document(state: &str, etag: Option<&str>) -> Result<Response, Failure> {
    let mut answer = reply(200, json!({ "state": state, "scopes": ["chat"] }))?;
    answer
        .headers
        .extend(etag.map(|etag| ("etag".to_owned(), etag.to_owned())));
    Ok(answer)
}

fn settings(more: Value) -> Value {
    let mut settings = json!({
        "url": "https://keys.example/users/{user}/keys/{key}",
        "revoke": { "method": "PATCH", "body": { "state": "revoked" } },
        "restore": { "method": "PATCH", "body": { "state": "active" } },
        "revoked": { "member": "/state", "is": "revoked" },
    });
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

/// A service that says these states, one after the other; the last for ever.
fn service(states: &[&str]) -> Host {
    let host = Host::new();
    host.set_settings(settings(json!({})));
    for state in states {
        host.answer("GET", URL, document(state, Some("\"1\"")));
    }
    host.answer("PATCH", URL, reply(200, ""));
    host
}

fn params() -> Value {
    json!({ "user": "mallory", "key": "k1" })
}

fn planned(host: &Host) -> Result<Planned, Failure> {
    host.plan::<KeyRevoke>(params())
}

#[test]
fn it_is_revoked_verified_and_given_back_where_the_service_can() {
    let host = service(&["active", "revoked", "revoked", "active"]);
    let plan = planned(&host).unwrap();
    assert_eq!(
        plan.summary,
        "Revoke the key `k1` of `mallory`. It can be given back."
    );
    let action = &plan.actions[0];
    assert_eq!(
        (
            action.verb.as_str(),
            action.target.as_str(),
            action.expect.as_deref()
        ),
        ("PATCH", URL, Some("etag:\"1\""))
    );
    host.apply::<KeyRevoke>(params(), &plan).unwrap();
    assert_eq!(host.verify::<KeyRevoke>(params()).unwrap().verdict, Verdict::Yes);
    let undo = host.plan_undo::<KeyRevoke>(params()).unwrap();
    assert!(undo.actions[0].content.as_deref().unwrap().contains("active"));
    host.apply::<KeyRevoke>(params(), &undo).unwrap();
    assert_eq!(host.plan_undo::<KeyRevoke>(params()).unwrap().actions, []);
}

#[test]
fn where_there_is_no_way_back_the_plan_says_so_and_the_undo_fails() {
    let host = Host::new();
    host.set_settings(
        json!({ "url": "https://keys.example/users/{user}/keys/{key}", "revoke": { "method": "delete" } }),
    );
    host.answer("GET", URL, document("active", None));
    host.answer("GET", URL, reply(404, ""));
    host.answer("DELETE", URL, reply(204, ""));
    let plan = planned(&host).unwrap();
    assert!(plan.summary.contains("THIS CANNOT BE UNDONE"), "{}", plan.summary);
    assert_eq!(plan.data["reversible"], false);
    host.apply::<KeyRevoke>(params(), &plan).unwrap();
    assert_eq!(host.verify::<KeyRevoke>(params()).unwrap().verdict, Verdict::Yes);
    let failure = host.plan_undo::<KeyRevoke>(params()).unwrap_err();
    assert!(failure.message.contains("needs a new one"), "{failure}");
}

#[test]
fn a_key_that_is_revoked_or_unknown_is_not_revoked_again() {
    assert_eq!(planned(&service(&["revoked"])).unwrap().actions, []);
    let unknown = service(&[]);
    unknown.answer("GET", URL, reply(404, ""));
    assert_eq!(planned(&unknown).unwrap_err().code, FailureCode::NotFound);
}

#[test]
fn a_stale_key_is_a_conflict_a_server_that_fails_changes_nothing_and_a_lost_answer_is_settled_by_what_is_there()
 {
    for (answer, then, code, left) in [
        (reply(412, ""), "active", FailureCode::Conflict, 0),
        (reply(500, ""), "active", FailureCode::Failed, 0),
        (
            Err(Failure::timeout("no answer")),
            "active",
            FailureCode::Timeout,
            0,
        ),
        (
            Err(Failure::timeout("no answer")),
            "revoked",
            FailureCode::Timeout,
            1,
        ),
    ] {
        let host = Host::new();
        host.set_settings(settings(json!({})));
        host.answer("GET", URL, document("active", Some("\"1\"")));
        host.answer("GET", URL, document(then, Some("\"2\"")));
        host.answer("PATCH", URL, answer);
        let plan = planned(&host).unwrap();
        assert_eq!(host.apply::<KeyRevoke>(params(), &plan).unwrap_err().code, code);
        let verdict = if left == 1 { Verdict::Yes } else { Verdict::No };
        assert_eq!(host.verify::<KeyRevoke>(params()).unwrap().verdict, verdict);
        assert_eq!(host.plan_undo::<KeyRevoke>(params()).unwrap().actions.len(), left);
    }
}

#[test]
fn a_user_and_a_key_are_one_segment_each_and_nothing_else() {
    let at = |user: &str, key: &str| {
        service::filled(
            "https://keys.example/users/{user}/keys/{key}",
            &Params {
                user: user.into(),
                key: key.into(),
            },
        )
    };
    assert_eq!(
        at("a b?x=1#y", "{user}").unwrap(),
        "https://keys.example/users/a%20b%3Fx%3D1%23y/keys/%7Buser%7D"
    );
    for (user, key) in [
        ("..", "k"),
        ("a", "."),
        ("a/b", "k"),
        ("a", "..\\k"),
        ("a\n", "k"),
    ] {
        assert_eq!(
            at(user, key).unwrap_err().code,
            FailureCode::InvalidParams,
            "{user} {key}"
        );
    }
    assert!(
        service::filled(
            "https://keys.example/all",
            &Params {
                user: "a".into(),
                key: "k".into()
            }
        )
        .is_err()
    );
}

#[test]
fn what_does_not_fit_says_why() {
    let with = |more: Value, body: Value| {
        let host = Host::new();
        host.set_settings(settings(more));
        host.answer("GET", URL, reply(200, body));
        planned(&host).unwrap_err().message
    };
    assert!(with(json!({}), json!({ "status": "x" })).contains("has no `/state`"));
    assert!(
        with(
            json!({ "revoke": { "method": "GET" } }),
            json!({ "state": "active" })
        )
        .contains("no method")
    );
    let closed = Host::new();
    closed.set_settings(settings(json!({})));
    assert_eq!(planned(&closed).unwrap_err().code, FailureCode::Denied);
}

/// A Secret with two keys, and what the operator says of it. Its values are not handed over.
fn in_secret(entry: &str) -> Host {
    let host = Host::new();
    host.set_settings(json!({ "secret": { "namespace": "gateway", "name": "api-keys", "entry": entry } }));
    host.object(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": "gateway", "name": "api-keys" },
        "data": { "mallory.k1": "aHVudGVyMg==", "alice.k2": "aHVudGVyMw==" },
    }));
    host.grant(&json!({ "kubernetes": [{
        "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["secrets"], "namespaces": ["gateway"],
        "names": ["api-keys"], "keys_only": true,
    }] }));
    host
}

#[test]
fn an_entry_of_a_secret_is_taken_away_alone_and_for_good() {
    let host = in_secret("{user}.{key}");
    let plan = planned(&host).unwrap();
    assert!(plan.summary.contains("THIS CANNOT BE UNDONE"), "{}", plan.summary);
    let action = &plan.actions[0];
    assert_eq!(
        (
            action.verb.as_str(),
            action.target.as_str(),
            action.content.as_deref()
        ),
        (
            "patch",
            "kubernetes:gateway/_/secrets/api-keys",
            Some(r#"{"body":{"data":{"mallory.k1":null}},"kind":"merge"}"#)
        )
    );
    assert!(action.expect.as_deref().unwrap().starts_with("version:"));
    host.apply::<KeyRevoke>(params(), &plan).unwrap();
    assert_eq!(host.verify::<KeyRevoke>(params()).unwrap().verdict, Verdict::Yes);
    let secret = host.stored(&SECRET.named("gateway", "api-keys")).unwrap();
    assert_eq!(secret.at("/data"), &json!({ "alice.k2": "aHVudGVyMw==" }));
    let failure = host.plan_undo::<KeyRevoke>(params()).unwrap_err();
    assert!(failure.message.contains("needs a new one"), "{failure}");
    // Once more it is not there, as any that is misspelt.
    assert_eq!(planned(&host).unwrap_err().code, FailureCode::NotFound);
}

#[test]
fn two_keys_are_never_the_same_entry() {
    let of = |entry: &str, user: &str, key: &str| {
        let host = in_secret(entry);
        host.plan::<KeyRevoke>(json!({ "user": user, "key": key }))
            .unwrap_err()
    };
    for (entry, user, key) in [
        ("{user}.{key}", "mallory.k1", "x"),
        ("{user}.{key}", "mallory", "k1.x"),
        ("{key}-of-{user}", "o", "k1"),
        ("{user}{key}", "mallory", "k1"),
        ("keys", "mallory", "k1"),
        ("{user}.{key}", "a/b", "k1"),
        ("{user}.{key}", "mallory", "k\n"),
    ] {
        let failure = of(entry, user, key);
        assert_eq!(
            failure.code,
            FailureCode::InvalidParams,
            "{entry} {user} {key}: {failure}"
        );
    }
    assert_eq!(of("{user}_{key}", "mallory.k1", "x").code, FailureCode::NotFound);
}
