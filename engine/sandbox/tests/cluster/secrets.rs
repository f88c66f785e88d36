//! Secrets: had by their name only, and in no record.

use serde_json::{Value, json};
use stanch_contract::FailureCode;
use stanch_parts::User;
use stanch_sandbox::gate::KubernetesGrantSpec;
use stanch_sandbox::kubernetes::Query;

use crate::world::*;

/// A Secret of two keys, with a value where nobody looks for one.
const KEYS: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, annotations: {note: correct-horse-battery}}\n\
                    stringData: {gone: correct-horse-battery, stays: other-horse-battery}\n";
const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: correct-horse-battery}\n";
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_a_secret_are_handed_over_by_name_only_and_kept_nowhere() {
    let world = World::new("secret");
    world.space.apply(SECRET).unwrap();
    let name = world.space.name();
    let secret = world.object("v1", "Secret", "db");
    let star = Gate::with(
        world.plane.kubeconfig(User::Admin),
        None,
        vec![granted(name, &["get", "list"], &["*"])],
    )
    .await;
    let failure = star.reading().kubernetes_get(secret.clone()).await.unwrap_err();
    assert!(failure.message.contains("never through `*`"), "{failure}");
    let query = Query {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some(name.to_owned()),
        ..Query::default()
    };
    assert!(star.reading().kubernetes_find(query.clone()).await.is_err());

    let named = Gate::with(
        world.plane.kubeconfig(User::Admin),
        None,
        vec![granted(name, &["get", "list"], &["secrets"])],
    )
    .await;
    let session = named.reading();
    let read = session.kubernetes_get(secret).await.unwrap();
    assert_eq!(parsed(&read)["data"]["password"], ENCODED);
    let page = session.kubernetes_find(query).await.unwrap();
    assert_eq!(page.items.len(), 1);
    // From now on they are taken out of whatever the plugin says.
    let redactor = session.redactor();
    assert_eq!(
        redactor.text(format!("it is correct-horse-battery, or {ENCODED}")),
        "it is [secret], or [secret]"
    );
    let ledger = session.finish().await;
    assert_eq!(ledger.calls.len(), 2);
    let kept = format!(
        "{:?} {}",
        ledger.contents,
        serde_json::to_string(&ledger.calls).unwrap()
    );
    assert!(
        !kept.contains("correct-horse") && !kept.contains(ENCODED),
        "{kept}"
    );
    assert!(
        ledger.contents.is_empty()
            && ledger
                .calls
                .iter()
                .all(|call| call.answer.as_ref().unwrap().digest.is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_is_shown_to_nobody() {
    let world = World::new("secret-delete");
    world.space.apply(SECRET).unwrap();
    let live = world.live("secrets/db");
    let gate = Gate::with(
        world.plane.kubeconfig(User::Admin),
        None,
        vec![granted(world.space.name(), &["delete"], &["secrets"])],
    )
    .await;
    let plan = gate
        .plan(vec![on_uid("delete", &world.target("_/secrets/db"), &live)])
        .await;
    let shown = serde_json::to_string(&plan).unwrap();
    assert!(
        !shown.contains("correct-horse") && !shown.contains(ENCODED),
        "{shown}"
    );
    assert!(
        plan.actions[0]
            .before
            .as_deref()
            .unwrap()
            .starts_with("a Secret of type Opaque with 1 keys")
    );
    let session = gate.applying(plan);
    session
        .kubernetes_delete(world.object("v1", "Secret", "db"), None)
        .await
        .unwrap();
    let ledger = session.finish().await;
    let kept = format!(
        "{:?} {:?} {:?}",
        ledger.contents,
        ledger.calls,
        gate.log.ended.lock().unwrap()
    );
    assert!(
        !kept.contains("correct-horse") && !kept.contains(ENCODED),
        "{kept}"
    );
    assert_eq!(world.live("secrets/db"), json!(null));
}

/// A gate for the keys of the Secret `keys`.
async fn keys_only(world: &World, verbs: &[&str]) -> Gate {
    let entry = KubernetesGrantSpec {
        names: vec!["keys".to_owned()],
        keys_only: true,
        ..granted(world.space.name(), verbs, &["secrets"])
    };
    Gate::with(world.plane.kubeconfig(User::Admin), None, vec![entry]).await
}

fn leaks(text: &str) -> bool {
    ["horse-battery", ENCODED, "b3RoZXItaG9yc2U"]
        .iter()
        .any(|part| text.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_secret_are_taken_away_and_no_value_is_read_shown_or_written() {
    let world = World::new("secret-keys");
    world.space.apply(KEYS).unwrap();
    let gate = keys_only(&world, &["get", "list", "patch"]).await;
    let secret = world.object("v1", "Secret", "keys");
    let session = gate.reading();
    let read = parsed(&session.kubernetes_get(secret.clone()).await.unwrap());
    assert_eq!(
        read["data"],
        json!({ "gone": "[withheld]", "stays": "[withheld]" })
    );
    let query = Query {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some(world.space.name().to_owned()),
        ..Query::default()
    };
    let page = session.kubernetes_find(query).await.unwrap();
    assert!(
        page.items.len() == 1 && page.items[0].contains("[withheld]"),
        "{:?}",
        page.items
    );
    assert!(!leaks(&read.to_string()) && !leaks(&page.items[0]));

    let at_version = |body: Value| {
        let target = world.target("_/secrets/keys");
        let version = format!(
            "version:{}",
            read["metadata"]["resourceVersion"].as_str().unwrap()
        );
        expecting(with(action("patch", &target), body), &version)
    };
    // Whatever writes a value, or could be a guess at one, is no plan.
    for body in [
        merge(json!({ "data": { "gone": "aGk=" } })),
        merge(json!({ "data": { "gone": null, "stays": "aGk=" } })),
        merge(json!({ "stringData": { "gone": "hi" } })),
        merge(json!({ "data": null })),
        merge(json!({ "data": {} })),
        merge(json!({ "data": { "gone": null }, "metadata": { "labels": { "a": "b" } } })),
        merge(json!({ "data": { "gone": null }, "immutable": true })),
        json!({ "kind": "strategic", "body": { "data": { "gone": null } } }),
        json!({ "kind": "apply", "body": { "data": { "gone": null } } }),
        json!({ "kind": "json", "body": [{ "op": "test", "path": "/data/gone", "value": ENCODED }] }),
        json!({ "kind": "json", "body": [{ "op": "remove", "path": "/data/gone" }] }),
    ] {
        let refused = gate
            .try_plan(vec![at_version(body.clone())], None)
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("takes keys away"),
            "{body}: {refused}"
        );
    }

    let takes_away = merge(json!({ "data": { "gone": null } }));
    let plan = gate.plan(vec![at_version(takes_away.clone())]).await;
    let planned = &plan.actions[0];
    assert_eq!(planned.dry_run.as_deref(), Some("data.gone: \"[withheld]\" goes"));
    assert!(
        planned
            .before
            .as_deref()
            .unwrap()
            .ends_with("data.gone is \"[withheld]\"")
    );
    assert!(planned.repeat_safe);
    assert!(!leaks(&serde_json::to_string(&plan).unwrap()));

    // Somebody else's write in between is a conflict and theirs.
    let somebody = json!({ "stringData": { "new": "battery" } });
    let path = world.space.path("secrets/keys");
    world
        .space
        .admin()
        .merge(&path, &somebody)
        .unwrap()
        .good()
        .unwrap();
    let body = json!({ "data": { "gone": null } }).to_string();
    let session = gate.applying(plan);
    let failure = session
        .kubernetes_patch(secret.clone(), "merge", &body)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
    assert_eq!(world.live("secrets/keys")["data"].as_object().unwrap().len(), 3);

    let live = world.live("secrets/keys");
    let version = format!(
        "version:{}",
        live["metadata"]["resourceVersion"].as_str().unwrap()
    );
    let again = expecting(
        with(action("patch", &world.target("_/secrets/keys")), takes_away),
        &version,
    );
    let session = gate.applying(gate.plan(vec![again]).await);
    let after = session.kubernetes_patch(secret, "merge", &body).await.unwrap();
    assert_eq!(
        parsed(&after)["data"],
        json!({ "new": "[withheld]", "stays": "[withheld]" })
    );
    let ledger = session.finish().await;
    let kept = format!(
        "{after} {:?} {} {:?}",
        ledger.contents,
        serde_json::to_string(&ledger.calls).unwrap(),
        gate.log.ended.lock().unwrap()
    );
    assert!(!leaks(&kept), "{kept}");
    assert!(world.live("secrets/keys")["data"].get("gone").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_not_taken_away_without_the_verb_or_of_a_secret_that_is_not_named() {
    let world = World::new("secret-keys-refused");
    world.space.apply(KEYS).unwrap();
    world.space.apply(SECRET).unwrap();
    let plan = |name: &str| {
        let live = world.live(&format!("secrets/{name}"));
        let body = merge(json!({ "data": { "gone": null } }));
        with(
            on_uid("patch", &world.target(&format!("_/secrets/{name}")), &live),
            body,
        )
    };
    let reader = keys_only(&world, &["get"]).await;
    let refused = reader.try_plan(vec![plan("keys")], None).await.unwrap_err();
    assert!(
        refused.to_string().contains("no grant names `patch`"),
        "{refused}"
    );
    let other = keys_only(&world, &["get", "patch"]).await;
    let refused = other.try_plan(vec![plan("db")], None).await.unwrap_err();
    assert!(refused.to_string().contains("do not have `db`"), "{refused}");
    assert_eq!(world.live("secrets/keys")["data"].as_object().unwrap().len(), 2);
}
