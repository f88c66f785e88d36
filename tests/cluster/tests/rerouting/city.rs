//! Two regions behind a real Caddy, watched by a real Prometheus, with the engine and the shipped runbook.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use stanch_cluster_tests::packed;
use stanch_outside::control::Control;
use stanch_outside::http::{Connection, Server, free_port};
use stanch_outside::run::{Asked, asked, ending};
use stanch_outside::serve::{Engine, program};
use stanch_parts::{Alertmanager, Caddy, Metrics, Place, Prometheus, Space, alertmanager, prometheus, until};

use crate::region::Region;
use crate::users::Users;

const TOKEN: &str = "a-token-for-the-tests-only";
const RUNBOOK: &str = "high-latency-cluster-b";
const WEIGHTS: &str = "/id/inference/load_balancing/selection_policy/weights";
/// Most of them near, a few far: nothing that an engine would guess.
pub(crate) const BEFORE: [u64; 2] = [20, 1];

/// Every part of it is running.
pub(crate) struct City {
    pub(crate) near: Region,
    pub(crate) far: Region,
    pub(crate) caddy: Caddy,
    pub(crate) metrics: Metrics,
    pub(crate) prometheus: Prometheus,
    _alertmanager: Alertmanager,
    pages: Arc<Mutex<Vec<Value>>>,
    control: Control,
    listens: std::net::SocketAddr,
    engine: Option<Engine>,
    place: Place,
}

/// A shipped file, with some of it written otherwise; each has to be there.
fn shipped(name: &str, otherwise: &[(&str, &str)]) -> String {
    let path = stanch_test_support::root().join("runbooks").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (is, shall) in otherwise {
        assert!(text.contains(is), "{name} does not say `{is}`");
        text = text.replace(is, shall);
    }
    text
}

impl City {
    pub(crate) fn start(space: &Space<'_>, kubeconfig: &std::path::Path) -> Self {
        let (near, far) = (Region::open("b"), Region::open("us-east"));
        let caddy = Caddy::start(&json!([{ "handle": [{
            "@id": "inference",
            "handler": "reverse_proxy",
            "upstreams": [{ "dial": near.address.to_string() }, { "dial": far.address.to_string() }],
            "load_balancing": { "selection_policy": { "policy": "weighted_round_robin", "weights": BEFORE } },
        }] }]))
        .unwrap();
        let pages: Arc<Mutex<Vec<Value>>> = Arc::default();
        let came = Arc::clone(&pages);
        let pager = Server::open(move |request| {
            let page = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            came.lock().unwrap_or_else(PoisonError::into_inner).push(page);
            (200, String::new())
        })
        .unwrap();
        let metrics = Metrics::open().unwrap();
        let listens = free_port().unwrap();
        let hook = format!("http://{listens}/alerts/alertmanager");
        let alertmanager =
            Alertmanager::start(&alertmanager::config(&hook, TOKEN, &["alertname", "cluster"])).unwrap();
        let scraped = [near.address, far.address, metrics.address];
        // As it ships, in seconds where it has minutes.
        let rules = shipped("alerts.example.yml", &[("[5m]", "[6s]"), ("for: 2m", "for: 1s")]);
        let config = prometheus::config(&scraped, Some(alertmanager.address));
        let prometheus = Prometheus::start(&config, &rules).unwrap();
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
        let place = Place::new("city").unwrap();
        place.write(&format!("runbooks/{RUNBOOK}.toml"), runbook).unwrap();
        let around = Around {
            listens: listens.to_string(),
            near: near.address.to_string(),
            far: far.address.to_string(),
            admin: caddy.admin.to_string(),
            prometheus: prometheus.address.to_string(),
            pages: pager.address.to_string(),
            namespace: space.name().to_owned(),
            kubeconfig: Value::from(kubeconfig.to_string_lossy()).to_string(),
        };
        place.write("stanch.toml", around.settings()).unwrap();
        let mut city = Self {
            near,
            far,
            caddy,
            metrics,
            prometheus,
            _alertmanager: alertmanager,
            pages,
            control: Control::of(&place.path().join("data")),
            listens,
            engine: None,
            place,
        };
        city.start_engine();
        city
    }

    /// Starts the engine, on whatever the last one left.
    pub(crate) fn start_engine(&mut self) {
        let engine = Engine::start(
            &program("stanch").unwrap(),
            self.place.path(),
            self.listens,
            TOKEN,
        );
        self.engine = Some(engine.unwrap_or_else(|why| panic!("{why}")));
    }

    /// Kills the engine with SIGKILL.
    pub(crate) fn kill_engine(&mut self) {
        drop(self.engine.take());
    }

