//! The shipped plugins for pods, behind the real gate, with a real API server: each looks or plans, is checked, applied, verified
//! and put back, and beside it what the grant, the cluster or the world does not allow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod services;

use std::time::Duration;

use serde_json::{Value, json};
use stanch_contract::{FailureCode, Finding, Verdict};
use stanch_parts::{ControlPlane, Space, User, shared, until};
use stanch_tests::{Installed, code};

/// What the engine's user may do in a test's namespace. In YAML's flow style.
const ROLE: &str = r#"[
  {apiGroups: [""], resources: [pods], verbs: [get, list]},
  {apiGroups: [""], resources: [pods/eviction], verbs: [create]},
  {apiGroups: [""], resources: [pods/log], verbs: [get]},
  {apiGroups: [""], resources: [events], verbs: [list]},
  {apiGroups: [""], resources: [configmaps], verbs: [get, patch]},
  {apiGroups: [apps], resources: [replicasets, statefulsets, daemonsets, deployments], verbs: [get]},
  {apiGroups: [apps], resources: [deployments], verbs: [patch]},
  {apiGroups: [batch], resources: [cronjobs], verbs: [get]},
  {apiGroups: [batch], resources: [jobs], verbs: [get, create]},
  {apiGroups: [apps], resources: [deployments/scale, statefulsets/scale], verbs: [get, patch]},
  {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list]},
]"#;

/// A namespace of the shared control plane in which the engine may do [`ROLE`].
struct World {
    plane: &'static ControlPlane,
    space: Space<'static>,
}

impl World {
    fn new(name: &str) -> Self {
        let plane = shared().unwrap();
        let space = plane.space(name).unwrap();
        space.allow(User::Engine, ROLE).unwrap();
        let engine = plane.api(User::Engine).unwrap();
        until("the role", || engine.object(&space.path("pods"))).unwrap();
        Self { plane, space }
    }

    /// The plugin with what its README says it needs, here.
    async fn plugin(&self, name: &str, grant: &[(&[&str], &[&str])]) -> Installed {
        let entries: Vec<Value> = grant
            .iter()
            .map(|(verbs, resources)| {
                json!({ "clusters": ["eu"], "verbs": verbs, "resources": resources, "namespaces": [self.space.name()] })
            })
            .collect();
        let kubeconfig = self.plane.kubeconfig(User::Engine);
        Installed::in_cluster(name, kubeconfig, json!({ "kubernetes": entries })).await
    }

    /// Parameters with this namespace.
    fn params(&self, mut more: Value) -> Value {
        more["namespace"] = json!(self.space.name());
        more
    }

    fn live(&self, path: &str) -> Value {
        let path = path.replace("NAMESPACE", self.space.name());
        self.space.admin().object(&path).unwrap()
    }

    /// Waits until its controller has seen it as it is: each look of its makes another version.
    fn settled(&self, path: &str) {
        let path = path.replace("NAMESPACE", self.space.name());
        until("its controller", || {
            let object = self.space.admin().object(&path)?;
            (object["status"]["observedGeneration"] == object["metadata"]["generation"]).then_some(())
        })
        .unwrap();
    }

    fn merge(&self, path: &str, body: Value) {
        let path = path.replace("NAMESPACE", self.space.name());
        self.space.admin().merge(&path, &body).unwrap().good().unwrap();
    }

    /// What the engine's user changed here and the API server agreed to, dry runs aside.
    fn changed(&self) -> Vec<String> {
        let name = format!("{}/", self.space.name());
        let calls = self.plane.calls(User::Engine).unwrap();
        let changes = calls.iter().filter(|call| {
            call.is_change() && !call.dry_run && call.path.contains(&format!("/namespaces/{name}"))
        });
        let done = changes.map(|call| call.to_string().replacen(&name, "", 1));
        done.filter(|call| call.ends_with("→ 200") || call.ends_with("→ 201"))
            .collect()
    }
}

