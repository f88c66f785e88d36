//! What the sandbox's tests share: the scripted plugins installed, and calls with little to write.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::{Alert, AlertStatus, IdempotencyKey, PluginKey, RunId, StepId};
use stanch_sandbox::gate::{Facilities, Grant};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{CallContext, Installation, InstallationParts, Limits, Plugin, Sandbox, SandboxOptions};
use stanch_test_support::guest;
use tokio_util::sync::CancellationToken;

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn get(&self, _name: &str) -> Option<Arc<Secret>> {
        None
    }
}

/// An engine without a cache on disk, small enough that many tests have one.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 8,
        ..SandboxOptions::default()
    })
    .unwrap()
}

pub(crate) fn facilities() -> Arc<Facilities> {
    Arc::new(Facilities {
        secrets: Arc::new(NoSecrets),
        http: HttpClients::new(HttpSettings::default()).unwrap(),
        clusters: Default::default(),
        folders: Default::default(),
        time: Default::default(),
        tape: None,
    })
}

/// `plugin` with nothing granted.
pub(crate) fn installation(sandbox: &Sandbox, plugin: Arc<Plugin>, limits: Limits) -> Installation {
    let parts = InstallationParts {
        key: PluginKey::from("under-test"),
        plugin,
        grant: Arc::new(Grant::nothing(PluginKey::from("under-test"))),
        limits,
        settings: json!({ "grace": "30s" }),
        facilities: facilities(),
    };
    Installation::new(sandbox, parts)
}

/// A scripted plugin with nothing granted.
pub(crate) async fn scripted(sandbox: &Sandbox, kind: &str, limits: Limits) -> Installation {
    let plugin = sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap();
    installation(sandbox, plugin, limits)
}

pub(crate) fn context() -> CallContext {
    CallContext {
        run: RunId::from("run1"),
        step: StepId::from("step1"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("run1.step1.do"),
        alerts: vec![alert()].into(),
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    }
}

pub(crate) fn alert() -> Alert {
    Alert {
        name: "DiskFull".into(),
        fingerprint: "f1".into(),
        status: AlertStatus::Firing,
        labels: [("cluster".to_owned(), "b".to_owned())].into(),
        annotations: [].into(),
        starts_at: "2026-11-24T00:00:00Z".into(),
        payload: json!({ "status": "firing" }),
    }
}
