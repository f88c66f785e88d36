//! Recorded clusters, held against a real API server: the same requests to both, on the same objects, have the same answers.
//!
//! What is a server's own in an answer (versions, times, who owns a field) is taken out of both before they are compared;
//! whether a request made a new version is compared.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use stanch_contract::{PluginKey, Span, Timestamp};
use stanch_parts::{ControlPlane, Space, User, shared, until};
use stanch_recorded::World;
use stanch_recorded::case::{Case, Live, Recorder, play};
use stanch_runbook::given::{ClusterIs, Given, Kubernetes};
use stanch_sandbox::files::Folders;
use stanch_sandbox::gate::{Facilities, Grant, GrantSpec};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::kubernetes::{Access, ClusterRequest, ClusterSpec, Clusters};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{Installation, InstallationParts, Limits, Sandbox, SandboxOptions, Time};
use stanch_test_support::guest;

const START: Timestamp = Timestamp(1_767_225_600_000);
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A namespace of a real cluster, and a world with what was in it.
struct Twins {
    space: Space<'static>,
    world: World,
    /// Of the objects that both had from the beginning: what is made later has another uid in each.
    uids: BTreeSet<String>,
}

/// What one of them said.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    status: u16,
    body: Value,
}

impl Twins {
    fn new(name: &str, manifests: &str, settled: impl Fn(&Space<'_>) -> bool) -> Self {
        let space = shared().unwrap().space(name).unwrap();
        space.apply(manifests).unwrap();
        until("what was applied to settle", || settled(&space).then_some(())).unwrap();
        let mut objects = Vec::new();
        for (path, version, kind) in [
            (space.path("pods"), "v1", "Pod"),
            (space.path("configmaps"), "v1", "ConfigMap"),
            (apps(&space, "deployments"), "apps/v1", "Deployment"),
            (budgets(&space), "policy/v1", "PodDisruptionBudget"),
        ] {
            for mut object in space.admin().items(&path).unwrap() {
                object["apiVersion"] = version.into();
                object["kind"] = kind.into();
                objects.push(object);
            }
        }
        let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
        let uids = objects.iter().map(uid).collect();
        let all = Kubernetes {
            at: Span::ZERO,
            cluster: None,
            since: None,
            after: Span::ZERO,
            what: ClusterIs::Objects {
                objects,
                gone: Vec::new(),
            },
        };
        let given = Given {
            kubernetes: vec![all],
            ..Given::default()
        };
        let world = World::new(&given, START, [], "").unwrap();
        Self { space, world, uids }
    }

    fn real(&self, method: &str, path: &str, kind: &str, body: &str) -> Said {
        let answer = match method {
            "GET" => self.space.admin().get(path),
            _ => self.space.admin().send(method, path, kind, body),
        };
        let answer = answer.unwrap();
        Said {
            status: answer.status,
            body: answer.body,
        }
    }

    fn recorded(&self, method: &str, path: &str, kind: &str, body: &str) -> Said {
        let method: Method = method.parse().unwrap();
        let asked = ClusterRequest {
            cluster: "here",
            method: &method,
            path,
            content_type: kind,
            body: body.as_bytes(),
        };
        let (status, body) = self.world.ask(asked).unwrap();
        Said { status, body }
    }

    /// Asks both the same. `UID(…)` and `VERSION(…)` in the body are those of the object at that path, of each its own.
    fn both(&self, method: &str, path: &str, kind: &str, body: &Value) -> [Said; 2] {
        let real = |path: &str| self.real("GET", path, "", "").body;
        let recorded = |path: &str| self.recorded("GET", path, "", "").body;
        [
            self.real(method, path, kind, &filled(body, &real)),
            self.recorded(method, path, kind, &filled(body, &recorded)),
        ]
    }

    /// Asks both the same, and says where the answers differ; whether a new version was made is among them.
    fn differs(&self, (method, path, kind, body): (&str, String, &str, Value)) -> Option<String> {
        let object = path
            .split('?')
            .next()
            .unwrap()
            .trim_end_matches("/scale")
            .to_owned();
        let versions = |twins: &Self| {
            [
                twins.real("GET", &object, "", ""),
                twins.recorded("GET", &object, "", ""),
            ]
            .map(|said| said.body["metadata"]["resourceVersion"].clone())
        };
        // What controllers still write is none of the answer's.
        until("the objects to settle", || {
            is_rolled_out(&self.space).then_some(())
        })
        .unwrap();
        let before = versions(self);
        let [real, recorded] = self
            .both(method, &path, kind, &body)
            .map(|said| tidy(said, &self.uids));
        let after = versions(self);
        let is_new = [before[0] != after[0], before[1] != after[1]];
        if real == recorded && (method == "GET" || is_new[0] == is_new[1]) {
            return None;
        }
        Some(format!(
            "{method} {path} {body}\nreal:     {} {} new version: {}\nrecorded: {} {} new version: {}\n",
            real.status, real.body, is_new[0], recorded.status, recorded.body, is_new[1]
        ))
    }
}

fn apps(space: &Space<'_>, below: &str) -> String {
    format!("/apis/apps/v1/namespaces/{}/{below}", space.name())
}

fn budgets(space: &Space<'_>) -> String {
    format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", space.name())
}

fn filled(body: &Value, live: &dyn Fn(&str) -> Value) -> String {
    let mut text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    for (mark, pointer) in [
        ("UID(", "/metadata/uid"),
        ("VERSION(", "/metadata/resourceVersion"),
    ] {
        while let Some((before, rest)) = text.split_once(mark) {
            let (path, after) = rest.split_once(')').unwrap();
            let value = live(path);
            let value = value.pointer(pointer).and_then(Value::as_str).unwrap();
            text = format!("{before}{value}{after}");
        }
    }
    text
}

/// Without what is each server's own.
fn tidy(mut said: Said, uids: &BTreeSet<String>) -> Said {
    let of = |object: &mut Value| {
        let Some(members) = object.as_object_mut() else {
            return;
        };
        if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
            let uid = metadata.get_mut("uid");
            if let Some(uid) = uid.filter(|uid| !uids.contains(uid.as_str().unwrap())) {
                *uid = "made since".into();
            }
            for name in [
                "managedFields",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
                "continue",
                "remainingItemCount",
            ] {
                metadata.remove(name);
            }
        }
    };
    of(&mut said.body);
    if let Some(items) = said.body.get_mut("items").and_then(Value::as_array_mut) {
        for item in items {
            of(item);
            // Members of a list do not say what they are.
            item.as_object_mut().unwrap().remove("apiVersion");
            item.as_object_mut().unwrap().remove("kind");
        }
    }
    said
}