const STATE: &[(&[&str], &[&str])] = &[(&["get", "list"], &["pods"]), (&["list"], &["events"])];
const LOGS: &[(&[&str], &[&str])] = &[(&["get", "logs"], &["pods"])];
const RECYCLE: &[(&[&str], &[&str])] = &[
    (&["get", "list", "evict"], &["pods"]),
    (
        &["get"],
        &["replicasets.apps", "statefulsets.apps", "daemonsets.apps"],
    ),
];
const SCALE: &[(&[&str], &[&str])] = &[
    (&["get", "scale"], &["deployments.apps", "statefulsets.apps"]),
    (&["list"], &["horizontalpodautoscalers.autoscaling"]),
];
const SWITCH: &[(&[&str], &[&str])] = &[(&["get", "patch"], &["configmaps"])];
const PATCH: &[(&[&str], &[&str])] = &[(&["get", "patch"], &["deployments.apps"])];
const JOB: &[(&[&str], &[&str])] = &[
    (&["get", "create"], &["jobs.batch"]),
    (&["get"], &["cronjobs.batch"]),
];

fn workload(kind: &str, name: &str, count: u32) -> String {
    let service = if kind == "StatefulSet" {
        "serviceName: db, "
    } else {
        ""
    };
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{replicas: {count}, {service}\
         selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, \
         spec: {{containers: [{{name: main, image: x}}]}}}}}}\n"
    )
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

