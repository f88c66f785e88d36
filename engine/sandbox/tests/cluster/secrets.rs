//! Secrets: had by their name only, and in no record.

use serde_json::json;
use stanch_parts::User;
use stanch_sandbox::kubernetes::Query;

use crate::world::*;

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
