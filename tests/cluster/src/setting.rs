//! What the engine of a test reads.

use std::net::SocketAddr;
use std::path::PathBuf;

use stanch_outside::settings;

use crate::plugins::packed;

/// What the intake is told.
pub(crate) const TOKEN: &str = "a-token-for-the-tests-only";

/// What may differ from one test to the next.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The runbook's name, and its text.
    pub runbook: (String, String),
    /// Lines of `[guardrails]`.
    pub guardrails: String,
    /// How the engine reaches the cluster, which it knows as `test`.
    pub kubeconfig: PathBuf,
    /// Lines of `[vars]`.
    pub vars: String,
}

/// Where what the engine speaks with is.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The engine.
    pub listens: SocketAddr,
    /// The pods.
    pub namespace: &'a str,
    /// What fires.
    pub prometheus: SocketAddr,
    /// Who is told.
    pub pages: SocketAddr,
}

impl Setting {
    /// The operator's file.
    pub(crate) fn settings(&self, around: &Around<'_>) -> String {
        let Around {
            listens,
            namespace,
            prometheus,
            pages,
        } = around;
        let on = ("test", *namespace);
        [
            settings::engine(*listens, "tests", "auto"),
            format!(
                "[runbooks.defaults]\nescalation = [{{ uses = \"page\" }}]\n[vars]\n{}\n[clusters.test]\nkubeconfig = {}\n[guardrails]\n{}\n",
                self.vars,
                settings::quoted(&self.kubeconfig),
                self.guardrails
            ),
            settings::plugin("pod-state", &packed("pod-state"), ""),
            settings::kubernetes("pod-state", on, &["get", "list"], &["pods", "events"]),
            settings::plugin("pod-recycle", &packed("pod-recycle"), ""),
            settings::kubernetes("pod-recycle", on, &["get", "list", "evict"], &["pods"]),
            settings::kubernetes(
                "pod-recycle",
                on,
                &["get"],
                &["replicasets.apps", "statefulsets.apps"],
            ),
            settings::prometheus(&packed("prometheus-query"), *prometheus),
            settings::page(&packed("webhook"), *pages, ""),
        ]
        .concat()
    }
}
