//! An assistant before a provider and a local model, watched by a real Prometheus, with the engine and the shipped runbook.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stanch_city::{Assistant, Document, Model};
use stanch_cluster_tests::{Around, Scenery, Stage, Users, packed, shipped};
use stanch_outside::run::{Asked, asked};
use stanch_outside::settings;
use stanch_parts::{Api, ControlPlane, Space, User, until};

const RUNBOOK: &str = "provider-outage";
const FLAG: &str = "local-model-only";
/// What the engine may do in the namespace.
const MAY: &str = "[{apiGroups: [''], resources: [configmaps], verbs: [get, patch], resourceNames: [flags]}]";

/// Every part of it is running.
pub(crate) struct City<'a> {
    pub(crate) provider: Model,
    pub(crate) local: Model,
    pub(crate) assistant: Assistant,
    pub(crate) page: Document,
    pub(crate) stage: Stage<'a>,
}

impl<'a> City<'a> {
    pub(crate) fn start(plane: &ControlPlane, space: &'a Space<'a>) -> Self {
        let flags = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: flags}}\ndata: {{{FLAG}: \"false\", other: \"1\"}}\n"
        );
        space.apply(&flags).unwrap();
        space.allow(User::Engine, MAY).unwrap();
        let (provider, local) = (Model::open("provider").unwrap(), Model::open("local").unwrap());
        let flag = mounted(plane.api(User::Admin).unwrap(), space.path("configmaps/flags"));
        let assistant = Assistant::open(provider.address, local.address, move || {
            flag.load(Ordering::SeqCst)
        })
        .unwrap();
        let page = Document::open(json!({ "text": "Maintenance on Sunday", "by": "web" })).unwrap();
        // As it ships, in seconds where it has minutes.
        let rules = shipped("alerts.example.yml", &[("[5m]", "[20s]"), ("for: 1m", "for: 1s")]);
        let runbook = shipped(
            &format!("{RUNBOOK}.toml"),
            &[
                ("[5m]", "[20s]"),
                ("[1m]", "[4s]"),
                ("after = \"1m\"", "after = \"1s\""),
                (
                    "within = \"3m\"\nevery = \"5s\"",
                    "within = \"30s\"\nevery = \"1s\"",
                ),
                ("stable_for = \"5m\"", "stable_for = \"2s\""),
                (
                    "https://provider.example",
                    &format!("http://{}", provider.address),
                ),
                (
                    "https://local.inference.example",
                    &format!("http://{}", local.address),
                ),
            ],
        );
        let scenery = Scenery {
            runbook: &(RUNBOOK.to_owned(), runbook),
            rules: &rules,
            groups: &["alertname", "provider"],
            scraped: &[assistant.address],
        };
        let stage = Stage::set(space, &scenery, |around| {
            operators(
                around,
                &plane.kubeconfig(User::Engine),
                [&provider, &local],
                &page,
            )
        });
        Self {
            provider,
            local,
            assistant,
            page,
            stage,
        }
    }

    /// Waits until the flag is so, and what is beside it as it was.
    pub(crate) fn has(&self, value: &str) {
        let wanted = json!({ FLAG: value, "other": "1" });
        until(&format!("the flag to be {value}"), || {
            (data(self.stage.space)? == wanted).then_some(())
        })
        .unwrap_or_else(|why| panic!("{why}: {:?}", data(self.stage.space)));
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

    /// Waits until nothing fires any more.
    pub(crate) fn quiet(&self) {
        until("a quiet alert", || {
            self.stage.prometheus.firing()?.is_empty().then_some(())
        })
        .unwrap();
    }

    /// Some who search, and some who write.
    pub(crate) fn users(&self) -> (Users, Users) {
        let at = self.assistant.address;
        (Users::come(4, at, "/v1/search"), Users::come(4, at, "/v1/write"))
    }
}

fn data(space: &Space<'_>) -> Option<serde_json::Value> {
    let map = space.admin().object(&space.path("configmaps/flags"))?;
    map.get("data").cloned()
}

/// The flag as a mounted ConfigMap has it: looked at again and again. No kubelet runs here that would do it.
fn mounted(admin: Api, path: String) -> Arc<AtomicBool> {
    let flag: Arc<AtomicBool> = Arc::default();
    let read = Arc::downgrade(&flag);
    std::thread::spawn(move || {
        while let Some(flag) = read.upgrade() {
            if let Some(map) = admin.object(&path) {
                flag.store(map["data"][FLAG] == "true", Ordering::SeqCst);
            }
            drop(flag);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    flag
}

/// The operator's file: the grants are no wider than those of stanch.example.toml.
fn operators(
    around: &Around<'_>,
    kubeconfig: &Path,
    [provider, local]: [&Model; 2],
    page: &Document,
) -> String {
    let on = ("eu", around.namespace);
    [
        settings::engine(around.listens, "tests", "ask"),
        format!("[clusters.eu]\nkubeconfig = {}\n", settings::quoted(kubeconfig)),
        settings::prometheus(&packed("prometheus-query"), around.prometheus),
        settings::probe(&packed("http-probe"), &[provider.address, local.address]),
        settings::plugin("capability-flag", &packed("capability-flag"), ""),
        settings::kubernetes("capability-flag", on, &["get", "patch"], &["configmaps"]),
        "names = [\"flags\"]\n".to_owned(),
        settings::banner(&packed("status-banner"), page.address),
        settings::page(&packed("webhook"), around.pages, ""),
    ]
    .concat()
}
