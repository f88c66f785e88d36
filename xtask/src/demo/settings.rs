//! The operator's file that lets the plugins at the city, and at nothing else.

use std::net::SocketAddr;
use std::path::Path;

use stanch_outside::settings;

use super::city::City;

/// The token of mira, whose SHA-256 is in the file.
pub(super) const MIRA: &str = "mira-of-trust-and-safety";
/// The token of robin, who looks at the page.
pub(super) const ROBIN: &str = "robin-who-watches-the-demo";

/// How the city's pods are reached.
pub(super) fn kubeconfig(city: &City) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- {{ name: city, cluster: {{ server: \"http://{}\" }} }}\nusers:\n\
         - {{ name: engine, user: {{ token: {} }} }}\ncontexts:\n- {{ name: city, context: {{ cluster: city, user: engine }} }}\n\
         current-context: city\n",
        city.place("cluster"),
        city.place("cluster_token")
    )
}

/// Where what is not the city's is.
pub(super) struct Around<'a> {
    /// What the engine works in.
    pub(super) folder: &'a Path,
    /// The engine.
    pub(super) listens: SocketAddr,
    /// Where escalations go to.
    pub(super) pages: SocketAddr,
    /// Whose frame the engine's pages may be in.
    pub(super) page: Option<SocketAddr>,
}

/// The operator's file.
pub(super) fn operators(plugins: &Path, city: &City, around: &Around<'_>) -> String {
    let Around {
        folder,
        listens,
        pages,
        page,
    } = *around;
    let framed = page.map_or_else(String::new, |page| {
        format!("[server]\nframe_ancestors = [\"http://{page}\"]\n")
    });
    let source = |name: &str| plugins.join(format!("{name}.wasm"));
    let files = |key: &str, at: &str, access: &str| {
        format!(
            "[[plugins.{key}.grant.files]]\npath = {}\nat = \"{at}\"\naccess = \"{access}\"\n",
            settings::quoted(&folder.join(at))
        )
    };
    let regions = [city.place("eu"), city.place("us_east")];
    let models = [city.place("provider"), city.place("local")];
    let search = format!("http://{}/v1/search", city.place("assistant"));
    let flag = format!("http://{}/flags/local-model-only", city.place("flag"));
    let flags = format!("settings = {{ flags = {{ local-model-only = \"{flag}\" }} }}");
    let key = format!("http://{}/users/*/keys/*", city.place("keys"));
    let keys = format!(
        "settings = {{ url = \"http://{}/users/{{user}}/keys/{{key}}\", revoke = {{ method = \"DELETE\" }} }}",
        city.place("keys")
    );
    let on = ("eu", "inference");
    let health = format!("http://{}/health/*", city.place("workers"));
    let list = format!("http://{}/id/blocklist/routes", city.place("waf"));
    let waf = format!(
        "settings = {{ caddy = \"http://{}\", list = \"blocklist\", sample = {{ file = \"samples/prompts.txt\" }} }}",
        city.place("waf")
    );
    let signed = "sign = { header = \"x-stanch-signature\", hmac_sha256 = \"${secret:webhook}\" }";
    [
        settings::engine(listens, "platform", "ask").replacen(
            "[server]\n",
            &framed,
            usize::from(page.is_some()),
        ),
        r#"[secrets.webhook]
env = "WEBHOOK_SECRET"
[[users]]
name = "mira"
token_sha256 = "8841c582b2b63deb8d9032621810069428638c2942f7876c8538a13b73d8daf5"
groups = ["trust-and-safety"]
role = "operator"
[[users]]
name = "robin"
token_sha256 = "19f77e14def05dc166bd3e8c6eab1658aded75902898184bbf7ca39ba37c171f"
groups = ["sre"]
role = "operator"
[vars]
disk_full_above = 0.995
scratch_larger_than = "32MiB"
scratch_older_than = "1d"
"#
        .to_owned(),
        settings::plugin("disk-usage", &source("disk-usage"), ""),
        files("disk-usage", "scratch", "read"),
        settings::plugin("disk-cleanup", &source("disk-cleanup"), ""),
        files("disk-cleanup", "scratch", "change"),
        settings::probe(&source("http-probe"), &[regions, models].concat()),
        settings::http("http-probe", &search, "read = [\"GET\"]"),
        settings::plugin("capability-flag", &source("capability-flag"), &flags),
        settings::http("capability-flag", &flag, "read = [\"GET\"]\nchange = [\"PUT\"]"),
        settings::banner(&source("status-banner"), city.place("page")),
        settings::http("http-probe", &key, "read = [\"GET\"]"),
        settings::plugin("waf-block", &source("waf-block"), &waf),
        settings::http(
            "waf-block",
            &list,
            "read = [\"GET\"]\nchange = [\"POST\", \"PATCH\"]",
        ),
        files("waf-block", "samples", "read"),
        settings::plugin("key-revoke", &source("key-revoke"), &keys),
        settings::http("key-revoke", &key, "read = [\"GET\"]\nchange = [\"DELETE\"]"),
        settings::reroute(&source("traffic-reroute"), city.place("admin"), regions),
        settings::http("http-probe", &health, "read = [\"GET\"]"),
        format!(
            "[clusters.eu]\nkubeconfig = {}\n",
            settings::quoted(&folder.join("kubeconfig.yaml"))
        ),
        settings::plugin("pod-state", &source("pod-state"), ""),
        settings::kubernetes("pod-state", on, &["get", "list"], &["pods"]),
        settings::kubernetes("pod-state", on, &["list"], &["events"]),
        settings::plugin("pod-logs", &source("pod-logs"), ""),
        settings::kubernetes("pod-logs", on, &["get", "logs"], &["pods"]),
        settings::plugin("pod-recycle", &source("pod-recycle"), ""),
        settings::kubernetes("pod-recycle", on, &["get", "list", "evict"], &["pods"]),
        "selector = \"app=llm\"\n".to_owned(),
        settings::page(&source("webhook"), pages, signed),
    ]
    .concat()
}
