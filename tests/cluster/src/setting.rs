//! What the engine of a test reads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

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
pub(crate) struct Around<'a> {
    pub(crate) listens: SocketAddr,
    pub(crate) namespace: &'a str,
    pub(crate) prometheus: SocketAddr,
    pub(crate) pages: SocketAddr,
}

fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
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
        let plugin = |name: &str| quoted(&packed(name));
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
max_mode = "auto"
[runbooks.defaults]
escalation = [{{ uses = "page" }}]
[vars]
{vars}
[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}
[clusters.test]
kubeconfig = {kubeconfig}
[guardrails]
{guardrails}
[plugins.pod-state]
source = {pod_state}
[[plugins.pod-state.grant.kubernetes]]
clusters = ["test"]
verbs = ["get", "list"]
resources = ["pods", "events"]
namespaces = ["{namespace}"]
[plugins.pod-recycle]
source = {pod_recycle}
[[plugins.pod-recycle.grant.kubernetes]]
clusters = ["test"]
verbs = ["get", "list", "evict"]
resources = ["pods"]
namespaces = ["{namespace}"]
[[plugins.pod-recycle.grant.kubernetes]]
clusters = ["test"]
verbs = ["get"]
resources = ["replicasets.apps", "statefulsets.apps"]
namespaces = ["{namespace}"]
[plugins.prometheus]
source = {prometheus_query}
settings = {{ url = "http://{prometheus}" }}
[[plugins.prometheus.grant.http]]
url = "http://{prometheus}/api/v1/*"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[plugins.page]
source = {webhook}
settings = {{ url = "http://{pages}/page" }}
[[plugins.page.grant.notify]]
url = "http://{pages}/page"
addresses = ["127.0.0.1/32"]
"#,
            vars = self.vars,
            kubeconfig = quoted(&self.kubeconfig),
            guardrails = self.guardrails,
            pod_state = plugin("pod-state"),
            pod_recycle = plugin("pod-recycle"),
            prometheus_query = plugin("prometheus-query"),
            webhook = plugin("webhook"),
        )
    }
}
