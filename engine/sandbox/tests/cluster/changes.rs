//! The changes themselves: sent as planned, once, with their precondition; what is not planned leaves no trace.

use serde_json::{Value, json};
use stanch_contract::{ActionState, FailureCode};
use stanch_parts::until;
use stanch_sandbox::gate::Decision;

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_does_what_its_plan_says_with_one_request() {
    let world = World::new("verbs");
    world.space.apply(&pods(&["a", "b"], "x")).unwrap();
    world.space.apply(&deployment("web", 1)).unwrap();
    world
        .space
        .apply(&config_map("mode", "{}", "{level: fast, gone: x}"))
        .unwrap();
    let both = world.space.ready("app=x", 2).unwrap();
    let find = |name: &str| both.iter().find(|pod| pod["metadata"]["name"] == name).unwrap();
    let mode = world.live("configmaps/mode");
    let gate = world
        .gate(
            &["delete", "evict", "patch", "scale", "create"],
            &["pods", "configmaps", "deployments.apps"],
        )
        .await;
    let patch = json!({ "data": { "level": "slow", "gone": null } });
    let plan = gate
        .plan(vec![
            with(
                on_uid("delete", &world.target("_/pods/a"), find("a")),
                json!({ "graceSeconds": 0 }),
            ),
            on_uid("evict", &world.target("_/pods/b"), find("b")),
            expecting(
                with(
                    action("patch", &world.target("_/configmaps/mode")),
                    merge(patch.clone()),
                ),
                &format!("version:{}", version(&mode)),
            ),
            with(
                action("scale", &world.target("apps/deployments/web")),
                json!({ "replicas": 2 }),
            ),
            with(
                action("create", &world.target("_/configmaps/new")),
                json!({ "body": { "data": { "a": "b" } } }),
            ),
        ])
        .await;
    let session = gate.applying(plan);
    session.kubernetes_delete(world.pod("a"), Some(0)).await.unwrap();
    session.kubernetes_evict(world.pod("b"), None).await.unwrap();
    let patched = session
        .kubernetes_patch(
            world.object("v1", "ConfigMap", "mode"),
            "merge",
            &patch.to_string(),
        )
        .await
        .unwrap();
    session
        .kubernetes_scale(world.object("apps/v1", "Deployment", "web"), 2)
        .await
        .unwrap();
    let created = session
        .kubernetes_create(world.object("v1", "ConfigMap", "new"), r#"{"data":{"a":"b"}}"#)
        .await
        .unwrap();
    assert_eq!(parsed(&patched)["data"], json!({ "level": "slow" }));
    assert_eq!(parsed(&created)["data"], json!({ "a": "b" }));
    assert_eq!(parsed(&created)["metadata"]["managedFields"], Value::Null);
    let name = world.space.name();
    assert_eq!(
        world.changed(),
        [
            "delete pods/a → 200".to_owned(),
            "create pods/b/eviction → 201".to_owned(),
            "patch configmaps/mode → 200".to_owned(),
            "patch deployments/web/scale → 200".to_owned(),
            "create configmaps/new → 201".to_owned(),
        ],
        "in {name}"
    );
    world.space.ready("app=web", 2).unwrap();
    until("the pods to be gone", || {
        world.space.pods("app=x")?.is_empty().then_some(())
    })
    .unwrap();
    let managed = world.live("configmaps/mode")["metadata"]["managedFields"].clone();
    assert!(
        managed
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["manager"] == "stanch"),
        "{managed}"
    );
    let ledger = session.finish().await;
    assert!(
        ledger
            .calls
            .iter()
            .all(|call| call.decision == Decision::Allowed && call.action.is_some())
    );
    assert!(
        ledger
            .progress
            .values()
            .all(|state| matches!(state, ActionState::Done { .. })),
        "{:?}",
        ledger.progress
    );
    assert_eq!(gate.log.events()[..2], ["started 0", "ended 0 done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_does_not_name_is_not_sent() {
    let world = World::new("unplanned");
    world.space.apply(&pods(&["a", "b"], "x")).unwrap();
    world.space.apply(&config_map("mode", "{}", "{a: x}")).unwrap();
    let both = world.space.ready("app=x", 2).unwrap();
    let a = both.iter().find(|pod| pod["metadata"]["name"] == "a").unwrap();
    let gate = world
        .gate(&["delete", "evict", "patch"], &["pods", "configmaps"])
        .await;
    let planned = merge(json!({ "data": { "a": "y" } }));
    let plan = gate
        .plan(vec![
            on_uid("evict", &world.target("_/pods/a"), a),
            with(action("patch", &world.target("_/configmaps/mode")), planned),
        ])
        .await;
    let failure = gate
        .reading()
        .kubernetes_evict(world.pod("a"), None)
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "phase", "{failure}");
    let session = gate.applying(plan);
    let mode = world.object("v1", "ConfigMap", "mode");
    for (failure, layer_of, words) in [
        (
            session.kubernetes_evict(world.pod("b"), None).await.unwrap_err(),
            "plan",
            "is not in the plan",
        ),
        (
            session.kubernetes_delete(world.pod("a"), None).await.unwrap_err(),
            "plan",
            "names evict on this target",
        ),
        (
            session
                .kubernetes_evict(world.pod("a"), Some(0))
                .await
                .unwrap_err(),
            "plan",
            "its content is",
        ),
        (
            session
                .kubernetes_patch(mode.clone(), "merge", r#"{"data":{"a":"z"}}"#)
                .await
                .unwrap_err(),
            "plan",
            "its content is",
        ),
        (
            session
                .kubernetes_patch(mode.clone(), "strategic", r#"{"data":{"a":"y"}}"#)
                .await
                .unwrap_err(),
            "plan",
            "its content is",
        ),
        (
            session
                .kubernetes_patch(mode.clone(), "merge", "{")
                .await
                .unwrap_err(),
            "request",
            "not JSON",
        ),
        (
            session.kubernetes_create(mode, "{}").await.unwrap_err(),
            "grant",
            "no grant names `create`",
        ),
    ] {
        assert_eq!(
            (failure.code, layer(&failure)),
            (FailureCode::Denied, layer_of),
            "{failure}"
        );
        assert!(failure.message.contains(words), "{failure}");
    }
    session.kubernetes_evict(world.pod("a"), None).await.unwrap();
    let twice = session.kubernetes_evict(world.pod("a"), None).await.unwrap_err();
    assert_eq!(layer(&twice), "action", "{twice}");
    assert_eq!(world.changed(), ["create pods/a/eviction → 201"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_patch_is_held_to_its_precondition() {
    let world = World::new("patches");
    let gate = world.gate(&["patch"], &["configmaps", "deployments.apps"]).await;
    world.space.apply(&deployment("web", 1)).unwrap();
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments/web", world.space.name());
    let kinds = [
        ("merge", json!({ "data": { "a": "new" } })),
        ("strategic", json!({ "data": { "a": "new" } })),
        (
            "json",
            json!([{ "op": "replace", "path": "/data/a", "value": "new" }]),
        ),
        ("apply", json!({ "data": { "b": "new" } })),
    ];
    for (kind, body) in kinds {
        for by in ["uid", "version"] {
            let name = format!("{kind}-{by}");
            let target = world.target(&format!("_/configmaps/{name}"));
            let object = world.object("v1", "ConfigMap", &name);
            world.space.apply(&config_map(&name, "{}", "{a: old}")).unwrap();
            let path = world.space.path(&format!("configmaps/{name}"));
            let planned = async || {
                let live = world.live(&format!("configmaps/{name}"));
                let expect = if by == "uid" {
                    format!("uid:{}", uid(&live))
                } else {
                    format!("version:{}", version(&live))
                };
                gate.plan(vec![expecting(
                    with(action("patch", &target), json!({ "kind": kind, "body": body })),
                    &expect,
                )])
                .await
            };
            // Somebody is quicker: another version, or another object of this name.
            let overtaken = planned().await;
            if by == "uid" {
                world.space.admin().delete(&path).unwrap().good().unwrap();
                world.space.apply(&config_map(&name, "{}", "{a: other}")).unwrap();
            } else {
                world
                    .space
                    .admin()
                    .merge(&path, &json!({ "data": { "a": "other" } }))
                    .unwrap()
                    .good()
                    .unwrap();
            }
            let failure = gate
                .applying(overtaken)
                .kubernetes_patch(object.clone(), kind, &body.to_string())
                .await
                .unwrap_err();
            assert_eq!(failure.code, FailureCode::Conflict, "{kind} {by}: {failure}");
            assert!(
                matches!(gate.log.state(0), ActionState::Refused { for_now: false, .. }),
                "{kind} {by}"
            );
            let data = world.live(&format!("configmaps/{name}"))["data"].clone();
            assert_eq!(
                data,
                json!({ "a": "other" }),
                "{kind} {by}: nothing of it came through"
            );
            let good = planned().await;
            gate.applying(good)
                .kubernetes_patch(object, kind, &body.to_string())
                .await
                .unwrap();
            let data = world.live(&format!("configmaps/{name}"))["data"].clone();
            assert!(data["a"] == "new" || data["b"] == "new", "{kind} {by}: {data}");
        }
    }
    // A strategic patch joins lists by name where a merge would replace them.
    let image =
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": "y" }] } } } });
    let planned = with(
        action("patch", &world.target("apps/deployments/web")),
        json!({ "kind": "strategic", "body": image }),
    );
    let plan = gate.plan(vec![planned]).await;
    assert_eq!(
        plan.actions[0].dry_run.as_deref(),
        Some(r#"spec.template.spec.containers[main].image: "x" → "y""#)
    );
    gate.applying(plan)
        .kubernetes_patch(
            world.object("apps/v1", "Deployment", "web"),
            "strategic",
            &image.to_string(),
        )
        .await
        .unwrap();
    let live = world.space.admin().object(&deployments).unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_takes_no_field_from_others_and_makes_no_object() {
    let world = World::new("apply");
    world
        .space
        .apply(&config_map("mode", "{}", "{a: theirs}"))
        .unwrap();
    let gate = world.gate(&["patch"], &["configmaps"]).await;
    let target = world.target("_/configmaps/mode");
    let body = json!({ "data": { "a": "mine" } });
    let planned = with(action("patch", &target), json!({ "kind": "apply", "body": body }));
    let refused = gate.try_plan(vec![planned], None).await.unwrap_err();
    assert!(
        refused.to_string().contains("conflict with \"kubectl\""),
        "{refused}"
    );

    let body = json!({ "data": { "b": "mine" } });
    let planned = with(action("patch", &target), json!({ "kind": "apply", "body": body }));
    let plan = gate.plan(vec![planned]).await;
    assert!(plan.actions[0].repeat_safe);
    world
        .space
        .admin()
        .delete(&world.space.path("configmaps/mode"))
        .unwrap()
        .good()
        .unwrap();
    let failure = gate
        .applying(plan)
        .kubernetes_patch(
            world.object("v1", "ConfigMap", "mode"),
            "apply",
            &body.to_string(),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(failure.code, FailureCode::Conflict | FailureCode::NotFound),
        "{failure}"
    );
    assert_eq!(world.live("configmaps/mode"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_is_held_to_the_version_and_the_object_that_was_planned() {
    let world = World::new("scale");
    world.space.apply(&deployment("web", 1)).unwrap();
    world.space.ready("app=web", 1).unwrap();
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", world.space.name());
    let gate = world.gate(&["scale"], &["deployments.apps"]).await;
    let scaled = |expect: String| {
        expecting(
            with(
                action("scale", &world.target("apps/deployments/web")),
                json!({ "replicas": 3 }),
            ),
            &expect,
        )
    };
    let web = world.object("apps/v1", "Deployment", "web");
    let settled = until("the Deployment to settle", || {
        world
            .space
            .admin()
            .object(&path)
            .filter(|web| web["status"]["readyReplicas"] == 1)
    });
    let live = settled.unwrap();
    let plan = gate
        .plan(vec![scaled(format!("version:{}", version(&live)))])
        .await;
    assert!(plan.actions[0].repeat_safe);
    let labelled = json!({ "metadata": { "labels": { "touched": "yes" } } });
    world
        .space
        .admin()
        .merge(&path, &labelled)
        .unwrap()
        .good()
        .unwrap();
    let failure = gate
        .applying(plan)
        .kubernetes_scale(web.clone(), 3)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");

    let plan = gate.plan(vec![scaled(format!("uid:{}", uid(&live)))]).await;
    world.space.admin().delete(&path).unwrap().good().unwrap();
    world.space.apply(&deployment("web", 1)).unwrap();
    let failure = gate
        .applying(plan)
        .kubernetes_scale(web.clone(), 3)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
    assert_eq!(world.space.admin().object(&path).unwrap()["spec"]["replicas"], 1);

    let live = world.space.admin().object(&path).unwrap();
    let plan = gate.plan(vec![scaled(format!("uid:{}", uid(&live)))]).await;
    gate.applying(plan).kubernetes_scale(web, 3).await.unwrap();
    assert_eq!(world.space.admin().object(&path).unwrap()["spec"]["replicas"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_leaves_alone_what_somebody_else_has_scaled_since_it_was_planned() {
    let world = World::new("rescaled");
    world.space.apply(&deployment("web", 1)).unwrap();
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", world.space.name());
    let gate = world.gate(&["scale"], &["deployments.apps"]).await;
    let web = world.object("apps/v1", "Deployment", "web");
    let live = || world.space.admin().object(&path).unwrap();
    let scaled = |expect: Option<String>| {
        let action = with(
            action("scale", &world.target("apps/deployments/web")),
            json!({ "replicas": 3 }),
        );
        match expect {
            Some(expect) => expecting(action, &expect),
            None => action,
        }
    };
    let merge = |body: Value| world.space.admin().merge(&path, &body).unwrap().good().unwrap();

    // Whatever a plugin says of its precondition, the number that the host read is part of it.
    let pinned = format!("uid:{},replicas:1", uid(&live()));
    for says in [None, Some(format!("uid:{}", uid(&live()))), Some(pinned.clone())] {
        let plan = gate.plan(vec![scaled(says)]).await;
        assert_eq!(plan.actions[0].expect.as_deref(), Some(pinned.as_str()));
        merge(json!({ "spec": { "replicas": 2 } }));
        let failure = gate
            .applying(plan)
            .kubernetes_scale(web.clone(), 3)
            .await
            .unwrap_err();
        assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
        assert!(
            failure
                .message
                .contains("asked for 2 replicas, and was for 1 when the plan was made"),
            "{failure}"
        );
        assert_eq!(live()["spec"]["replicas"], 2);
        merge(json!({ "spec": { "replicas": 1 } }));
    }

    // What else is written to it, as a controller does to its status all the time, is no conflict.
    let plan = gate.plan(vec![scaled(None)]).await;
    merge(json!({ "metadata": { "labels": { "touched": "yes" } } }));
    gate.applying(plan).kubernetes_scale(web, 3).await.unwrap();
    assert_eq!(live()["spec"]["replicas"], 3);

    let stale = gate.try_plan(vec![scaled(Some(pinned))], None).await.unwrap_err();
    assert!(
        stale
            .to_string()
            .contains("asked for 3 replicas, and was for 1 when the plugin looked"),
        "{stale}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_replicas_is_scaled_up_and_what_somebody_scaled_up_meanwhile_is_left_alone() {
    let world = World::new("from-none");
    world.space.apply(&deployment("web", 0)).unwrap();
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", world.space.name());
    let gate = world.gate(&["scale"], &["deployments.apps"]).await;
    let web = world.object("apps/v1", "Deployment", "web");
    let replicas = || world.space.admin().object(&path).unwrap()["spec"]["replicas"].clone();
    let scaled = |to: u32| {
        let target = world.target("apps/deployments/web");
        with(action("scale", &target), json!({ "replicas": to }))
    };

    let plan = gate.plan(vec![scaled(2)]).await;
    let merge = |to: u32| {
        let body = json!({ "spec": { "replicas": to } });
        world.space.admin().merge(&path, &body).unwrap().good().unwrap();
    };
    merge(1);
    let failure = gate
        .applying(plan)
        .kubernetes_scale(web.clone(), 2)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
    assert_eq!(replicas(), 1);

    merge(0);
    let plan = gate.plan(vec![scaled(2)]).await;
    gate.applying(plan)
        .kubernetes_scale(web.clone(), 2)
        .await
        .unwrap();
    assert_eq!(replicas(), 2);
    let plan = gate.plan(vec![scaled(0)]).await;
    gate.applying(plan).kubernetes_scale(web, 0).await.unwrap();
    assert_eq!(replicas(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_replaced_by_another_of_its_name_is_left_alone() {
    let world = World::new("replaced");
    world
        .space
        .apply(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 1\n  serviceName: db\n  \
             selector: {matchLabels: {app: db}}\n  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: main, image: x}]}}\n",
        )
        .unwrap();
    let old = world.space.ready("app=db", 1).unwrap().remove(0);
    let gate = world.gate(&["delete", "evict"], &["pods"]).await;
    let target = world.target("_/pods/db-0");
    let evict = gate.plan(vec![on_uid("evict", &target, &old)]).await;
    let delete = gate.plan(vec![on_uid("delete", &target, &old)]).await;
    world
        .space
        .admin()
        .delete(&world.space.path("pods/db-0"))
        .unwrap()
        .good()
        .unwrap();
    let new = until("another db-0", || {
        let ready = world.space.ready("app=db", 1).ok()?;
        ready.into_iter().find(|pod| uid(pod) != uid(&old))
    })
    .unwrap();
    for (failure, what) in [
        (
            gate.applying(evict)
                .kubernetes_evict(world.pod("db-0"), None)
                .await
                .unwrap_err(),
            "evict",
        ),
        (
            gate.applying(delete)
                .kubernetes_delete(world.pod("db-0"), None)
                .await
                .unwrap_err(),
            "delete",
        ),
    ] {
        assert_eq!(failure.code, FailureCode::Conflict, "{what}: {failure}");
        assert!(
            matches!(gate.log.state(0), ActionState::Refused { for_now: false, .. }),
            "{what}"
        );
    }
    assert_eq!(uid(&world.space.ready("app=db", 1).unwrap()[0]), uid(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_turns_an_eviction_away_for_now_and_lets_it_go_later() {
    let world = World::new("budget");
    world.space.apply(&deployment("web", 2)).unwrap();
    let budget = |keeps: u32| {
        format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: keeps}}\nspec: {{minAvailable: {keeps}, selector: {{matchLabels: {{app: web}}}}}}\n"
        )
    };
    let path = format!(
        "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/keeps",
        world.space.name()
    );
    let allows = |count: u64| {
        until("the budget to be reckoned", || {
            let budget = world.space.admin().object(&path)?;
            let seen = budget["status"]["observedGeneration"] == budget["metadata"]["generation"];
            (seen
                && budget["status"]["disruptionsAllowed"] == count
                && budget["status"]["currentHealthy"] == 2)
                .then_some(())
        })
        .unwrap();
    };
    world.space.apply(&budget(2)).unwrap();
    let pod = world.space.ready("app=web", 2).unwrap().remove(0);
    allows(0);
    let name = pod["metadata"]["name"].as_str().unwrap();
    let gate = world.gate(&["evict"], &["pods"]).await;
    let plan = gate
        .plan(vec![on_uid(
            "evict",
            &world.target(&format!("_/pods/{name}")),
            &pod,
        )])
        .await;
    let session = gate.applying(plan);
    for _ in 0..2 {
        let failure = session.kubernetes_evict(world.pod(name), None).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied);
        assert!(
            failure
                .message
                .contains("The disruption budget keeps needs 2 healthy pods and has 2"),
            "{failure}"
        );
        let ActionState::Refused {
            for_now: true,
            detail,
        } = gate.log.state(0)
        else {
            panic!("{:?}", gate.log.state(0))
        };
        assert!(detail.contains("disruption budget"), "{detail}");
    }
    world.space.apply(&budget(1)).unwrap();
    allows(1);
    session.kubernetes_evict(world.pod(name), None).await.unwrap();
    assert!(matches!(gate.log.state(0), ActionState::Done { .. }));
    assert_eq!(
        gate.log.events(),
        [
            "started 0",
            "ended 0 refused",
            "started 0",
            "ended 0 refused",
            "started 0",
            "ended 0 done"
        ]
    );
    let sent = format!("create pods/{name}/eviction");
    // Each call is one request: nothing is sent again behind anybody's back.
    assert_eq!(
        world.changed(),
        [
            format!("{sent} → 429"),
            format!("{sent} → 429"),
            format!("{sent} → 201")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_looked_at_once_more_just_before_a_change_is_sent() {
    let world = World::new("last-look");
    world.space.apply(&pods(&["a"], "web")).unwrap();
    world
        .space
        .apply(&config_map("mode", "{app: web}", "{a: b}"))
        .unwrap();
    let pod = world.space.ready("app=web", 1).unwrap().remove(0);
    let mut only_web = granted(world.space.name(), &["evict", "patch"], &["pods", "configmaps"]);
    only_web.selector = Some("app=web".into());
    let gate = Gate::of(world.plane, vec![only_web]).await;
    let body = json!({ "data": { "a": "c" } });
    let plan = gate
        .plan(vec![
            on_uid("evict", &world.target("_/pods/a"), &pod),
            with(
                action("patch", &world.target("_/configmaps/mode")),
                merge(body.clone()),
            ),
        ])
        .await;
    for path in ["pods/a", "configmaps/mode"] {
        let other = json!({ "metadata": { "labels": { "app": "db" } } });
        world
            .space
            .admin()
            .merge(&world.space.path(path), &other)
            .unwrap()
            .good()
            .unwrap();
    }
    let session = gate.applying(plan);
    for failure in [
        session.kubernetes_evict(world.pod("a"), None).await.unwrap_err(),
        session
            .kubernetes_patch(
                world.object("v1", "ConfigMap", "mode"),
                "merge",
                &body.to_string(),
            )
            .await
            .unwrap_err(),
    ] {
        assert_eq!(
            (failure.code, layer(&failure)),
            (FailureCode::Denied, "grant"),
            "{failure}"
        );
    }
    assert_eq!(
        (gate.log.state(0), gate.log.state(1)),
        (ActionState::NotSent, ActionState::NotSent)
    );
    assert_eq!(world.changed(), Vec::<String>::new());
    let back = json!({ "metadata": { "labels": { "app": "web" } } });
    world
        .space
        .admin()
        .merge(&world.space.path("pods/a"), &back)
        .unwrap()
        .good()
        .unwrap();
    session.kubernetes_evict(world.pod("a"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rbac_refuses_took_no_effect_and_says_who_may_not_what() {
    let world = World::allowing(
        "change-rbac",
        "[{apiGroups: [\"\"], resources: [pods], verbs: [get]}]",
    );
    world.space.apply(&pods(&["a"], "x")).unwrap();
    let pod = world.space.ready("app=x", 1).unwrap().remove(0);
    let gate = world.gate(&["evict", "delete"], &["pods"]).await;
    let target = world.target("_/pods/a");
    for verb in ["evict", "delete"] {
        let plan = gate.plan(vec![on_uid(verb, &target, &pod)]).await;
        let session = gate.applying(plan);
        let failure = match verb {
            "evict" => session.kubernetes_evict(world.pod("a"), None).await,
            _ => session.kubernetes_delete(world.pod("a"), None).await,
        }
        .unwrap_err();
        assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, ""));
        assert!(failure.message.contains(r#"User "engine" cannot"#), "{failure}");
        assert!(matches!(
            gate.log.state(0),
            ActionState::Refused { for_now: false, .. }
        ));
    }
    assert_eq!(uid(&world.space.pod("a").unwrap()), uid(&pod));
}