fn pod(name: &str, app: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}}}}}\n\
         spec: {{containers: [{{name: main, image: x}}]}}\n---\n"
    )
}

fn manifests() -> String {
    let pods: String = [("a", "kept"), ("b", "kept"), ("c", "free"), ("d", "free")]
        .iter()
        .map(|(name, app)| pod(name, app))
        .collect();
    format!(
        "{pods}\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: mode, labels: {{app: mode}}}}\ndata: {{level: fast, gone: x}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: old}}\ndata: {{a: b}}\n---\n\
         apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: kept}}\n\
         spec: {{minAvailable: 2, selector: {{matchExpressions: [{{key: app, operator: In, values: [kept, held]}}]}}}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 0\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec: {{containers: [{{name: main, image: x, env: [{{name: A, value: \"1\"}}]}}]}}\n"
    )
}

/// Until nobody has anything more to write into the objects.
fn is_settled(space: &Space<'_>) -> bool {
    let number = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let budget = space.admin().object(&format!("{}/kept", budgets(space)));
    space.ready("app=kept", 2).is_ok()
        && space.ready("app=free", 2).is_ok()
        && budget.is_some_and(|budget| number(&budget, "/status/currentHealthy") == Some(2))
        && is_rolled_out(space)
}

/// Until the controller has done what the Deployment says.
fn is_rolled_out(space: &Space<'_>) -> bool {
    let Some(web) = space.admin().object(&apps(space, "deployments/web")) else {
        return true;
    };
    let conditions = web.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|one| one["reason"] == "NewReplicaSetAvailable")
    }) && web["status"]["observedGeneration"] == web["metadata"]["generation"]
}

