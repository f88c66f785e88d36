//! The plugins that the test runbooks use.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::{Alert, AlertStatus, Manifest, PluginKey, PluginKind};
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, PluginFacts, RunbookSource};

fn plugin(kind: PluginKind, params: Value, reversible: bool, verifies: bool) -> PluginFacts {
    let manifest = Manifest {
        name: "test".into(),
        version: "1.0.0".into(),
        summary: "For tests".into(),
        params,
        data: Value::Null,
        idempotent: false,
        reversible,
        verifies,
        verifies_undo: false,
        asks: Value::Null,
    };
    PluginFacts {
        kind,
        manifest: Arc::new(manifest),
        may_notify: kind == PluginKind::Notification,
        off_cluster: false,
    }
}

/// Diagnosis, remediation and notification plugins, as an operator would install them.
pub(crate) fn catalogue() -> Catalogue {
    let diagnosis = |params| plugin(PluginKind::Diagnosis, params, false, false);
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let mut plugins = BTreeMap::new();
    let mut add = |key: &str, facts| plugins.insert(PluginKey::from(key), facts);
    add(
        "prometheus-eu",
        diagnosis(object(
            json!({
                "query": {"type": "string", "x-stanch-format": "promql"},
                "above": {"type": "number"},
                "below": {"type": "number"},
            }),
            json!(["query"]),
        )),
    );
    add(
        "http-probe",
        diagnosis(object(
            json!({
                "url": {"type": "string", "x-stanch-format": "url"},
                "status": {"enum": ["2xx", "3xx", "4xx"]},
                "body": {"type": "string", "x-stanch-format": "regex"},
                "sent": {"type": "string", "x-stanch-format": "json"},
            }),
            json!(["url"]),
        )),
    );
    add(
        "pod-logs",
        diagnosis(object(
            json!({
                "selector": {"type": "string", "minLength": 1},
                "tail": {"type": "integer", "minimum": 1},
                "previous": {"type": "boolean"},
            }),
            json!(["selector"]),
        )),
    );
    add(
        "traffic-reroute",
        plugin(
            PluginKind::Remediation,
            object(
                json!({"route": {"type": "string"}, "to": {"type": "string"}, "weight": {"type": "integer"}}),
                json!(["route", "to"]),
            ),
            true,
            true,
        ),
    );
    add(
        "pod-recycle",
        plugin(
            PluginKind::Remediation,
            object(
                json!({"namespace": {"type": "string"}, "selector": {"type": "string"}, "hung_for": {"type": "string"}}),
                json!(["namespace", "selector"]),
            ),
            false,
            true,
        ),
    );
    for (key, kind) in [
        ("pod-state", PluginKind::Diagnosis),
        ("pod-evict", PluginKind::Remediation),
    ] {
        let mut facts = plugin(kind, json!({"type": "object"}), false, true);
        let asks =
            json!({"kubernetes": [{"clusters": ["CLUSTER"], "verbs": ["get"], "resources": ["pods"]}]});
        Arc::make_mut(&mut facts.manifest).asks = asks;
        add(key, facts);
    }
    let mut banner = plugin(PluginKind::Remediation, json!({"type": "object"}), true, true);
    Arc::make_mut(&mut banner.manifest).asks =
        json!({"kubernetes": [{"clusters": ["eu"], "verbs": ["patch"], "resources": ["configmaps"]}]});
    banner.off_cluster = true;
    add("banner-by-http", banner);
    add(
        "blind-change",
        plugin(PluginKind::Remediation, json!({"type": "object"}), false, false),
    );
    add(
        "page",
        plugin(
            PluginKind::Notification,
            object(json!({"to": {"type": "string"}}), json!(["to"])),
            false,
            false,
        ),
    );
    let mut silent = plugin(PluginKind::Notification, json!({"type": "object"}), false, false);
    silent.may_notify = false;
    add("silent", silent);
    Catalogue {
        plugins,
        withheld: vec![PluginKey::from("other-teams")],
        slack: Some(true),
        clusters: Some(["edge", "eu-b"].map(str::to_owned).into()),
    }
}

/// A runbook's file in a folder without defaults, with `auto` as the most autonomy.
pub(crate) fn source(stem: &str, text: &str) -> RunbookSource {
    RunbookSource {
        path: format!("runbooks/{stem}.toml"),
        stem: stem.to_owned(),
        text: text.to_owned(),
        team: "inference".to_owned(),
        max_mode: Mode::Auto,
        defaults: json!({}),
        vars: json!({"fallback_region": "us-east", "grafana": "https://grafana.example"}),
    }
}

/// A firing alert.
pub(crate) fn alert(name: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Alert {
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let mut labels: BTreeMap<String, String> = map(labels);
    labels.insert("alertname".into(), name.into());
    Alert {
        name: name.to_owned(),
        fingerprint: "10c049b6e3cd8b2b".into(),
        status: AlertStatus::Firing,
        labels,
        annotations: map(annotations),
        starts_at: "2026-11-24T00:12:19.568Z".into(),
        payload: Value::Null,
    }
}