/// Asks the plugin whether it worked until it says so, as a run does.
async fn verified(plugin: &Installed, params: &Value) -> Finding {
    let mut last = String::new();
    for _ in 0..300 {
        let found = plugin.verify(params).await.unwrap();
        if found.verdict == Verdict::Yes {
            return found;
        }
        last = found.summary;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("never verified: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_state_names_the_pods_in_trouble_with_what_the_cluster_noted_of_them() {
    let world = World::new("plugin-state");
    world.space.apply(&workload("Deployment", "worker", 3)).unwrap();
    let pods = world.space.ready("app=worker", 3).unwrap();
    world.space.set(name(&pods[0]), "crash-loop").unwrap();
    until("the events", || {
        let events = world.space.admin().items(&world.space.path("events"))?;
        events
            .iter()
            .any(|event| event["reason"] == "BackOff")
            .then_some(())
    })
    .unwrap();
    let plugin = world.plugin("pod-state", STATE).await;
    let ask = |what: &str| world.params(json!({ "selector": "app=worker", "what": [what] }));

    let found = plugin.diagnose(ask("crash-looping")).await.unwrap();
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    assert_eq!(
        (
            &found.data["count"],
            &found.data["looked_at"],
            &found.data["pods"][0]["uid"]
        ),
        (&json!(1), &json!(3), &json!(uid(&pods[0])))
    );
    let told = found.evidence.iter().any(|one| one.label.contains("BackOff"));
    assert!(told, "{:?}", found.evidence);
    let found = plugin.diagnose(ask("terminating")).await.unwrap();
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
    let none = world.params(json!({ "selector": "app=worekr", "what": ["hung"] }));
    assert_eq!(plugin.diagnose(none).await.unwrap().verdict, Verdict::Unknown);

    let without_events = world.plugin("pod-state", &[(&["list"], &["pods"])]).await;
    let found = without_events.diagnose(ask("crash-looping")).await.unwrap();
    assert_eq!(found.verdict, Verdict::Yes);
    let said = found
        .evidence
        .iter()
        .any(|one| one.label == "Events" && one.value.contains("not read"));
    assert!(said, "{:?}", found.evidence);
    let closed = world.plugin("pod-state", &[]).await;
    let fault = closed.diagnose(ask("hung")).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied);
    let elsewhere = json!({ "namespace": "kube-system", "selector": "app=worker", "what": ["hung"] });
    let fault = plugin.diagnose(elsewhere).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied);
    assert_eq!(world.changed(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_logs_keeps_both_logs_and_no_secret_in_them() {
    let world = World::new("plugin-logs");
    world.space.apply(&workload("Deployment", "worker", 1)).unwrap();
    let pods = world.space.ready("app=worker", 1).unwrap();
    let pod = name(&pods[0]);
    world.space.set(pod, "crash-loop").unwrap();
    let now = ["started", "Authorization: Bearer not-a-real-token-0123456789"];
    world
        .space
        .logs(pod, "main", &now, &["CUDA error: out of memory"])
        .unwrap();
    let params = world.params(json!({ "pods": [pod] }));
    let plugin = world.plugin("pod-logs", LOGS).await;
    let found = plugin.diagnose(params.clone()).await.unwrap();
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    let logs = found.data["logs"].as_array().unwrap();
    let text = |previous: bool| {
        let log = logs.iter().find(|log| log["previous"] == previous).unwrap();
        log["text"].as_str().unwrap()
    };
    assert!(text(false).contains("[bearer-token]"), "{}", text(false));
    assert!(text(true).contains("CUDA error: out of memory"), "{}", text(true));
    assert!(!format!("{found:?}").contains("not-a-real-token"));

    let blind = world.plugin("pod-logs", &[(&["get"], &["pods"])]).await;
    let fault = blind.diagnose(params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_recycle_evicts_exactly_the_planned_pods_as_the_budget_lets_them_go() {
    let world = World::new("plugin-recycle");
    let budget = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: worker}\n\
                  spec: {maxUnavailable: 1, selector: {matchLabels: {app: worker}}}\n";
    world
        .space
        .apply(&format!("{}{budget}", workload("Deployment", "worker", 4)))
        .unwrap();
    let pods = world.space.ready("app=worker", 4).unwrap();
    until("the budget to be counted", || {
        let path = format!(
            "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/worker",
            world.space.name()
        );
        let budget = world.space.admin().object(&path)?;
        (budget["status"]["disruptionsAllowed"] == 1).then_some(())
    })
    .unwrap();
    let (first, second) = (name(&pods[0]), name(&pods[1]));
    let params = world.params(json!({ "pods": [first, second], "selector": "app=worker" }));
    let plugin = world.plugin("pod-recycle", RECYCLE).await;

    let plan = plugin.plan(&params).await.unwrap();
    let checked = plugin.check(plan.clone()).await.unwrap();
    let counted = checked.population.clone().unwrap();
    assert_eq!((counted.total, counted.ready), (4, 4));
    assert!(checked.actions.iter().all(|action| action.repeat_safe));
    plugin.apply(&params, checked).await.unwrap();
    let found = verified(&plugin, &params).await;
    assert_eq!(found.data["pods"].as_array().unwrap().len(), 2);
    let now = world.space.ready("app=worker", 4).unwrap();
    let stayed = |pod: &&Value| now.iter().any(|other| uid(other) == uid(pod));
    let stayed: Vec<&str> = pods.iter().filter(stayed).map(name).collect();
    assert_eq!(stayed, [name(&pods[2]), name(&pods[3])]);
    let mut evicted = [first, second].map(|pod| format!("create pods/{pod}/eviction → 201"));
    let mut changed = world.changed();
    evicted.sort();
    changed.sort();
    assert_eq!(changed, evicted);

    // The same plan a second time is about pods that are gone.
    let stale = plugin.check(plan).await.unwrap_err();
    assert!(stale.to_string().contains("is not there"), "{stale}");
    let reader = world
        .plugin("pod-recycle", &[(&["get", "list"], &["pods"]), RECYCLE[1]])
        .await;
    let params = world.params(json!({ "pods": [name(&pods[2])] }));
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("evict"), "{refused}");
    assert_eq!(world.changed().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_recycle_waits_for_the_pod_of_the_same_name_that_is_another_and_leaves_a_bare_one() {
    let world = World::new("plugin-same-name");
    let bare = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: bare, labels: {app: db}}\nspec: {containers: [{name: main, image: x}]}\n";
    world
        .space
        .apply(&format!("{}{bare}", workload("StatefulSet", "db", 1)))
        .unwrap();
    world.space.ready("app=db", 2).unwrap();
    let old = world.space.pod("db-0").unwrap();
    let plugin = world.plugin("pod-recycle", RECYCLE).await;
    let fault = plugin
        .plan(&world.params(json!({ "pods": ["bare"] })))
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("bare"), "{fault}");

    let params = world.params(json!({ "pods": ["db-0"] }));
    let plan = plugin.plan(&params).await.unwrap();
    let checked = plugin.check(plan).await.unwrap();
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    let fresh = world.space.pod("db-0").unwrap();
    assert_ne!(uid(&fresh), uid(&old));
    assert_eq!(world.changed(), ["create pods/db-0/eviction → 201"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_scale_scales_and_puts_the_number_back_that_was_there() {
    let world = World::new("plugin-scale");
    world.space.apply(&workload("Deployment", "worker", 2)).unwrap();
    world.space.ready("app=worker", 2).unwrap();
    let path = "/apis/apps/v1/namespaces/NAMESPACE/deployments/worker";
    let replicas = || world.live(path)["spec"]["replicas"].clone();
    let params = world.params(json!({ "name": "worker", "by": 2, "floor": 1, "ceiling": 5 }));
    let plugin = world.plugin("deployment-scale", SCALE).await;

    let checked = plugin.checked(&params).await;
    assert_eq!(
        checked.actions[0].dry_run.as_deref(),
        Some("spec.replicas: 2 → 4")
    );
    // What somebody has set since the plan was checked is theirs.
    world.merge(path, json!({ "spec": { "replicas": 3 } }));
    let fault = plugin.apply(&params, checked).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(replicas(), json!(3));
    world.merge(path, json!({ "spec": { "replicas": 2 } }));

    let checked = plugin.checked(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    assert_eq!(replicas(), json!(4));

    // Somebody scaled meanwhile: what they set is theirs.
    world.merge(path, json!({ "spec": { "replicas": 5 } }));
    let fault = plugin.plan_undo(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    world.merge(path, json!({ "spec": { "replicas": 4 } }));
    verified(&plugin, &params).await;

    let checked = plugin.way_back(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    assert_eq!(replicas(), json!(2));

    let reader = world
        .plugin("deployment-scale", &[(&["get"], &["deployments.apps"]), SCALE[1]])
        .await;
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("scale"), "{refused}");
    world
        .space
        .apply(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: worker}\n\
             spec: {minReplicas: 1, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: worker}}\n",
        )
        .unwrap();
    let fault = plugin.plan(&params).await.unwrap_err();
    assert!(fault.to_string().contains("HorizontalPodAutoscaler"), "{fault}");
    assert_eq!(replicas(), json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn config_switch_switches_one_key_and_puts_its_old_value_back() {
    let world = World::new("plugin-switch");
    let flags =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {mode: all-models, other: '1'}\n";
    world.space.apply(flags).unwrap();
    let path = "/api/v1/namespaces/NAMESPACE/configmaps/flags";
    let data = || world.live(path)["data"].clone();
    let params = world.params(json!({ "name": "flags", "key": "mode", "value": "local-only" }));
    let plugin = world.plugin("config-switch", SWITCH).await;

    // Somebody writes between plan and apply: planned again, and nothing of theirs is lost.
    let stale = plugin.checked(&params).await;
    world.merge(path, json!({ "data": { "other": "2" } }));
    let fault = plugin.apply(&params, stale).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(data(), json!({ "mode": "all-models", "other": "2" }));

    let checked = plugin.checked(&params).await;
    assert!(checked.actions[0].repeat_safe);
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    assert_eq!(data(), json!({ "mode": "local-only", "other": "2" }));
    world.merge(path, json!({ "data": { "mode": "theirs" } }));
    let fault = plugin.plan_undo(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    world.merge(path, json!({ "data": { "mode": "local-only", "other": "3" } }));
    let checked = plugin.way_back(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    assert_eq!(data(), json!({ "mode": "all-models", "other": "3" }));

    let reader = world
        .plugin("config-switch", &[(&["get"], &["configmaps"])])
        .await;
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("patch"), "{refused}");
    assert_eq!(data()["mode"], json!("all-models"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_patch_changes_the_fields_and_puts_back_what_was_there() {
    let world = World::new("plugin-patch");
    world.space.apply(&workload("Deployment", "worker", 1)).unwrap();
    world.space.ready("app=worker", 1).unwrap();
    let path = "/apis/apps/v1/namespaces/NAMESPACE/deployments/worker";
    let live = || world.live(path);
    world.settled(path);
    let before = live();
    let params = world.params(json!({
        "api_version": "apps/v1", "kind": "Deployment", "name": "worker",
        "patch": { "spec": { "paused": true, "progressDeadlineSeconds": 90 }, "metadata": { "annotations": { "stanch/why": "mitigation" } } },
        "only_if": { "spec": { "replicas": 1 } },
    }));
    let plugin = world.plugin("kubernetes-patch", PATCH).await;

    let checked = plugin.checked(&params).await;
    let dry_run = checked.actions[0].dry_run.clone().unwrap();
    assert!(dry_run.contains("spec.paused"), "{dry_run}");
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    assert_eq!(
        (
            &live()["spec"]["paused"],
            &live()["spec"]["progressDeadlineSeconds"]
        ),
        (&json!(true), &json!(90))
    );

    world.merge(path, json!({ "spec": { "progressDeadlineSeconds": 120 } }));
    let fault = plugin.plan_undo(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    world.merge(path, json!({ "spec": { "progressDeadlineSeconds": 90 } }));
    world.settled(path);
    let checked = plugin.way_back(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    verified(&plugin, &params).await;
    assert_eq!(live()["spec"], before["spec"]);
    assert_eq!(live()["metadata"]["annotations"].get("stanch/why"), None);

    world.settled(path);
    let stale = plugin.plan(&params).await.unwrap();
    world.merge(path, json!({ "metadata": { "labels": { "theirs": "yes" } } }));
    let refused = plugin.check(stale).await.unwrap_err();
    assert!(refused.to_string().contains("changed since"), "{refused}");
    let reader = world
        .plugin("kubernetes-patch", &[(&["get"], &["deployments.apps"])])
        .await;
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("patch"), "{refused}");
    assert_eq!(live()["spec"], before["spec"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_job_makes_one_job_of_a_cronjob_and_sees_its_end() {
    let world = World::new("plugin-job");
    world
        .space
        .apply(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: reindex}\nspec: {schedule: '0 0 1 1 *', suspend: true, jobTemplate: \
             {spec: {backoffLimit: 0, template: {metadata: {annotations: {stanch.test/state: pending}}, \
             spec: {restartPolicy: Never, containers: [{name: main, image: reindex}]}}}}}\n",
        )
        .unwrap();
    let params = world.params(json!({ "cron_job": "reindex" }));
    let plugin = world.plugin("kubernetes-job", JOB).await;
    let plan = plugin.plan(&params).await.unwrap();
    let job = plan.data["job"].as_str().unwrap().to_owned();
    let checked = plugin.check(plan.clone()).await.unwrap();
    assert_eq!(
        checked.actions[0].dry_run.as_deref(),
        Some("the server would create it")
    );
    plugin.apply(&params, checked).await.unwrap();
    assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::No);

    // What the kubelet would say when the container has ended well.
    let selector = plan.data["selector"].as_str().unwrap();
    let pod = until("the Job's pod", || {
        let pods = world.space.pods(selector)?;
        pods.into_iter().find(|pod| pod["spec"]["nodeName"].is_string())
    })
    .unwrap();
    let status = format!("/api/v1/namespaces/NAMESPACE/pods/{}/status", name(&pod));
    world.merge(&status, json!({ "status": { "phase": "Succeeded" } }));
    let found = verified(&plugin, &params).await;
    assert!(found.summary.contains("has run to its end"), "{}", found.summary);

    // The same run and step again make none, and the old plan is stale.
    let again = plugin.plan(&params).await.unwrap();
    assert_eq!(again.actions, []);
    let stale = plugin.check(plan).await.unwrap_err();
    assert!(stale.to_string().contains("is there already"), "{stale}");
    let made = world.live("/apis/batch/v1/namespaces/NAMESPACE/jobs");
    assert_eq!(made["items"].as_array().unwrap().len(), 1);
    assert_eq!(name(&made["items"][0]), job);
    let fault = plugin
        .plan(&world.params(json!({ "cron_job": "other" })))
        .await
        .unwrap_err();
    assert_eq!(code(&fault), FailureCode::NotFound, "{fault}");
    let closed = world.plugin("kubernetes-job", &JOB[..1]).await;
    assert_eq!(
        code(&closed.plan(&params).await.unwrap_err()),
        FailureCode::Denied
    );
}