#[test]
fn a_recorded_cluster_answers_as_a_real_one() {
    let twins = Twins::new("recorded", &manifests(), is_settled);
    let core = |below: &str| twins.space.path(below);
    let web = |below: &str| apps(&twins.space, &format!("deployments/web{below}"));
    let mode = core("configmaps/mode");
    let old = core("configmaps/old");
    let stale = json!({ "metadata": { "resourceVersion": "1" }, "data": { "level": "slow" } });
    let other_uid = "00000000-0000-4000-8000-00000000dead";
    let new = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" }, "data": { "a": "b" } });
    let evicted = |pod: &str, options: Value| {
        json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": twins.space.name() },
                "deleteOptions": options })
    };
    let preconditions =
        |uid: &str| json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid } });
    let none = Value::Null;
    let table: Vec<(&str, String, &str, Value)> = vec![
        // Reads.
        ("GET", mode.clone(), "", none.clone()),
        ("GET", core("pods/a"), "", none.clone()),
        ("GET", core("configmaps/none"), "", none.clone()),
        ("GET", apps(&twins.space, "deployments/none"), "", none.clone()),
        ("GET", core("pods"), "", none.clone()),
        ("GET", core("pods?labelSelector=app%3Dkept"), "", none.clone()),
        (
            "GET",
            core("pods?labelSelector=app+in+%28kept%2Cfree%29%2Capp%21%3Dfree"),
            "",
            none.clone(),
        ),
        ("GET", core("pods?labelSelector=%21app"), "", none.clone()),
        (
            "GET",
            core("pods?fieldSelector=metadata.name%3Da"),
            "",
            none.clone(),
        ),
        (
            "GET",
            core("pods?fieldSelector=status.phase%21%3DRunning"),
            "",
            none.clone(),
        ),
        (
            "GET",
            core("pods?fieldSelector=spec.flavour%3Dx"),
            "",
            none.clone(),
        ),
        (
            "GET",
            core("configmaps?fieldSelector=metadata.name%3Dmode"),
            "",
            none.clone(),
        ),
        (
            "GET",
            core("configmaps?fieldSelector=data.level%3Dx"),
            "",
            none.clone(),
        ),
        ("GET", core("pods?limit=3"), "", none.clone()),
        // Patches.
        (
            "PATCH",
            mode.clone(),
            MERGE,
            json!({ "data": { "level": "slow", "gone": null, "n": "1" } }),
        ),
        (
            "PATCH",
            mode.clone(),
            MERGE,
            json!({ "data": { "level": "slow" } }),
        ),
        (
            "PATCH",
            format!("{mode}?dryRun=All"),
            MERGE,
            json!({ "data": { "level": "never" } }),
        ),
        ("PATCH", mode.clone(), MERGE, stale.clone()),
        (
            "PATCH",
            mode.clone(),
            MERGE,
            json!({ "metadata": { "uid": other_uid }, "data": { "level": "other" } }),
        ),
        (
            "PATCH",
            mode.clone(),
            MERGE,
            json!({ "metadata": { "uid": format!("UID({mode})"), "resourceVersion": format!("VERSION({mode})") }, "data": { "level": "mine" } }),
        ),
        ("PATCH", core("configmaps/none"), MERGE, json!({ "data": {} })),
        (
            "PATCH",
            mode.clone(),
            OPERATIONS,
            json!([{ "op": "test", "path": "/data/level", "value": "mine" }, { "op": "replace", "path": "/data/level", "value": "by-json" }, { "op": "add", "path": "/data/m", "value": "2" }]),
        ),
        (
            "PATCH",
            mode.clone(),
            OPERATIONS,
            json!([{ "op": "test", "path": "/data/level", "value": "mine" }]),
        ),
        (
            "PATCH",
            mode.clone(),
            OPERATIONS,
            json!([{ "op": "remove", "path": "/data/none" }]),
        ),
        (
            "PATCH",
            mode.clone(),
            OPERATIONS,
            json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": "1" }, { "op": "remove", "path": "/data/n" }]),
        ),
        (
            "PATCH",
            web(""),
            STRATEGIC,
            json!({ "metadata": { "labels": { "x": "y" } } }),
        ),
        (
            "PATCH",
            web(""),
            STRATEGIC,
            json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "env": [{ "name": "B", "value": "2" }] }] } } } }),
        ),
        (
            "PATCH",
            web(""),
            STRATEGIC,
            json!({ "metadata": { "resourceVersion": "1" }, "spec": { "paused": true } }),
        ),
        (
            "PATCH",
            format!("{}?fieldManager=stanch", core("configmaps/applied")),
            APPLY,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "applied" }, "data": { "a": "b" } }),
        ),
        (
            "PATCH",
            format!("{}?fieldManager=stanch", core("configmaps/applied")),
            APPLY,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "applied" }, "data": { "a": "c" } }),
        ),
        // Scaling.
        (
            "PATCH",
            web("/scale"),
            MERGE,
            json!({ "metadata": { "resourceVersion": "1" }, "spec": { "replicas": 1 } }),
        ),
        (
            "PATCH",
            web("/scale"),
            MERGE,
            json!({ "metadata": { "uid": other_uid }, "spec": { "replicas": 1 } }),
        ),
        (
            "PATCH",
            format!("{}?dryRun=All", web("/scale")),
            MERGE,
            json!({ "spec": { "replicas": 1 } }),
        ),
        (
            "PATCH",
            format!("{}?dryRun=All", web("/scale")),
            OPERATIONS,
            json!([
                { "op": "replace", "path": "/metadata/uid", "value": format!("UID({})", web("")) },
                { "op": "test", "path": "/spec", "value": {} },
                { "op": "add", "path": "/spec/replicas", "value": 1 },
            ]),
        ),
        (
            "PATCH",
            web("/scale"),
            OPERATIONS,
            json!([{ "op": "test", "path": "/spec/replicas", "value": 0 }, { "op": "replace", "path": "/spec/replicas", "value": 1 }]),
        ),
        (
            "PATCH",
            web("/scale"),
            OPERATIONS,
            json!([{ "op": "test", "path": "/spec/replicas", "value": 3 }, { "op": "replace", "path": "/spec/replicas", "value": 1 }]),
        ),
        (
            "PATCH",
            web("/scale"),
            OPERATIONS,
            json!([{ "op": "replace", "path": "/metadata/uid", "value": other_uid }, { "op": "replace", "path": "/spec/replicas", "value": 1 }]),
        ),
        // Creations.
        (
            "POST",
            format!("{}?dryRun=All", core("configmaps")),
            JSON,
            new.clone(),
        ),
        ("POST", core("configmaps"), JSON, new.clone()),
        ("POST", core("configmaps"), JSON, new),
        // Deletions.
        ("DELETE", old.clone(), JSON, preconditions(other_uid)),
        (
            "DELETE",
            old.clone(),
            JSON,
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "resourceVersion": "1" } }),
        ),
        (
            "DELETE",
            old.clone(),
            JSON,
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] }),
        ),
        ("DELETE", old.clone(), JSON, preconditions(&format!("UID({old})"))),
        ("DELETE", old, JSON, json!({})),
        // Evictions.
        (
            "POST",
            core("pods/a/eviction"),
            JSON,
            evicted("a", preconditions(&format!("UID({})", core("pods/a")))),
        ),
        (
            "POST",
            core("pods/a/eviction"),
            JSON,
            evicted("a", json!({ "dryRun": ["All"] })),
        ),
        (
            "POST",
            core("pods/c/eviction"),
            JSON,
            evicted("c", preconditions(other_uid)),
        ),
        (
            "POST",
            core("pods/none/eviction"),
            JSON,
            evicted("none", json!({})),
        ),
        (
            "POST",
            core("pods/c/eviction"),
            JSON,
            evicted("c", preconditions(&format!("UID({})", core("pods/c")))),
        ),
        (
            "DELETE",
            core("pods/d"),
            JSON,
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 }),
        ),
    ];
    let differ: Vec<String> = table
        .into_iter()
        .filter_map(|asked| twins.differs(asked))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));

    // A pod that was evicted is gone a while later, of itself.
    let evicted = core("pods/c");
    until("the evicted pod to be gone", || {
        (twins.real("GET", &evicted, "", "").status == 404).then_some(())
    })
    .unwrap();
    twins.world.clock().advance(START.plus(Span::from_secs(1)));
    assert_eq!(twins.recorded("GET", &evicted, "", "").status, 404);
}

