//! The operator's file of an engine under test, in the parts that such files have alike.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// A path for TOML, which quotes as JSON does.
pub fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
}

/// All but plugins: where it listens and what it keeps, `runbooks/` of this team up to this mode, and an intake for
/// Alertmanager that takes the token of [`crate::serve::Engine::start`].
pub fn engine(listens: SocketAddr, team: &str, max_mode: &str) -> String {
    format!(
        r#"[server]
listen = "{listens}"
[store]
path = "data"
reserve = "1MiB"
[[runbooks]]
path = "runbooks"
team = "{team}"
plugins = ["*"]
max_mode = "{max_mode}"
[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}
"#
    )
}

/// A plugin, with more lines of its table.
pub fn plugin(key: &str, source: &Path, more: &str) -> String {
    format!("[plugins.{key}]\nsource = {}\n{more}\n", quoted(source))
}

/// A grant of requests to a server on loopback: `access` is `read = […]` or `change = […]`.
pub fn http(key: &str, url: &str, access: &str) -> String {
    format!("[[plugins.{key}.grant.http]]\nurl = \"{url}\"\n{access}\naddresses = [\"127.0.0.1/32\"]\n")
}

/// A grant of objects in a namespace of a cluster.
pub fn kubernetes(
    key: &str,
    (cluster, namespace): (&str, &str),
    verbs: &[&str],
    resources: &[&str],
) -> String {
    let (verbs, resources) = (json!(verbs), json!(resources));
    format!(
        "[[plugins.{key}.grant.kubernetes]]\nclusters = [\"{cluster}\"]\nverbs = {verbs}\nresources = {resources}\n\
         namespaces = [\"{namespace}\"]\n"
    )
}

/// `prometheus`, which may ask the one there.
pub fn prometheus(source: &Path, at: SocketAddr) -> String {
    plugin(
        "prometheus",
        source,
        &format!("settings = {{ url = \"http://{at}\" }}"),
    ) + &http("prometheus", &format!("http://{at}/api/v1/*"), "read = [\"GET\"]")
}

/// `page`, which tells people there; with more lines of its grant.
pub fn page(source: &Path, at: SocketAddr, more: &str) -> String {
    let url = format!("http://{at}/page");
    let plugin = plugin("page", source, &format!("settings = {{ url = \"{url}\" }}"));
    format!(
        "{plugin}[[plugins.page.grant.notify]]\nurl = \"{url}\"\naddresses = [\"127.0.0.1/32\"]\n{more}\n"
    )
}

/// `http-probe`, which may ask these regions whether they are well, and has the time to wait for one that is not.
pub fn probe(source: &Path, regions: &[impl Display]) -> String {
    let grants = regions
        .iter()
        .map(|at| http("http-probe", &format!("http://{at}/health"), "read = [\"GET\"]"));
    plugin("http-probe", source, "limits = { wall = \"60s\" }") + &grants.collect::<String>()
}

/// `status-banner`, which may put up a banner at this page.
pub fn banner(source: &Path, page: impl Display) -> String {
    let url = format!("http://{page}/banner");
    let plugin = plugin(
        "status-banner",
        source,
        &format!("settings = {{ url = \"{url}\" }}"),
    );
    plugin + &http("status-banner", &url, "read = [\"GET\"]\nchange = [\"PUT\"]")
}

/// `traffic-reroute`, which may move traffic between `eu` and `us-east` in the proxy `inference` of this admin API.
pub fn reroute(source: &Path, admin: impl Display, [eu, us_east]: [impl Display; 2]) -> String {
    let settings = format!(
        "settings = {{ caddy = \"http://{admin}\", upstreams = {{ eu = \"{eu}\", us-east = \"{us_east}\" }} }}"
    );
    let proxy = format!("http://{admin}/id/inference");
    [
        plugin("traffic-reroute", source, &settings),
        http("traffic-reroute", &proxy, "read = [\"GET\"]"),
        http(
            "traffic-reroute",
            &format!("{proxy}/load_balancing/selection_policy/weights"),
            "change = [\"PATCH\"]",
        ),
    ]
    .concat()
}
