//! The operator's file that lets the plugins at the city, and at nothing else.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::city::City;

/// For messages and TOML.
fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
}

/// The operator's file.
pub(super) fn settings(
    plugins: &Path,
    city: &City,
    full: &Path,
    listens: SocketAddr,
    pages: SocketAddr,
) -> String {
    let plugin = |name: &str| quoted(&plugins.join(format!("{name}.wasm")));
    format!(
        r#"[server]
listen = "{listens}"

[store]
path = "data"
reserve = "1MiB"

[[runbooks]]
path = "runbooks"
team = "platform"
plugins = ["*"]
max_mode = "ask"

[vars]
disk_full_above = 0.995
scratch_larger_than = "32MiB"
scratch_older_than = "1d"

[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
webhook = {{ env = "WEBHOOK_SECRET" }}

[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}

[plugins.disk-usage]
source = {usage}
[[plugins.disk-usage.grant.files]]
path = {full}
at = "scratch"
access = "read"

[plugins.disk-cleanup]
source = {cleanup}
[[plugins.disk-cleanup.grant.files]]
path = {full}
at = "scratch"
access = "change"

[plugins.http-probe]
source = {probe}
limits = {{ wall = "60s" }}
[[plugins.http-probe.grant.http]]
url = "http://{eu}/health"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[[plugins.http-probe.grant.http]]
url = "http://{us_east}/health"
read = ["GET"]
addresses = ["127.0.0.1/32"]

[plugins.traffic-reroute]
source = {reroute}
settings = {{ caddy = "http://{admin}", upstreams = {{ eu = "{eu}", us-east = "{us_east}" }} }}
[[plugins.traffic-reroute.grant.http]]
url = "http://{admin}/id/inference"
read = ["GET"]
addresses = ["127.0.0.1/32"]
[[plugins.traffic-reroute.grant.http]]
url = "http://{admin}/id/inference/load_balancing/selection_policy/weights"
change = ["PATCH"]
addresses = ["127.0.0.1/32"]

[plugins.page]
source = {webhook}
settings = {{ url = "http://{pages}/page" }}
[[plugins.page.grant.notify]]
url = "http://{pages}/page"
addresses = ["127.0.0.1/32"]
sign = {{ header = "x-stanch-signature", hmac_sha256 = "${{secret:webhook}}" }}
"#,
        usage = plugin("disk-usage"),
        cleanup = plugin("disk-cleanup"),
        probe = plugin("http-probe"),
        reroute = plugin("traffic-reroute"),
        webhook = plugin("webhook"),
        full = quoted(full),
        eu = city.place("eu"),
        us_east = city.place("us_east"),
        admin = city.place("admin"),
    )
}