#[test]
fn a_recorded_cluster_has_the_common_kinds_as_a_real_one_has_them() {
    let twins = Twins::new("recorded-kinds", &pod("a", "x"), |space| {
        space.ready("app=x", 1).is_ok()
    });
    for list in [
        "/api/v1",
        "/apis/apps/v1",
        "/apis/autoscaling/v2",
        "/apis/batch/v1",
        "/apis/coordination.k8s.io/v1",
        "/apis/discovery.k8s.io/v1",
        "/apis/networking.k8s.io/v1",
        "/apis/policy/v1",
        "/apis/apiextensions.k8s.io/v1",
    ] {
        let real = twins.real("GET", list, "", "").body;
        let recorded = twins.recorded("GET", list, "", "").body;
        let resources = recorded["resources"].as_array().unwrap();
        assert!(!resources.is_empty(), "{list}");
        for one in resources {
            let same = real["resources"].as_array().unwrap().iter().find(|real| {
                ["name", "kind", "namespaced", "singularName"]
                    .iter()
                    .all(|name| real[*name] == one[*name])
            });
            assert!(same.is_some(), "{list}: {one}");
        }
    }
    for none in [
        "/apis/apps/v9",
        "/apis/nobody.example/v1",
        "/api/v1/namespaces/x/tanks",
    ] {
        assert_eq!(twins.real("GET", none, "", "").status, 404, "{none}");
        assert_eq!(twins.recorded("GET", none, "", "").status, 404, "{none}");
    }
}

