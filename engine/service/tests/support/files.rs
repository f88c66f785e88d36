//! A folder with an operator's files, and a reloader on it.

#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanch_sandbox::gate::Facilities;
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_service::reload::{LoadError, Parts, Reloader};
use stanch_service::secrets::Secrets;
use stanch_service::telemetry::Metrics;
use stanch_test_support::{Craft, core_diagnosis};

/// One runbook folder and one plugin, `look`.
pub(crate) const SETTINGS: &str = r#"
[[runbooks]]
path = "runbooks"

[plugins.look]
source = "plugins/look.wasm"
"#;

pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Site {
    /// With stanch.toml as [`SETTINGS`], the plugin, and these runbooks.
    pub(crate) fn new(runbooks: &[&str]) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            secrets: Arc::default(),
            metrics: Arc::default(),
        };
        for folder in ["runbooks", "plugins"] {
            std::fs::create_dir(site.at(folder)).unwrap();
        }
        site.write("stanch.toml", SETTINGS);
        site.write("plugins/look.wasm", plugin(1, "depth"));
        for name in runbooks {
            site.write(&format!("runbooks/{name}.toml"), runbook(name, "depth"));
        }
        site
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// As editors do: another file in the old one's place.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let aside = self.at(&format!("{path}~"));
        std::fs::write(&aside, content).unwrap();
        std::fs::rename(&aside, self.at(path)).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.at(path)).unwrap();
    }

    pub(crate) fn settings(&self, more: &str) {
        self.write("stanch.toml", format!("{SETTINGS}{more}"));
    }

    pub(crate) async fn start(&self) -> Result<Arc<Reloader>, LoadError> {
        let options = SandboxOptions {
            cache: None,
            calls: 2,
            ..SandboxOptions::default()
        };
        let parts = Parts {
            path: self.at("stanch.toml"),
            sandbox: Sandbox::new(&options).unwrap(),
            facilities: facilities(&self.secrets),
            secrets: Arc::clone(&self.secrets),
            metrics: Arc::clone(&self.metrics),
        };
        Reloader::start(parts).await.map(Arc::new)
    }
}

fn facilities(secrets: &Arc<Secrets>) -> Arc<Facilities> {
    Arc::new(Facilities {
        secrets: Arc::clone(secrets) as _,
        http: stanch_sandbox::http::HttpClients::new(stanch_sandbox::http::HttpSettings::default()).unwrap(),
        clusters: Default::default(),
        folders: Default::default(),
        time: Default::default(),
        tape: None,
    })
}

/// A diagnosis plugin whose only parameter is `param`; each `version` is another component.
pub(crate) fn plugin(version: u32, param: &str) -> Vec<u8> {
    let manifest = serde_json::json!({
        "name": "look", "version": format!("{version}.0.0"), "summary": "Looks.",
        "params": {
            "type": "object", "additionalProperties": false, "required": [param],
            "properties": { param: { "type": "integer" } },
        },
    })
    .to_string();
    let core = core_diagnosis(&manifest, "", "");
    Craft {
        core: Some(core),
        manifest: Some(manifest),
        ..Craft::of("diagnosis-plugin")
    }
    .build()
}

/// A runbook whose check uses `look` with this parameter.
pub(crate) fn runbook(name: &str, param: &str) -> String {
    format!(
        r#"name = "{name}"
title = "A runbook"
owner = "tests"
mode = "auto"
[trigger]
alert = "Alert-{name}"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "deep"
ask = "Is it deep?"
uses = "look"
with = {{ {param} = 3 }}
"#
    )
}

/// Waits until `done`, for at most ten seconds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}

/// Swaps a link as Kubernetes does in a mounted ConfigMap: aside, then in place by rename.
pub(crate) fn swap_link(to: &Path, link: &Path) {
    let aside = link.with_file_name("..data_tmp");
    std::os::unix::fs::symlink(to, &aside).unwrap();
    std::fs::rename(&aside, link).unwrap();
}
