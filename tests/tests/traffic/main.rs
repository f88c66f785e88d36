//! `traffic-reroute` in the real sandbox, behind the real gate, with a real Caddy before two upstreams, and with an HTTPRoute.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod httproute;

use serde_json::{Value, json};
use stanch_contract::{FailureCode, Verdict};
use stanch_outside::http::{Connection, Server};
use stanch_parts::Caddy;
use stanch_tests::{Installed, code};

const WEIGHTS: &str = "/id/proxy/load_balancing/selection_policy/weights";

/// Two regions, each an upstream that says its name, and Caddy before them.
struct World {
    caddy: Caddy,
    near: Server,
    far: Server,
}

impl World {
    fn new() -> Self {
        let upstream = |name: &'static str| Server::open(move |_| (200, name.to_owned())).unwrap();
        let (near, far) = (upstream("near"), upstream("far"));
        let caddy = Caddy::by_weight("proxy", [near.address, far.address], [3, 1]).unwrap();
        Self { caddy, near, far }
    }

    async fn plugin(&self, change: &[&str]) -> Installed {
        let admin = format!("http://{}", self.caddy.admin);
        let entry = |url: &str, verbs: &str, methods: &[&str]| {
            let mut entry = json!({ "url": format!("{admin}/id/{url}"), "addresses": ["127.0.0.0/8"] });
            entry[verbs] = json!(methods);
            entry
        };
        let mut grant = vec![entry("proxy", "read", &["GET"])];
        if !change.is_empty() {
            grant.push(entry("proxy/**", "change", change));
        }
        let upstreams = json!({ "near": self.near.address.to_string(), "far": self.far.address.to_string() });
        Installed::new(
            "traffic-reroute",
            json!({ "http": grant }),
            json!({ "caddy": admin, "upstreams": upstreams }),
        )
        .await
    }

    /// Of eight requests, how many went to the far one.
    fn far_of_eight(&self) -> usize {
        let ask = || {
            let answer = Connection::open(self.caddy.address).unwrap().get("/").unwrap();
            assert_eq!(answer.status, 200);
            answer.body
        };
        (0..8).filter(|_| ask() == "far").count()
    }

    fn weights(&self) -> Value {
        self.caddy.configured(WEIGHTS).unwrap()
    }

    fn somebody_sets(&self, path: &str, what: &str) {
        let headers = [("content-type", "application/json")];
        let mut admin = Connection::open(self.caddy.admin).unwrap();
        assert_eq!(admin.send("PATCH", path, &headers, what).unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_moved_in_stages_and_back_to_the_weights_that_were_there() {
    let world = World::new();
    let plugin = world.plugin(&["PATCH"]).await;
    assert_eq!(world.far_of_eight(), 2);
    for (weight, far) in [(50, 4), (100, 8)] {
        let params = json!({ "route": "proxy", "to": "far", "weight": weight });
        let checked = plugin.checked(&params).await;
        assert!(checked.actions[0].repeat_safe);
        plugin.apply(&params, checked).await.unwrap();
        assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::Yes);
        assert_eq!(world.far_of_eight(), far);
        let undo = plugin.way_back(&params).await;
        plugin.apply(&params, undo).await.unwrap();
        assert_eq!(world.weights(), json!([3, 1]));
    }
    assert_eq!(world.far_of_eight(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_meanwhile_is_a_conflict_and_theirs() {
    let world = World::new();
    let plugin = world.plugin(&["PATCH"]).await;
    let params = json!({ "route": "proxy", "to": "far" });
    let checked = plugin.checked(&params).await;
    // Not the weights: which upstream each of them is for.
    let swapped =
        json!([{ "dial": world.far.address.to_string() }, { "dial": world.near.address.to_string() }]);
    world.somebody_sets("/id/proxy/upstreams", &swapped.to_string());
    let fault = plugin.apply(&params, checked).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(world.weights(), json!([3, 1]));

    let checked = plugin.checked(&params).await;
    plugin.apply(&params, checked).await.unwrap();
    assert_eq!((world.weights(), world.far_of_eight()), (json!([1, 0]), 8));
    world.somebody_sets(WEIGHTS, "[1,1]");
    let fault = plugin.plan_undo(&params).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(world.weights(), json!([1, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_change_it_is_planned_and_refused_and_without_any_it_is_not_read() {
    let world = World::new();
    let params = json!({ "route": "proxy", "to": "far" });
    let reader = world.plugin(&[]).await;
    let refused = reader.refused(&params).await;
    assert!(refused.to_string().contains("PATCH"), "{refused}");
    let fault = reader
        .plan(&json!({ "route": "other", "to": "far" }))
        .await
        .unwrap_err();
    assert_eq!(code(&fault), FailureCode::Denied, "{fault}");
    assert_eq!(world.weights(), json!([3, 1]));
}