#[test]
fn pages_go_on_where_the_one_before_ended() {
    let manifests: String = ["a", "b", "c"].iter().map(|name| pod(name, "x")).collect();
    let twins = Twins::new("recorded-pages", &manifests, |space| {
        space.ready("app=x", 3).is_ok()
    });
    let pages = |ask: &dyn Fn(&str) -> Said| {
        let (mut names, mut from) = (Vec::new(), String::new());
        loop {
            let more = if from.is_empty() {
                String::new()
            } else {
                format!("&continue={from}")
            };
            let said = ask(&twins.space.path(&format!("pods?limit=2{more}")));
            let items = said.body["items"].as_array().unwrap().iter();
            names.push(
                items
                    .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            );
            match said.body["metadata"]["continue"].as_str() {
                Some(next) => from = next.replace('/', "%2F").replace('=', "%3D"),
                None => return names,
            }
        }
    };
    let real = pages(&|path| twins.real("GET", path, "", ""));
    assert_eq!(real, [vec!["a", "b"], vec!["c"]]);
    assert_eq!(pages(&|path| twins.recorded("GET", path, "", "")), real);
}

/// A plugin that looks with these steps.
async fn scripted(plane: &ControlPlane, namespace: &str, tape: Arc<Recorder>) -> (Sandbox, Installation) {
    let clusters = Clusters::default();
    let spec = ClusterSpec {
        access: Access::Kubeconfig {
            path: plane.kubeconfig(User::Engine),
            context: None,
        },
        impersonate: None,
    };
    clusters
        .refresh(&BTreeMap::from([("here".to_owned(), spec)]))
        .await;
    let facilities = Facilities {
        secrets: Arc::new(NoSecrets),
        http: HttpClients::new(HttpSettings {
            system_roots: false,
            ..HttpSettings::default()
        })
        .unwrap(),
        clusters,
        folders: Folders::default(),
        time: Time::Machine,
        tape: Some(tape),
    };
    let grant = json!({ "kubernetes": [
        { "clusters": ["here"], "verbs": ["get", "list", "logs"], "resources": ["pods"], "namespaces": [namespace] },
        { "clusters": ["here"], "verbs": ["get"], "resources": ["secrets"], "namespaces": [namespace], "names": ["key"] },
    ] });
    let key = PluginKey::from("scripted-diagnosis");
    let grant = serde_json::from_value::<GrantSpec>(grant).unwrap();
    let sandbox = Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 4,
        ..SandboxOptions::default()
    })
    .unwrap();
    let parts = InstallationParts {
        key: key.clone(),
        plugin: sandbox.install(guest("scripted-diagnosis")).await.unwrap(),
        grant: Arc::new(Grant::new(key, grant).unwrap()),
        limits: Limits::default(),
        settings: json!({}),
        facilities: Arc::new(facilities),
    };
    let installation = Installation::new(&sandbox, parts);
    (sandbox, installation)
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn get(&self, _: &str) -> Option<Arc<Secret>> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_look_at_a_cluster_becomes_a_case_that_needs_none() {
    let plane = shared().unwrap();
    let space = plane.space("recorded-live").unwrap();
    let rules = "[{apiGroups: [\"\"], resources: [pods], verbs: [get, list]}, {apiGroups: [\"\"], resources: [pods/log, secrets], verbs: [get]}]";
    space.allow(User::Engine, rules).unwrap();
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: hunter2hunter2}\n";
    space.apply(&format!("{}{secret}", pod("a", "x"))).unwrap();
    space.ready("app=x", 1).unwrap();
    space
        .logs("a", "main", &["it's '''quoted''' ${now}"], &[])
        .unwrap();
    let tape = Arc::new(Recorder::default());
    let (sandbox, installation) = scripted(plane, space.name(), tape.clone()).await;
    let step = |more: Value| {
        let mut step = json!({ "namespace": space.name(), "name": "a" });
        step.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "kubernetes": step })
    };
    let steps = json!([
        step(json!({})),
        step(json!({ "verb": "list", "labels": "app=x" })),
        step(json!({ "name": "none" })),
        step(json!({ "verb": "logs", "container": "main" })),
        step(json!({ "kind": "Secret", "name": "key" })),
        step(json!({ "kind": "Secret", "name": "other" })),
        step(json!({ "kind": "Pod", "verb": "evict" })),
    ]);
    let live = Live {
        name: "a live look",
        installation: &installation,
        params: json!({ "verdict": "no", "do": steps }),
        alerts: Vec::new(),
        on: Some("here".to_owned()),
        now: START,
    };
    let recorded = tape.record(&sandbox, live).await.unwrap();
    let text = recorded.text;
    assert!(
        !text.contains("hunter2") && !text.contains("aHVudGVyMmh1bnRlcjI"),
        "{text}"
    );
    for says in [
        "cluster = \"here\"\nobjects = '''\n",
        "log = \"kubernetes:recorded-live",
        "on = \"here\"",
        "verdict = \"no\"",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    // The Secret is another one in the case, and that is told; nothing else is otherwise.
    let otherwise: Vec<String> = recorded.otherwise.iter().map(ToString::to_string).collect();
    let of_secret = |one: &String| one.starts_with("finding.data.calls[4].ok.data");
    assert!(otherwise.iter().all(of_secret), "{otherwise:#?}\n{text}");
    let plugin = installation.plugin();
    let case = Case::read("a.case.toml", &text, plugin.kind()).unwrap_or_else(|errors| panic!("{errors}"));
    let wrong = play(&sandbox, plugin, &case).await.unwrap().wrong;
    assert_eq!(wrong, [], "{text}");
}
