//! The shipped runbooks load with the shipped plugins, as the example of an operator's file installs them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::{PluginKey, PluginKind};
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, Loader, PluginFacts, RunbookSource};
use stanch_sandbox::Sandbox;
use stanch_sandbox::gate::Grant;
use stanch_tests::{packed, sandbox};

fn folder() -> PathBuf {
    stanch_test_support::root().join("runbooks")
}

fn example() -> Value {
    let text = std::fs::read_to_string(stanch_test_support::root().join("stanch.example.toml")).unwrap();
    serde_json::to_value(toml::from_str::<toml::Table>(&text).unwrap()).unwrap()
}

async fn catalogue(sandbox: &Sandbox, example: &Value) -> Catalogue {
    let clusters = example["clusters"].as_object().unwrap();
    let mut catalogue = Catalogue {
        slack: None,
        clusters: Some(clusters.keys().cloned().collect()),
        ..Catalogue::default()
    };
    for (key, entry) in example["plugins"].as_object().unwrap() {
        let source = entry["source"].as_str().unwrap();
        let name = source
            .strip_prefix("plugins/")
            .unwrap()
            .strip_suffix(".wasm")
            .unwrap();
        let plugin = sandbox.install(packed(sandbox, name).await).await.unwrap();
        let spec = serde_json::from_value(entry["grant"].clone()).unwrap();
        Grant::new(PluginKey::from(key.as_str()), spec).unwrap();
        let facts = PluginFacts {
            kind: plugin.kind(),
            manifest: Arc::new(plugin.manifest().clone()),
            may_notify: plugin.kind() == PluginKind::Notification && entry["grant"]["notify"].is_array(),
            off_cluster: entry["grant"]["http"].is_array() && !entry["grant"]["kubernetes"].is_array(),
        };
        catalogue.plugins.insert(PluginKey::from(key.as_str()), facts);
    }
    catalogue
}

fn source(stem: &str, vars: &Value) -> RunbookSource {
    RunbookSource {
        path: format!("runbooks/{stem}.toml"),
        stem: stem.to_owned(),
        text: std::fs::read_to_string(folder().join(format!("{stem}.toml"))).unwrap(),
        team: "platform".into(),
        max_mode: Mode::Ask,
        defaults: json!({}),
        vars: vars.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_runbook_loads() {
    let example = example();
    let catalogue = catalogue(&sandbox(), &example).await;
    let loader = Loader::new(&catalogue);
    let mut loaded = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".toml").filter(|stem| !stem.contains('.')) else {
            continue;
        };
        let runbook = loader
            .load(&source(stem, &example["vars"]))
            .unwrap_or_else(|errors| panic!("{errors}"));
        loaded.push(runbook.name);
    }
    loaded.sort();
    assert_eq!(
        loaded,
        [
            "certificate-expiring",
            "crash-loop",
            "disk-full",
            "hanged-gpu",
            "high-latency-cluster-b",
            "provider-outage",
            "provider-slow",
            "queue-backlog",
            "toxic-loop"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shipped_runbook_with_a_misspelt_parameter_does_not_load() {
    let example = example();
    let catalogue = catalogue(&sandbox(), &example).await;
    let mut source = source("disk-full", &example["vars"]);
    source.text = source.text.replace("max_items = 5000", "max_itms = 5000");
    let errors = Loader::new(&catalogue).load(&source).unwrap_err().to_string();
    assert!(errors.contains("max_itms"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shipped_runbook_that_names_no_cluster_or_one_that_is_not_there_does_not_load() {
    let example = example();
    let catalogue = catalogue(&sandbox(), &example).await;
    for (with, says) in [("", "it is not said in which"), ("on = \"us\"\n", "`us`")] {
        let mut source = source("hanged-gpu", &example["vars"]);
        assert!(source.text.contains("on = \"eu\"\n"));
        source.text = source.text.replace("on = \"eu\"\n", with);
        let errors = Loader::new(&catalogue).load(&source).unwrap_err().to_string();
        assert!(errors.contains(says), "{errors}");
    }
}
