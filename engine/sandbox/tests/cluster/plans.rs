//! A plan's check: canonical form, grant, the live object, the server's own dry run. Nothing is ever changed by it.

use serde_json::{Value, json};
use stanch_contract::FailureCode;
use stanch_parts::{User, until};
use stanch_sandbox::gate::{Cause, Layer, PlanRefusal};

use crate::world::*;

async fn refused(gate: &Gate, action: stanch_contract::Action) -> PlanRefusal {
    match gate.try_plan(vec![action], None).await {
        Ok(plan) => panic!("{plan:?}"),
        Err(refused) => refused,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_are_shown_is_what_the_host_read_and_what_the_server_would_do() {
    let world = World::new("plan-shown");
    world.space.apply(&deployment("web", 3)).unwrap();
    world.space.ready("app=web", 3).unwrap();
    world
        .space
        .apply(&config_map("mode", "{app: web}", "{level: fast, other: x}"))
        .unwrap();
    let web = until("the Deployment to have seen its pods", || {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", world.space.name());
        world
            .space
            .admin()
            .object(&path)
            .filter(|web| web["status"]["readyReplicas"] == 3)
    })
    .unwrap();
    let pod = world.space.pods("app=web").unwrap().remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let gate = world
        .gate(
            &["get", "evict", "delete", "patch", "scale", "create"],
            &["pods", "configmaps", "deployments.apps"],
        )
        .await;
    let new = json!({ "body": { "data": { "a": "b" } } });
    let plan = gate
        .plan(vec![
            on_uid("evict", &world.target(&format!("_/pods/{name}/eviction")), &pod),
            with(
                action("scale", &world.target("apps/deployments/web/scale")),
                json!({ "replicas": 5.0 }),
            ),
            with(
                action("patch", &world.target("_/configmaps/mode")),
                merge(json!({ "data": { "level": "slow" } })),
            ),
            with(action("create", &world.target("_/configmaps/new")), new),
        ])
        .await;
    let [evict, scale, patch, create] = &plan.actions[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(evict.target, world.target(&format!("_/pods/{name}")));
    assert_eq!(
        evict.expect.as_deref(),
        Some(format!("uid:{}", uid(&pod)).as_str())
    );
    assert!(evict.repeat_safe && evict.content.is_none());
    let before = evict.before.as_deref().unwrap();
    assert!(
        before.starts_with("Running, Ready since ") && before.contains("of ReplicaSet web-"),
        "{before}"
    );
    assert_eq!(evict.dry_run.as_deref(), Some("the server would evict it now"));

    assert_eq!(
        (scale.target.clone(), scale.content.as_deref()),
        (world.target("apps/deployments/web"), Some(r#"{"replicas":5}"#))
    );
    // Without a precondition of the plugin's, it is about this very object, and from the number that it is asked for now.
    assert_eq!(
        scale.expect.as_deref(),
        Some(format!("uid:{},replicas:3", uid(&web)).as_str())
    );
    assert!(!scale.repeat_safe);
    assert!(
        scale.before.as_deref().unwrap().starts_with("3 wanted, 3 Ready"),
        "{:?}",
        scale.before
    );
    assert_eq!(scale.dry_run.as_deref(), Some("spec.replicas: 3 → 5"));

    assert!(
        patch
            .before
            .as_deref()
            .unwrap()
            .ends_with(r#"data.level is "fast""#),
        "{:?}",
        patch.before
    );
    assert_eq!(patch.dry_run.as_deref(), Some(r#"data.level: "fast" → "slow""#));
    assert_eq!(
        (create.before.as_deref(), create.dry_run.as_deref()),
        (Some("not there"), Some("the server would create it"))
    );
    assert!(
        evict
            .identity
            .ends_with(&format!("{}/_/pods/{name}", world.space.name())),
        "{}",
        evict.identity
    );

    assert_eq!(world.changed(), Vec::<String>::new());
    assert_eq!(world.space.pods("app=web").unwrap().len(), 3);
    assert_eq!(world.live("configmaps/mode")["data"]["level"], "fast");
    assert_eq!(world.live("configmaps/new"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_another_object_by_then_has_to_say_which_it_means() {
    let world = World::new("plan-uid");
    world.space.apply(&pods(&["a"], "a")).unwrap();
    let pod = world.space.ready("app=a", 1).unwrap().remove(0);
    let gate = world.gate(&["delete", "evict"], &["pods"]).await;
    for verb in ["delete", "evict"] {
        let target = world.target("_/pods/a");
        for bad in [
            action(verb, &target),
            expecting(action(verb, &target), &format!("version:{}", version(&pod))),
        ] {
            let refused = refused(&gate, bad).await;
            assert_eq!(
                (refused.cause, refused.refusal.layer),
                (Cause::Rule, Layer::Request)
            );
            assert!(refused.to_string().contains("which object it means"), "{refused}");
        }
        let stale = refused(
            &gate,
            expecting(action(verb, &target), "uid:00000000-0000-0000-0000-000000000000"),
        )
        .await;
        assert_eq!(stale.cause, Cause::Stale);
        assert!(
            stale.to_string().contains("another object of this name"),
            "{stale}"
        );
        assert!(
            gate.try_plan(vec![on_uid(verb, &target, &pod)], None)
                .await
                .is_ok()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_the_world_overtook_is_made_again_and_one_against_a_rule_is_not() {
    let world = World::new("plan-stale");
    world
        .space
        .apply(&config_map("mode", "{app: web}", "{a: b}"))
        .unwrap();
    let mode = world.live("configmaps/mode");
    let gate = world
        .gate(
            &["patch", "create", "delete", "scale"],
            &["configmaps", "pods", "deployments.apps"],
        )
        .await;
    let patch = |name: &str| {
        with(
            action("patch", &world.target(&format!("_/configmaps/{name}"))),
            merge(json!({ "data": { "a": "c" } })),
        )
    };
    let create = |name: &str, body: Value| {
        with(
            action("create", &world.target(&format!("_/configmaps/{name}"))),
            json!({ "body": body }),
        )
    };
    let stale = [
        (expecting(patch("mode"), "version:1"), "was changed since"),
        (
            expecting(patch("mode"), "uid:other"),
            "another object of this name",
        ),
        (patch("missing"), "is not there"),
        (create("mode", json!({})), "is there already"),
    ];
    for (action, words) in stale {
        let refused = refused(&gate, action).await;
        assert_eq!(
            (refused.cause, refused.refusal.layer),
            (Cause::Stale, Layer::Plan),
            "{refused}"
        );
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let rules = [
        (
            action("exec", &world.target("_/pods/a/exec")),
            "not what can be done",
        ),
        (
            action("patch", &world.target("_/pods/a/ephemeralcontainers")),
            "subresource",
        ),
        (
            action("create", &world.target("_/serviceaccounts/a/token")),
            "subresource",
        ),
        (
            action("get", &world.target("_/configmaps/mode")),
            "not what can be done",
        ),
        (action("patch", "kubernetes:mode"), "is not a target"),
        (
            action("patch", &world.target("_/configmaps/mode")),
            "needs `kind`",
        ),
        (
            with(
                action("patch", &world.target("_/configmap/mode")),
                merge(json!({})),
            ),
            "did you mean `configmaps`?",
        ),
        (
            with(
                action("patch", "kubernetes:_/_/configmaps/mode"),
                merge(json!({})),
            ),
            "is in a namespace",
        ),
        (
            with(
                action("patch", &world.target("_/configmaps/mode")),
                merge(json!({ "metadata": { "finalizers": [] } })),
            ),
            "`metadata.finalizers`",
        ),
        (
            with(
                action("patch", &world.target("_/configmaps/mode")),
                merge(json!({ "apiVersion": "v2" })),
            ),
            "no resource",
        ),
        (
            with(
                action("patch", &world.target("_/configmaps/mode")),
                merge(json!({ "apiVersion": "apps/v1" })),
            ),
            "of another group",
        ),
        (
            with(
                action("scale", &world.target("_/configmaps/mode")),
                json!({ "replicas": 1 }),
            ),
            "no number of replicas",
        ),
        (
            on_uid("evict", &world.target("_/configmaps/mode"), &mode),
            "is of pods",
        ),
        (expecting(create("new", json!({})), "uid:x"), "cannot be expected"),
        (expecting(patch("mode"), "etag:\"a\""), "write `uid:…`"),
        (
            stanch_contract::Action {
                items: vec!["a".into()],
                ..patch("mode")
            },
            "has no items",
        ),
    ];
    for (action, words) in rules {
        let what = format!("{action:?}");
        let refused = refused(&gate, action).await;
        assert_eq!(
            (refused.cause, refused.refusal.layer),
            (Cause::Rule, Layer::Request),
            "{what}: {refused}"
        );
        assert!(refused.to_string().contains(words), "{what}: {refused}");
    }
    assert_eq!(world.changed(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_outside_of_the_grant_is_refused_with_the_line_that_would_allow_it() {
    let world = World::new("plan-grant");
    world
        .space
        .apply(&config_map("mine", "{app: web}", "{}"))
        .unwrap();
    world
        .space
        .apply(&config_map("theirs", "{app: db}", "{}"))
        .unwrap();
    let mut only_web = granted(world.space.name(), &["patch", "create"], &["configmaps"]);
    only_web.selector = Some("app=web".into());
    let gate = Gate::of(world.plane, vec![only_web]).await;
    let patch = |name: &str| {
        with(
            action("patch", &world.target(&format!("_/configmaps/{name}"))),
            merge(json!({ "data": { "a": "c" } })),
        )
    };
    assert!(gate.try_plan(vec![patch("mine")], None).await.is_ok());
    let create = |labels: Value| {
        with(
            action("create", &world.target("_/configmaps/new")),
            json!({ "body": { "metadata": { "labels": labels } } }),
        )
    };
    assert!(
        gate.try_plan(vec![create(json!({ "app": "web" }))], None)
            .await
            .is_ok()
    );
    let mine = world.live("configmaps/mine");
    for (action, words, hint) in [
        (patch("theirs"), "do not fit `app=web`", "selector"),
        (create(json!({ "app": "db" })), "do not fit `app=web`", "selector"),
        (create(json!({})), "do not fit `app=web`", "selector"),
        (
            on_uid("delete", &world.target("_/configmaps/mine"), &mine),
            "no grant names `delete`",
            "verbs = [\"delete\"]",
        ),
        (
            with(
                action("patch", "kubernetes:kube-system/_/configmaps/x"),
                merge(json!({})),
            ),
            "for namespaces = ",
            "kube-system",
        ),
    ] {
        let refused = refused(&gate, action).await;
        assert_eq!(
            (refused.cause, refused.refusal.layer),
            (Cause::Rule, Layer::Grant),
            "{refused}"
        );
        assert!(refused.to_string().contains(words), "{refused}");
        assert!(refused.refusal.allow_hint.unwrap().contains(hint));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_would_never_do_is_refused_with_its_words_and_what_it_would_not_do_now_is_said() {
    let world = World::new("plan-dry");
    world.space.apply(&deployment("web", 2)).unwrap();
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: keeps-two}\nspec: {minAvailable: 2, selector: {matchLabels: {app: web}}}\n";
    world.space.apply(budget).unwrap();
    let pod = world.space.ready("app=web", 2).unwrap().remove(0);
    until("the budget to be reckoned", || {
        let path = format!(
            "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/keeps-two",
            world.space.name()
        );
        world
            .space
            .admin()
            .object(&path)
            .filter(|budget| budget["status"]["currentHealthy"] == 2)
    })
    .unwrap();
    let gate = world
        .gate(&["patch", "evict", "scale"], &["deployments.apps", "pods"])
        .await;
    let patch = |body: Value| {
        with(
            action("patch", &world.target("apps/deployments/web")),
            merge(body),
        )
    };
    for (body, words) in [
        (
            json!({ "spec": { "replicas": -1 } }),
            "must be greater than or equal to 0",
        ),
        (json!({ "spec": { "replcas": 1 } }), "unknown field"),
        (
            json!({ "spec": { "selector": { "matchLabels": { "app": "other" } } } }),
            "immutable",
        ),
    ] {
        let refused = refused(&gate, patch(body)).await;
        assert_eq!(
            (refused.cause, refused.refusal.layer),
            (Cause::Rule, Layer::Request),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("the server's dry run refuses it")
                && refused.to_string().contains(words),
            "{refused}"
        );
    }
    let name = pod["metadata"]["name"].as_str().unwrap();
    let plan = gate
        .plan(vec![on_uid(
            "evict",
            &world.target(&format!("_/pods/{name}")),
            &pod,
        )])
        .await;
    let dry_run = plan.actions[0].dry_run.as_deref().unwrap();
    assert!(
        dry_run.starts_with("refused now by its disruption budget: The disruption budget keeps-two needs 2"),
        "{dry_run}"
    );
    let plan = gate.plan(vec![patch(json!({ "spec": { "replicas": 2 } }))]).await;
    assert_eq!(plan.actions[0].dry_run.as_deref(), Some("nothing would change"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_rbac_refuses_is_said_and_an_object_that_cannot_be_looked_at_is_no_plan() {
    let world = World::allowing(
        "plan-rbac",
        "[{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}]",
    );
    world.space.apply(&config_map("mode", "{}", "{}")).unwrap();
    let gate = world.gate(&["patch"], &["configmaps", "deployments.apps"]).await;
    let plan = gate
        .plan(vec![with(
            action("patch", &world.target("_/configmaps/mode")),
            merge(json!({ "data": { "a": "b" } })),
        )])
        .await;
    let dry_run = plan.actions[0].dry_run.as_deref().unwrap();
    assert!(
        dry_run.starts_with("could not be made: ") && dry_run.contains(r#"User "engine" cannot patch"#),
        "{dry_run}"
    );
    let refused = refused(
        &gate,
        with(
            action("patch", &world.target("apps/deployments/web")),
            merge(json!({})),
        ),
    )
    .await;
    assert_eq!(refused.cause, Cause::Away(FailureCode::Denied));
    assert!(
        refused.to_string().contains(r#"User "engine" cannot get"#),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_about_idempotency_keys_makes_no_change_of_a_cluster_safe_to_repeat() {
    let world = World::new("promise");
    world.space.apply(&config_map("mode", "{}", "{a: x}")).unwrap();
    let live = world.live("configmaps/mode");
    let gate = world.gate(&["patch"], &["configmaps"]).await;
    let patch = with(
        action("patch", &world.target("_/configmaps/mode")),
        merge(json!({ "data": { "a": "y" } })),
    );
    let pinned = expecting(patch.clone(), &format!("version:{}", version(&live)));
    for (offered, promised, safe) in [
        (&patch, false, false),
        (&patch, true, false),
        (&pinned, false, true),
        (&pinned, true, true),
    ] {
        let plan = gate.try_plan_of(vec![offered.clone()], None, promised).await;
        assert_eq!(
            plan.unwrap().actions[0].repeat_safe,
            safe,
            "{offered:?} {promised}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_names_for_one_cluster_are_one_cluster() {
    let world = World::new("plan-identity");
    world.space.apply(&config_map("mode", "{}", "{}")).unwrap();
    let rule = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: stranger-knows, namespace: kube-system}\n\
        rules: [{apiGroups: [\"\"], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}]\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: stranger-knows, namespace: kube-system}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: stranger-knows}\n\
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: stranger}]\n";
    world.plane.kubectl(&["apply", "--filename", "-"], rule).unwrap();
    world.space.allow(User::Stranger, ALL).unwrap();
    let patch = || {
        with(
            action("patch", &world.target("_/configmaps/mode")),
            merge(json!({ "data": { "a": "b" } })),
        )
    };
    let identity = async |user: User| {
        let entries = vec![granted(world.space.name(), &["patch"], &["configmaps"])];
        let gate = Gate::with(world.plane.kubeconfig(user), None, entries).await;
        gate.plan(vec![patch()]).await.actions[0].identity.clone()
    };
    let kube_system = world
        .space
        .admin()
        .object("/api/v1/namespaces/kube-system")
        .unwrap();
    let known = format!("{}/{}/_/configmaps/mode", uid(&kube_system), world.space.name());
    assert_eq!(identity(User::Admin).await, known);
    assert_eq!(identity(User::Stranger).await, known);
    // Where the namespace may not be read, the cluster is known by its server.
    let by_server = identity(User::Engine).await;
    assert!(
        by_server.starts_with(&format!("https://{}/", world.plane.address())),
        "{by_server}"
    );
}
