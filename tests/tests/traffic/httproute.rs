//! `traffic-reroute` with an HTTPRoute on a real API server. No gateway runs there: the object is what is shown.

use serde_json::{Value, json};
use stanch_contract::{FailureCode, Verdict};
use stanch_parts::{Space, User, shared, until};
use stanch_tests::{Installed, code};

const RULES: &str =
    "[{apiGroups: [gateway.networking.k8s.io], resources: [httproutes], verbs: [get, patch]}]";

/// A namespace with a route of two backends: three of four requests stay near.
struct World {
    space: Space<'static>,
}

impl World {
    async fn new(name: &'static str) -> Self {
        let made = tokio::task::spawn_blocking(move || {
            let space = shared().unwrap().space(name).unwrap();
            space.apply(include_str!("httproute.yaml")).unwrap();
            until("HTTPRoutes", || {
                let all = space.admin().get("/apis/gateway.networking.k8s.io/v1/httproutes");
                all.is_ok_and(|all| all.status == 200).then_some(())
            })
            .unwrap();
            space.allow(User::Engine, RULES).unwrap();
            space
                .apply(
                    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: inference}\nspec:\n  \
                     hostnames: [inference.example]\n  rules:\n  - backendRefs: [{name: metrics, port: 9090}]\n  \
                     - backendRefs: [{name: eu, port: 80, weight: 3}, {name: us-east, port: 80}]\n",
                )
                .unwrap();
            space
        });
        Self {
            space: made.await.unwrap(),
        }
    }

    async fn plugin(&self, verbs: &[&str]) -> Installed {
        let grant = json!({ "kubernetes": [{
            "clusters": ["eu"], "verbs": verbs, "resources": ["httproutes.gateway.networking.k8s.io"],
            "namespaces": [self.space.name()], "names": ["inference"],
        }] });
        let kubeconfig = shared().unwrap().kubeconfig(User::Engine);
        Installed::in_cluster("traffic-reroute", kubeconfig, grant).await
    }

    fn params(&self, weight: u32) -> Value {
        json!({ "route": "inference", "namespace": self.space.name(), "to": "us-east:80", "weight": weight })
    }

    fn path(&self) -> String {
        let space = self.space.name();
        format!("/apis/gateway.networking.k8s.io/v1/namespaces/{space}/httproutes/inference")
    }

    fn spec(&self) -> Value {
        self.space.admin().object(&self.path()).unwrap()["spec"].clone()
    }

    fn weights(&self) -> Vec<Value> {
        let spec = self.spec();
        let backends = spec["rules"][1]["backendRefs"].as_array().unwrap();
        backends.iter().map(|backend| backend["weight"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weights_of_an_httproute_are_moved_in_stages_and_back_and_all_else_of_it_stays() {
    let world = World::new("httproute-moved").await;
    let plugin = world.plugin(&["get", "patch"]).await;
    let before = world.spec();
    assert_eq!(world.weights(), [3, 1]);
    for (weight, after) in [(50, [1, 1]), (100, [0, 1])] {
        let params = world.params(weight);
        let checked = plugin.checked(&params).await;
        assert!(
            checked.summary.contains("eu:80 75 %, us-east:80 25 %"),
            "{}",
            checked.summary
        );
        assert!(checked.actions[0].repeat_safe && checked.actions[0].dry_run.is_some());
        plugin.apply(&params, checked).await.unwrap();
        assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::Yes);
        assert_eq!(world.weights(), after);
        let undo = plugin.way_back(&params).await;
        plugin.apply(&params, undo).await.unwrap();
        assert_eq!(world.spec(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_of_an_httproute_meanwhile_is_a_conflict_and_theirs() {
    let world = World::new("httproute-theirs").await;
    let plugin = world.plugin(&["get", "patch"]).await;
    let params = world.params(100);
    let somebody = |body: Value| {
        let admin = world.space.admin();
        admin.merge(&world.path(), &body).unwrap().good().unwrap();
    };
    let checked = plugin.checked(&params).await;
    somebody(json!({ "spec": { "hostnames": ["other.example"] } }));
    let fault = plugin.apply(&params, checked).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(world.weights(), [3, 1]);

    let checked = plugin.checked(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    let mut rules = world.spec()["rules"].clone();
    rules[1]["backendRefs"][0]["weight"] = json!(7);
    somebody(json!({ "spec": { "rules": rules } }));
    let fault = plugin.plan_undo(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(world.weights(), [7, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_httproute_is_planned_and_refused_without_the_right_to_patch_and_another_is_not_read() {
    let world = World::new("httproute-refused").await;
    let reader = world.plugin(&["get"]).await;
    let refused = reader.refused(&world.params(50)).await;
    assert!(refused.to_string().contains("patch"), "{refused}");
    let mut other = world.params(50);
    other["route"] = json!("other");
    let fault = reader.plan(&other).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied, "{fault}");
    assert_eq!(world.weights(), [3, 1]);
}