    /// The weights that Caddy goes by.
    pub(crate) fn weights(&self) -> [u64; 2] {
        let answer = Connection::open(self.caddy.admin).unwrap().get(WEIGHTS).unwrap();
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits until Caddy goes by these.
    pub(crate) fn has(&self, weights: [u64; 2]) {
        until(&format!("the weights {weights:?}"), || {
            (self.weights() == weights).then_some(())
        })
        .unwrap_or_else(|why| panic!("{why}: {:?}, {:#}", self.weights(), self.view(&self.run())));
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

    /// The run, once there is one.
    pub(crate) fn run(&self) -> String {
        let found = until("a run", || {
            let runs = self.control.get(&format!("/runs?runbook={RUNBOOK}"))?;
            Some(runs.as_array()?.first()?["id"].as_str()?.to_owned())
        });
        found.unwrap_or_else(|why| panic!("{why}: Prometheus fires {:?}", self.prometheus.firing()))
    }

    pub(crate) fn view(&self, run: &str) -> Value {
        self.control.get(&format!("/runs/{run}")).unwrap_or_default()
    }

    /// Waits for the question about a step, and says yes to it at the command line.
    pub(crate) fn approve(&self, run: &str, step: &str) -> Asked {
        let found = until(&format!("the question about `{step}`"), || {
            asked(&self.view(run)).filter(|asked| asked.step == step)
        });
        let found = found.unwrap_or_else(|why| panic!("{why}: {:#}", self.view(run)));
        let engine = self.engine.as_ref().unwrap();
        found
            .answer(engine, run, true)
            .unwrap_or_else(|why| panic!("{why}"));
        found
    }

    /// What a command of the engine says.
    pub(crate) fn tell(&self, words: &[&str]) -> String {
        let engine = self.engine.as_ref().unwrap();
        engine.tell(words).unwrap_or_else(|why| panic!("{why}"))
    }

    /// How the run ended.
    pub(crate) fn ended(&self, run: &str) -> String {
        let ended = until("the end of the run", || {
            ending(&self.view(run)).map(str::to_owned)
        });
        ended.unwrap_or_else(|why| panic!("{why}: {:#}", self.view(run)))
    }

    /// What people were told.
    pub(crate) fn pages(&self) -> Vec<Value> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Users of the near region come through the router, those of the far one have their own way.
    pub(crate) fn users(&self) -> (Users, Users) {
        (
            Users::come(40, self.caddy.address, "/v1/generate"),
            Users::come(2, self.far.address, "/v1/own"),
        )
    }
}

impl Drop for City {
    fn drop(&mut self) {
        // Before the folder that it works in.
        self.kill_engine();
    }
}

struct Around {
    listens: String,
    near: String,
    far: String,
    admin: String,
    prometheus: String,
    pages: String,
    namespace: String,
    kubeconfig: String,
}

impl Around {
    /// The operator's file: the grants are no wider than those of stanch.example.toml.
    fn settings(&self) -> String {
        let plugin = |name: &str| Value::from(packed(name).to_string_lossy()).to_string();
        let Self {
            listens,
            near,
            far,
            admin,
            prometheus,
            pages,
            namespace,
            kubeconfig,
        } = self;
        format!(
            r#"[server]
listen = "{listens}"
[store]
path = "data"
reserve = "1MiB"
[[runbooks]]
path = "runbooks"
team = "tests"
plugins = ["*"]
max_mode = "ask"
[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}
[clusters.eu]
kubeconfig = {kubeconfig}
[plugins.prometheus]
source = {query}
settings = {{ url = "http://{prometheus}" }}
[[plugins.prometheus.grant.http]]
url = "http://{prometheus}/api/v1/*"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[plugins.gpu-state]
source = {gpu}
settings = {{ url = "http://{prometheus}" }}
[[plugins.gpu-state.grant.http]]
url = "http://{prometheus}/api/v1/query"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[plugins.http-probe]
source = {probe}
limits = {{ wall = "60s" }}
[[plugins.http-probe.grant.http]]
url = "http://{near}/health"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[plugins.traffic-reroute]
source = {reroute}
settings = {{ caddy = "http://{admin}", upstreams = {{ eu = "{near}", us-east = "{far}" }} }}
[[plugins.traffic-reroute.grant.http]]
url = "http://{admin}/id/inference"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[[plugins.traffic-reroute.grant.http]]
url = "http://{admin}{WEIGHTS}"
change = ["PATCH"]
addresses = ["127.0.0.1/32"]
[plugins.pod-state]
source = {state}
[[plugins.pod-state.grant.kubernetes]]
clusters = ["eu"]
verbs = ["get", "list"]
resources = ["pods", "events"]
namespaces = ["{namespace}"]
[plugins.pod-logs]
source = {logs}
[[plugins.pod-logs.grant.kubernetes]]
clusters = ["eu"]
verbs = ["get", "logs"]
resources = ["pods"]
namespaces = ["{namespace}"]
[plugins.pod-recycle]
source = {recycle}
limits = {{ wall = "60s" }}
[[plugins.pod-recycle.grant.kubernetes]]
clusters = ["eu"]
verbs = ["get", "list", "evict"]
resources = ["pods"]
namespaces = ["{namespace}"]
[[plugins.pod-recycle.grant.kubernetes]]
clusters = ["eu"]
verbs = ["get"]
resources = ["replicasets.apps"]
namespaces = ["{namespace}"]
[plugins.page]
source = {page}
settings = {{ url = "http://{pages}/page" }}
[[plugins.page.grant.notify]]
url = "http://{pages}/page"
addresses = ["127.0.0.1/32"]
"#,
            query = plugin("prometheus-query"),
            gpu = plugin("gpu-state"),
            probe = plugin("http-probe"),
            reroute = plugin("traffic-reroute"),
            state = plugin("pod-state"),
            logs = plugin("pod-logs"),
            recycle = plugin("pod-recycle"),
            page = plugin("webhook"),
        )
    }
}
