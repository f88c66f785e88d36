//! `get`, `find` and `logs`.

use serde_json::{Value, json};
use stanch_contract::FailureCode;
use stanch_parts::{User, until};
use stanch_sandbox::gate::{Decision, KubernetesGrantSpec};
use stanch_sandbox::kubernetes::Query;

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_without_who_wrote_which_field() {
    let world = World::new("get");
    world
        .space
        .apply(&config_map("mode", "{app: web}", "{level: fast}"))
        .unwrap();
    assert!(world.live("configmaps/mode")["metadata"]["managedFields"].is_array());
    let gate = world.gate(&["get"], &["configmaps"]).await;
    let session = gate.reading();
    let read = session
        .kubernetes_get(world.object("v1", "ConfigMap", "mode"))
        .await
        .unwrap();
    let read = parsed(&read);
    assert_eq!(
        (&read["kind"], &read["data"]["level"]),
        (&json!("ConfigMap"), &json!("fast"))
    );
    assert_eq!(read["metadata"]["managedFields"], Value::Null);
    let ledger = session.finish().await;
    let [call] = &ledger.calls[..] else {
        panic!("{:?}", ledger.calls)
    };
    assert_eq!((call.verb.as_str(), &call.decision), ("get", &Decision::Allowed));
    assert_eq!(call.target, world.target("_/configmaps/mode"));
    let answer = call.answer.as_ref().unwrap();
    assert!(
        answer.summary.starts_with("ConfigMap `mode`, version "),
        "{}",
        answer.summary
    );
    assert_eq!(
        parsed(std::str::from_utf8(&ledger.contents[&answer.digest.unwrap()]).unwrap()),
        read
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_not_asked_for() {
    let world = World::new("get-denied");
    let name = world.space.name().to_owned();
    world
        .space
        .apply(&config_map("mode", "{app: web}", "{}"))
        .unwrap();
    let mut narrow = granted(&name, &["get"], &["configmaps"]);
    narrow.names = vec!["mode".into()];
    let gate = Gate::of(world.plane, vec![narrow]).await;
    let mode = world.object("v1", "ConfigMap", "mode");
    assert!(gate.reading().kubernetes_get(mode.clone()).await.is_ok());
    let before = world.asked();
    let elsewhere = |namespace: Option<&str>| {
        let mut other = mode.clone();
        other.namespace = namespace.map(str::to_owned);
        other
    };
    for (object, layer_of, words) in [
        (
            world.object("v1", "ConfigMap", "other"),
            "grant",
            "`names` do not have `other`",
        ),
        (elsewhere(Some("kube-system")), "grant", "for namespaces = "),
        (elsewhere(None), "request", "is in a namespace: name it"),
        (elsewhere(Some("../kube-system")), "request", "is not a namespace"),
        (
            world.object("v1", "ConfigMap", "mode/../other"),
            "request",
            "not the name",
        ),
        (world.pod("mode"), "grant", "no grant names `pods`"),
        (world.object("v1", "Secret", "mode"), "grant", "never through `*`"),
    ] {
        let failure = gate.reading().kubernetes_get(object).await.unwrap_err();
        assert_eq!(
            (failure.code, layer(&failure)),
            (FailureCode::Denied, layer_of),
            "{failure}"
        );
        assert!(failure.message.contains(words), "{failure}");
    }
    let pods = Query {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(name),
        ..Query::default()
    };
    let failure = gate.reading().kubernetes_find(pods).await.unwrap_err();
    assert!(failure.message.contains("no grant names `list`"), "{failure}");
    assert_eq!(world.asked(), before, "nothing of it reached the cluster");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_refuses_is_told_with_its_words() {
    let world = World::allowing(
        "get-rbac",
        "[{apiGroups: [\"\"], resources: [pods], verbs: [list]}]",
    );
    let gate = world.gate(&["get"], &["pods"]).await;
    let failure = gate.reading().kubernetes_get(world.pod("a")).await.unwrap_err();
    assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, ""));
    assert!(
        failure
            .message
            .contains(r#"User "engine" cannot get resource "pods""#),
        "{failure}"
    );
    let world = World::new("get-missing");
    let gate = world.gate(&["get"], &["pods"]).await;
    let failure = gate.reading().kubernetes_get(world.pod("a")).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NotFound, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_of_the_grant_is_held_to_the_live_objects_labels() {
    let world = World::new("get-selector");
    world
        .space
        .apply(&config_map("mine", "{app: web}", "{}"))
        .unwrap();
    world
        .space
        .apply(&config_map("theirs", "{app: db}", "{}"))
        .unwrap();
    let mut only_web = granted(world.space.name(), &["get", "list"], &["configmaps"]);
    only_web.selector = Some("app=web".into());
    let gate = Gate::of(world.plane, vec![only_web]).await;
    let get = |name: &str| world.object("v1", "ConfigMap", name);
    assert!(gate.reading().kubernetes_get(get("mine")).await.is_ok());
    let failure = gate.reading().kubernetes_get(get("theirs")).await.unwrap_err();
    assert_eq!(layer(&failure), "grant");
    assert!(failure.message.contains("do not fit `app=web`"), "{failure}");
    let list = |labels: Option<&str>| Query {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(world.space.name().to_owned()),
        label_selector: labels.map(str::to_owned),
        ..Query::default()
    };
    for (asked, found) in [
        (None, vec!["mine"]),
        (Some("app in (web,db)"), vec!["mine"]),
        (Some("app=db"), vec![]),
    ] {
        let page = gate.reading().kubernetes_find(list(asked)).await.unwrap();
        let names: Vec<_> = page
            .items
            .iter()
            .map(|item| parsed(item)["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, found, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages_of_at_most_five_hundred() {
    let world = World::new("pages");
    let many: Vec<String> = (0..520)
        .map(|n| config_map(&format!("m-{n:03}"), "{many: x}", "{}"))
        .collect();
    world.space.apply(&many.join("---\n")).unwrap();
    let gate = world.gate(&["list"], &["configmaps"]).await;
    let session = gate.reading();
    let query = |limit: Option<u32>, continue_from: Option<String>| Query {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(world.space.name().to_owned()),
        label_selector: Some("many=x".into()),
        limit,
        continue_from,
        ..Query::default()
    };
    let first = session.kubernetes_find(query(Some(100_000), None)).await.unwrap();
    assert_eq!(first.items.len(), 500);
    let second = session
        .kubernetes_find(query(Some(500), first.next))
        .await
        .unwrap();
    assert_eq!((second.items.len(), second.next), (20, None));
    let item = parsed(&second.items[19]);
    assert_eq!(item["metadata"]["name"], "m-519");
    assert_eq!(
        (
            &item["kind"],
            &item["apiVersion"],
            &item["metadata"]["managedFields"]
        ),
        (&json!("ConfigMap"), &json!("v1"), &Value::Null)
    );
    let unasked = session.kubernetes_find(query(None, None)).await.unwrap();
    assert_eq!(unasked.items.len(), 100);
    let failure = session
        .kubernetes_find(query(None, Some("nonsense".into())))
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Failed, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_namespaces_are_had_only_where_the_grant_has_all() {
    let world = World::new("everywhere");
    let gate = world.gate(&["list"], &["configmaps"]).await;
    let query = Query {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        ..Query::default()
    };
    let failure = gate.reading().kubernetes_find(query.clone()).await.unwrap_err();
    assert!(failure.message.contains("name one"), "{failure}");
    let all = KubernetesGrantSpec {
        namespaces: vec!["*".into()],
        ..granted("x", &["list"], &["configmaps"])
    };
    let gate = Gate::with(world.plane.kubeconfig(User::Admin), None, vec![all]).await;
    let page = gate.reading().kubernetes_find(query).await.unwrap();
    assert!(
        page.items
            .iter()
            .any(|item| parsed(item)["metadata"]["namespace"] == "kube-system")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_current_and_previous_and_from_their_end() {
    let world = World::new("logs");
    world.space.apply(&pods(&["worker"], "worker")).unwrap();
    world.space.ready("app=worker", 1).unwrap();
    world
        .space
        .logs("worker", "main", &["one", "two", "CUDA error"], &["older"])
        .unwrap();
    let gate = world.gate(&["logs"], &["pods"]).await;
    let session = gate.reading();
    let log = session
        .kubernetes_logs(world.pod("worker"), Some("main"), false, 2)
        .await
        .unwrap();
    assert_eq!(log, "two\nCUDA error\n");
    let log = session
        .kubernetes_logs(world.pod("worker"), None, true, 10)
        .await
        .unwrap();
    assert_eq!(log, "older\n");
    let ledger = session.finish().await;
    assert_eq!(ledger.calls[0].answer.as_ref().unwrap().summary, "2 lines");
    let failure = gate
        .reading()
        .kubernetes_get(world.pod("worker"))
        .await
        .unwrap_err();
    assert_eq!(
        layer(&failure),
        "grant",
        "who may read logs may not read pods: {failure}"
    );

    let reader = world.gate(&["get"], &["pods"]).await;
    let failure = reader
        .reading()
        .kubernetes_logs(world.pod("worker"), None, false, 10)
        .await
        .unwrap_err();
    assert!(failure.message.contains("no grant names `logs`"), "{failure}");
    let failure = gate
        .reading()
        .kubernetes_logs(world.object("apps/v1", "Deployment", "worker"), None, false, 10)
        .await
        .unwrap_err();
    assert!(failure.message.contains("is of pods"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_cut_at_its_beginning() {
    let world = World::new("long-log");
    world.space.apply(&pods(&["worker"], "worker")).unwrap();
    world.space.ready("app=worker", 1).unwrap();
    let line = "x".repeat(700);
    let mut lines: Vec<String> = (0..3_000).map(|n| format!("{n:05} {line}")).collect();
    lines.push("the end".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    world.space.logs("worker", "main", &lines, &[]).unwrap();
    let gate = world.gate(&["logs"], &["pods"]).await;
    let session = gate.reading();
    let log = session
        .kubernetes_logs(world.pod("worker"), None, false, u32::MAX)
        .await
        .unwrap();
    assert!(log.len() <= 1 << 20 && log.len() > 1 << 19, "{}", log.len());
    assert!(log.ends_with("the end\n"));
    assert_eq!(
        log.lines().next().unwrap().len(),
        706,
        "it begins with a whole line"
    );
    let summary = session.finish().await.calls[0]
        .answer
        .as_ref()
        .unwrap()
        .summary
        .clone();
    assert!(summary.contains("the end of 2.0 MiB"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_kind_is_told_with_what_is_near_and_one_that_is_added_later_is_found() {
    let world = World::new("kinds");
    let all = KubernetesGrantSpec {
        resources: vec!["*".into()],
        ..granted(world.space.name(), &["get", "list"], &["x"])
    };
    let gate = Gate::with(world.plane.kubeconfig(User::Admin), None, vec![all]).await;
    let get = async |api_version: &str, kind: &str| {
        gate.reading()
            .kubernetes_get(world.object(api_version, kind, "a"))
            .await
    };
    for (api_version, kind, words) in [
        ("v1", "pods", "did you mean `Pod`?"),
        ("apps/v1", "deploy", "did you mean `Deployment`?"),
        ("apps/v1beta1", "Deployment", "it serves `apps/v1`"),
        ("v2", "Pod", "the core group is `v1`"),
        ("app/v1", "Deployment", "did you mean the group `apps`?"),
        (
            "tests.stanch.example/v1",
            "Lamp",
            "does not serve `tests.stanch.example/v1`",
        ),
    ] {
        let failure = get(api_version, kind).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::NotFound, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
    world
        .space
        .apply(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: lamps.tests.stanch.example}\nspec:\n  group: tests.stanch.example\n  scope: Namespaced\n  \
             names: {kind: Lamp, plural: lamps, singular: lamp}\n  versions:\n  - {name: v1, served: true, storage: true, \
             schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n",
        )
        .unwrap();
    until("the new kind", || {
        world
            .space
            .apply("apiVersion: tests.stanch.example/v1\nkind: Lamp\nmetadata: {name: a}\n")
            .ok()
    })
    .unwrap();
    let mut found = get("tests.stanch.example/v1", "Lamp").await;
    let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while found.is_err() && tokio::time::Instant::now() < patience {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        found = get("tests.stanch.example/v1", "Lamp").await;
    }
    assert_eq!(parsed(&found.unwrap())["kind"], "Lamp");
}
