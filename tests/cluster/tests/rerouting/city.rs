//! Two regions behind a real Caddy, watched by a real Prometheus, with the engine and the shipped runbook.

use std::path::Path;

use stanch_cluster_tests::{Around, Scenery, Stage, Users, packed, shipped};
use stanch_outside::run::{Asked, asked};
use stanch_outside::settings;
use stanch_parts::{Caddy, Space, until};

use crate::region::Region;

const RUNBOOK: &str = "high-latency-cluster-b";
const WEIGHTS: &str = "/id/inference/load_balancing/selection_policy/weights";
/// Most of them near, a few far: nothing that an engine would guess.
pub(crate) const BEFORE: [u64; 2] = [20, 1];

/// Every part of it is running.
pub(crate) struct City<'a> {
    pub(crate) near: Region,
    pub(crate) far: Region,
    pub(crate) caddy: Caddy,
    pub(crate) stage: Stage<'a>,
}

impl<'a> City<'a> {
    pub(crate) fn start(space: &'a Space<'a>, kubeconfig: &Path) -> Self {
        let (near, far) = (Region::open("b"), Region::open("us-east"));
        let caddy = Caddy::by_weight("inference", [near.address, far.address], BEFORE).unwrap();
        // As it ships, in seconds where it has minutes.
        let rules = shipped("alerts.example.yml", &[("[5m]", "[6s]"), ("for: 2m", "for: 1s")]);
        let runbook = shipped(
            &format!("{RUNBOOK}.toml"),
            &[
                ("[5m]", "[6s]"),
                ("[1m]", "[4s]"),
                ("after = \"1m\"", "after = \"1s\""),
                ("for = \"1m\"", "for = \"1s\""),
                ("hold = \"2m\" ", "hold = \"5s\" "),
                (
                    "within = \"2m\"\nevery = \"10s\"",
                    "within = \"8s\"\nevery = \"1s\"",
                ),
                ("stable_for = \"5m\"", "stable_for = \"2s\""),
                ("https://b.inference.example", &format!("http://{}", near.address)),
            ],
        );
        let scenery = Scenery {
            runbook: &(RUNBOOK.to_owned(), runbook),
            rules: &rules,
            groups: &["alertname", "cluster"],
            scraped: &[near.address, far.address],
        };
        let stage = Stage::set(space, &scenery, |around| {
            settings(around, kubeconfig, &caddy, [&near, &far])
        });
        Self {
            near,
            far,
            caddy,
            stage,
        }
    }

    /// The weights that Caddy goes by.
    pub(crate) fn weights(&self) -> [u64; 2] {
        serde_json::from_value(self.caddy.configured(WEIGHTS).unwrap()).unwrap()
    }

    /// Waits until Caddy goes by these.
    pub(crate) fn has(&self, weights: [u64; 2]) {
        until(&format!("the weights {weights:?}"), || {
            (self.weights() == weights).then_some(())
        })
        .unwrap_or_else(|why| {
            panic!(
                "{why}: {:?}, {:#}",
                self.weights(),
                self.stage.view(&self.stage.run()).unwrap_or_default()
            )
        });
    }

    /// Of so many requests that come to the router from now on, the share that the near region gets. The weights have to stay
    /// the same meanwhile.
    pub(crate) fn share(&self, of: u64) -> f64 {
        let weights = self.weights();
        let (near, far) = (self.near.routed(), self.far.routed());
        let (near, far) = until("requests", || {
            let came = (self.near.routed() - near, self.far.routed() - far);
            (came.0 + came.1 >= of).then_some(came)
        })
        .unwrap();
        assert_eq!(
            self.weights(),
            weights,
            "the stage was over too soon to be measured"
        );
        near as f64 / (near + far) as f64
    }

    /// Waits for the question about a step, and says yes to it at the command line.
    pub(crate) fn approve(&self, run: &str, step: &str) -> Asked {
        let what = format!("the question about `{step}`");
        let found = self
            .stage
            .becomes(run, &what, |view| asked(view).filter(|asked| asked.step == step));
        self.stage.approve(run, &found);
        found
    }

    /// Users of the near region come through the router, those of the far one have their own way.
    pub(crate) fn users(&self) -> (Users, Users) {
        let (near, far) = (self.near.came(), self.far.came());
        let came = move |path: &str| near(path) || far(path);
        (
            Users::come_by(40, self.caddy.address, "/v1/generate", came),
            Users::come(2, self.far.address, "/v1/own"),
        )
    }
}

/// The operator's file: the grants are no wider than those of stanch.example.toml.
fn settings(around: &Around<'_>, kubeconfig: &Path, caddy: &Caddy, [near, far]: [&Region; 2]) -> String {
    let on = ("eu", around.namespace);
    let prometheus = format!("http://{}", around.prometheus);
    [
        settings::engine(around.listens, "tests", "ask"),
        format!("[clusters.eu]\nkubeconfig = {}\n", settings::quoted(kubeconfig)),
        settings::prometheus(&packed("prometheus-query"), around.prometheus),
        settings::plugin(
            "gpu-state",
            &packed("gpu-state"),
            &format!("settings = {{ url = \"{prometheus}\" }}"),
        ),
        settings::http(
            "gpu-state",
            &format!("{prometheus}/api/v1/query"),
            "read = [\"GET\"]",
        ),
        settings::probe(&packed("http-probe"), &[near.address]),
        settings::reroute(
            &packed("traffic-reroute"),
            caddy.admin,
            [near.address, far.address],
        ),
        settings::plugin("pod-state", &packed("pod-state"), ""),
        settings::kubernetes("pod-state", on, &["get", "list"], &["pods", "events"]),
        settings::plugin("pod-logs", &packed("pod-logs"), ""),
        settings::kubernetes("pod-logs", on, &["get", "logs"], &["pods"]),
        settings::plugin(
            "pod-recycle",
            &packed("pod-recycle"),
            "limits = { wall = \"60s\" }",
        ),
        settings::kubernetes("pod-recycle", on, &["get", "list", "evict"], &["pods"]),
        settings::kubernetes("pod-recycle", on, &["get"], &["replicasets.apps"]),
        settings::page(&packed("webhook"), around.pages, ""),
    ]
    .concat()
}
